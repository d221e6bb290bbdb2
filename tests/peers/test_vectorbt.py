"""The same plans through vectorbt: equity equal to 1e-10, and the same partial fills."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.engine.costs import BorrowFee, Cost, Fee, HalfSpread, LinearCost, SquareRootImpact, TotalCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator
from backcast.engine.types import Dividends, Events, Plan, Rules


def random_plan(seed: int, gross: float, long_only: bool, every: int, forced: bool) -> Plan:
    """A strategy of 12 symbols over 150 sessions: decisions every few sessions, late listings, halts, forced exits."""
    generator = np.random.default_rng(seed)
    sessions, symbols = 150, 12
    mark = 50 * np.exp(generator.normal(0, 0.03, (sessions, symbols)).cumsum(axis=0))
    fill = mark * np.exp(generator.normal(0, 0.01, mark.shape))
    weights = generator.normal(size=mark.shape)
    weights = np.abs(weights) if long_only else weights - weights.mean(axis=1, keepdims=True)
    weights *= gross / np.abs(weights).sum(axis=1, keepdims=True)
    weights[np.arange(sessions) % every != 0] = np.nan
    tradable = generator.random(mark.shape) > 0.05
    listed = np.arange(sessions)[:, None] >= generator.integers(0, 40, symbols)
    tradable &= listed
    fill, mark = np.where(listed, fill, np.nan), np.where(listed, mark, np.nan)
    closed = np.full(mark.shape, np.nan)
    if forced:
        weights[100:, 0] = np.nan
        tradable[100:, 0], closed[100, 0] = False, 0.3
        fill[100:, 0] = mark[100:, 0] = mark[99, 0]
    at = (np.datetime64("2020-01-01") + np.arange(sessions)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 365.0)
    names = tuple(f"S{i}" for i in range(symbols))
    decided = np.arange(sessions, dtype=np.int64) - 1
    plan = Plan(clock, names, 0, weights, decided, fill, tradable, mark, Events.empty(), False)
    return replace(plan, forced=closed if forced else None)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(("gross", "long_only"), [(1.0, False), (2.0, False), (1.0, True), (0.7, True)])
@pytest.mark.parametrize("cost", [LinearCost(0.0, 0.0), LinearCost(5.0, 5.0), LinearCost(60.0, 140.0)])
def test_equity_is_equal(seed: int, every: int, gross: float, long_only: bool, cost: LinearCost) -> None:
    plan = random_plan(seed, gross, long_only, every, forced=seed == 1 and long_only)
    ours = NativeSimulator().simulate(plan, cost, 1e6)
    theirs = VectorbtSimulator().simulate(plan, cost, 1e6)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-10)
    np.testing.assert_allclose(ours.cash, theirs.cash, atol=1e-4)
    for name in ("net_return", "gross_return", "turnover"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)
    for kind in ("partial_fill", "vanished", "not_tradable"):
        assert ours.events.kind.count(kind) == theirs.events.kind.count(kind)
    assert ("vanished" in ours.events.kind) == (plan.forced is not None)
    assert (ours.fills.decided < 0).sum() == (theirs.fills.decided < 0).sum()


RICH = TotalCost(fee=Fee(bps=4.0, per_order=2.5), spread=HalfSpread(bps=1.0, volatility=0.1, from_data=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "size"), [("weights", 1.0), ("shares", 2e3), ("orders", 300.0)])
def test_exits_and_costs_by_cell(seed: int, kind: str, size: float) -> None:
    """Fees by order and by value, half-spreads by volatility and from data, proceeds that cost nothing, every kind of
    target."""
    plan = random_plan(seed, 0.8, seed % 2 == 0, 3, forced=False)
    generator, shape = np.random.default_rng(seed), plan.weights.shape
    exits = np.where(generator.random(shape) < 0.005, 0.8 * plan.mark_price, np.nan)
    small = np.isfinite(exits) | (
        np.abs(plan.weights) < 0.003
    )  # vectorbt makes no sale that its fee would eat up
    plan = replace(
        plan,
        weights=np.where(small, np.nan, plan.weights) * size,
        kind=kind,
        exits=exits,
        volatility=generator.uniform(0.01, 0.03, shape),
        half_spread=np.where(generator.random(shape) < 0.05, np.nan, 0.001),
    )
    ours, theirs = NativeSimulator().simulate(plan, RICH, 1e6), VectorbtSimulator().simulate(plan, RICH, 1e6)
    assert (ours.equity > 0).all() and "cash_exit" in ours.events.kind
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-10)
    np.testing.assert_allclose(ours.fee, theirs.fee, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.spread, theirs.spread, rtol=1e-8, atol=1e-8)
    for name in ("partial_fill", "cash_exit"):
        assert ours.events.kind.count(name) == theirs.events.kind.count(name)


def test_both_end_at_bankruptcy() -> None:
    plan = random_plan(3, 60.0, False, 50, forced=False)
    ours, theirs = (
        s.simulate(plan, LinearCost(5.0, 5.0), 1e6) for s in (NativeSimulator(), VectorbtSimulator())
    )
    assert "bankrupt" in ours.events.kind and "bankrupt" in theirs.events.kind
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-8, atol=1e-4)
    assert len(ours.fills.session) == len(theirs.fills.session)


SHAPE, ZERO = (150, 12), np.zeros(1, dtype=np.int64)
CLOSED = np.where(np.arange(150)[:, None] == 149, np.ones(SHAPE), np.nan)


@pytest.mark.parametrize(("changed", "cost", "words"), [
    ({"margin": True}, LinearCost(0, 0), "borrow"),
    ({"split": np.full(SHAPE, 2.0)}, LinearCost(0, 0), "split shares"),
    ({"capacity": np.full(SHAPE, 2.0)}, LinearCost(0, 0), "work an order within the volume"),
    ({"borrowable": np.zeros(SHAPE, dtype=bool)}, LinearCost(0, 0), "refuse a short sale"),
    ({"deposit": np.full(SHAPE[0], 2.0)}, LinearCost(0, 0), "take deposits"),
    ({"rules": Rules(lot=1.0)}, LinearCost(0, 0), "trade in lots"),
    ({"rules": Rules(maintenance=0.2)}, LinearCost(0, 0), "make margin calls"),
    ({"forced": CLOSED, "weights": -np.ones(SHAPE)}, LinearCost(0, 0), "close at a price that depends on the side"),
    ({"forced": CLOSED}, LinearCost(0, 0), "sell for nothing"),
    ({"dividends": Dividends(ZERO, ZERO, ZERO, np.ones(1))}, LinearCost(0, 0), "pay dividends"),
    ({"years": np.full(SHAPE[0], 0.01)}, BorrowFee(0.1), "pay interest or borrow fees"),
    ({}, Fee(per_share=0.1), "charge by share, by tier, at least or at most"),
    ({"volatility": np.ones(SHAPE), "traded": np.ones(SHAPE)}, SquareRootImpact(), "move prices"),
])  # fmt: skip
def test_what_vectorbt_cannot_express_is_refused_in_one_line(
    changed: dict[str, object], cost: Cost, words: str
) -> None:
    plan = random_plan(0, 1.0, True, 1, False)
    plan.tradable[149] = False
    plan = replace(plan, **changed)  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=f"simulator = 'vectorbt': expected native. vectorbt cannot {words}"
    ) as error:
        VectorbtSimulator().simulate(plan, cost, 1e6)
    assert "\n" not in str(error.value)
