"""The store beside flat Parquet files: what was known at K, a symbol's year, and a commit.

    python benchmarks/store_files.py [--small]

The limit is the same rows in one flat file, sorted by (symbol, event_at), read by DuckDB; both answers are compared. A
commit is measured against writing and syncing the same rows as one Parquet file.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from harness import alternate, record

from backcast.data import query
from backcast.data.durable import sync
from backcast.data.schema import TABLES, DatasetInfo
from backcast.data.store import Store

INFO = DatasetInfo("bench", "XNYS", "raw", ("open", "high", "low", "close", "volume"))
NOW = np.datetime64("2100-01-01", "us")
COLUMNS = "symbol, event_at, open, high, low, close, volume"


def bars(symbols: range, events: np.ndarray, corrected: float, batch: str) -> pa.Table:  # type: ignore[type-arg]
    """A bar for each symbol and event, a share of them corrected a month later, in the order of keys."""
    generator = np.random.default_rng(symbols.start)
    symbol, event = np.repeat(np.arange(len(symbols)), len(events)), np.tile(events, len(symbols))
    again = np.flatnonzero(generator.random(len(event)) < corrected)
    order = np.sort(np.concatenate([np.arange(len(event)), again]))
    late = np.concatenate([[False], order[1:] == order[:-1]])
    known = event[order] + np.where(late, np.timedelta64(30, "D"), np.timedelta64(15, "m"))
    names = pa.array([f"S{k:05d}" for k in symbols])
    utc = pa.timestamp("us", tz="UTC")
    prices = [pa.array(np.round(generator.uniform(10, 500, len(order)), 2)) for _ in range(4)]
    volume = pa.array(generator.integers(100, 100_000, len(order)).astype(np.float64))
    constant = [
        pa.array([value] * 1).take(pa.array(np.zeros(len(order), np.int32))) for value in ("rule", batch)
    ]
    columns = [
        names.take(pa.array(symbol[order])), *prices, volume, pa.array(event[order]).cast(utc), pa.array(known).cast(utc),
        constant[0], pa.array(known).cast(utc), constant[1],
    ]  # fmt: skip
    return pa.table(columns, schema=TABLES["bars"].schema)


def daily(years: int) -> np.ndarray:  # type: ignore[type-arg]
    days = np.arange(252 * years).astype("timedelta64[D]")
    return (np.datetime64("2010-01-04T21:00", "us") + days).astype("datetime64[us]")


def minutes(days: int) -> np.ndarray:  # type: ignore[type-arg]
    within = np.arange(390).astype("timedelta64[m]")
    return (daily(50)[:days, None] - np.timedelta64(390, "m") + within).ravel()


def filled(home: Path, tables: list[pa.Table]) -> Store:
    store = Store(home)
    store.create(INFO)
    store.commit("bench", ({"bars": rows} for rows in tables), "all")
    store.refresh("bench", always=True)
    return store


def as_of(store: Store, kind: str, at: np.datetime64, bar: float, rounds: int, home: Path) -> None:
    """The snapshot at an instant against a flat file of exactly its rows; a read row of ours costs so many of theirs."""
    flat, pin = home / f"flat-{kind}.parquet", store.version("bench")
    with store.reading("bench", "bars", pin) as files, query.connected() as connection:
        snapshot = query.as_of(files, at)
        connection.execute(
            f"COPY (SELECT * FROM ({snapshot}) ORDER BY symbol, event_at) TO '{flat}' (FORMAT parquet, COMPRESSION zstd)"
        )
        total = query.first(connection, f"SELECT count(*) FROM ({query.rows(files)})")[0]
        current = query.first(connection, f"SELECT count(*) FROM {query.scan(files.current)}")[0]
        rows = query.first(connection, f"SELECT count(*) FROM '{flat}'")[0]
        taken = alternate(
            {
                "ours": lambda: connection.sql(f"SELECT {COLUMNS} FROM ({snapshot})").to_arrow_table(),
                "flat": lambda: connection.sql(f"SELECT {COLUMNS} FROM '{flat}'").to_arrow_table(),
            },
            rounds,
        )
    ours, theirs = (pl.DataFrame(taken[k].answer).sort("symbol", "event_at") for k in ("ours", "flat"))
    scanned = current if at == NOW else total
    ratio = (taken["ours"].seconds / scanned) / (taken["flat"].seconds / rows)
    record(f"store/snapshot/{kind}", ratio, unit="x", bar=bar, equal=ours.equals(theirs))


def slice_of(store: Store, rounds: int, home: Path, bar: float) -> None:
    """One symbol's first year against the same slice of the flat file of everything."""
    chosen = "symbol = 'S00021' AND event_at < TIMESTAMPTZ '2011-01-01 00:00+00'"
    with store.reading("bench", "bars", store.version("bench")) as files, query.connected() as connection:
        taken = alternate(
            {
                "ours": lambda: connection.sql(
                    f"SELECT {COLUMNS} FROM ({query.as_of(files, NOW)}) WHERE {chosen}"
                ).to_arrow_table(),
                "flat": lambda: connection.sql(
                    f"SELECT {COLUMNS} FROM '{home / 'flat-minutes-now.parquet'}' WHERE {chosen}"
                ).to_arrow_table(),
            },
            rounds * 5,
        )
    ours, theirs = (pl.DataFrame(taken[k].answer).sort("symbol", "event_at") for k in ("ours", "flat"))
    ratio = taken["ours"].seconds / taken["flat"].seconds
    record(
        "store/symbol-year/minutes", ratio, unit="x", bar=bar, equal=ours.height > 0 and ours.equals(theirs)
    )


def commits(store: Store, rounds: int, home: Path) -> None:
    """A day of 10,000 symbols, acknowledged, against the same rows written to one synced Parquet file."""
    day, number = daily(40)[-2000:], iter(range(10_000))
    batches = {k: bars(range(10_000), day[k : k + 1], 0.0, f"day {k}") for k in range(rounds * 2 + 2)}

    def ours() -> int:
        k = next(number)
        return store.append("bench", "bars", batches[k], f"day {k}")

    def bare() -> int:
        k, path = next(number), home / "bare.parquet"
        pq.write_table(batches[k], path, compression="zstd")
        sync(path)
        return batches[k].num_rows

    taken = alternate({"ours": ours, "bare": bare}, rounds)
    equal = taken["ours"].answer == taken["bare"].answer == 10_000
    record("store/commit/10k", taken["ours"].seconds / taken["bare"].seconds, unit="x", bar=3.5, equal=equal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, one round")
    small, home = parser.parse_args().small, Path(tempfile.mkdtemp(prefix="backcast-bench-"))
    rounds, middle = 2 if small else 7, np.datetime64("2014-06-30", "us")
    try:
        store = filled(home / "daily", [bars(range(50 if small else 500), daily(10), 0.05, "all")])
        as_of(store, "daily-middle", middle, 2.5, rounds, home)
        as_of(store, "daily-now", NOW, 1.2, rounds, home)
        commits(store, rounds, home)
        part = 5 if small else 50
        store = filled(
            home / "minutes",
            [bars(range(k, k + 5), minutes(256), 0.02, "all") for k in range(20, 20 + part, 5)],
        )
        as_of(store, "minutes-middle", np.datetime64("2010-06-30", "us"), 2.5, rounds, home)
        as_of(store, "minutes-now", NOW, 1.2, rounds, home)
        slice_of(store, rounds, home, 2.0)
    finally:
        shutil.rmtree(home)


assert TABLES["bars"].keys == ("symbol", "event_at")  # what the flat files are sorted by

if __name__ == "__main__":
    main()
