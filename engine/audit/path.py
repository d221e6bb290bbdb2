"""The path of a run in another world, up to a decision: panel, members, features, forecasts of the saved models, targets.

A world is on its own axis of symbols, for a store that ends early has not seen all of them and another future lists new ones.
What it gives comes back on the axis of the recorded run, so that both can be compared cell by cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.altered import TABLES_READ, Altered, Held
from backcast.data.tables import Tables
from backcast.data.types import Floats, Ints, Panel
from backcast.engine.configure import Experiment
from backcast.engine.types import Targets
from backcast.engine.walkforward import World, forecast_instant
from backcast.signals.models.base import FittedModel
from backcast.signals.types import QUANTILES, Compiled, FeatureSource, Forecast

COLUMNS = ("mean", *(f"q{level:.0%}" for level in QUANTILES))
"""What a forecast consists of."""

SMALL = 2**18
"""Cells of a panel below which threads cost more than they bring; results do not depend on them."""


@dataclass(frozen=True)
class Evidence:
    """What a run recorded and the audit tests: of one model, with the folder of its fitted folds."""

    forecast: Forecast
    targets: Targets
    models: Path


@dataclass(frozen=True)
class Recorded:
    """A run as it was: its parts, the store version that it read, its world and what it came to."""

    made: Experiment
    store: Tables
    pin: dict[str, int]
    world: World
    evidence: Evidence
    threads: int

    @property
    def panel(self) -> Panel:
        return self.world.panel

    @property
    def forecast(self) -> Forecast:
        return self.evidence.forecast

    @cached_property
    def compiled(self) -> Compiled:
        """Its features, made for its panel."""
        return fresh(self.made.features).compile(self.panel.fields, self.panel.price_basis)

    @cached_property
    def lookback(self) -> int:
        """Rows before a decision that its features say they depend on."""
        return int(self.compiled.lookback)

    @cached_property
    def asked(self) -> Floats:
        """(D, S) the targets of every decision of the forecast; NaN where a stored decision left everything alone."""
        targets = self.evidence.targets
        rows = np.full((len(self.forecast.decisions), len(self.forecast.symbols)), np.nan)
        at = np.searchsorted(self.forecast.decisions, targets.decisions)
        rows[at] = targets.weights
        return rows

    @cached_property
    def _models(self) -> dict[int, FittedModel]:
        return {}

    def model(self, fold: int) -> FittedModel:
        """The saved model of a fold."""
        if fold not in self._models:
            self._models[fold] = self.made.model.load(self.evidence.models / f"{fold:03d}")
        return self._models[fold]

    def rows_until(self, k: int) -> int:
        """How many of its decisions fall at row k of the clock or before."""
        return int(np.searchsorted(self.forecast.decisions, k, side="right"))

    def instant(self, k: int) -> np.datetime64:
        """The instant of a row's decision."""
        at: np.datetime64 = self.panel.clock.decides_at[k]
        return at

    @property
    def command(self) -> str:
        """The command that audits it again."""
        folder = self.evidence.models.parent.resolve()
        here = Path.cwd().resolve()
        return f"backcast audit {folder.relative_to(here) if folder.is_relative_to(here) else folder}"


@dataclass(frozen=True)
class Other:
    """A world that is the recorded one up to row `k` of the clock; kind: truncated or scrambled after it; place (S,): where
    each recorded symbol stands in it, -1 where it does not; begin: the row of the clock that is its panel's first."""

    kind: str
    k: int
    panel: Panel
    place: Ints
    begin: int = 0

    def wide(self, values: Any, axis: int, missing: Any = np.nan) -> Any:
        """Values with an axis of its symbols, on the recorded axis; `missing` where it does not have one."""
        taken = np.take(values, np.maximum(self.place, 0), axis=axis)
        shape = [1] * taken.ndim
        shape[axis] = len(self.place)
        return np.where((self.place >= 0).reshape(shape), taken, missing)

    @property
    def strangers(self) -> Ints:
        """Its symbols that the recorded world does not have."""
        return np.setdiff1d(np.arange(len(self.panel.symbols)), self.place)


def world_of(recorded: Recorded, tables: Altered, kind: str, k: int, end: int) -> Other:
    """The panel of altered tables, with the decisions before row `end`."""
    until = recorded.instant(min(end, len(recorded.panel.clock)) - 1)
    panel = asof.load_panel(tables, recorded.made.source.name, recorded.pin, until=until)
    return Other(kind, k, panel, _places(recorded.panel.symbols, panel.symbols))


