"""Minute bars of 500 symbols x 250 days x 390 in bounded memory: twelve features, peak memory of the process.

    python benchmarks/features_memory.py [--small]

The bars are made by this file. A process of its own holds the panel of the five fields (48.75 M cells each, 1.8 GiB) and
evaluates conf/features/ohlcv, a rank across symbols among them, into a memory-mapped file of float32. Its peak memory,
everything included, must stay under 4 GiB. A few symbols are compared with pandas, all of one row's ranks too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import record

from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.engine.features.sheet import read_set

FIELDS = ("open", "high", "low", "close", "volume")
MINUTES = 390
CHECKED = (0, 7, -1)


def minutes(symbols: int, days: int) -> Panel:
    """Seeded bars, filled field by field, so that making them needs no more memory than holding them."""
    rng, rows = np.random.default_rng(5), days * MINUTES
    values = np.empty((len(FIELDS), symbols, rows))
    for s in range(symbols):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.0008, rows)))
        opened = np.concatenate([[50.0], close[:-1]]) * np.exp(rng.normal(0, 1e-4, rows))
        spread = np.abs(rng.normal(0, 4e-4, (2, rows)))
        values[0, s], values[3, s] = opened, close
        values[1, s] = np.maximum(opened, close) * (1 + spread[0])
        values[2, s] = np.minimum(opened, close) * (1 - spread[1])
        values[4, s] = np.round(rng.lognormal(7, 1, rows))
    at = np.datetime64("2024-01-02T14:31", "us") + np.arange(rows) * np.timedelta64(1, "m")
    clock = Clock("made", at.astype("datetime64[D]"), at, at, at, np.arange(rows) + 1_000_000, 98_280.0)
    none = np.zeros(0, dtype=np.int64)
    revisions = Revisions(none, none, none, at[:0], none, np.zeros(0))
    names = tuple(f"S{s:03d}" for s in range(symbols))
    return Panel(FIELDS, names, clock, values, np.ones((symbols, rows), dtype=bool), revisions, "raw", 0.0)


def pandas_answers(panel: Panel, s: int) -> dict[str, Floats]:
    """What pandas says of one symbol."""
    o, h, low, c, v = (pd.Series(panel.values[f, s]) for f in range(5))
    return {
        "return_5": (c / c.shift(5) - 1).to_numpy(), "overnight": (o / c.shift(1) - 1).to_numpy(),
        "range": ((h - low) / c).to_numpy(), "volatility_20": c.pct_change().rolling(20).std().to_numpy(),
        "high_20": (c / h.rolling(20).max() - 1).to_numpy(), "volume_20": (v / v.rolling(20).mean()).to_numpy(),
    }  # fmt: skip


def agree(panel: Panel, values: Any, names: tuple[str, ...]) -> bool:
    """Some symbols, and one row across all of them, as pandas has them, to float32."""
    for s in CHECKED:
        for name, truth in pandas_answers(panel, s).items():
            if not np.allclose(values[names.index(name), s], truth, rtol=2e-6, atol=1e-7, equal_nan=True):
                return False
    row = len(panel.clock) // 2
    moves = pd.Series(panel.values[3, :, row] / panel.values[3, :, row - 5] - 1)
    return bool(np.allclose(values[names.index("rank_5"), :, row], moves.rank(pct=True), rtol=1e-6))


def work(symbols: int, days: int, folder: Path) -> dict[str, Any]:
    """The evaluation, in the process that is measured: the peak is read before anything is checked."""
    panel, chosen = minutes(symbols, days), read_set("ohlcv")
    assert chosen is not None
    graph = chosen.compile(FIELDS, "raw")
    shape = (len(graph.names), *panel.member.shape)
    out = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, shape)
    begin = time.perf_counter()
    graph.evaluate(panel, threads=2, out=out)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    return {"peak": peak, "seconds": seconds, "equal": agree(panel, out, graph.names)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the days")
    parser.add_argument("--work", nargs=3, metavar=("SYMBOLS", "DAYS", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        symbols, days, folder = arguments.work
        print(json.dumps(work(int(symbols), int(days), Path(folder))))
        return
    days = 25 if arguments.small else 250
    with tempfile.TemporaryDirectory(prefix="backcast-bench-") as folder:
        command = [sys.executable, __file__, "--work", "500", str(days), folder]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(answer.splitlines()[-1])
    cells = 500 * days * MINUTES
    print(f"12 features of {cells / 1e6:.2f} M bars in {found['seconds']:.1f} s on two threads.")
    claim = f"features/minutes/500x{days}x390/memory"
    record(claim, found["peak"], unit="MiB", bar=4096, equal=found["equal"])


if __name__ == "__main__":
    main()
