"""The panel of restated facts as known: 500 symbols x 2520 decisions x 10 items, against DuckDB's ASOF and pandas.

    python benchmarks/store_asof_panel.py [--small]

From the same rows (symbol, item, period, known_at, value): at each decision the newest period known, its newest version.
All begin with the rows in no order, in memory, in their own tables, and end with one array of cells: what is sorted or
placed is on everybody's clock. DuckDB gets what is fastest for it: one vector of states a symbol and instant, keys
unique, one ASOF JOIN (1 thread and all cores are both measured, the better counts). polars has all cores, pandas one, ours
one. `bare` is a merge written by hand, one thread too. Memory is what a forked process grows by while it runs ours.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from harness import alternate, peak, record
from numba import njit

from backcast.data.types import Floats, Instants, Ints
from backcast.data.universe import state_as_known

ITEMS = 10
ASOF = f"duckdb {duckdb.__version__} ASOF"
PEERS = {
    "duckdb": (ASOF, ("duckdb", "duckdb, all cores"), 6.0),
    "duckdb-long": (f"{ASOF}, long form", ("long", "long, all cores"), 14.0),
    "polars": (f"polars {pl.__version__}", ("polars",), None),
    "pandas": (f"pandas {pd.__version__}", ("pandas",), None),
}
"""Of each claim the peer, its variants, of which the fastest counts, and the bar."""


class Facts:
    """Quarterly items, published about 40 days after their period, a fifth restated later."""

    def __init__(self, symbols: int, decides_at: Instants) -> None:
        generator = np.random.default_rng(5)
        self.decides_at = decides_at
        quarters = np.arange(np.datetime64("2009-10-01"), decides_at[-1].astype("datetime64[D]"), 91)
        shape = (symbols, ITEMS, len(quarters))
        s, i, q = (a.ravel() for a in np.meshgrid(*map(np.arange, shape), indexing="ij"))
        period = quarters[q].astype("datetime64[us]")
        known = period + (generator.integers(25, 60, len(s)) * 86_400_000_000).astype("timedelta64[us]")
        again = generator.random(len(s)) < 0.2
        later = known + (generator.integers(30, 400, len(s)) * 86_400_000_000).astype("timedelta64[us]")
        self.symbol = np.concatenate([s, s[again]])
        self.item = np.concatenate([i, i[again]])
        self.period = np.concatenate([period, period[again]])
        self.known_at = np.concatenate([known, later[again]])
        self.value = generator.normal(size=len(self.symbol))
        order = generator.permutation(len(self.symbol))
        for name in ("symbol", "item", "period", "known_at", "value"):
            setattr(self, name, getattr(self, name)[order])
        self.shape = (symbols, len(decides_at))

    def ours(self) -> Floats:
        """(S x I, T) by the store's own merge, the sort included."""
        series: Ints = self.symbol * ITEMS + self.item
        decision = np.searchsorted(self.decides_at, self.known_at)
        order = np.lexsort((self.known_at, decision, series))
        return state_as_known(series[order], self.period[order].astype(np.int64), decision[order], self.value[order],
                              (self.shape[0] * ITEMS, self.shape[1]))  # fmt: skip

    def duckdb(self, connection: duckdb.DuckDBPyConnection) -> Floats:
        """The same cells in the same order, from one ASOF JOIN."""
        columns = ", ".join(f"v{i}" for i in range(ITEMS))
        wide = ", ".join(f"max(value) FILTER (item = {i}) AS w{i}" for i in range(ITEMS))
        filled = ", ".join(f"last_value(w{i} IGNORE NULLS) OVER w AS v{i}" for i in range(ITEMS))
        query = f"""
            WITH newest AS (
                SELECT *, max(period) OVER (PARTITION BY symbol, item ORDER BY known_at) AS best FROM facts),
            one AS (SELECT symbol, item, known_at, arg_max(value, period) AS value FROM newest WHERE period = best
                    GROUP BY symbol, item, known_at),
            vectors AS (SELECT symbol, known_at, {wide} FROM one GROUP BY symbol, known_at),
            states AS (SELECT symbol, known_at, {filled} FROM vectors
                       WINDOW w AS (PARTITION BY symbol ORDER BY known_at ROWS UNBOUNDED PRECEDING))
            SELECT g.symbol, g.t, {columns} FROM grid g ASOF LEFT JOIN states s
            ON g.symbol = s.symbol AND g.at >= s.known_at"""
        found, cells = connection.execute(query).fetchnumpy(), self._cells()
        for i in range(ITEMS):  # placed, which takes less than ORDER BY
            cells[found["symbol"], i, found["t"]] = _floats(found[f"v{i}"])
        return cells.reshape(-1, self.shape[1])

    def duckdb_long(self, connection: duckdb.DuckDBPyConnection) -> Floats:
        """The same cells with a grid row for each item: the plain way to write it."""
        query = f"""
            WITH newest AS (
                SELECT *, max(period) OVER (PARTITION BY symbol, item ORDER BY known_at) AS best FROM facts),
            one AS (SELECT symbol, item, known_at, arg_max(value, period) AS value FROM newest WHERE period = best
                    GROUP BY symbol, item, known_at),
            cells AS (SELECT symbol, i AS item, t, grid."at" AS "at" FROM grid, range({ITEMS}) r(i))
            SELECT c.symbol, c.item, c.t, s.value FROM cells c ASOF LEFT JOIN one s
            ON c.symbol = s.symbol AND c.item = s.item AND c."at" >= s.known_at"""
        found, cells = connection.execute(query).fetchnumpy(), self._cells()
        cells[found["symbol"], found["item"], found["t"]] = _floats(found["value"])
        return cells.reshape(-1, self.shape[1])

    def _cells(self) -> Floats:
        """(S, I, T) to be filled."""
        return np.empty((self.shape[0], ITEMS, self.shape[1]))

    def polars(self) -> Floats:
        """The same cells from one join_asof on vectors of states, keys made unique."""
        facts = pl.DataFrame({"symbol": self.symbol, "item": self.item, "period": self.period,
                              "known_at": self.known_at, "value": self.value})  # fmt: skip
        facts = facts.sort("known_at", "period")
        facts = facts.filter(pl.col("period") == pl.col("period").cum_max().over("symbol", "item"))
        facts = facts.unique(["symbol", "item", "known_at"], keep="last", maintain_order=True)
        wide = facts.pivot("item", index=["symbol", "known_at"], values="value", aggregate_function="last")
        items = [str(i) for i in range(ITEMS)]
        wide = wide.sort("symbol", "known_at").with_columns(pl.col(items).forward_fill().over("symbol"))
        symbols, decisions = self.shape
        grid = pl.DataFrame(
            {"symbol": np.repeat(np.arange(symbols), decisions), "at": np.tile(self.decides_at, symbols)}
        )
        found = grid.set_sorted("at").join_asof(
            wide.set_sorted("known_at"),
            left_on="at",
            right_on="known_at",
            by="symbol",
            check_sortedness=False,
        )
        cells = found.select(items).to_numpy().reshape(symbols, decisions, ITEMS)
        return np.ascontiguousarray(cells.transpose(0, 2, 1)).reshape(-1, decisions)

    def bare(self) -> Floats:
        """The same cells from the least that a hand-written merge must do: sort, and write each cell once."""
        series = self.symbol * ITEMS + self.item
        decision = np.searchsorted(self.decides_at, self.known_at)
        order = np.lexsort((self.known_at, decision, series))
        cells = np.empty((self.shape[0] * ITEMS, self.shape[1]))  # NumPy's: Numba's memory has no huge pages
        _bare(series[order], decision[order], self.period[order].astype(np.int64), self.value[order], cells)
        return cells

    def pandas(self) -> Floats:
        """The same cells from one merge_asof an item."""
        frame = pd.DataFrame({"symbol": self.symbol, "item": self.item, "period": self.period,
                              "known_at": self.known_at, "value": self.value})  # fmt: skip
        frame = frame.sort_values(["known_at", "period"])
        frame = frame[frame["period"] == frame.groupby(["symbol", "item"])["period"].cummax()]
        frame = frame.drop_duplicates(["symbol", "item", "known_at"], keep="last")
        symbols, decisions = self.shape
        grid = pd.DataFrame(
            {"at": np.repeat(self.decides_at, symbols), "symbol": np.tile(np.arange(symbols), decisions)}
        )
        cells = np.empty((symbols, ITEMS, decisions))
        for i in range(ITEMS):
            states = frame[frame["item"] == i]
            found = pd.merge_asof(grid, states, left_on="at", right_on="known_at", by="symbol")
            cells[:, i] = found["value"].to_numpy().reshape(decisions, symbols).T
        return cells.reshape(-1, decisions)

    def connect(self, threads: int) -> duckdb.DuckDBPyConnection:
        """A connection that holds the facts and the grid as tables of its own."""
        connection = duckdb.connect(config={"threads": threads})
        facts = pd.DataFrame({"symbol": self.symbol, "item": self.item, "period": self.period,
                              "known_at": self.known_at, "value": self.value})  # fmt: skip
        symbols, decisions = self.shape
        grid = pd.DataFrame({"symbol": np.repeat(np.arange(symbols), decisions),
                             "t": np.tile(np.arange(decisions), symbols),
                             "at": np.tile(self.decides_at, symbols)})  # fmt: skip
        for name, frame in (("facts", facts), ("grid", grid)):
            connection.register("given", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")
        return connection


def _floats(column: Any) -> Floats:
    """A column of DuckDB's, null as NaN."""
    return np.asarray(np.ma.filled(column.astype(np.float64), np.nan))


@njit(cache=True)
def _bare(series: Ints, decision: Ints, period: Ints, value: Floats, cells: Floats) -> None:
    k = 0
    for one in range(len(cells)):
        own, t, newest, state = cells[one], 0, np.int64(-(2**62)), np.nan
        while k < len(series) and series[k] == one:
            own[t : decision[k]] = state
            t = max(t, decision[k])
            if period[k] >= newest:
                newest, state = period[k], value[k]
            k += 1
        own[t:] = state


def equal(answer: Floats, other: Floats) -> bool:
    return bool(np.array_equal(answer, other, equal_nan=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the symbols, one round")
    small = parser.parse_args().small
    days = np.datetime64("2010-01-04T21:30", "us") + np.arange(2520) * np.timedelta64(1, "D")
    facts = Facts(50 if small else 500, days)
    facts.ours(), facts.bare()  # compiled, or read from the cache
    memory = peak(facts.ours)  # before anybody has threads that a fork would lose
    one, every = facts.connect(1), facts.connect(os.cpu_count() or 1)
    taken = alternate(
        {
            "ours": facts.ours,
            "bare": facts.bare,
            "duckdb": lambda: facts.duckdb(one),
            "duckdb, all cores": lambda: facts.duckdb(every),
            "long": lambda: facts.duckdb_long(one),
            "long, all cores": lambda: facts.duckdb_long(every),
            "polars": facts.polars,
            "pandas": facts.pandas,
        },
        1 if small else 7,
    )
    ours, answer = taken["ours"].seconds, taken["ours"].answer
    size = f"store/as-known/{facts.shape[0]}x{facts.shape[1]}x{ITEMS}"
    for claim, (peer, names, bar) in PEERS.items():
        best = min((taken[name] for name in names), key=lambda one: one.seconds)
        same = all(equal(answer, taken[name].answer) for name in names)
        record(f"{size}/{claim}", ours, best.seconds, peer, bar=bar, equal=same)
    same = equal(answer, taken["bare"].answer)
    record(f"{size}/bare", ours / taken["bare"].seconds, unit="x", bar=1.2, equal=same)
    record(f"{size}/memory", memory, unit="MiB", bar=600)


if __name__ == "__main__":
    main()
