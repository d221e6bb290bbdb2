"""The store beside ArcticDB on LMDB: the same rows in, the same rows out, by both sides' public calls.

    BACKCAST_ARCTICDB_PYTHON=<python with arcticdb and pyarrow> python benchmarks/store_arcticdb.py [--small]

ArcticDB needs pandas below 3, so it runs as a process of its own (`arcticdb_peer.py`) that times itself; both take turns.
It versions by write time alone, so only what it can answer is asked: days appended one by one, each known when it was
written, read as of one of them. (A correction that came late, a history loaded today, or two knowledge times of one
batch it cannot tell apart.) Its reads are timed as pandas and as Arrow, and the faster counts. A minute table is what is
fastest for it: one ArcticDB symbol a ticker, read in one batch. Both sides sync a commit before it returns (strace:
ArcticDB calls fdatasync on LMDB's file four times an append), and both use all cores. `as-of` is `Store.as_of`, which
sorts by key and gives what is known of each row besides, from the opening of the store on; ArcticDB's library is open
already, and its rows come in the order of time. Our bytes are those of the log and of its read copy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from harness import record
from store_files import COLUMNS, INFO, NOW, bars, daily, filled, minutes

from backcast.data import query
from backcast.data.store import Store

INTERPRETER = "BACKCAST_ARCTICDB_PYTHON"
FORMS = ("PANDAS", "PYARROW")
YEAR = ("2010-01-01", "2010-12-31T23:59:59.999999")
NAMES = COLUMNS.split(", ")
Call = Callable[..., dict[str, Any]]


@contextmanager
def peer(folder: Path) -> Iterator[Call]:
    """ArcticDB in its own environment: calls that give what it answered."""
    command = [os.environ[INTERPRETER], str(Path(__file__).parent / "arcticdb_peer.py"), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout

        def call(what: str, **arguments: Any) -> dict[str, Any]:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps([what, arguments]) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield call
        process.stdin.close()


class Beside:
    """Both stores with the same rows, and how they are timed in turns."""

    def __init__(self, folder: Path, call: Call, rounds: int) -> None:
        self.folder, self.call, self.rounds = folder, call, rounds
        self.name = f"arcticdb {call('version')['version']}"

    def moved(self, rows: pa.Table) -> str:
        """A file of rows for the peer."""
        pq.write_table(rows.select(NAMES), self.folder / "moved.parquet")
        return str(self.folder / "moved.parquet")

    def reads(self, claim: str, ours: Callable[[], pa.Table], **asked: Any) -> None:
        """One read on both sides, the first of each as a warm-up."""
        seconds: dict[str, list[float]] = {name: [] for name in ("ours", *FORMS)}
        answer = None
        for _ in range(self.rounds + 1):
            del answer  # nobody's clock pays for letting go of an old answer
            begin = time.perf_counter()
            answer = ours()
            seconds["ours"].append(time.perf_counter() - begin)
            for form in FORMS:
                seconds[form].append(self.call("read", form=form, **asked)["seconds"])
        mine, *theirs = (statistics.median(taken[1:]) for taken in seconds.values())
        equal = all(self._equal(answer, form, asked) for form in FORMS)
        faster = FORMS[int(np.argmin(theirs))].lower()
        record(f"store/arcticdb/{claim}", mine, min(theirs), f"{self.name} ({faster})", equal=equal)

    def _equal(self, answer: pa.Table, form: str, asked: dict[str, Any]) -> bool:
        self.call("read", form=form, **asked)
        self.call("save", file=str(self.folder / "answer.parquet"))
        theirs = pl.read_parquet(self.folder / "answer.parquet").select(
            pl.col("symbol").cast(pl.String),
            pl.col("event_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            *NAMES[2:],
        )
        ours = pl.DataFrame(answer).select(NAMES).sort("symbol", "event_at")
        return ours.height > 0 and ours.equals(theirs.sort("symbol", "event_at"))


def days(beside: Beside, symbols: int, count: int) -> None:
    """Days appended one by one, then the table as it was known after the middle one."""
    store, known = Store(beside.folder / "days"), np.timedelta64(15, "m")
    store.create(INFO)
    events, versions = daily(2)[:count], []
    for k in range(count):
        rows = bars(range(symbols), events[k : k + 1], 0.0, f"day {k}")
        store.append("bench", "bars", rows, f"day {k}")
        versions.append(beside.call("append", table="days", file=beside.moved(rows))["version"])
    store.refresh("bench", always=True)  # what `ingest` does on its own
    at, version = events[count // 2] + known, versions[count // 2]
    name = f"as-of/{symbols}x{count}"
    beside.reads(name, lambda: store.as_of("bench", "bars", at), tables=["days"], as_of=version)


def whole_and_slice(beside: Beside, symbols: int) -> None:
    """5 M minute rows: all of them as known now, one symbol's first year, and what they take on the disk."""
    before = beside.call("size")["mib"]
    parts = [bars(range(k, k + 5), minutes(256), 0.0, "all") for k in range(20, 20 + symbols, 5)]
    store = filled(beside.folder / "minutes", parts)
    for part in parts:
        beside.call("split", file=beside.moved(part))
    tickers = [f"S{k:05d}" for k in range(20, 20 + symbols)]
    taken = beside.call("size")["mib"] - before
    chosen = "symbol = 'S00021' AND event_at < TIMESTAMPTZ '2011-01-01 00:00+00'"
    with store.reading("bench", "bars", store.version("bench")) as files, query.connected() as connection:
        every, one = (
            f"SELECT {COLUMNS} FROM ({query.as_of(files, NOW)}) {rest}"
            for rest in ("ORDER BY symbol, event_at", f"WHERE {chosen} ORDER BY event_at")
        )
        beside.reads("now/minutes", lambda: connection.sql(every).to_arrow_table(), tables=tickers)
        beside.reads(
            "symbol-year/minutes",
            lambda: connection.sql(one).to_arrow_table(),
            tables=["S00021"],
            range=YEAR,
        )
    held = sum(f.stat().st_blocks * 512 for f in (beside.folder / "minutes").rglob("*.*") if f.is_file())
    record("store/arcticdb/bytes/minutes", held / 2**20, taken, beside.name, unit="MiB")


def commits(beside: Beside, rows: int) -> None:
    """Days of so many symbols, each appended, synced and acknowledged."""
    store, seconds = Store(beside.folder / "commits"), {"ours": [0.0], "theirs": [0.0]}
    store.create(INFO)
    events = daily(2)
    for k in range(3 * beside.rounds + 1):
        day = bars(range(rows), events[k : k + 1], 0.0, f"day {k}")
        begin = time.perf_counter()
        added = store.append("bench", "bars", day, f"day {k}")
        seconds["ours"].append(time.perf_counter() - begin)
        answer = beside.call("append", table="commits", file=beside.moved(day))
        seconds["theirs"].append(answer["seconds"])
    ours, theirs = (statistics.median(taken[2:]) for taken in seconds.values())
    record("store/arcticdb/commit/10k", ours, theirs, beside.name, equal=added == answer["rows"] == rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, two rounds")
    small = parser.parse_args().small
    if INTERPRETER not in os.environ:
        print(f"store/arcticdb: not measured: {INTERPRETER} names no Python with arcticdb and pyarrow.")
        return
    with tempfile.TemporaryDirectory(prefix="backcast-bench-") as name, peer(Path(name) / "arctic") as call:
        beside = Beside(Path(name), call, 2 if small else 7)
        days(beside, 500, 25 if small else 250)
        whole_and_slice(beside, 5 if small else 50)
        commits(beside, 10_000)


if __name__ == "__main__":
    main()
