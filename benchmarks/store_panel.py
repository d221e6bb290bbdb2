"""From the disk to the panel: 500 symbols x 2520 sessions, five prices and ten restated items, beside DuckDB on the same files.

    python benchmarks/store_panel.py [--small]

`load_panel` is ours from a call to arrays: bars as each decision first knew them, their later versions, the facts as known.
DuckDB gets the store's own log, compressed as it is, one scan of the bars and one ASOF JOIN on vectors of states (the
query of `store_asof_panel.py`), into an array of the same shape; it finds no later versions and no members. Ours has one
thread but for its reading; of DuckDB's runs with one and with all cores the faster counts. `as-of` is the whole
table at one instant, sorted by key, against DuckDB's newest row of each key. No bars: the issue gives none.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from harness import alternate, record
from store_asof_panel import ASOF, ITEMS, Facts, equal
from store_files import INFO, bars

from backcast.data import query
from backcast.data.asof import load_panel
from backcast.data.calendar import clock
from backcast.data.schema import TABLES
from backcast.data.store import Store
from backcast.data.types import Clock, Floats

SESSIONS = 2520
MIDDLE = np.datetime64("2015-01-02T22:00", "us")
UTC = pa.timestamp("us", tz="UTC")
Call = Callable[[], Any]


def fact_rows(facts: Facts) -> pa.Table:
    """The facts as the store has them, ten items a symbol."""
    count = len(facts.value)
    known = pa.array(facts.known_at).cast(UTC)
    names = pa.array([f"S{k:05d}" for k in range(facts.shape[0])])
    items = pa.array([f"item{i}" for i in range(ITEMS)])
    constant = {"known_basis": "vendor", "batch": "facts"}
    columns = {
        "symbol": names.take(pa.array(facts.symbol)), "item": items.take(pa.array(facts.item)),
        "value": pa.array(facts.value), "event_at": pa.array(facts.period).cast(UTC),
        "known_at": known, "ingested_at": known, **{k: pa.array([v] * count) for k, v in constant.items()},
    }  # fmt: skip
    return pa.table(
        {name: columns[name] for name in TABLES["facts"].schema.names}, schema=TABLES["facts"].schema
    )


def filled(home: Path, sessions: Clock, symbols: int) -> Store:
    """A store of bars, a twentieth of them corrected, and facts, a fifth of them restated, with its read copies."""
    store = Store(home)
    store.create(INFO)
    rows = bars(range(symbols), sessions.closes_at, 0.05, "bars")
    facts = fact_rows(Facts(symbols, sessions.decides_at))
    store.commit("bench", [{"bars": rows}, {"facts": facts}], "all")
    store.refresh("bench", always=True)
    return store


class Peer:
    """DuckDB on the log's files."""

    def __init__(self, store: Store, sessions: Clock, threads: int) -> None:
        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        for table in ("bars", "facts"):
            log = [part.path for part in store.log("bench", table).parts(store.version("bench")[table])]
            self.connection.execute(f"CREATE VIEW {table} AS FROM {query.scan(log)}")
        self.sessions = sessions

    def panel(self) -> Floats:
        """(F, S, T) of prices and items, as `load_panel` has them."""
        grid = pl.DataFrame({"t": range(len(self.sessions)), "event_at": self.sessions.closes_at,
                             "at": self.sessions.decides_at}).with_columns(
            pl.col("event_at", "at").dt.replace_time_zone("UTC"))  # fmt: skip
        self.connection.register("clock", grid)
        prices = self.connection.execute(PRICES).fetchnumpy()
        states = self.connection.execute(STATES).fetchnumpy()
        columns = [prices[name] for name in INFO.bar_fields] + [states[f"v{i}"] for i in range(ITEMS)]
        cells = [np.ma.filled(column.astype(np.float64), np.nan) for column in columns]
        return np.stack(cells).reshape(len(columns), -1, len(self.sessions))

    def newest(self, table: str) -> pa.Table:
        """The table as known in the middle, in the order of its keys."""
        keys = ", ".join(TABLES[table].keys)
        return self.connection.sql(
            f"FROM {table} WHERE known_at <= {query.instant(MIDDLE)} "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY known_at DESC) = 1 ORDER BY {keys}"
        ).to_arrow_table()


