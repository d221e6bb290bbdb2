"""Positions of a symbol: together they are the account's profit, whatever splits, dividends, endings and turns there were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import plan_of, rich_plan

from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.trace.positions import Position, SymbolFills, path_of, position_at
from backcast.engine.types import Account, Dividends, Plan


def positions(plan: Plan, account: Account, s: int) -> list[Position]:
    """Every position of a symbol, once each."""
    fills = account.fills
    mine = fills.symbol == s
    cost = (fills.fee + fills.spread + fills.impact)[mine]
    path = path_of(
        plan, s, SymbolFills(fills.session[mine] - plan.offset, fills.quantity[mine], fills.price[mine], cost)
    )
    found = [position_at(plan, s, path, t) for t in range(len(plan.weights))]
    return list(dict.fromkeys(position for position in found if position is not None))


@pytest.mark.parametrize("kind", ["weights", "shares", "orders"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 6, 8, 9])  # others trade nothing: their lots are too large
def test_all_positions_together_are_what_the_account_made(seed: int, kind: str) -> None:
    plan = rich_plan(
        seed,
        ("exits", "split", "dividends", "capacity", "patience", "lot"),
        gross=0.9,
        margin=True,
        kind=kind,
    )
    account = NativeSimulator().simulate(replace(plan, years=None), LinearCost(5.0, 7.0), 1e6)
    assert (account.equity > 0).all()
    every = [p for s in range(len(plan.symbols)) for p in positions(plan, account, s)]
    assert len(every) > len(plan.symbols)
    assert sum(p.profit for p in every) == pytest.approx(account.equity[-1] - 1e6, abs=1e-5)
    assert sum(p.costs for p in every) == pytest.approx((account.fee + account.spread).sum())
    assert sum(p.dividends for p in every) == pytest.approx(account.dividend.sum())


def test_a_position_that_turns_ends_there_and_another_begins() -> None:
    weights = np.array([[0.5], [np.nan], [-0.5], [np.nan], [0.0]])
    fill = np.array([[10.0], [11.0], [12.0], [13.0], [9.0]])
    plan = plan_of(weights, fill, fill, margin=True)
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1_000.0)
    long, short = positions(plan, account, 0)
    assert (long.begins, long.ends, long.shares) == (0, 2, 50.0)
    assert long.profit == pytest.approx(50 * (12 - 10))
    equity = 500 + 50 * 12.0
    sold = 0.5 * equity / 12
    assert (short.begins, short.ends, short.open) == (2, 4, False)
    assert short.shares == pytest.approx(-sold) and short.profit == pytest.approx(sold * (12 - 9))


def test_a_dividend_and_a_split_of_one_position_by_hand() -> None:
    weights = np.array([[1.0], [np.nan], [np.nan], [0.0]])
    price = np.array([[10.0], [9.0], [5.0], [6.0]])
    dividends = Dividends(np.array([1]), np.array([3]), np.array([0]), np.array([1.0]))
    split = np.array([[1.0], [1.0], [2.0], [1.0]])
    plan = replace(plan_of(weights, price, price), dividends=dividends, split=split)
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 100.0)
    (only,) = positions(plan, account, 0)
    assert (only.shares, only.dividends, only.traded) == (20.0, 10.0, pytest.approx(-100 + 20 * 6.0))
    assert only.profit == pytest.approx(account.equity[-1] - 100.0) == pytest.approx(30.0)


def test_what_is_never_held_has_no_position() -> None:
    plan = plan_of(np.array([[0.0], [0.0]]), np.full((2, 1), 5.0), np.full((2, 1), 5.0))
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 100.0)
    assert positions(plan, account, 0) == []
