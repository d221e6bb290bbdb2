"""How much memory a simulation takes above its inputs, each side in a process of its own, warm, with its inputs made.

    python benchmarks/simulator_memory.py [--small]

500 assets with daily targets and the full log, ours and vectorbt's (a fifth is claimed); 100 sets of 50 assets with curves
(20 MB), and 10,000 sets of 50 assets streaming, weights made as they are needed and summaries kept (300 MB).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import record
from simulator_vectorbt import CAPITAL, COST, PEER, market, plan, targets

from backcast.engine.simulators.many import simulate_many
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import from_orders

MIB = 1024.0


def resident(name: str) -> float:
    """MiB of this process: VmRSS, what it holds, or VmHWM, the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / MIB


def grown(function: Callable[[], Any]) -> tuple[float, Any]:
    """MiB that the process grows by while it runs the function, and its answer."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the most that was held starts anew
    before = resident("VmRSS")
    answer = function()
    return resident("VmHWM") - before, answer


def ours(assets: int, sessions: int) -> tuple[float, float]:
    simulator = NativeSimulator()
    simulator.simulate(plan(market(20, 50), 1), COST, CAPITAL)
    traded = plan(market(assets, sessions), 1)
    taken, account = grown(lambda: simulator.simulate(traded, COST, CAPITAL))
    return taken, float(account.equity[-1])


def theirs(assets: int, sessions: int) -> tuple[float, float]:
    from_orders(plan(market(20, 50), 1), COST, CAPITAL).value()
    traded = plan(market(assets, sessions), 1)

    def simulate() -> Any:
        portfolio = from_orders(traded, COST, CAPITAL)
        return portfolio, np.asarray(portfolio.value()).ravel()

    taken, (_, curve) = grown(simulate)
    return taken, float(curve[-1])


def many(sets: int, sessions: int, curves: bool) -> tuple[float, float]:
    prices = market(50, sessions)
    base, three = plan(prices, 0), [targets(prices.shape, seed) for seed in range(3)]
    simulate_many(base, three, COST, CAPITAL)
    streamed = (three[k % 3] * (1 + k / sets) for k in range(sets))
    taken, found = grown(lambda: simulate_many(base, streamed, COST, CAPITAL, curves=curves))
    alone = NativeSimulator().simulate(plan(prices, 0), COST, CAPITAL)  # set 0 is the base plan's own
    return taken, float(found.final[0] / alone.equity[-1])


SIDES = {
    "ours": ours, "theirs": theirs, "curves": lambda sets, sessions: many(sets, sessions, True),
    "stream": lambda sets, sessions: many(sets, sessions, False),
}  # fmt: skip


def measured(side: str, *sizes: int) -> tuple[float, float]:
    """MiB and an answer, from a new process."""
    command = [sys.executable, __file__, "--side", side, *map(str, sizes)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(out[-2]), float(out[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the sessions")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("sizes", nargs="*", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(*SIDES[given.side](*given.sizes))
        return
    sessions = 252 if given.small else 2520
    mine, peer = measured("ours", 500, sessions), measured("theirs", 500, sessions)
    equal = abs(mine[1] / peer[1] - 1) < 1e-10
    record(f"simulator/500x{sessions}/memory", mine[0], peer[0], PEER, unit="MiB", bar=5, equal=equal)
    for name, sets, bar in (("curves", 100, 20e6 / 2**20), ("stream", 10_000, 300e6 / 2**20)):
        taken, answer = measured(name, sets, sessions)
        claim = f"simulator/{sets}x50x{sessions}/{name}_memory"
        record(claim, taken, unit="MiB", bar=round(bar, 1), equal=abs(answer - 1) < 1e-12)


if __name__ == "__main__":
    main()
