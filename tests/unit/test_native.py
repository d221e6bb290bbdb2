"""The native simulator against a slow, readable referee in exact fractions, and against hand-made cases."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from plans import plan_of, random_plan

from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Plan

FREE = LinearCost(0.0, 0.0)


def referee(plan: Plan, cost: LinearCost, capital: float) -> list[float]:
    """Equity by session, in fractions, one order at a time."""
    exact = [[Fraction(float(x)) if np.isfinite(x) else None for x in row] for row in plan.fill_price]
    fee, spread = Fraction(cost.fee_bps) / 10_000, Fraction(cost.half_spread_bps) / 10_000
    cash, shares, equity = Fraction(capital), [Fraction(0)] * len(plan.symbols), []
    for t, prices in enumerate(exact):
        value = cash + sum(q * p for q, p in zip(shares, prices, strict=True) if q)
        orders = {}
        for s, weight in enumerate(plan.weights[t]):
            if np.isfinite(weight) and plan.tradable[t, s] and value > 0:
                orders[s] = Fraction(float(weight)) * value / prices[s] - shares[s]
        sells = [s for s in orders if orders[s] < 0]
        buys = sorted((s for s in orders if orders[s] > 0), key=lambda s: orders[s] * prices[s])
        for s in sells:
            cash -= orders[s] * prices[s] * (1 - spread) * (1 - fee)
            shares[s] += orders[s]
        for s in buys:
            price = prices[s] * (1 + spread) * (1 + fee)
            quantity = orders[s] if plan.margin else min(orders[s], cash / price)
            cash -= quantity * price
            shares[s] += quantity
        marks = [Fraction(float(x)) for x in plan.mark_price[t]]
        equity.append(float(cash + sum(q * p for q, p in zip(shares, marks, strict=True))))
    return equity


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("gross", "long_only", "margin"), [
    (1.0, False, False), (2.0, False, False), (1.0, True, False), (0.5, True, False), (1.8, True, True),
])  # fmt: skip
@pytest.mark.parametrize("cost", [FREE, LinearCost(5.0, 5.0), LinearCost(120.0, 300.0)])
def test_the_referee_agrees(seed: int, gross: float, long_only: bool, margin: bool, cost: LinearCost) -> None:
    plan = random_plan(seed, gross, long_only, margin)
    account = NativeSimulator().simulate(plan, cost, 1e6)
    np.testing.assert_allclose(account.equity, referee(plan, cost, 1e6), rtol=1e-11)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("gross", "long_only", "margin"), [(1.0, True, False), (3.0, False, False), (2.0, True, True)]
)
@pytest.mark.parametrize("cost", [FREE, LinearCost(120.0, 300.0)])
def test_both_loops_agree(seed: int, gross: float, long_only: bool, margin: bool, cost: LinearCost) -> None:
    """A plan in which everything may be borrowed is the same plan, but goes through the loop that looks."""
    plan = random_plan(seed, gross, long_only, margin)
    looked = replace(plan, borrowable=np.ones(plan.weights.shape, dtype=bool))
    quick, slow = (NativeSimulator().simulate(p, cost, 1e6) for p in (plan, looked))
    np.testing.assert_allclose(quick.equity, slow.equity, rtol=1e-12)
    np.testing.assert_allclose(quick.fee + quick.spread, slow.fee + slow.spread, rtol=1e-9, atol=1e-9)
    assert quick.events.kind == slow.events.kind
    filled = [sorted(zip(a.fills.session.tolist(), a.fills.symbol.tolist())) for a in (quick, slow)]
    assert filled[0] == filled[1]


def simulate(weights: list[list[float]], prices: list[list[float]], cost: LinearCost = FREE) -> Account:
    values = np.array(prices)
    return NativeSimulator().simulate(plan_of(np.array(weights), values, values), cost, 100.0)


def test_buy_and_hold_by_hand() -> None:
    account = simulate([[1.0], [np.nan], [0.0]], [[10.0], [12.0], [6.0]])
    assert account.equity.tolist() == [100.0, 120.0, 60.0]
    assert account.net_return.tolist() == [0.0, pytest.approx(0.2), -0.5]
    assert account.fills.quantity.tolist() == [10.0, -10.0]
    assert account.fills.session.tolist() == [1, 3]
    assert account.fills.decided.tolist() == [0, 2]
    assert account.turnover.tolist() == [1.0, 0.0, 0.5]


def test_costs_by_hand() -> None:
    account = simulate([[0.5], [0.0]], [[10.0], [10.0]], LinearCost(fee_bps=100.0, half_spread_bps=50.0))
    assert account.spread.tolist() == pytest.approx([0.25, 0.25])
    assert account.fee.tolist() == pytest.approx([0.01 * 50.25, 0.01 * 49.75])
    assert account.equity[-1] == pytest.approx(100 - account.fee.sum() - account.spread.sum())
    assert account.gross_return.tolist() == pytest.approx([0.0, 0.0])


def test_a_buy_beyond_the_cash_is_partial_and_said() -> None:
    account = simulate([[1.0]], [[10.0]], LinearCost(fee_bps=100.0, half_spread_bps=0.0))
    assert account.cash[0] == pytest.approx(0.0, abs=1e-12)
    assert account.events.kind == ("partial_fill",)
    assert "9.90099 of 10" in account.events.detail[0]


def test_bankruptcy_ends_trading_in_plain_words() -> None:
    account = simulate([[-1.0], [-1.0], [0.0]], [[10.0], [30.0], [20.0]])
    assert account.equity.tolist() == [100.0, -100.0, -100.0]
    assert "bankrupt" in account.events.kind
    assert len(account.fills.quantity) == 1


def test_no_orders_no_change() -> None:
    account = simulate([[np.nan, np.nan]] * 3, [[1.0, 2.0]] * 3, LinearCost(50.0, 50.0))
    assert account.equity.tolist() == [100.0] * 3
    assert len(account.fills.quantity) == 0 and len(account.events) == 0