def scrambled(
    recorded: Recorded,
    held: Held,
    k: int,
    end: int,
    seed: int = 0,
    tables: Sequence[str] = TABLES_READ,
    mild: bool = False,
) -> Other:
    """The world of another future of some tables after row k, with the decisions before row `end`."""
    until = recorded.instant(min(end, len(recorded.panel.clock)) - 1)
    other = held.scrambled(recorded.instant(k), recorded.made.seed + seed, tables, mild, until)
    return world_of(recorded, other, "scrambled", k, end)


def ending(recorded: Recorded, k: int, begin: int = 0) -> Other:
    """The recorded panel cut after row k: what a store that ends there gives, as the replay of the data proves."""
    panel = recorded.panel.between(begin, k + 1)
    return Other("truncated", k, panel, np.arange(len(panel.symbols)), begin)


def _places(symbols: tuple[str, ...], there: tuple[str, ...]) -> Ints:
    index = {symbol: i for i, symbol in enumerate(there)}
    return np.array([index.get(symbol, -1) for symbol in symbols], dtype=np.int64)


def fresh(source: FeatureSource) -> FeatureSource:
    """Features as nobody has computed them yet: what a user's own keep from one world must not answer in the next."""
    if type(source).__module__.startswith("backcast."):
        return source
    try:
        return deepcopy(source)
    except Exception:  # it holds what cannot be copied, and stays the one that it is
        return source


def features(recorded: Recorded, other: Other, begin: int) -> Floats:
    """(F, S', T') of a world, of its own symbols, from row `begin` on and made of that row and later ones alone."""
    panel = other.panel.since(begin - other.begin) if begin > other.begin else other.panel
    compiled = fresh(recorded.made.features).compile(panel.fields, panel.price_basis)
    threads = 1 if panel.values.size < SMALL else recorded.threads
    return np.asarray(compiled.evaluate(panel, threads=threads).values)


def forecasts(recorded: Recorded, other: Other, made: Floats, begin: int, rows: Ints) -> Floats:
    """(R, S, 1 + Q) mean and quantiles of some of the recorded decisions by their saved models, from features (F, S', T') of
    the other world that start at row `begin`."""
    world = other.panel
    values = recorded.world.features
    shown = replace(values, symbols=world.symbols, values=made)
    found = []
    for row in rows.tolist():
        t, fold = int(recorded.forecast.decisions[row]), int(recorded.forecast.fold[row])
        member = world.member[:, begin - other.begin :]
        mean, quantiles = forecast_instant(recorded.model(fold), shown, member, t - begin)
        found.append(other.wide(np.column_stack([mean, quantiles]), 0))
    return np.stack(found) if found else np.empty((0, len(values.symbols), len(COLUMNS)))


def recorded_forecasts(recorded: Recorded, rows: Ints) -> Floats:
    """(R, S, 1 + Q) of some decisions."""
    f = recorded.forecast
    return np.concatenate([f.mean[rows][:, :, None], f.quantiles[rows]], axis=2)


def targets(recorded: Recorded, other: Other, rows: Ints, newest: Floats | None = None) -> Floats:
    """(R, S) targets of consecutive decisions, from the recorded forecasts up to the last of them and the other world's panel;
    newest (S, 1 + Q): what the last one's forecast is there. A portfolio that remembers is walked from as far back as it
    remembers. A symbol that the world does not have is not held."""
    memory, last = recorded.made.portfolio.memory, int(rows[-1])
    first = 0 if memory is None else max(0, int(rows[0]) - memory)
    path = np.arange(first, last + 1)
    f, there = recorded.forecast, np.flatnonzero(other.place >= 0)
    mean = np.full((len(path), len(other.panel.symbols)), np.nan)
    levels = np.full((*mean.shape, len(QUANTILES)), np.nan)
    mean[:, other.place[there]] = f.mean[path][:, there]
    levels[:, other.place[there]] = f.quantiles[path][:, there]
    if newest is not None:
        mean[-1, other.place[there]] = newest[there, 0]
        levels[-1, other.place[there]] = newest[there, 1:]
    asked = Forecast(f.decisions[path], other.panel.symbols, mean, levels, f.fold[path])
    weights = recorded.made.portfolio.targets(asked, other.panel).weights[-len(rows) :]
    return np.asarray(other.wide(weights, 1, 0.0))
