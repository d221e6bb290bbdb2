"""A grid: many parameter sets of one run, in one process.

1. `cells` is the product of the lists under `grid`, each a configuration of its own, checked before anything runs.
2. Cells that agree in all that a forecast depends on share one walk through the folds; those that agree in their features
   share them. Each cell is sized, planned and traded by itself, on threads, and its account is let go of.
3. Every cell is a trial, with the identity that a run of it alone would have; one that fails is a row with its error.
4. The cell with the highest net Sharpe ratio is the run's own, among those with the first of the costs, executions and
   capitals that the grid lists: nobody chooses what trading costs. It is run again, from its fit, as any run is; its account
   must be the one that the grid saw. What the page says of it counts all cells as trials.
"""

from __future__ import annotations

import difflib
import itertools
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import BackcastError, InputError
from backcast.data.market import Market
from backcast.engine import walkforward
from backcast.engine.configure import Config, Experiment, digest, experiment
from backcast.engine.progress import Update
from backcast.engine.sessions import compounded, periods_per_year
from backcast.engine.stats import performance
from backcast.engine.types import Account
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast

GROUPS = ("features", "label", "model", "folds", "portfolio", "costs", "execution", "seed", "capital")
"""What a grid may vary."""
FORECAST = ("features", "label", "model", "folds", "execution", "seed")
"""What a forecast depends on: labels are made of the fills that execution says."""
GIVEN = ("costs", "execution", "capital")
"""What a grid may vary to see what comes of it, and a best cell is not chosen by."""
MOST = 100_000
COSTS = ("fee", "spread", "impact", "borrow")


@dataclass(frozen=True)
class Cell:
    """A parameter set: its number, the values that it sets by dotted key, and its configuration, which has no grid."""

    number: int
    values: dict[str, Any]
    config: dict[str, Any]

    def key(self, parts: Sequence[str]) -> str:
        """The same for cells that agree in these parts of their configuration."""
        return digest({part: self.config[part] for part in parts})


@dataclass
class Result:
    """What a cell came to: its net returns by session and the figures of its row; or why it failed."""

    returns: np.ndarray[Any, Any] | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    error: str = ""


def cells(config: Config) -> list[Cell]:
    """The cells of a configuration; none where it has no grid.

    Errors: InputError for a key that a grid cannot vary, one that is not there, what is no list of distinct values, and more
    cells than `MOST`.
    """
    axes = dict(_axes(config.get("grid") or {}, ""))
    if not axes:
        return []
    for key, values in axes.items():
        _check(config, key, values)
    count = int(np.prod([float(len(values)) for values in axes.values()]))
    if count > MOST:
        raise InputError("grid", f"{count:,} cells", f"at most {MOST:,}")
    made = []
    for number, chosen in enumerate(itertools.product(*axes.values())):
        values = dict(zip(axes, chosen, strict=True))
        made.append(Cell(number, values, with_values(config, values)))
    return made


