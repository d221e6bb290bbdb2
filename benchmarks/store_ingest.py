"""50 M daily bars from Parquet files through the real ingest: quality checks, sync, read copy, and how much memory it takes.

    python benchmarks/store_ingest.py [--small]

Files of a million rows, one group of symbols each, a fiftieth of the bars corrected a month later. The ingest is a process
of its own, whose VmHWM (and that of any child it has) is the claim. Its limit in time is a bare copy of the same files
by DuckDB with all cores, synced: nothing checked, sorted, keyed or read again. Both hold the same rows in the end.
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

import duckdb
import numpy as np
import polars as pl
from harness import record

from backcast.data import query
from backcast.data.calendar import clock
from backcast.data.durable import sync
from backcast.data.ingest import ingest
from backcast.data.sources.parquet import Parquet
from backcast.data.store import Store

SESSIONS, SYMBOLS = 2450, 400
CORRECTED = 0.0204082
"""Of the bars: 980,000 bars and about 20,000 corrections are the million rows of a file."""


def written(folder: Path, count: int) -> None:
    """Files of bars as a vendor would send them: walks of prices in cents, with the instant that each bar was known."""
    days = clock("XNYS", np.datetime64("2010-01-04"), np.datetime64("2020-01-01"), 0)
    session, closes = days.sessions[:SESSIONS], days.closes_at[:SESSIONS]
    for k in range(count):
        _bars(k, session, closes).write_parquet(folder / f"group-{k:03d}.parquet")


def _bars(k: int, sessions: Any, closes_at: Any) -> pl.DataFrame:
    generator = np.random.default_rng(k)
    steps = generator.normal(0, 0.02, (SYMBOLS, SESSIONS)).cumsum(axis=1)
    close = 100 * np.exp(steps - steps.mean(axis=1, keepdims=True)).ravel()
    before = close * np.exp(generator.normal(0, 0.01, len(close)))
    symbol, day = np.divmod(np.arange(len(close)), SESSIONS)
    frame = pl.DataFrame({
        "date": sessions[day],
        "symbol": pl.Series(np.array([f"S{SYMBOLS * k + s:05d}" for s in range(SYMBOLS)])[symbol]),
        "open": before, "high": np.maximum(close, before) * 1.005, "low": np.minimum(close, before) * 0.995,
        "close": close, "volume": generator.integers(100, 1_000_000, len(close)).astype(np.float64),
        "known_at": closes_at[day] + np.timedelta64(15, "m"),
    })  # fmt: skip
    cents, known = pl.col("open", "high", "low", "close").round(2), pl.col("known_at")
    frame = frame.with_columns(cents, known.dt.replace_time_zone("UTC"))
    late = frame.filter(generator.random(frame.height) < CORRECTED)
    later = late.with_columns(known + pl.duration(days=30), pl.col("volume") + 100)
    return pl.concat([frame, later])


def one(home: Path, files: Path) -> None:
    """The ingest, in this process: prints what it added, its seconds and its peak memory."""
    begin = time.perf_counter()
    report = ingest(Store(home), Parquet(name="big", path=str(files), price_basis="raw"))
    seconds = time.perf_counter() - begin
    print(json.dumps({"rows": report.added["bars"], "seconds": seconds, "memory": _peak(),
                      "findings": len(report.findings)}))  # fmt: skip


def _peak() -> float:
    """MiB: the most that this process, or a child of it, ever held resident."""
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def bare(files: Path, target: Path) -> float:
    """Seconds of DuckDB's copy of the same files into one synced Parquet file."""
    begin = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (FROM read_parquet('{files}/*.parquet')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
    sync(target)
    return time.perf_counter() - begin


def equal(home: Path, flat: Path) -> bool:
    """Whether the store holds the rows of the flat file, by their number and their sums a symbol."""
    store = Store(home)
    sums = "symbol, count(*), sum(volume), round(sum(close * 100)), max(known_at)"
    with store.reading("big", "bars", store.version("big")) as held, query.connected("4GB") as connection:
        ours, theirs = (
            connection.sql(f"SELECT {sums} FROM ({rows}) GROUP BY symbol ORDER BY symbol").fetchall()
            for rows in (query.rows(held), f"FROM '{flat}'")
        )
    return bool(ours) and ours == theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the rows")
    parser.add_argument("--one", nargs=2, metavar=("HOME", "FILES"), type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(*given.one)
        return
    millions = 5 if given.small else 50
    with tempfile.TemporaryDirectory(prefix="backcast-bench-") as folder:
        home, files, flat = Path(folder) / "home", Path(folder) / "files", Path(folder) / "flat.parquet"
        files.mkdir()
        written(files, millions)
        theirs = bare(files, flat)
        command = [sys.executable, __file__, "--one", str(home), str(files)]
        done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        same = equal(home, flat)
        print(
            f"{done['rows']:,} rows, {done['rows'] / done['seconds']:,.0f} a second; {done['findings']} findings."
        )
        record(f"store/ingest/{millions}M", done["memory"], unit="MiB", bar=3072, equal=same)
        record(f"store/ingest/{millions}M/bare", done["seconds"] / theirs, unit="x", equal=same)


if __name__ == "__main__":
    main()
