"""Portfolios that were decided elsewhere: `backcast run portfolio=given portfolio.path=weights.parquet`.

The table (`engine/given/table.py`) says what to hold, or to trade, from which decision on; a decision at t fills at t + 1 as
everybody's does. No model forecasts and no feature is computed: what the table knew when is its author's word, and the page
says so. Checked is what can be: the symbols, the universe as known at each decision, the sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Clock, Floats, Ints, Panel
from backcast.engine.given.table import GivenTable, read_file, table_of
from backcast.engine.portfolio.base import Portfolio, Stage
from backcast.engine.portfolio.known import Known
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Targets
from backcast.signals.feature import NoFeatures
from backcast.signals.folds import WalkForward
from backcast.signals.models.none import NoModel
from backcast.signals.types import Fold, Forecast

if TYPE_CHECKING:
    from backcast.engine.configure import Experiment

HOLD, ZERO = "hold", "zero"
SLACK = 1e-6
"""Weights may sum to more than 1 by this: thirds written with six digits do."""


class GivenPortfolio(Portfolio):
    """Targets of a table.

    path: a .csv or .parquet file. kind: weights (shares of equity to hold), shares (numbers to hold) or orders (numbers to buy,
    below 0 to sell); null: as its column says, weights in a wide table. absent: what a decision that says nothing about a
    symbol means where one before it set a target: hold (left alone, drifting) or zero (sold); null: refused. sha256: of
    the file, as a run that used it recorded; null: any.
    """

    rule = "given"
    side, gross = "given", 1.0

    def __init__(
        self, path: str, kind: str | None = None, absent: str | None = None, sha256: str | None = None
    ) -> None:
        super().__init__()
        if not isinstance(path, str) or not path:
            raise InputError(
                "portfolio.path", path, "a .csv or .parquet file", "Such as portfolio.path=weights.parquet."
            )
        check_settings(kind, absent, "portfolio.")
        self.path, self.kind, self.absent, self.sha256 = Path(path), kind, absent, sha256
        self.margin = False
        self.before: np.datetime64 | None = None
        self._table: GivenTable | None = None

    @property
    def borrows(self) -> bool:
        """Refused by sums, decision by decision, once the table is read."""
        return False

    @property
    def rule_memory(self) -> int:
        return 0

    def table(self) -> GivenTable:
        """The table, read once; of a run with a holdout what it says before it.

        Errors: InputError for what is wrong in it, or a file that is not the one recorded.
        """
        if self._table is None:
            frame = read_file(self.path)
            if self.sha256 not in (None, self.digest()):
                hint = "The file has changed since. Restore it, or set portfolio.sha256=null for a new run."
                raise InputError(
                    "portfolio.path", str(self.path), f"the file with the SHA-256 {self.sha256}", hint
                )
            table = table_of(frame, self.path.name, self.kind)
            self._table = table if self.before is None else table.before(self.before)
        return self._table

    def digest(self) -> str:
        """SHA-256 of the file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def weigh(self, known: Known) -> Floats:
        raise InputError("portfolio", "given", "a portfolio that can be asked at any decision")

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        """(D, S) what the table says for the forecast's decisions; NaN where it leaves a symbol alone.

        Errors: InputError for what this panel makes wrong in it: symbols, the universe, sums.
        """
        made = self._placed(panel)
        rows = np.searchsorted(made.decisions, forecast.decisions)
        return Targets(forecast.decisions, panel.symbols, made.weights[rows], made.kind)

    def stages(self, forecast: Forecast, panel: Panel, decision: int) -> list[Stage]:
        """One stage: the table's row."""
        made = self._placed(panel)
        row = int(np.searchsorted(made.decisions, decision))
        return [("given", made.weights[row])]

    def _placed(self, panel: Panel) -> Targets:
        """On a whole panel, or on one that an audit has cut before the table's last decision."""
        cut = _ends_within(self.table(), panel.clock)
        return placed(self.table(), panel, self.absent, self.margin, truncated=cut)


def check_settings(kind: object, absent: object, prefix: str) -> None:
    """Errors: InputError for a kind of targets, or a meaning of absent ones, that there is not."""
    if kind not in (None, WEIGHTS, SHARES, ORDERS):
        raise InputError(f"{prefix}kind", kind, f"{WEIGHTS}, {SHARES}, {ORDERS} or null")
    if absent not in (None, HOLD, ZERO):
        raise InputError(f"{prefix}absent", absent, f"{HOLD}, {ZERO} or null")


class GivenFolds(WalkForward):
    """One fold without a fit: the decisions of a table."""

    def __init__(self, portfolio: GivenPortfolio) -> None:
        self.portfolio, self.every = portfolio, "given"

    def split(self, clock: Clock) -> list[Fold]:
        decisions = self.portfolio.table().place(clock)
        none = np.empty(0, dtype=np.int64)
        return [Fold(0, int(decisions[0]), none, decisions, 0)]


def _ends_within(table: GivenTable, clock: Clock) -> bool:
    last = table.times[-1]
    return bool(
        last.astype("datetime64[D]") > clock.sessions[-1] if table.by_session else last > clock.decides_at[-1]
    )


def is_given(made: Experiment) -> bool:
    """Whether an experiment trades targets that were decided elsewhere."""
    return isinstance(made.portfolio, GivenPortfolio)


