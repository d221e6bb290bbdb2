"""Many sets at once: each as if it were alone, in the order in which they came, taken as they are needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from plans import COSTS, rich_plan

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.events import KINDS
from backcast.engine.simulators.many import simulate_many
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Plan

LINEAR = LinearCost(5.0, 5.0)


def sets(plan: Plan, count: int) -> list[Floats]:
    return [plan.weights * (0.3 + 0.2 * k) for k in range(count)]


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("margin", [False, True])
def test_each_set_is_as_if_alone(name: str, margin: bool) -> None:
    plan = rich_plan(4, margin=margin)
    weights = sets(plan, 7)
    many = simulate_many(plan, weights, COSTS[name], 1e6, threads=2)
    assert many.curves is not None
    for k, one in enumerate(weights):
        alone = NativeSimulator().simulate(replace(plan, weights=one), COSTS[name], 1e6)
        assert many.curves[k].tolist() == alone.equity.tolist()
        assert many.final[k] == alone.equity[-1]
        assert many.mean[k] == pytest.approx(alone.net_return.mean())
        assert many.deviation[k] == pytest.approx(alone.net_return.std(ddof=1))
        assert many.turnover[k] == pytest.approx(alone.turnover.mean())
        growth = np.concatenate([[1.0], np.cumprod(1 + alone.net_return)])
        falls = [growth[t] / growth[: t + 1].max() - 1 for t in range(len(growth))]
        assert many.drawdown[k] == pytest.approx(min(falls))
        flows = [alone.fee, alone.spread, alone.impact, alone.borrow, alone.dividend, alone.interest]
        assert many.flows[k].tolist() == pytest.approx([flow.sum() for flow in flows])
        counted = dict(zip(many.kinds, many.events[k].tolist()))
        assert counted == {kind: alone.events.kind.count(kind) for kind in KINDS}


def test_sets_are_taken_as_they_are_needed_and_made_on_the_threads() -> None:
    plan, taken, made = rich_plan(1), [0], set()

    def stream() -> Iterator[object]:
        for k in range(20):
            taken[0] += 1

            def make(k: int = k) -> Floats:
                made.add(threading.current_thread().name)
                return plan.weights * (k + 1) / 20

            yield make

    many = simulate_many(plan, stream(), LINEAR, 1e6, curves=False, threads=2)  # type: ignore[arg-type]
    assert taken == [20] and many.curves is None and len(many.final) == 20
    assert threading.current_thread().name not in made
    alone = NativeSimulator().simulate(replace(plan, weights=plan.weights * 3 / 20), LINEAR, 1e6)
    assert many.final[2] == alone.equity[-1]


def test_a_set_that_asks_for_what_does_not_trade_is_counted() -> None:
    plan = replace(rich_plan(1, ()), weights=np.full((40, 6), np.nan))
    weights = np.where(plan.tradable, np.nan, 0.1)
    many = simulate_many(plan, [weights, plan.weights], LINEAR, 1e6)
    assert many.events[:, many.kinds.index("not_tradable")].tolist() == [int((~plan.tradable).sum()), 0]


def test_wrong_sets_are_named() -> None:
    plan = rich_plan(1)
    with pytest.raises(InputError, match="sets = 0: expected at least one"):
        simulate_many(plan, [], LINEAR, 1e6)
    with pytest.raises(InputError, match=r"weights of set 1 = .*: expected an array of shape"):
        simulate_many(plan, [plan.weights, plan.weights[1:]], LINEAR, 1e6)
    with pytest.raises(InputError, match="weights of set 0 = inf: expected finite"):
        simulate_many(plan, [np.full(plan.weights.shape, np.inf)], LINEAR, 1e6)
