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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import BackcastError, InputError, reason
from backcast.data.market import Market
from backcast.engine import walkforward
from backcast.engine.configure import SECRET, Config, Experiment, digest, experiment, redacted, trial_config
from backcast.engine.progress import Update
from backcast.engine.sessions import compounded, periods_per_year
from backcast.engine.stats import performance
from backcast.engine.trials import TrialLog
from backcast.engine.types import Account
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast

GROUPS = ("features", "label", "model", "folds", "portfolio", "costs", "execution", "seed", "capital")
"""What a grid may vary."""
FORECAST = ("features", "label", "model", "folds", "execution", "seed")
"""What a forecast depends on: labels are made of the fills that execution says."""
GIVEN = ("costs", "execution", "capital")
"""What a grid may vary to see what comes of it, and a best cell is not chosen by."""
MOST = 10_000
COSTS = ("fee", "spread", "impact", "borrow")
FIGURES = (
    "sharpe_per_session",
    "sharpe_per_year",
    "final_equity",
    "max_drawdown",
    "mean_turnover",
    *COSTS,
    "fills",
    "events",
)
"""Of a cell's row: net of costs, costs in currency; null where undefined."""


@dataclass(frozen=True)
class Cell:
    """A parameter set: its number, the values that it sets by dotted key, and its configuration, which has no grid."""

    number: int
    values: dict[str, Any]
    config: dict[str, Any]

    def key(self, parts: Sequence[str]) -> str:
        """The same for cells that agree in these parts of their configuration."""
        return digest({part: self.config[part] for part in parts})


@dataclass(frozen=True)
class Result:
    """What a cell came to: its net returns by session, their days and the figures of its row; or why it failed."""

    returns: np.ndarray[Any, Any] | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    cause: Exception | None = None
    days: np.ndarray[Any, Any] | None = None

    @property
    def error(self) -> str:
        """Why it failed, in words; empty where it did not."""
        return "" if self.cause is None else reason(self.cause)