def _axes(node: Any, at: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        raise InputError("grid", node, "a mapping of parameters to lists of values")
    for name, value in node.items():
        key = f"{at}{name}"
        if isinstance(value, Mapping):
            yield from _axes(value, f"{key}.")
        else:
            yield key, value


def _check(config: Config, key: str, values: Any) -> None:
    group, *path = key.split(".")
    if group not in GROUPS:
        raise InputError(f"grid.{key}", values, f"a parameter of {', '.join(GROUPS)}")
    node: Any = config[group]
    for n, name in enumerate(path):
        if not isinstance(node, Mapping) or name not in node:
            there = [str(k) for k in node if k != "_target_"] if isinstance(node, Mapping) else []
            close = difflib.get_close_matches(name, there, n=1) or sorted(there)
            known = f"It has: {', '.join(close)}." if close else "It has no parameters."
            where = ".".join([group, *path[:n]])
            raise InputError(f"grid.{key}", name, f"a parameter of {where}", known)
        node = node[name]
    if isinstance(node, Mapping):
        raise InputError(f"grid.{key}", values, f"one parameter of {key}, not all of it")
    if "_target_" in path:
        raise InputError(f"grid.{key}", values, "a parameter: choose classes by their group, in a sweep")
    if not isinstance(values, list) or not values:
        raise InputError(f"grid.{key}", values, "a list of values, such as [0.1, 0.2]")
    if len({digest(value) for value in values}) < len(values):
        raise InputError(f"grid.{key}", values, "distinct values")


def with_values(config: Config, values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with these values by dotted key in place of its own, and without its grid."""
    made: dict[str, Any] = {k: v for k, v in config.items() if k != "grid"}
    for key, value in values.items():
        *path, last = key.split(".")
        node = made
        for name in path:
            node[name] = dict(node[name])
            node = node[name]
        node[last] = value
    return made


class Grid:
    """The cells of a run, each with its experiment. Errors: InputError, naming the cell, for one that cannot be."""

    def __init__(self, made: Sequence[Cell]) -> None:
        self.cells = list(made)
        self.experiments = [_experiment(cell) for cell in self.cells]
        self.results = [Result() for _ in self.cells]

    def evaluate(self, worlds: Mapping[str, World], market: Market, threads: int, update: Update) -> None:
        """Walks, sizes and trades every cell. worlds: by the key of a cell's features. Fits are not kept."""
        done, lock = [0], threading.Lock()

        def trade(n: int, world: World, forecast: Forecast) -> None:
            self.results[n] = _traded(self.experiments[n], world, market, forecast)
            with lock:
                done[0] += 1
                update(done[0] / len(self.cells))

        for members in self._by(FORECAST):
            first = self.experiments[members[0]]
            world = worlds[self.cells[members[0]].key(("features",))]
            try:
                with tempfile.TemporaryDirectory(prefix="backcast-grid-") as folder:
                    fitted = walkforward.forecast(
                        first, first.model, world, Path(folder), threads, lambda _: None
                    )
            except Exception as error:
                for n in members:
                    self.results[n] = Result(error=_reason(error))
                continue
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda n, w=world, f=fitted.forecast: trade(n, w, f), members))

    def features(self) -> dict[str, Experiment]:
        """An experiment for each set of features, by its key."""
        return {self.cells[members[0]].key(("features",)): self.experiments[members[0]]
                for members in self._by(("features",))}  # fmt: skip

    def _by(self, parts: Sequence[str]) -> list[list[int]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for cell in self.cells:
            groups[cell.key(parts)].append(cell.number)
        return list(groups.values())

    def best(self) -> int:
        """The cell with the highest net Sharpe ratio among those with the first costs, execution and capital; the first of
        equals. Errors: InputError where all of them failed."""
        first = self.cells[0].key(GIVEN)
        ranked = [
            (_ranked(result), -cell.number)
            for cell, result in zip(self.cells, self.results, strict=True)
            if not result.error and cell.key(GIVEN) == first
        ]
        if not ranked:
            raise InputError(
                "grid", f"{len(self.cells)} cells", "one that does not fail", self.results[0].error
            )
        return -max(ranked)[1]

    @property
    def chosen(self) -> Cell:
        """The best cell."""
        return self.cells[self.best()]

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        failed = sum(bool(result.error) for result in self.results)
        return {"cells": len(self.cells), "failed": failed, "chosen": dict(self.chosen.values)}

    def table(self, trials: Sequence[str]) -> pl.DataFrame:
        """A row a cell: its parameters, its trial, its figures, and why it failed."""
        rows = []
        for cell, trial, result in zip(self.cells, trials, self.results, strict=True):
            values = {key: _plain(value) for key, value in cell.values.items()}
            rows.append(
                {"cell": cell.number, **values, "trial": trial, **result.figures, "error": result.error}
            )
        return pl.DataFrame(rows, infer_schema_length=None)


def _ranked(result: Result) -> float:
    """A cell without a Sharpe ratio comes after all others."""
    sharpe = result.figures["sharpe_per_session"]
    return -np.inf if sharpe is None else sharpe


def _experiment(cell: Cell) -> Experiment:
    try:
        made = experiment(cell.config)
    except InputError as error:
        told = ", ".join(f"{key}={value}" for key, value in cell.values.items())
        raise InputError(f"grid: {told}", "a cell", "one that can run", str(error)) from error
    return replace(made, models={made.model.name: made.model})


def _traded(made: Experiment, world: World, market: Market, forecast: Forecast) -> Result:
    try:
        made.execution.check_data(world.panel, market, made.cost)
        _, account = walkforward.trade(made, world, market, forecast)
    except Exception as error:  # a cell that fails is a row
        return Result(error=_reason(error))
    returns = compounded(world.panel.clock.sessions[account.sessions], account.net_return)
    return Result(returns, _figures(account, returns, periods_per_year(world.panel.clock)))


def _figures(account: Account, returns: np.ndarray[Any, Any], years: float) -> dict[str, float | None]:
    sharpe = performance.sharpe_per_session(returns)
    figures = {
        "sharpe_per_session": float(sharpe),
        "sharpe_per_year": float(sharpe) * float(np.sqrt(years)),
        "final_equity": float(account.equity[-1]),
        "max_drawdown": float(performance.drawdown(returns).min()),
        "mean_turnover": float(account.turnover.mean()),
        **{kind: float(getattr(account, kind).sum()) for kind in COSTS},
        "fills": float(len(account.fills.session)),
        "events": float(len(account.events)),
    }
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BackcastError) else f"{type(error).__name__}: {error}"


def _plain(value: Any) -> Any:
    """A value that a column of a table can hold."""
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
