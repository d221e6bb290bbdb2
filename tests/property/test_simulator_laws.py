"""The laws of accounts, for plans of every kind; both simulators obey them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_of, random_plan

from backcast.data.types import Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator
from backcast.engine.types import Account, Plan

CAPITAL = 1e6
SIMULATORS = [NativeSimulator(), VectorbtSimulator()]
both = pytest.mark.parametrize("simulator", SIMULATORS, ids=["native", "vectorbt"])

plans = st.builds(
    random_plan, st.integers(0, 10_000), st.sampled_from([0.5, 1.0, 2.0]), st.booleans()
)  # seed, gross, long_only
costs = st.builds(LinearCost, st.sampled_from([0.0, 2.0, 80.0]), st.sampled_from([0.0, 3.0, 150.0]))


def positions(plan: Plan, account: Account) -> Floats:
    """(T, S) shares held at each close, from the fill log alone."""
    traded = np.zeros(plan.weights.shape)
    np.add.at(traded, (account.fills.session - plan.offset, account.fills.symbol), account.fills.quantity)
    return traded.cumsum(axis=0)


@both
@given(plan=plans, cost=costs)
@settings(max_examples=25, deadline=None)
def test_the_fill_log_explains_cash_and_equity(simulator: Simulator, plan: Plan, cost: LinearCost) -> None:
    account = simulator.simulate(plan, cost, CAPITAL)
    log = account.fills
    paid = np.zeros(len(account.equity))
    np.add.at(paid, log.session - plan.offset, log.quantity * log.price + log.fee + log.spread)
    np.testing.assert_allclose(account.cash, CAPITAL - paid.cumsum(), rtol=1e-9, atol=1e-6 * CAPITAL)
    held = (positions(plan, account) * plan.mark_price).sum(axis=1)
    np.testing.assert_allclose(account.equity, account.cash + held, rtol=1e-9)


@both
@given(plan=plans, cost=costs, order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_symbols_is_irrelevant(
    simulator: Simulator, plan: Plan, cost: LinearCost, order: object
) -> None:
    turn = np.arange(len(plan.symbols))
    order.shuffle(turn)  # type: ignore[attr-defined]
    names = ("weights", "fill_price", "tradable", "mark_price")
    turned = replace(plan, **{name: np.ascontiguousarray(getattr(plan, name)[:, turn]) for name in names})
    first, second = simulator.simulate(plan, cost, CAPITAL), simulator.simulate(turned, cost, CAPITAL)
    np.testing.assert_allclose(first.equity, second.equity, rtol=1e-10)


@both
@given(plan=plans, cost=costs, scale=st.sampled_from([1e-3, 0.5, 64.0, 1e4]))
@settings(max_examples=25, deadline=None)
def test_returns_do_not_depend_on_the_capital(
    simulator: Simulator, plan: Plan, cost: LinearCost, scale: float
) -> None:
    once, scaled = simulator.simulate(plan, cost, CAPITAL), simulator.simulate(plan, cost, scale * CAPITAL)
    np.testing.assert_allclose(scaled.net_return, once.net_return, atol=1e-9)
    np.testing.assert_allclose(scaled.fee, scale * once.fee, rtol=1e-6, atol=1e-9 * scale * CAPITAL)


@both
@given(plan=plans, cost=costs)
@settings(max_examples=10, deadline=None)
def test_targets_of_zero_leave_the_capital(simulator: Simulator, plan: Plan, cost: LinearCost) -> None:
    idle = replace(plan, weights=np.where(np.isnan(plan.weights), np.nan, 0.0))
    account = simulator.simulate(idle, cost, CAPITAL)
    assert (account.equity == CAPITAL).all()
    assert len(account.fills.session) == 0


@both
@given(plan=plans, fee=st.sampled_from([1.0, 50.0]), spread=st.sampled_from([0.0, 100.0]))
@settings(max_examples=25, deadline=None)
def test_costs_are_what_separates_gross_from_net(
    simulator: Simulator, plan: Plan, fee: float, spread: float
) -> None:
    account = simulator.simulate(plan, LinearCost(fee, spread), CAPITAL)
    assert (account.fee >= 0).all() and (account.spread >= 0).all()
    assert (account.gross_return >= account.net_return).all()
    before = np.concatenate([[CAPITAL], account.equity[:-1]])
    charged = (account.gross_return - account.net_return) * before
    np.testing.assert_allclose(charged, account.fee + account.spread, atol=1e-6)


@both
@given(seed=st.integers(0, 10_000), at=st.floats(0.05, 0.95), fee=st.sampled_from([1.0, 50.0]))
@settings(max_examples=25, deadline=None)
def test_a_round_trip_at_a_still_price_only_loses_its_costs(
    simulator: Simulator, seed: int, at: float, fee: float
) -> None:
    price = np.full((2, 3), np.random.default_rng(seed).uniform(1, 500))
    weights = np.array([[at / 3] * 3, [0.0] * 3])
    account = simulator.simulate(plan_of(weights, price, price), LinearCost(fee, fee), CAPITAL)
    costs = account.fee.sum() + account.spread.sum()
    assert costs > 0
    assert account.equity[-1] == pytest.approx(CAPITAL - costs)


@both
@given(plan=plans, cost=costs, at=st.integers(1, 38), factor=st.sampled_from([0.01, 3.0]))
@settings(max_examples=25, deadline=None)
def test_the_account_knows_nothing_of_later_prices(
    simulator: Simulator, plan: Plan, cost: LinearCost, at: int, factor: float
) -> None:
    """After session `at` every price and weight is another: everything up to it is the same bit for bit."""
    fill, mark, weights = plan.fill_price.copy(), plan.mark_price.copy(), plan.weights.copy()
    fill[at + 1 :] *= factor
    mark[at + 1 :] /= factor
    weights[at + 1 :] = -weights[at + 1 :]
    other = replace(plan, fill_price=fill, mark_price=mark, weights=weights)
    first, second = simulator.simulate(plan, cost, CAPITAL), simulator.simulate(other, cost, CAPITAL)
    assert first.equity[: at + 1].tolist() == second.equity[: at + 1].tolist()
    assert first.cash[: at + 1].tolist() == second.cash[: at + 1].tolist()


@both
@given(plan=plans, cost=costs, at=st.integers(0, 39), factor=st.sampled_from([0.9, 1.1]))
@settings(max_examples=25, deadline=None)
def test_a_mark_after_the_last_fill_moves_equity_alone(
    simulator: Simulator, plan: Plan, cost: LinearCost, at: int, factor: float
) -> None:
    mark = plan.mark_price.copy()
    mark[at] *= factor
    first = simulator.simulate(plan, cost, CAPITAL)
    second = simulator.simulate(replace(plan, mark_price=mark), cost, CAPITAL)
    assert first.fills.quantity.tolist() == second.fills.quantity.tolist()
    kept = np.arange(len(first.equity)) != at
    assert first.equity[kept].tolist() == second.equity[kept].tolist()


@given(seed=st.integers(0, 10_000), gross=st.sampled_from([0.3, 0.6]))
@settings(max_examples=25, deadline=None)
def test_a_mirrored_book_earns_the_mirrored_money(seed: int, gross: float) -> None:
    """One session of trading, free of cost: long what the other is short."""
    plan = random_plan(seed, gross, long_only=False, margin=True)
    first = int(np.flatnonzero(np.isfinite(plan.weights).any(axis=1))[0])
    weights = np.full_like(plan.weights, np.nan)
    weights[first] = plan.weights[first]
    accounts = [
        NativeSimulator().simulate(replace(plan, weights=side * weights), LinearCost(0.0, 0.0), CAPITAL)
        for side in (1.0, -1.0)
    ]
    np.testing.assert_allclose(accounts[0].equity + accounts[1].equity, 2 * CAPITAL, rtol=1e-10)
