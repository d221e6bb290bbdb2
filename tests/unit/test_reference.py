"""The kernel against the plain Python simulator, which is written from the words of the contract, on plans with everything
on."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from plans import COSTS, FEATURES, RATIONAL, rich_plan

from backcast.data.types import Floats
from backcast.engine.costs import Cost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import Account, Plan

CURRENCY = ("equity", "cash", "owed", "fee", "spread", "impact", "borrow", "dividend", "interest", "deposit")
SHARES = ("net_return", "gross_return", "turnover")


def traded(plan: Plan, account: Account) -> Floats:
    """(T, S) shares traded, from the fill log."""
    found = np.zeros(plan.weights.shape)
    np.add.at(found, (account.fills.session - plan.offset, account.fills.symbol), account.fills.quantity)
    return found


def agree(plan: Plan, cost: Cost, first: Account, second: Account) -> None:
    for name in CURRENCY:
        np.testing.assert_allclose(
            getattr(first, name), getattr(second, name), rtol=1e-9, atol=1e-4, err_msg=name
        )
    for name in SHARES:
        np.testing.assert_allclose(
            getattr(first, name), getattr(second, name), rtol=1e-8, atol=1e-9, err_msg=name
        )
    np.testing.assert_allclose(traded(plan, first), traded(plan, second), rtol=1e-8, atol=1e-5)
    assert Counter(first.events.kind) == Counter(second.events.kind)
    assert first.events.session.tolist() == second.events.session.tolist()
    assert first.events.symbol.tolist() == second.events.symbol.tolist()


def logs_agree(first: Account, second: Account) -> None:
    """The same fills with the same costs, whatever the order within a session."""
    tables = [
        np.array([getattr(a.fills, f.name) for f in fields(a.fills)])[:, np.lexsort((a.fills.decided, a.fills.symbol,
        a.fills.session))] for a in (first, second)
    ]  # fmt: skip
    np.testing.assert_allclose(tables[0], tables[1], rtol=1e-7, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("margin", [False, True])
@pytest.mark.parametrize("kind", ["weights", "shares", "orders"])
@pytest.mark.parametrize("cost", COSTS)
def test_everything_on(seed: int, margin: bool, kind: str, cost: str) -> None:
    plan = rich_plan(seed, margin=margin, kind=kind, gross=1.6)
    accounts = [s.simulate(plan, COSTS[cost], 1e6) for s in (NativeSimulator(), ReferenceSimulator())]
    agree(plan, COSTS[cost], *accounts)
    logs_agree(*accounts)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("feature", ["nothing", *FEATURES])
def test_one_thing_at_a_time(seed: int, feature: str) -> None:
    for margin in (False, True):
        plan = rich_plan(seed, (feature,), margin=margin, gross=1.4)
        accounts = [s.simulate(plan, RATIONAL, 1e6) for s in (NativeSimulator(), ReferenceSimulator())]
        agree(plan, RATIONAL, *accounts)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [False, True])
def test_exact_fractions(seed: int, margin: bool) -> None:
    """The last digits are the kernel's own: in fractions there are none."""
    plan = rich_plan(seed, margin=margin)
    exact = ReferenceSimulator(Fraction).simulate(plan, RATIONAL, 1e6)
    agree(plan, RATIONAL, NativeSimulator().simulate(plan, RATIONAL, 1e6), exact)


def test_every_feature_binds() -> None:
    """The random plans are worth something: each kind of event happens in some of them."""
    seen: set[str] = set()
    for seed in range(12):
        for margin in (False, True):
            account = NativeSimulator().simulate(rich_plan(seed, margin=margin, gross=1.6), RATIONAL, 1e6)
            seen |= set(account.events.kind)
    assert seen >= {
        "partial_fill", "capacity", "order_dropped", "not_borrowable", "max_leverage", "below_lot", "cost_unknown",
        "margin_call", "not_tradable", "cash_exit", "cash_in_lieu", "overdrawn", "vanished",
    }  # fmt: skip
