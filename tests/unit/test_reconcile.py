"""The rebuilt account: it explains what the simulators do with everything on, and finds what was changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import plan_of, random_plan

from backcast.data.types import Floats
from backcast.engine import audit
from backcast.engine.costs.borrow import BorrowFee
from backcast.engine.costs.fee import Fee
from backcast.engine.costs.impact import SquareRootImpact
from backcast.engine.costs.interest import Interest
from backcast.engine.costs.linear import LinearCost
from backcast.engine.costs.spread import HalfSpread
from backcast.engine.costs.total import TotalCost
from backcast.engine.reconcile import ROWS, TOLERANCE, unexplained
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Dividends, Plan, Rules

BROKER = TotalCost(
    Fee(per_share=0.01, minimum=1.0), HalfSpread(bps=3.0, volatility=0.01), SquareRootImpact(0.5), BorrowFee(0.02),
    Interest(0.01, 0.05),
)  # fmt: skip


def everything(seed: int, lot: float = 0.0) -> Plan:
    """A plan with a bit of everything."""
    draw = np.random.default_rng(seed)
    plan = random_plan(seed, 1.6, long_only=False, margin=True)
    sessions, symbols = plan.weights.shape
    split = np.ones((sessions, symbols))
    split[draw.integers(1, sessions, 5), draw.integers(0, symbols, 5)] = [2.0, 3.0, 0.5, 1.5, 0.1]
    cumulative = np.cumprod(split, axis=0)
    exits = np.full((sessions, symbols), np.nan)
    exits[30, 2] = 11.0
    weights, tradable = plan.weights.copy(), plan.tradable.copy()
    weights[30:, 2], tradable[30:, 2] = np.nan, False
    ex = np.sort(draw.integers(0, sessions, 8))
    dividends = Dividends(
        ex, ex + draw.integers(0, 9, 8), draw.integers(0, symbols, 8), draw.uniform(0.1, 2, 8)
    )
    deposit = np.zeros(sessions)
    deposit[[4, 20]] = [5e4, -2e4]
    return replace(
        plan, weights=weights, tradable=tradable, fill_price=plan.fill_price / cumulative,
        mark_price=plan.mark_price / cumulative, split=split, exits=exits, dividends=dividends, deposit=deposit,
        capacity=draw.uniform(100, 9000, weights.shape), patience=2, volatility=np.full(weights.shape, 0.02),
        traded=np.full(weights.shape, 1e7), years=np.full(sessions, 1 / 252),
        rules=Rules(lot, 2.0, 0.3),
    )  # fmt: skip


@pytest.mark.parametrize("lot", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(4))
def test_every_cent_is_explained(seed: int, lot: float) -> None:
    plan = everything(seed, lot)
    account = NativeSimulator().simulate(plan, BROKER, 1e6)
    assert len(account.fills.quantity) > 100
    assert np.abs(unexplained(plan, account)).max() <= TOLERANCE
    found = audit.account_check(plan, account)
    assert (found.changed, found.cells) == (0, 4 * len(account.equity))


def _simple() -> tuple[Plan, Account]:
    prices = np.full((3, 1), 10.0)
    plan = plan_of(np.array([[0.5], [np.nan], [0.25]]), prices, prices * np.array([[1.0], [1.1], [1.2]]))
    return plan, NativeSimulator().simulate(plan, LinearCost(5.0, 5.0), 1000.0)


@pytest.mark.parametrize("row", ROWS)
def test_a_changed_account_is_found_where_it_was_changed(row: str) -> None:
    plan, account = _simple()
    values: Floats = getattr(account, row).copy()
    values[1] += 1e-3  # a tenth of a cent in a thousand
    apart = unexplained(plan, replace(account, **{row: values}))
    assert np.argwhere(np.abs(apart) > TOLERANCE).tolist() == [[ROWS.index(row), 1]]
    found = audit.account_check(plan, replace(account, **{row: values}))
    assert found.first == {"session": str(plan.clock.sessions[plan.offset + 1]), "row": row}


def test_a_fill_that_is_not_in_the_log_is_found() -> None:
    plan, account = _simple()
    fills = replace(account.fills, fee=account.fills.fee + np.array([0.0, 0.01]))
    wrong = np.abs(unexplained(plan, replace(account, fills=fills))) > TOLERANCE
    assert wrong[[0, 2], 2].all() and not wrong[:, :2].any()


def test_a_bankrupt_account_is_explained_until_then() -> None:
    mark = np.array([[10.0], [25.0], [40.0], [50.0]])
    plan = plan_of(np.array([[-1.0], [np.nan], [np.nan], [np.nan]]), np.full((4, 1), 10.0), mark, margin=True)
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    assert (account.equity <= 0).any()
    assert np.abs(unexplained(plan, account)).max() <= TOLERANCE