def prepared(made: Experiment) -> Experiment:
    """An experiment with given targets asks nothing of features, folds and models; any other needs a model that forecasts.

    Errors: InputError for a model beside given targets, and for none without them.
    """
    idle = isinstance(made.model, NoModel)
    if not isinstance(made.portfolio, GivenPortfolio):
        if idle:
            raise InputError("model", "none", "a model that forecasts", "Only portfolio=given does without.")
        return made
    if not idle or len(made.models) > 1:
        named = [name for name, model in made.models.items() if not isinstance(model, NoModel)]
        raise InputError(
            "model", named[0], "none beside portfolio=given", "Nobody would ask it; leave model= out."
        )
    made.portfolio.margin = made.execution.margin
    made.portfolio.before = made.holdout_from
    return replace(made, features=NoFeatures(), folds=GivenFolds(made.portfolio))


def recorded(made: Experiment, config: Any) -> Any:
    """The configuration with the SHA-256 of the table that it names: another table is another trial. Reads and checks it."""
    if not isinstance(made.portfolio, GivenPortfolio):
        return config
    made.portfolio.table()
    return {**config, "portfolio": {**config["portfolio"], "sha256": made.portfolio.digest()}}


def check(made: Experiment, panel: Panel) -> None:
    """Refuses, before anything runs, what this panel makes wrong in a table. Errors: InputError, as `placed` says."""
    if isinstance(made.portfolio, GivenPortfolio):
        placed(made.portfolio.table(), panel, made.portfolio.absent, made.execution.margin)


def facts(made: Experiment, targets: Targets) -> dict[str, Any]:
    """What the manifest says about targets that were given; nothing where they were not."""
    if not isinstance(made.portfolio, GivenPortfolio):
        return {}
    table = made.portfolio.table()
    known = {
        "file": table.where,
        "kind": table.kind,
        "decisions": len(table.times),
        "cells": len(table.value),
    }
    return {"given": {**known, "short": bool((targets.weights < 0).any())}}


def placed(
    table: GivenTable,
    panel: Panel,
    absent: str | None = None,
    margin: bool = False,
    truncated: bool = False,
    named: str = "the data set",
    prefix: str = "portfolio.",
) -> Targets:
    """The targets of a table on a panel. truncated: a world that ends early, so that later decisions, and symbols that nobody
    has seen yet, are left out; named, prefix: what the panel, and our settings, are called in errors.

    Errors: InputError for symbols that it does not have, or that are outside the universe as known at the decision; for a
    decision that says nothing about a symbol with a target where `absent` does not say what that means; for weights
    that sum to more than 1 where buying on margin is not allowed.
    """
    decisions = table.place(panel.clock, truncated)
    values = table.widened(panel.symbols, named, strict=not truncated)[: len(decisions)]
    _refuse_outside(table, panel, decisions, values, named)
    if table.kind != ORDERS:
        _refuse_ambiguous(table, panel.symbols, values, absent, prefix)
        if absent == ZERO:
            values = np.where(np.isnan(values), 0.0, values)
    if table.kind == WEIGHTS and not margin:
        _refuse_borrowing(table, values)
    return Targets(decisions, panel.symbols, values, table.kind)


def _refuse_outside(table: GivenTable, panel: Panel, decisions: Ints, values: Floats, named: str) -> None:
    """A target other than 0, or an order to buy, for a symbol that is no member; a sale may close what was held."""
    wants = values > 0 if table.kind == ORDERS else np.nan_to_num(values) != 0
    outside = wants & ~_inside(panel)[:, decisions].T
    if outside.any():
        d, s = (int(i) for i in np.argwhere(outside)[0])
        name = panel.symbols[s]
        raise InputError(
            f"{table.where}, row {table.row_of(d, name)}, symbol",
            name,
            f"a symbol of the universe of {named} as known at the decision of {table.at(d)}",
            "It had not joined yet, or has left: remove the cell, or set it to 0.",
        )


def _inside(panel: Panel) -> Bools:
    """(S, T) who may be held: the members as known. Where nobody says who they are, whoever has had a price and gets more: a
    bar that is missing takes nobody out."""
    known = np.isfinite(panel.field("close"))
    if not (panel.member == known).all():
        return panel.member
    return np.asarray(np.logical_or.accumulate(known, axis=1))


def _refuse_ambiguous(
    table: GivenTable, symbols: Sequence[str], values: Floats, absent: str | None, prefix: str
) -> None:
    if absent is not None:
        return
    set_, last = np.isfinite(values), np.zeros(values.shape[1])
    for d in range(len(values)):
        silent = ~set_[d] & (last != 0)
        if silent.any():
            name = symbols[int(silent.argmax())]
            raise InputError(
                f"{prefix}absent",
                None,
                f"{HOLD} or {ZERO}, since {table.where} says nothing about {name} at {table.at(d)} and set a target before",
                f"{HOLD}: it is left alone; {ZERO}: it is sold. Or write a row for every symbol held.",
            )
        last = np.where(set_[d], values[d], last)


def _refuse_borrowing(table: GivenTable, values: Floats) -> None:
    """Longs less shorts cannot be more than there is."""
    total = np.nansum(values, axis=1)
    over = total > 1 + SLACK
    if over.any():
        d = int(over.argmax())
        raise InputError(
            f"{table.where}, row {table.first[d]}: sum of the weights of {table.at(d)}",
            round(float(total[d]), 9),
            "at most 1 without borrowing; weights are shares of equity, 0.25 for a quarter",
            "Set execution.margin=true to let buying take cash below zero.",
        )
