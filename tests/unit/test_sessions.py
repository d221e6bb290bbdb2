"""Which decisions come too late for the prices that they would fill at, on hourly bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import plan_of

from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.engine.audit.execution import came_early
from backcast.engine.costs.linear import LinearCost
from backcast.engine.sessions import refuse_early_fills
from backcast.engine.simulators.native import NativeSimulator
from backcast.signals.types import Fold

FILLS = {"next_open": 0, "next_typical": 0, "next_close": 60}
"""Of each fill the minutes after a bar's end that a decision may take: what is between there and the first of the price."""


def hours(delay: int) -> Clock:
    """Six bars that follow each other, decisions so many minutes after each."""
    ends = np.datetime64("2024-03-04T10:00", "us") + np.arange(6) * np.timedelta64(60, "m")
    opens, decides = ends - np.timedelta64(60, "m"), ends + np.timedelta64(delay, "m")
    return Clock("24/7", ends.astype("datetime64[D]"), opens, ends, decides, np.arange(6), 365.0)


@pytest.mark.parametrize("delay", [0, 30, 60, 61])
@pytest.mark.parametrize("fill", FILLS)
def test_a_decision_after_the_first_price_that_it_fills_at_is_refused(fill: str, delay: int) -> None:
    clock, fold = hours(delay), Fold(0, 0, np.empty(0, dtype=np.int64), np.arange(5), 0)
    if delay <= FILLS[fill]:
        refuse_early_fills(clock, [fold], fill)
        return
    with pytest.raises(InputError, match=f"at most {FILLS[fill]} minutes"):
        refuse_early_fills(clock, [fold], fill)


@pytest.mark.parametrize("delay", [0, 30, 60, 61])
@pytest.mark.parametrize("fill", FILLS)
def test_the_audit_finds_fills_at_prices_from_before_their_decision(fill: str, delay: int) -> None:
    prices = np.full((5, 1), 10.0)
    plan = replace(plan_of(np.array([[0.5], [0.1]] * 2 + [[0.5]]), prices, prices), clock=hours(delay))
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    found = came_early(account.fills, plan.clock, fill)
    assert len(found) == 5
    assert found.sum() == (0 if delay <= FILLS[fill] else 5)
