"""The same plans through vectorbt: equity equal to 1e-10, and the same partial fills."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator
from backcast.engine.types import Events, Plan


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
    if forced:
        weights[101:, 0] = np.nan
        weights[100, 0], tradable[100, 0] = 0.0, True
        fill[100:, 0] = mark[100:, 0] = 0.3 * mark[99, 0]
    at = (np.datetime64("2020-01-01") + np.arange(sessions)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 365.0)
    names = tuple(f"S{i}" for i in range(symbols))
    decided = np.arange(sessions, dtype=np.int64) - 1
    return Plan(clock, names, 0, weights, decided, fill, tradable, mark, Events.empty(), False)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(("gross", "long_only"), [(1.0, False), (2.0, False), (1.0, True), (0.7, True)])
@pytest.mark.parametrize("cost", [LinearCost(0.0, 0.0), LinearCost(5.0, 5.0), LinearCost(60.0, 140.0)])
def test_equity_is_equal(seed: int, every: int, gross: float, long_only: bool, cost: LinearCost) -> None:
    plan = random_plan(seed, gross, long_only, every, forced=seed == 1)
    ours = NativeSimulator().simulate(plan, cost, 1e6)
    theirs = VectorbtSimulator().simulate(plan, cost, 1e6)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-10)
    np.testing.assert_allclose(ours.cash, theirs.cash, atol=1e-4)
    for name in ("net_return", "gross_return", "turnover"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)
    assert ours.events.kind.count("partial_fill") == theirs.events.kind.count("partial_fill")


def test_what_vectorbt_cannot_express_is_refused() -> None:
    plan = replace(random_plan(0, 1.0, True, 1, False), margin=True)
    with pytest.raises(InputError, match="vectorbt cannot borrow"):
        VectorbtSimulator().simulate(plan, LinearCost(0.0, 0.0), 1e6)
