"""The tables that a function decides from: prices in any of their forms, and facts, membership and actions in long form.

Grammar of shapes: T bars of the prices, S symbols. Row t knows the bars up to t, and of the other tables what was known by the
end of row t's time: of the day, where the times of the prices are days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Ints
from backcast.engine.audit.foreign.frames import Table, Timed, is_frame

LONG = ("facts", "membership", "actions")


@dataclass(frozen=True)
class Tables:
    """What was given. prices: field -> table ("" where it is one frame); wide: whether their columns are symbols; others: the
    long tables by name. times: (T,) of the bars; symbols: of the prices, in their order; first: (S,) the row of each symbol's
    first price (T where it has none)."""

    prices: Mapping[str, Table]
    wide: bool
    others: Mapping[str, Table]
    times: Timed
    symbols: tuple[str, ...]
    first: Ints
    decides: str = "after"
    _rows: dict[str, Ints] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(prices: Any, others: Mapping[str, Any], decides: str = "after") -> Tables:
        """Checks what was given. Errors: InputError naming table, row and column."""
        if decides not in ("after", "before"):
            raise InputError("decides", decides, "after or before (the bar of its row)")
        fields, wide = _prices(prices)
        times = _times(fields, wide)
        long = {name: _long(name, given) for name, given in others.items() if given is not None}
        symbols, first = _symbols(fields, wide, times)
        made = Tables(fields, wide, long, times, symbols, first, decides)
        if (first == len(times.local)).all():
            raise InputError("prices", "no number", "at least one price", "Every cell is empty or NaN.")
        return made

    def __len__(self) -> int:
        return len(self.times.instants)

    @property
    def forms(self) -> tuple[str, ...]:
        """The tables that there are, by the name of what they hold."""
        return ("bars", *self.others)

    def bar_rows(self, name: str) -> Ints:
        """(N,) the bar of each row of a table of prices; of a long one with `known_at`, the first that knows it."""
        if name not in self._rows:
            table = self.prices[name]
            at = np.searchsorted(self.times.instants, table.times().instants)
            if not self.wide and "known_at" in table.columns:
                known = self.knows(table.instants("known_at"))
                at = np.maximum(at, known)
            self._rows[name] = at.astype(np.int64)
        return self._rows[name]

    def known_rows(self, name: str) -> Ints:
        """(N,) the first bar that knows each row of a long table; T where none does."""
        if name not in self._rows:
            self._rows[name] = self.knows(self.others[name].instants(known_column(self.others[name])))
        return self._rows[name]

    def knows(self, known: Timed) -> Ints:
        """(N,) the first bar by whose decision each instant has come."""
        ends = self.times.instants if self.decides == "before" else self.times.ends()
        return np.searchsorted(ends, known.instants).astype(np.int64)

    def at(self, row: int) -> str:
        """A bar's time, as it stands in the prices."""
        local = self.times.local[row]
        return str(local.astype("datetime64[D]") if self.times.daily else local.astype("datetime64[s]"))

    def given(self) -> dict[str, Any]:
        """Fresh copies of all, by the names of parameters: `prices`, their fields, and the long tables."""
        fields = {name: table.taken(np.arange(len(table))).given for name, table in self.prices.items()}
        made: dict[str, Any] = {"prices": fields[""]} if "" in fields else {"prices": dict(fields), **fields}
        for name, table in self.others.items():
            made[name] = table.taken(np.arange(len(table))).given
        return made


def known_column(table: Table) -> str:
    """The column that says when a row could have been read."""
    return "known_at" if "known_at" in table.columns or table.time == "known_at" else "event_at"


def _prices(prices: Any) -> tuple[dict[str, Table], bool]:
    """The tables of prices, and whether they are wide."""
    if isinstance(prices, Mapping):
        if not prices:
            raise InputError("prices", {}, "at least one field, such as close")
        return {
            str(name): _filled(Table.of(given, f"prices[{name!r}]")) for name, given in prices.items()
        }, True
    if not is_frame(prices) and not hasattr(prices, "collect"):
        expected = (
            "a pandas or polars frame (times x symbols, or long), or a mapping of fields to wide frames"
        )
        raise InputError("prices", type(prices).__name__, expected)
    table = _filled(Table.of(prices, "prices"))
    return {"": table}, "symbol" not in table.columns


def _filled(table: Table) -> Table:
    if not len(table) or not table.columns:
        raise InputError(table.where, "no rows" if not len(table) else "no columns", "at least one price")
    return table


def _times(fields: Mapping[str, Table], wide: bool) -> Timed:
    """Of all bars, ascending. Errors: InputError for a wide frame out of order, or with a time twice."""
    every = []
    for table in fields.values():
        times = table.times()
        ahead = np.flatnonzero(np.diff(times.instants).astype(np.int64) <= 0)
        if wide and len(ahead):
            row = int(ahead[0]) + 1
            twice = times.instants[row] == times.instants[row - 1]
            expected = "each time once" if twice else "times in ascending order"
            hint = "Drop the copy." if twice else "Sort them: `prices.sort_index()`."
            raise InputError(f"{table.where}, row {row + 1}", str(times.local[row]), expected, hint)
        every.append(times)
    instants, index = np.unique(np.concatenate([t.instants for t in every]), return_index=True)
    made = Timed(instants, np.concatenate([t.local for t in every])[index])
    if len(instants) < 3:
        raise InputError("prices", f"{len(instants)} times", "at least 3 times: there is no future otherwise")
    return made


def _symbols(fields: Mapping[str, Table], wide: bool, times: Timed) -> tuple[tuple[str, ...], Ints]:
    """Every symbol and the row of its first price."""
    first: dict[str, int] = {}
    for table in fields.values():
        at = np.searchsorted(times.instants, table.times().instants)
        if not wide:
            words = table.words("symbol")
            for name in dict.fromkeys(words.tolist()):
                first[name] = int(at[words == name].min())
            continue
        there = ~np.isnan(table.block(table.columns))
        starts = np.where(there.any(axis=0), at[there.argmax(axis=0)], len(times.instants))
        for name, here in zip(table.columns, starts.tolist(), strict=True):
            first[name] = min(first.get(name, here), here)
    return tuple(first), np.array(list(first.values()), dtype=np.int64)


def _long(name: str, given: Any) -> Table:
    """A long table with its columns of times. Errors: InputError where nothing says when its rows were known."""
    table = Table.of(given, name, time="")
    need = ("known_at",) if name == "facts" else ("known_at", "event_at")
    if not any(column in table.columns for column in need):
        hint = "A row without it cannot be told from the future; state a rule, such as event_at + 1 day."
        raise InputError(
            f"columns of {name}", table.columns, f"a column {need[0]}: when a row could be read", hint
        )
    if "symbol" not in table.columns:
        raise InputError(f"columns of {name}", table.columns, "a column symbol")
    table.instants(known_column(table))
    return table


def seen(tables: Tables, row: int) -> Bools:
    """(S,) the symbols that had a price by a bar."""
    return np.asarray(tables.first <= row)
