"""The rebuilt account: it explains what the simulators do with everything on, and finds what was changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import COSTS as KINDS_OF_COST
from plans import plan_of, random_plan, rich_plan

from backcast.data.types import Floats
from backcast.engine.audit import checks as audit
from backcast.engine.costs.borrow import BorrowFee
from backcast.engine.costs.fee import Fee
from backcast.engine.costs.impact import SquareRootImpact
from backcast.engine.costs.interest import Interest
from backcast.engine.costs.linear import LinearCost
from backcast.engine.costs.spread import HalfSpread
from backcast.engine.costs.total import TotalCost
from backcast.engine.reconcile import ACCOUNT, COSTS, ROWS, TOLERANCE, unexplained
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Account, Dividends, Plan, Rules

BROKER = TotalCost(
    Fee(per_share=0.01, minimum=1.0), HalfSpread(bps=3.0, volatility=0.01), SquareRootImpact(0.5), BorrowFee(0.02),
    Interest(0.01, 0.05),
)  # fmt: skip
LINEAR = LinearCost(5.0, 5.0)


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
    assert account.interest.any() and account.borrow.any()
    assert np.abs(unexplained(plan, account, BROKER)).max() <= TOLERANCE
    found = audit.account_check(plan, account, BROKER)
    assert (found.changed, found.cells) == (0, len(ROWS) * len(account.equity))


@pytest.mark.parametrize("kind", [WEIGHTS, SHARES, ORDERS])
@pytest.mark.parametrize("name", KINDS_OF_COST)
def test_every_kind_of_cost_and_of_target_is_explained(name: str, kind: str) -> None:
    for seed in range(4):
        plan, cost = rich_plan(seed, margin=seed % 2 == 0, kind=kind), KINDS_OF_COST[name]
        account = NativeSimulator().simulate(plan, cost, 1e6)
        assert np.abs(unexplained(plan, account, cost)).max() <= TOLERANCE


def _simple() -> tuple[Plan, Account]:
    prices = np.full((3, 1), 10.0)
    plan = plan_of(np.array([[0.5], [np.nan], [0.25]]), prices, prices * np.array([[1.0], [1.1], [1.2]]))
    return plan, NativeSimulator().simulate(plan, LINEAR, 1000.0)


@pytest.mark.parametrize("row", ACCOUNT)
def test_a_changed_account_is_found_where_it_was_changed(row: str) -> None:
    plan, account = _simple()
    values: Floats = getattr(account, row).copy()
    values[1] += 1e-3  # a tenth of a cent in a thousand
    changed = replace(account, **{row: values})
    apart = unexplained(plan, changed, LINEAR)
    assert np.argwhere(np.abs(apart) > TOLERANCE).tolist() == [[ROWS.index(row), 1]]
    found = audit.account_check(plan, changed, LINEAR)
    assert found.finding is not None
    assert (found.finding.at, found.finding.column) == (str(plan.clock.sessions[plan.offset + 1]), row)


@pytest.mark.parametrize("column", [*COSTS, "price"])
def test_a_price_or_a_cost_of_a_fill_that_nobody_asked_is_found(column: str) -> None:
    plan, account = _simple()
    values = getattr(account.fills, column) + np.array([0.0, 1e-3])
    changed = replace(account, fills=replace(account.fills, **{column: values}))
    wrong = np.abs(unexplained(plan, changed, LINEAR)) > TOLERANCE
    assert np.argwhere(wrong).tolist() == [[ROWS.index(f"fills.{column}"), 2]]


def test_twice_the_shares_at_half_the_price_are_not_explained() -> None:
    """The books are right in themselves: only the market says that nothing could be bought at 5."""
    plan, account = _simple()
    fills = replace(account.fills, quantity=account.fills.quantity * 2, price=account.fills.price / 2)
    positions = account.equity - account.cash
    changed = replace(account, fills=fills, equity=account.cash + 2 * positions)
    found = audit.account_check(plan, changed, LINEAR)
    assert found.finding is not None and found.finding.column == "fills.price"


@pytest.mark.parametrize(
    ("row", "sign"), [("interest", 1.0), ("borrow", -1.0), ("deposit", 1.0), ("fee", -1.0)]
)
def test_what_was_invented_and_booked_is_found(row: str, sign: float) -> None:
    """7 in a session, in cash and equity from then on, as if it were real."""
    plan, account = _simple()
    booked = np.array([0.0, 7.0, 7.0])
    values = getattr(account, row) + sign * np.array([0.0, 7.0, 0.0])
    changed = replace(account, cash=account.cash + booked, equity=account.equity + booked, **{row: values})
    found = audit.account_check(plan, changed, LINEAR)
    assert found.finding is not None
    assert (found.finding.at, found.finding.column) == (str(plan.clock.sessions[plan.offset + 1]), row)


def test_a_fill_where_nothing_trades_is_found() -> None:
    plan, account = _simple()
    halted = replace(plan, tradable=np.array([[True], [True], [False]]))
    wrong = np.abs(unexplained(halted, account, LINEAR)) > TOLERANCE
    assert np.argwhere(wrong).tolist() == [[ROWS.index("fills.price"), 2]]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_vanished_is_closed_for_worse_by_the_haircut(side: float) -> None:
    prices = np.full((2, 1), 10.0)
    plan = plan_of(np.array([[0.5 * side], [np.nan]]), prices, prices, margin=True)
    plan = replace(
        plan,
        forced=np.array([[np.nan], [0.25]]),
        tradable=np.array([[True], [False]]),
        decided=np.array([0, -1]),
    )
    account = NativeSimulator().simulate(plan, LINEAR, 1000.0)
    assert account.fills.price[1] == 10.0 * (1 - 0.25 * side)
    assert np.abs(unexplained(plan, account, LINEAR)).max() <= TOLERANCE
    kind = replace(plan, forced=np.array([[np.nan], [0.2]]))
    found = audit.account_check(kind, account, LINEAR)
    assert found.finding is not None and found.finding.column == "fills.price"


def test_an_account_that_is_not_a_number_is_not_explained() -> None:
    plan, account = _simple()
    equity = account.equity * np.array([1.0, np.nan, 1.0])
    assert audit.account_check(plan, replace(account, equity=equity), LINEAR).changed > 0


def test_a_bankrupt_account_is_explained_until_then() -> None:
    mark = np.array([[10.0], [25.0], [40.0], [50.0]])
    plan = plan_of(np.array([[-1.0], [np.nan], [np.nan], [np.nan]]), np.full((4, 1), 10.0), mark, margin=True)
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    assert (account.equity <= 0).any()
    assert np.abs(unexplained(plan, account, LinearCost(0.0, 0.0))).max() <= TOLERANCE
