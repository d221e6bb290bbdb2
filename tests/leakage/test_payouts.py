"""What holders get: a user's execution that pays other than the facts say is named, one that only trades otherwise is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.ingest import ingest
from backcast.data.market import Market
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats, Panel
from backcast.engine.audit import payouts
from backcast.engine.audit.findings import Check
from backcast.engine.cli import compose
from backcast.engine.configure import experiment
from backcast.engine.costs.base import Cost
from backcast.engine.execution import Delistings, Execution
from backcast.engine.types import Dividends, Plan, Targets

Endings = list[tuple[int, int, int, float | None]]


class Changed(Execution):
    """Changes the plan of a plain one."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        return self.changed(super().plan(panel, market, targets, cost))

    def changed(self, plan: Plan) -> Plan:
        """Honest: as it is."""
        return plan


class LastPrice(Execution):
    """Pays the last price, whatever the fact says."""

    def _endings(self, closes: Floats, panel: Panel | Market, delistings: Delistings) -> Endings:
        found = super()._endings(closes, panel, delistings)
        return [(s, last, at, None if got is None else float(closes[s, last])) for s, last, at, got in found]


class NeverPaid(Execution):
    """Forgets the facts: who is delisted is sold as if it had vanished."""

    def _endings(self, closes: Floats, panel: Panel | Market, delistings: Delistings) -> Endings:
        return [(s, last, at, None) for s, last, at, _ in super()._endings(closes, panel, delistings)]


class PaidLater(Execution):
    """Honest: the proceeds take three sessions more."""

    def _endings(self, closes: Floats, panel: Panel | Market, delistings: Delistings) -> Endings:
        end = closes.shape[1] - 1
        found = super()._endings(closes, panel, delistings)
        return [(s, last, min(at + 3, end), got) for s, last, at, got in found]


class NoHaircut(Changed):
    def changed(self, plan: Plan) -> Plan:
        return replace(plan, forced=None)


class MoreHaircut(Changed):
    """Honest: what vanishes loses twice what is configured."""

    def changed(self, plan: Plan) -> Plan:
        return replace(plan, forced=None if plan.forced is None else 2 * plan.forced)


class SplitsTwice(Changed):
    def changed(self, plan: Plan) -> Plan:
        return replace(plan, split=None if plan.split is None else plan.split**2)


class MarksAtTheHigh(Execution):
    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        plan = super().plan(panel, market, targets, cost)
        return replace(plan, mark_price=np.fmax(plan.mark_price, market.field("high").T[plan.offset :]))


def paying(amount: float = 1.0, days: int = 0, again: bool = False) -> Callable[[Plan], Plan]:
    def changed(plan: Plan) -> Plan:
        paid = plan.dividends
        assert paid is not None
        moved = Dividends(paid.ex, np.maximum(paid.pay + days, 0), paid.symbol, amount * paid.amount)
        if again:
            parts = (getattr(moved, name) for name in ("ex", "pay", "symbol", "amount"))
            moved = Dividends(*(np.repeat(part, 2) for part in parts))
        return replace(plan, dividends=moved)

    return changed


class Larger(Changed):
    def changed(self, plan: Plan) -> Plan:
        return paying(1.5)(plan)


class Twice(Changed):
    def changed(self, plan: Plan) -> Plan:
        return paying(again=True)(plan)


class Earlier(Changed):
    def changed(self, plan: Plan) -> Plan:
        return paying(days=-2)(plan)


class Taxed(Changed):
    """Honest: a tax is kept of every dividend."""

    def changed(self, plan: Plan) -> Plan:
        return paying(0.85)(plan)


class LaterOrders(Execution):
    """Honest: orders take a bar more."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        return super().plan(panel, market, replace(targets, decisions=targets.decisions + 1), cost)


@cache
def _market(home: str) -> tuple[Panel, Market, Targets]:
    store = Store()
    ingest(store, SyntheticSource("busy", symbols=20, sessions=420, rates={"delistings": 0.3, "splits": 0.5}))
    pin = store.version("busy")
    panel, market = asof.load_panel(store, "busy", pin), asof.load_market(store, "busy", pin)
    decisions = np.arange(50, 400, 5, dtype=np.int64)
    weights = np.where(panel.member[:, decisions].T, 1 / 20, 0.0)
    return panel, market, Targets(decisions, panel.symbols, weights)


def looked(home: Path, execution: type[Execution], **settings: Any) -> list[Check]:
    panel, market, targets = _market(str(home))
    made = experiment(compose(["dataset=synthetic", "features=ohlcv", "model=ridge", "study=s", "job=j"]))
    made = replace(made, execution=execution(**settings))
    plan = made.execution.plan(panel, market, targets, made.cost)
    assert plan.exits is not None and plan.forced is not None and plan.split is not None
    return payouts.check(made, panel, market, targets, plan)


@pytest.mark.parametrize(
    "kind, what",
    [
        (LastPrice, "the proceeds"),
        (SplitsTwice, "the split"),
        (MarksAtTheHigh, "the value"),
        (Larger, "the dividend"),
        (Twice, "the dividend"),
        (Earlier, "the dividend, before its day,"),
    ],
)
def test_what_is_paid_otherwise_is_named(kind: type[Execution], what: str, home: Path) -> None:
    (check,) = looked(home, kind)
    assert check.state == "leak" and check.layer == "account" and check.finding is not None
    assert check.finding.column == what and check.finding.symbol in _market(str(home))[0].symbols


def test_proceeds_that_are_never_paid_are_named(home: Path) -> None:
    panel, market, targets = _market(str(home))
    made = experiment(compose(["dataset=synthetic", "features=ohlcv", "model=ridge", "study=s", "job=j"]))
    made = replace(made, execution=NeverPaid())
    (check,) = payouts.check(
        made, panel, market, targets, made.execution.plan(panel, market, targets, made.cost)
    )
    assert check.finding is not None and check.finding.recorded is None
    assert check.finding.replayed == pytest.approx(market.endings[check.finding.symbol][1])


def test_a_haircut_that_is_left_out_is_named(home: Path) -> None:
    panel, market, targets = _market(str(home))
    made = experiment(compose(["dataset=synthetic", "features=ohlcv", "model=ridge", "study=s", "job=j"]))
    made = replace(made, execution=NoHaircut(haircut=0.3))
    (check,) = payouts.check(
        made, panel, market, targets, made.execution.plan(panel, market, targets, made.cost)
    )
    assert check.finding is not None and check.finding.column == "the haircut"
    assert check.finding.replayed == 0.3


@pytest.mark.parametrize("kind", [Changed, PaidLater, MoreHaircut, Taxed, LaterOrders])
def test_who_only_trades_otherwise_or_is_paid_less_is_not(kind: type[Execution], home: Path) -> None:
    (check,) = looked(home, kind, haircut=0.3)
    assert check.state == "passed" and check.cells > 0, check.finding


def test_our_own_is_what_others_are_held_against(home: Path) -> None:
    assert looked(home, Execution) == []
