"""Raw prices with their actions beside them, and prices adjusted for them, make one account."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import market_of, panel_of
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.types import Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.execution import Execution
from backcast.engine.reconcile import TOLERANCE, unexplained
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Plan, Targets

SESSIONS, SYMBOLS = 40, 4
COST = LinearCost(5.0, 5.0)
FEW = settings(max_examples=20, deadline=None)


def world(seed: int) -> tuple[Floats, Floats, Floats, Targets]:
    """Closes and opens with halts and one end of data, split ratios, and targets with holes."""
    draw = np.random.default_rng(seed)
    closes = 50 * np.exp(draw.normal(0, 0.03, (SYMBOLS, SESSIONS)).cumsum(axis=1))
    opens = closes * np.exp(draw.normal(0, 0.01, closes.shape))
    halted = draw.random(closes.shape) < 0.1
    halted[:, 0], halted[0, 25:] = False, True
    closes[halted] = opens[halted] = np.nan
    split = np.ones(closes.shape)
    for s in range(SYMBOLS):
        split[s, draw.choice(np.arange(1, SESSIONS), 3, replace=False)] = draw.choice([2.0, 3.0, 0.5, 1.5], 3)
    weights = draw.uniform(-0.5, 0.5, (SESSIONS // 2, SYMBOLS))
    weights[draw.random(weights.shape) < 0.2] = np.nan
    decisions = np.arange(0, SESSIONS, 2)
    return closes, opens, split, Targets(decisions, tuple("ABCD"), weights)


def account_of(closes: Floats, opens: Floats, split: Floats | None, targets: Targets) -> tuple[Plan, Account]:
    panel = panel_of(closes.tolist(), opens.tolist())
    market = market_of(panel)
    market = market if split is None else replace(market, split=split)
    plan = Execution(margin=True, exit_after=3, haircut=0.2).plan(panel, market, targets, COST)
    return plan, NativeSimulator().simulate(plan, COST, 1e6)


@FEW
@given(st.integers(0, 10_000))
def test_splits_beside_raw_prices_are_splits_in_adjusted_ones(seed: int) -> None:
    closes, opens, split, targets = world(seed)
    shares = np.cumprod(split, axis=1)
    plan, raw = account_of(closes / shares, opens / shares, split, targets)
    _, adjusted = account_of(closes, opens, None, targets)
    np.testing.assert_allclose(raw.equity, adjusted.equity, rtol=1e-11)
    assert raw.events.kind == adjusted.events.kind
    assert np.abs(unexplained(plan, raw, COST)).max() <= TOLERANCE


@FEW
@given(st.integers(0, 10_000))
def test_what_is_after_a_session_changes_nothing_until_then(seed: int) -> None:
    """Prices, splits and decisions after a session are another world's: the account up to it is the same to the bit."""
    closes, opens, split, targets = world(seed)
    shares = np.cumprod(split, axis=1)
    cut = 20
    _, whole = account_of(closes / shares, opens / shares, split, targets)
    draw = np.random.default_rng(seed + 1)
    noise = np.exp(draw.normal(0, 0.2, closes.shape))
    noise[:, : cut + 1] = 1.0
    later = split.copy()
    later[:, cut + 1 :] = draw.choice([1.0, 2.0], later[:, cut + 1 :].shape)
    others = np.cumprod(later, axis=1)
    _, changed = account_of(closes * noise / others, opens * noise / others, later, targets)
    np.testing.assert_array_equal(whole.equity[:cut], changed.equity[:cut])  # the account begins in session 1


def test_a_dividend_paid_at_once_and_reinvested_is_a_total_return() -> None:
    """All of the equity in one share, set anew at every close, from the session after ex on: what total return means."""
    draw = np.random.default_rng(4)
    closes = 50 * np.exp(draw.normal(0, 0.02, 30).cumsum())
    amounts = np.zeros(30)
    amounts[[8, 15, 22]] = [1.0, 2.0, 0.5]
    panel = panel_of([closes.tolist()])
    none = market_of(panel)
    ex = np.flatnonzero(amounts)
    market = replace(none, symbol=np.zeros(3, dtype=np.int64), ex=ex, pay=ex, amount=amounts[ex])
    cost = LinearCost(0.0, 0.0)
    targets = Targets(np.arange(29), ("A",), np.ones((29, 1)))
    account = NativeSimulator().simulate(Execution().plan(panel, market, targets, cost), cost, 1e6)
    growth = np.cumprod((closes[2:] + amounts[2:]) / closes[1:-1])
    assert account.equity[1:] / 1e6 == pytest.approx(growth, rel=1e-12)