CELLS = "cells AS (SELECT symbol, clock.* FROM (SELECT DISTINCT symbol FROM bars), clock)"
PRICES = f"""
    WITH {CELLS}, known AS (
        SELECT b.symbol, c.t, {", ".join(f"arg_max(b.{f}, b.known_at) AS {f}" for f in INFO.bar_fields)}
        FROM bars b JOIN clock c ON b.event_at = c.event_at WHERE b.known_at <= c.at GROUP BY b.symbol, c.t)
    SELECT k.* EXCLUDE (symbol, t) FROM cells LEFT JOIN known k USING (symbol, t) ORDER BY cells.symbol, cells.t"""
STATES = f"""
    WITH {CELLS}, newest AS (
        SELECT *, max(event_at) OVER (PARTITION BY symbol, item ORDER BY known_at) AS best FROM facts),
    one AS (SELECT symbol, item, known_at, arg_max(value, event_at) AS value FROM newest WHERE event_at = best
            GROUP BY symbol, item, known_at),
    vectors AS (SELECT symbol, known_at, {", ".join(f"max(value) FILTER (item = 'item{i}') AS w{i}" for i in range(ITEMS))}
                FROM one GROUP BY symbol, known_at),
    states AS (SELECT symbol, known_at,
               {", ".join(f"last_value(w{i} IGNORE NULLS) OVER w AS v{i}" for i in range(ITEMS))} FROM vectors
               WINDOW w AS (PARTITION BY symbol ORDER BY known_at ROWS UNBOUNDED PRECEDING))
    SELECT s.* EXCLUDE (symbol, known_at) FROM cells g ASOF LEFT JOIN states s
    ON g.symbol = s.symbol AND g."at" >= s.known_at ORDER BY g.symbol, g.t"""


def against(
    claim: str, peer: str, ours: Call, peers: list[Call], same: Callable[[Any, Any], bool], rounds: int
) -> None:
    """One claim: ours against the fastest of the peer's runs."""
    taken = alternate({"ours": ours, **{f"peer {k}": call for k, call in enumerate(peers)}}, rounds)
    mine, *theirs = taken.values()
    met = all(same(mine.answer, one.answer) for one in theirs)
    record(claim, mine.seconds, min(one.seconds for one in theirs), peer, equal=met)


def newest(store: Store, peers: list[Peer], name: str, table: str, rounds: int) -> None:
    """The table as known at one instant."""
    against(
        f"{name}/as-of/{table}",
        f"duckdb {duckdb.__version__} QUALIFY",
        lambda: store.as_of("bench", table, MIDDLE),
        [partial(peer.newest, table) for peer in peers],
        lambda ours, theirs: ours.equals(theirs.cast(ours.schema)),
        rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the symbols, one round")
    small = parser.parse_args().small
    symbols, rounds = (50, 1) if small else (500, 7)
    sessions = clock("XNYS", np.datetime64("2010-01-04"), np.datetime64("2021-01-01"), 30).slice(0, SESSIONS)
    name = f"store/panel-from-disk/{symbols}x{SESSIONS}x{ITEMS}"
    with tempfile.TemporaryDirectory(prefix="backcast-bench-") as folder:
        store = filled(Path(folder), sessions, symbols)
        pin, peers = store.version("bench"), [Peer(store, sessions, n) for n in (1, os.cpu_count() or 1)]
        panels = [peer.panel for peer in peers]
        against(name, ASOF, lambda: load_panel(store, "bench", pin).values, panels, equal, rounds)
        for table in ("bars", "facts"):
            newest(store, peers, name, table, rounds)


if __name__ == "__main__":
    main()
