"""The first result of a new process: from an empty Numba cache and from a warm one, beside vectorbt's.

    python benchmarks/simulator_start.py [--small]

A child imports the simulator, makes a small plan and trades it; the clock runs from before its imports to the result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

from harness import record

OURS = """
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.costs.linear import LinearCost
from backcast.engine.types import Events, Plan
from backcast.data.types import Clock
at = (np.datetime64("2020-01-01") + np.arange(50)).astype("datetime64[us]")
clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(50), 365.0)
whole = np.ones(prices.shape, dtype=bool)
names = tuple(f"S{i}" for i in range(5))
plan = Plan(clock, names, 0, weights, np.arange(50) - 1, prices, whole, prices, Events.empty(), False)
final = NativeSimulator().simulate(plan, LinearCost(5.0, 5.0), 1e6).equity[-1]
"""

THEIRS = """
import vectorbt
portfolio = vectorbt.Portfolio.from_orders(close=prices, size=weights, size_type="targetpercent", fees=5e-4, slippage=5e-4,
    init_cash=1e6, cash_sharing=True, group_by=True, call_seq="auto", freq="1D")
final = np.asarray(portfolio.value()).ravel()[-1]
"""

FRAME = """
import time
begin = time.perf_counter()
import numpy as np
generator = np.random.default_rng(1)
prices = 100 * np.exp(generator.normal(0, 0.01, (50, 5)).cumsum(axis=0))
weights = generator.dirichlet(np.ones(5), 50) * 0.9
{body}
print(time.perf_counter() - begin, final)
"""


def first(body: str, cache: str) -> tuple[float, float]:
    """Seconds to the first result, and the result."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "BACKCAST_HOME": cache}
    command = [sys.executable, "-c", FRAME.format(body=body)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    return float(out[-2]), float(out[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="the same: it is small")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as mine, tempfile.TemporaryDirectory() as other:
        cold, theirs = first(OURS, mine), first(THEIRS, other)
        warm = min(first(OURS, mine) for _ in range(3))
    equal = abs(cold[1] / theirs[1] - 1) < 1e-10
    record("simulator/first/empty_cache", cold[0], bar=8, equal=equal)
    record("simulator/first/empty_cache_ratio", cold[0], theirs[0], "vectorbt", equal=equal)
    record("simulator/first/warm_cache", warm[0], bar=1, equal=equal)


if __name__ == "__main__":
    main()
