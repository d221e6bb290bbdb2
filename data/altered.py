"""One pinned data set in memory, and the same with another future: what the leak audit compares a run with.

Every table is read from the store once; each view then costs a filter. `truncated(K)` has only what was known by K.
`scrambled(K, seed)` has the same rows as ever with known_at <= K, and after K another world: other values, rows that are gone,
new rows and late ones, among them corrections of what was known by K. Which instant is meant is for `data/asof.py` and its
caller to say; here, as in the store, an instant only bounds the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from backcast.data.futures import FUTURES, Past
from backcast.data.identity import instants
from backcast.data.schema import DatasetInfo
from backcast.data.tables import Tables
from backcast.data.types import Instants

TABLES_READ = tuple(FUTURES)
"""The tables that a path reads: bars, actions, membership and facts."""


@dataclass
class Altered:
    """A data set in memory; it reads as the store does. rows: its tables; known: their known_at (N,); end: nothing that was
    known later exists in it, where it is not None."""

    about: DatasetInfo
    names: tuple[str, ...]
    last: np.datetime64
    rows: Mapping[str, pa.Table]
    known: Mapping[str, Instants]
    end: np.datetime64 | None = None

    def info(self, dataset: str) -> DatasetInfo:
        return self.about

    def read(
        self, dataset: str, table: str, pin: dict[str, int], until: np.datetime64 | None = None
    ) -> pa.Table:
        bounds = [bound for bound in (self.end, until) if bound is not None]
        rows = self.rows[table]
        if not bounds:
            return rows
        there = self.known[table] <= min(bounds)
        return rows if there.all() else rows.filter(pa.array(there))

    def items(self, dataset: str, pin: dict[str, int]) -> tuple[str, ...]:
        return self.names

    def last_bar(self, dataset: str, pin: dict[str, int]) -> np.datetime64:
        return self.last


@dataclass(frozen=True)
class Held:
    """A pinned data set, read once. `whole` is that data set itself, from memory."""

    whole: Altered
    past: Past = field(repr=False)

    @staticmethod
    def of(store: Tables, dataset: str, pin: dict[str, int]) -> Held:
        """Reads every table that a path reads."""
        rows = {name: store.read(dataset, name, pin).combine_chunks() for name in TABLES_READ}
        known = {name: instants(table, "known_at") for name, table in rows.items()}
        info = store.info(dataset)
        whole = Altered(info, store.items(dataset, pin), store.last_bar(dataset, pin), rows, known)
        return Held(whole, Past.of(info, rows["bars"]))

    def truncated(self, at: np.datetime64) -> Altered:
        """Only what was known by an instant: what the store reads with `until`."""
        w = self.whole
        return Altered(w.about, w.names, w.last, w.rows, w.known, at)

    def scrambled(
        self,
        at: np.datetime64,
        seed: int,
        tables: Sequence[str] = TABLES_READ,
        mild: bool = False,
        until: np.datetime64 | None = None,
    ) -> Altered:
        """The same up to an instant, and another future of these tables; the last bar's instant and the names of items stay.

        mild: other values alone, for code that cannot bear rows that come and go. until: nothing known later is made, for
        whoever reads no more than that.
        """
        w = self.whole
        rows = {name: w.read(w.about.name, name, {}, until) for name in w.rows}
        known = {
            name: w.known[name] if until is None else w.known[name][w.known[name] <= until] for name in rows
        }
        for name in tables:
            # A stream a table, so that a table's future is the same beside any others.
            generator = np.random.default_rng([seed, TABLES_READ.index(name), int(at.astype(np.int64))])
            rows[name] = FUTURES[name](self.past, rows[name], known[name], at, generator, mild)
            known[name] = instants(rows[name], "known_at")
        return Altered(w.about, w.names, w.last, rows, known)
