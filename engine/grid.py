"""A grid: many parameter sets of one run, in one process.

1. `grid_cells.py` makes the cells: the product of the lists under `grid`, each a configuration of its own, checked before
   anything runs.
2. Cells that agree in all that a forecast depends on share one walk through the folds; those that agree in their features
   share them. Each cell is sized, planned and traded by itself, on threads, and its account is let go of.
3. Every cell is a trial, with the identity that a run of it alone would have; one that fails is a row with its error.
4. The cell with the highest net Sharpe ratio is the run's own, among those with the first of the costs, executions and
   capitals that the grid lists: nobody chooses what trading costs. Over seeds the mean decides (`grid_choice.py`). It is run
   again, from its fit, as any run is; its account must be the one that the grid saw. What the page says of it counts all
   cells as trials.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import BackcastError, InputError
from backcast.data.market import Market
from backcast.engine import walkforward
from backcast.engine.configure import Experiment, digest, experiment, redacted, trial_config
from backcast.engine.grid_cells import FORECAST, GIVEN, LABELS, Cell
from backcast.engine.grid_choice import (
    SEED,
    Choice,
    Returns,
    Seeds,
    best,
    configurations,
    known_at,
    spread_table,
)
from backcast.engine.grid_crew import Crew
from backcast.engine.grid_labels import SharedLabels
from backcast.engine.grid_trading import FIGURES, Result, Traders
from backcast.engine.progress import Update
from backcast.engine.trials import TrialLog
from backcast.engine.walkforward import World
from backcast.signals.models.base import ForecastModel

Observe = Callable[[Experiment, World | None], World]


class Grid:
    """The cells of a run, each with its experiment and its trial. Errors: InputError, naming the cell, for one that cannot
    be."""

    def __init__(self, made: Sequence[Cell], log: TrialLog, pin: dict[str, int]) -> None:
        self.cells, self.log, self.pin = list(made), log, pin
        self.experiments = [_experiment(cell) for cell in self.cells]
        self.identities = [trial_config(cell.config) for cell in self.cells]
        self.trials = [digest(identity) for identity in self.identities]
        self.results: dict[int, Result] = {}
        self.choices: list[Choice] = []

    def evaluate(self, observe: Observe, market: Market, threads: int, update: Update) -> None:
        """Walks, sizes and trades every cell; neither worlds nor fits are kept.

        observe: an experiment's world, which shares the panel of another where one is given. Several forecasts are made at
        once where the model is ours and needs no processes; cells are traded meanwhile.
        """
        traders, labels, world = Traders(market), SharedLabels(), None
        with self.log.batch(), Crew(threads, len(self.cells), update) as crew:
            for alike in self._by(range(len(self.cells)), ("features",)):
                first = self.experiments[alike[0]]
                ours = type(first.features).__module__.startswith("backcast.")  # others may write on a panel
                world = observe(first, world if ours else None)
                groups = self._by(alike, FORECAST)
                walks = [partial(self._walk, members, world, traders, labels, threads) for members in groups]
                crew.walk(walks, at_once=threads > 1 and _may_share_a_process(first.model))

    def _walk(
        self, members: list[int], world: World, traders: Traders, labels: SharedLabels, threads: int
    ) -> list[Callable[[], None]]:
        """One forecast; gives the trades of every cell that trades it."""
        first = self.experiments[members[0]]
        with self.log.batch():  # they count from before their work begins
            for n in members:
                self.log.start(self.trials[n], redacted(self.identities[n]), self.pin)
        try:
            with tempfile.TemporaryDirectory(prefix="backcast-grid-") as folder:
                known = labels.of(self.cells[members[0]].key(LABELS))
                fitted = walkforward.forecast(
                    first, first.model, world, Path(folder), threads, lambda _: None, known
                )
        except Exception as error:  # cells that fail are rows
            return [partial(self._note, n, Result(cause=error)) for n in members]

        def trade(n: int) -> None:
            made = self.experiments[n]
            trader = traders.of(self.cells[n].key(GIVEN), made, world)
            self._note(n, trader.result(made.portfolio, fitted.forecast))

        return [partial(trade, n) for n in members]

    def _note(self, n: int, result: Result) -> None:
        self._finish(n, result)
        self.results[n] = result

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
    def candidates(self) -> list[int]:
        """The cells with the first costs, execution and capital."""
        first = self.cells[0].key(GIVEN)
        return [n for n, cell in enumerate(self.cells) if cell.key(GIVEN) == first]

    def best_of(self, sharpe: Callable[[int], float | None]) -> int | None:
        """The candidate that is best by a Sharpe ratio (see `grid_choice.best`); None where none has any."""
        return best(self.rivals, sharpe)

    @cached_property
    def rivals(self) -> list[list[int]]:
        """The configurations among the candidates."""
        values = [self.cells[n].values for n in self.candidates]
        return [[self.candidates[i] for i in members] for members in configurations(values)]

    @cached_property
    def best(self) -> int:
        """The cell with the highest net Sharpe ratio (over seeds, the mean) among those with the first costs, execution and
        capital; the first of equals. Errors: InputError where all of those failed, or the fault itself if it was none of
        the user's."""
        found = self.best_of(lambda n: self.results[n].sharpe)
        if found is not None:
            return found
        whole = [n for n in self.candidates if self.results[n].cause is None]
        if whole:  # none has a ratio
            return whole[0]
        cause = self.results[self.candidates[0]].cause
        if cause is not None and not isinstance(cause, BackcastError):
            raise cause
        told = f"{len(self.candidates)} cells with the first costs, execution and capital"
        raise InputError("grid", told, "one that does not fail", str(cause))

    def choose(self, fits: Sequence[np.datetime64]) -> list[Choice]:
        """Chooses a cell at each of these days by what was known before it. Errors: InputError where one of those that could be
        chosen failed: leaving it out would use what nobody knew then."""
        for n in self.candidates:
            if self.results[n].cause is not None:
                told = ", ".join(f"{key}={value}" for key, value in self.cells[n].values.items())
                expected = "best, or a grid whose cells can all be run to the end"
                raise InputError("grid_selection", "nested", expected, f"{told}: {self.results[n].error}")
        self.choices = [known_at(fit, self.accounts, self.rivals) for fit in fits]
        return self.choices

    @property
    def accounts(self) -> dict[int, Returns]:
        """The net returns by day of each candidate."""
        found = {}
        for n in self.candidates:
            days, returns = self.results[n].days, self.results[n].returns
            if days is not None and returns is not None:
                found[n] = np.unique(days).astype("datetime64[D]"), returns
        return found

    @property
    def chosen(self) -> Cell:
        """The best cell; the first one, where each fold has its own."""
        return self.cells[0 if self.choices else self.best]

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it. seeds, where it varies them: the spread of the best configuration's Sharpe ratio a
        year. nested, where each fold has its own cell: how many folds and distinct cells, and how many folds have the first
        cell because too little was known."""
        failed = sum(result.cause is not None for result in self.results.values())
        told: dict[str, Any] = {"cells": len(self.cells), "failed": failed}
        if self.choices:
            used, early = len({one.cell for one in self.choices}), sum(c.sharpe is None for c in self.choices)
            return {**told, "nested": {"folds": len(self.choices), "used": used, "first": early}}
        told["chosen"] = dict(self.chosen.values)
        if not self.varies_seeds:
            return told
        own = next(members for members in self._configurations if self.best in members)
        return {**told, "seeds": Seeds.of([self._sharpe_per_year(n) for n in own]).to_json()}

    @property
    def varies_seeds(self) -> bool:
        """Whether the seed is one of its parameters."""
        return SEED in self.cells[0].values

    @property
    def _configurations(self) -> list[list[int]]:
        return configurations([cell.values for cell in self.cells])

    def _sharpe_per_year(self, n: int) -> float | None:
        return self.results[n].figures.get("sharpe_per_year")

    def table(self) -> pl.DataFrame:
        """A row a cell: its parameters, its trial, its figures, and why it failed."""
        results = [self.results[n] for n in range(len(self.cells))]
        columns = {"cell": [cell.number for cell in self.cells], **self._parameters(), "trial": self.trials}
        figures = {name: [result.figures.get(name) for result in results] for name in FIGURES}
        frame = pl.DataFrame(columns).hstack(pl.DataFrame(figures, schema=dict.fromkeys(FIGURES, pl.Float64)))
        return frame.with_columns(error=pl.Series([result.error for result in results], dtype=pl.String))

    def seeds_table(self) -> pl.DataFrame:
        """A row a configuration without its seed: the spread of its Sharpe ratio a year over the seeds."""
        return spread_table(self._configurations, self._parameters(), self._sharpe_per_year)

    def _parameters(self) -> dict[str, Sequence[Any]]:
        return {key: _alike([cell.values[key] for cell in self.cells]) for key in self.cells[0].values}


def _may_share_a_process(model: ForecastModel) -> bool:
    """Whether fits on several threads at once are known not to disturb each other."""
    return type(model).__module__.startswith("backcast.") and not model.parallel


def _experiment(cell: Cell) -> Experiment:
    try:
        made = experiment(cell.config)
    except InputError as error:
        told = ", ".join(f"{key}={value}" for key, value in cell.values.items())
        raise InputError(f"grid: {told}", "a cell", "one that can run", str(error)) from error
    return replace(made, models={made.model.name: made.model})


def _alike(values: list[Any]) -> list[Any]:
    """Values of a parameter as a column: as they are where they are of one kind, else as text."""
    kinds = {type(value) for value in values} - {type(None)}
    return (
        values if len(kinds) == 1 and kinds <= {str, int, float, bool} else [str(value) for value in values]
    )
