"""The trial log: what a grid of 1,000 cells pays to be counted, and how long a log of 10,000 trials takes to count and to read.

    python benchmarks/sweeps_trial_log.py [--small]

Claimed, of trials with 2,520 returns each: 1,000 starts and ends in a batch under 2 s, durable; N and the variance of 10,000
trials under 0.3 s, and again where 1,000 of them came one by one; every return of them in at most three times what Arrow takes
to read the same numbers from one plain Parquet file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import alternate, record

from backcast.engine.trials import TrialLog

SESSIONS = 2520
DAYS = np.arange("2010-01-01", "2030-01-01", dtype="datetime64[D]")[:SESSIONS]
CONFIG = {f"key_{n}": {"value": n, "text": "x" * 30} for n in range(60)}


def add(log: TrialLog, first: int, returns: np.ndarray) -> None:
    """Trials as a grid adds them."""
    numbers = range(first, first + len(returns))
    with log.batch():
        with log.batch():
            for n in numbers:
                log.start(f"{n:064d}", {**CONFIG, "seed": n}, {"bars": 1})
        for n, own in zip(numbers, returns, strict=True):
            log.finish(f"{n:064d}", float(own.mean() / own.std()), own, DAYS)


def one_by_one(log: TrialLog, count: int, returns: np.ndarray) -> None:
    """Trials as runs add them."""
    for n in range(count):
        log.start(f"single {n}", {**CONFIG, "seed": n}, {"bars": 1})
        log.finish(f"single {n}", 0.1, returns[n % len(returns)], DAYS)


def flat(path: Path, returns: np.ndarray) -> Any:
    """The same numbers of so many trials in one plain file."""
    table = pa.table({"session": np.tile(DAYS, len(returns)), "net_return": returns.ravel()})
    pq.write_table(table, path, compression="zstd", use_dictionary=["session"], write_page_checksum=True)
    return lambda: pq.ParquetFile(path, page_checksum_verification=True).read()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="1,000 trials")
    trials = 1000 if parser.parse_args().small else 10_000
    returns = np.random.default_rng(1).normal(0, 0.01, (trials, SESSIONS))
    with tempfile.TemporaryDirectory() as home:
        os.environ["BACKCAST_HOME"] = home
        log, taken = TrialLog("bench"), []
        for first in range(0, trials, 1000):
            begin = time.perf_counter()
            add(log, first, returns[first : first + 1000])
            taken.append(time.perf_counter() - begin)
        record(f"sweeps/trial_log/1000x{SESSIONS}/append", float(np.median(taken)), bar=2)
        asked = alternate({"count": log.count}, rounds=5)["count"]
        record(f"sweeps/trial_log/{trials}/count", asked.seconds, bar=0.3, equal=asked.answer.n == trials)
        read = {"ours": log.by_trial, "flat": flat(Path(home) / "flat.parquet", returns)}
        both = alternate(read, rounds=3)
        ours, plain = both["ours"], both["flat"]
        equal = all(np.array_equal(ours.answer[f"{n:064d}"][1], own) for n, own in enumerate(returns))
        record(f"sweeps/trial_log/{trials}x{SESSIONS}/read", ours.seconds, plain.seconds, "one flat Parquet file",
               bar=0.33, equal=equal)  # fmt: skip
        one_by_one(log, trials // 10, returns)
        again = alternate({"count": log.count}, rounds=5)["count"]
        there = again.answer.n == trials + trials // 10
        record(f"sweeps/trial_log/{trials}/count_one_by_one", again.seconds, bar=0.3, equal=there)


if __name__ == "__main__":
    main()