def cells(config: Config) -> list[Cell]:
    """The cells of a configuration; none where it has no grid.

    Errors: InputError for a key that a grid cannot vary, one that is not there, what is no list of distinct values, and more
    cells than `MOST`.
    """
    given = config.get("grid")
    found = list(_axes({} if given is None else given, ""))
    axes = dict(found)
    if len(axes) < len(found):
        raise InputError("grid", [key for key, _ in found], "each parameter once")
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
    if SECRET.search(key):
        raise InputError(f"grid.{key}", "<redacted>", "no secret: every cell's values are written down")
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
    """The cells of a run, each with its experiment and its trial. Errors: InputError, naming the cell, for one that cannot
    be."""

    def __init__(self, made: Sequence[Cell], log: TrialLog, pin: dict[str, int]) -> None:
        self.cells, self.log, self.pin = list(made), log, pin
        self.experiments = [_experiment(cell) for cell in self.cells]
        self.identities = [trial_config(cell.config) for cell in self.cells]
        self.trials = [digest(identity) for identity in self.identities]
        self.results: dict[int, Result] = {}

    def evaluate(
        self, observe: Callable[[Experiment], World], market: Market, threads: int, update: Update
    ) -> None:
        """Walks, sizes and trades every cell, by features, then by forecast; neither worlds nor fits are kept."""
        lock = threading.Lock()

        def note(n: int, result: Result) -> None:
            self._finish(n, result)
            with lock:
                self.results[n] = result
                update(len(self.results) / len(self.cells))

        for alike in self._by(range(len(self.cells)), ("features",)):
            world = observe(self.experiments[alike[0]])
            for members in self._by(alike, FORECAST):
                self._walk(members, world, market, threads, note)

    def _walk(
        self,
        members: list[int],
        world: World,
        market: Market,
        threads: int,
        note: Callable[[int, Result], None],
    ) -> None:
        """One forecast, and every cell that trades it."""
        first = self.experiments[members[0]]
        for n in members:
            self.log.start(self.trials[n], redacted(self.identities[n]), self.pin)
        try:
            with tempfile.TemporaryDirectory(prefix="backcast-grid-") as folder:
                fitted = walkforward.forecast(
                    first, first.model, world, Path(folder), threads, lambda _: None
                )
        except Exception as error:  # cells that fail are rows
            for n in members:
                note(n, Result(cause=error))
            return

        def trade(n: int) -> None:
            note(n, _traded(self.experiments[n], world, market, fitted.forecast))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(trade, members))

    def _finish(self, n: int, result: Result) -> None:
        if result.returns is None:
            self.log.fail(self.trials[n], result.error)
        else:
            self.log.finish(self.trials[n], result.figures["sharpe_per_session"], result.returns, result.days)

    def _by(self, numbers: Iterable[int], parts: Sequence[str]) -> list[list[int]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for n in numbers:
            groups[self.cells[n].key(parts)].append(n)
        return list(groups.values())

    @cached_property
    def best(self) -> int:
        """The cell with the highest net Sharpe ratio among those with the first costs, execution and capital; the first of
        equals. Errors: InputError where all of those failed, or the fault itself if it was none of the user's."""
        first = self.cells[0].key(GIVEN)
        candidates = [n for n, cell in enumerate(self.cells) if cell.key(GIVEN) == first]
        ranked = [(_ranked(self.results[n]), -n) for n in candidates if self.results[n].cause is None]
        if ranked:
            return -max(ranked)[1]
        cause = self.results[candidates[0]].cause
        if cause is not None and not isinstance(cause, BackcastError):
            raise cause
        told = f"{len(candidates)} cells with the first costs, execution and capital"
        raise InputError("grid", told, "one that does not fail", str(cause))

    @property
    def chosen(self) -> Cell:
        """The best cell."""
        return self.cells[self.best]

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        failed = sum(result.cause is not None for result in self.results.values())
        return {"cells": len(self.cells), "failed": failed, "chosen": dict(self.chosen.values)}

    def table(self) -> pl.DataFrame:
        """A row a cell: its parameters, its trial, its figures, and why it failed."""
        results = [self.results[n] for n in range(len(self.cells))]
        columns: dict[str, list[Any]] = {"cell": [cell.number for cell in self.cells]}
        for key in self.cells[0].values:
            columns[key] = _alike([cell.values[key] for cell in self.cells])
        columns["trial"] = self.trials
        figures = {name: [result.figures.get(name) for result in results] for name in FIGURES}
        frame = pl.DataFrame(columns).hstack(pl.DataFrame(figures, schema=dict.fromkeys(FIGURES, pl.Float64)))
        return frame.with_columns(error=pl.Series([result.error for result in results], dtype=pl.String))


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
        return Result(cause=error)
    days = world.panel.clock.sessions[account.sessions]
    returns = compounded(days, account.net_return)
    return Result(returns, _figures(account, returns, periods_per_year(world.panel.clock)), days=days)


def _figures(account: Account, returns: np.ndarray[Any, Any], years: float) -> dict[str, float | None]:
    sharpe = float(performance.sharpe_per_session(returns))
    values = (
        sharpe,
        sharpe * float(np.sqrt(years)),
        float(account.equity[-1]),
        float(performance.drawdown(returns).min()),
        float(account.turnover.mean()),
        *(float(getattr(account, kind).sum()) for kind in COSTS),
        float(len(account.fills.session)),
        float(len(account.events)),
    )
    pairs = zip(FIGURES, values, strict=True)
    return {name: value if np.isfinite(value) else None for name, value in pairs}


def _alike(values: list[Any]) -> list[Any]:
    """Values of a parameter as a column: as they are where they are of one kind, else as text."""
    kinds = {type(value) for value in values} - {type(None)}
    return (
        values if len(kinds) == 1 and kinds <= {str, int, float, bool} else [str(value) for value in values]
    )
