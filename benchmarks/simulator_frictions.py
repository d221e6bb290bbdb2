"""What reality costs: every friction on against our own bare time, and bare orders a second. No peer can do the same.

    python benchmarks/simulator_frictions.py [--small]

`all_on` is the time of a plan of 500 assets with daily targets and all that a plan can carry and a broker charge (splits,
dividends, exits, volume with patience, lots, borrowable shares, margin with a limit and maintenance, deposits; fees by share
with a minimum, a maximum and tiers, spreads from three sources, impact, borrow fees, interest), over the bare time of the
same targets with a linear cost; full fill log on both sides. `almgren` has Almgren's power of 3/5 in place of the square
root. `order` is the processor's time of a bare order, one core, no log. Answers: the same equity from the plain Python
simulator on a part of the plan.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from harness import alternate, record
from simulator_vectorbt import CAPITAL, COST, market, plan

from backcast.engine.costs import (
    AlmgrenImpact,
    BorrowFee,
    Cost,
    Fee,
    HalfSpread,
    Interest,
    SquareRootImpact,
    TotalCost,
)
from backcast.engine.simulators.many import Many, simulate_many
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import Dividends, Plan, Rules

NANOSECONDS = 1e9


def everything(impact: Cost) -> Cost:
    """All that a broker charges."""
    return TotalCost(
        fee=Fee(per_share=0.0005, minimum=0.01, maximum=0.01, tiers=[[0, 2.0], [1e6, 1.0], [1e7, 0.5]]),
        spread=HalfSpread(bps=1.0, volatility=0.01, from_data=True),
        impact=impact,
        borrow=BorrowFee(per_year=0.005, from_data=True),
        interest=Interest(cash_per_year=0.01, margin_per_year=0.05),
    )


def rich(bare: Plan) -> Plan:
    """The same targets with all that a plan can carry; few orders are cut, as in a plan that somebody means to trade."""
    generator, shape = np.random.default_rng(3), bare.weights.shape
    sessions, count = shape[0], 4 * shape[1]
    ex = np.sort(generator.integers(0, sessions, count))
    symbols, amounts = generator.integers(0, shape[1], count), generator.uniform(0.01, 0.1, count)
    deposit = np.where(np.arange(sessions) % 21 == 0, 1e4, 0.0)
    split = np.where(generator.random(shape) < 1e-4, 2.0, 1.0)
    return replace(
        bare,
        margin=True,
        exits=np.where(generator.random(shape) < 1e-5, bare.fill_price, np.nan),
        split=split,
        dividends=Dividends(ex, ex + 15, symbols, amounts),
        capacity=generator.uniform(2e4, 1e6, shape),
        patience=2,
        volatility=generator.uniform(0.01, 0.02, shape),
        traded=generator.uniform(1e8, 1e9, shape),
        half_spread=generator.uniform(0, 2e-4, shape),
        borrowable=generator.random(shape) > 0.01,
        borrow_rate=generator.uniform(0, 0.01, shape),
        deposit=deposit,
        years=np.full(sessions, 1 / 252),
        rules=Rules(lot=0.01, max_leverage=2.0, maintenance=0.25),
    )


def agrees(whole: Plan, cost: Cost) -> bool:
    """Whether the plain Python simulator says the same of the first sessions and symbols."""
    part, facts = (slice(0, 60), slice(0, 20)), whole.dividends or Dividends.none()
    names = ("weights", "fill_price", "tradable", "mark_price", "exits", "split", "capacity", "volatility", "traded",
             "half_spread", "borrowable", "borrow_rate")  # fmt: skip
    cut = {name: np.ascontiguousarray(getattr(whole, name)[part]) for name in names}
    cut |= {name: getattr(whole, name)[:60] for name in ("decided", "deposit", "years")}
    known = (facts.ex < 60) & (facts.symbol < 20)
    kept = Dividends(facts.ex[known], facts.pay[known], facts.symbol[known], facts.amount[known])
    small = replace(whole, **cut, symbols=whole.symbols[:20], dividends=kept)
    first, second = (s.simulate(small, cost, CAPITAL) for s in (NativeSimulator(), ReferenceSimulator()))
    return bool(np.allclose(first.equity, second.equity, rtol=1e-9, atol=0.0))


def processor_seconds(function: Callable[[], object]) -> float:
    """The processor's time, which other work on the machine does not add to."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the sessions, one round")
    small = parser.parse_args().small
    assets, sessions, rounds = 500, 252 if small else 2520, 1 if small else 9
    bare = plan(market(assets, sessions), 1)
    real, simulator, capital = rich(bare), NativeSimulator(), 100 * CAPITAL
    root, almgren = everything(SquareRootImpact(1.0)), everything(AlmgrenImpact())

    def order() -> Many:
        return simulate_many(bare, [bare.weights], COST, capital, threads=1)

    taken = alternate(
        {
            "bare": lambda: simulator.simulate(bare, COST, capital),
            "all_on": lambda: simulator.simulate(real, root, capital),
            "almgren": lambda: simulator.simulate(real, almgren, capital),
            "order": order,
        },
        rounds,
    )
    size = f"simulator/{assets}x{sessions}"
    for name, cost, bar in (("all_on", root, 2.5), ("almgren", almgren, None)):
        ratio = taken[name].seconds / taken["bare"].seconds
        record(f"{size}/{name}", ratio, unit="x", bar=bar, equal=agrees(real, cost))
    orders = len(taken["bare"].answer.fills.quantity)
    equal = bool((taken["order"].answer.curves[0] == taken["bare"].answer.equity).all())
    seconds = statistics.median(processor_seconds(order) for _ in range(rounds))
    record("simulator/order", NANOSECONDS * seconds / orders, unit="ns", bar=25, equal=equal)


if __name__ == "__main__":
    main()
