"""Other futures for given tables: the one that never comes, and one that comes otherwise.

Both leave alone what row K knew. `truncated`: what was known after K does not exist, nor do symbols that had no price by then.
`scrambled`: prices go another way (all of a bar by one factor, so that high >= open stays true), volumes too; unless only
values change, bars go missing, a symbol ends, rows vanish, and facts known before K are restated after it. Seeded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.audit.foreign.frames import Table
from backcast.engine.audit.foreign.tables import Tables, known_column, seen

PRICES = ("open", "high", "low", "close", "vwap", "price", "adj_close", "adj close", "bid", "ask", "")
COUNTS = ("volume", "shares", "trades", "turnover", "amount")


@dataclass(frozen=True)
class Future:
    """Which future. kind: truncated, scrambled or pulsed.

    values_only: the milder scramble, that leaves all rows and symbols; until: bars that a scramble goes on for after K (None:
    to the end, so that length and calendar stay what they were); only: the tables that change (None: all); unlisted: the
    scramble in which no symbol is listed after K; bars: those that a pulse changes.
    """

    kind: str
    values_only: bool = False
    until: int | None = None
    only: Collection[str] | None = None
    seed: int = 0
    unlisted: bool = False
    bars: tuple[int, ...] = ()

    def of(self, tables: Tables, row: int) -> Tables:
        """The tables with another future after row `row`."""
        make = {"truncated": truncated, "scrambled": scrambled, "pulsed": pulsed}[self.kind]
        return make(tables, row, self)

    def changes(self, name: str) -> bool:
        return self.only is None or name in self.only

    def share(self, tables: Tables, row: int) -> float:
        """Of all rows, those that are replayed."""
        if self.only is not None and "bars" not in self.only:
            return 1.0
        return (self.end(tables, row) + 1) / len(tables)

    def end(self, tables: Tables, row: int) -> int:
        """The last bar that there is."""
        last = len(tables) - 1
        if self.kind == "truncated":
            return min(row, last)
        return last if self.until is None else min(last, row + self.until)


def truncated(tables: Tables, row: int, future: Future) -> Tables:
    """What was known after row K is gone. Where rows decide before their bar, that of K itself is there, but another."""
    prices, others = dict(tables.prices), dict(tables.others)
    if future.changes("bars"):
        gone = unseen(tables, row)
        if tables.decides == "before":
            prices = _moved(tables, row - 1, _rng(future, row), False)
        for name, table in prices.items():
            prices[name] = table.taken(tables.bar_rows(name) <= row, _without(tables, table, gone))
    for name, table in tables.others.items():
        if future.changes(name):
            others[name] = table.taken(tables.known_rows(name) <= row)
    return replace(tables, prices=prices, others=others, _rows={})


def scrambled(tables: Tables, row: int, future: Future) -> Tables:
    """After row K (from it on, where rows decide before their bar) everything is another."""
    rng = _rng(future, row)
    last = row if tables.decides == "after" else row - 1
    prices, others = dict(tables.prices), dict(tables.others)
    if future.changes("bars"):
        prices = _moved(tables, last, rng, not future.values_only)
        end, gone = future.end(tables, row), unseen(tables, row) if future.unlisted else []
        for name, table in prices.items():
            prices[name] = table.taken(_until(tables, table, end, gone), _without(tables, table, gone))
    for name, table in tables.others.items():
        if future.changes(name):
            others[name] = _restated(tables, name, table, row, rng, future.values_only)
    return replace(tables, prices=prices, others=others, _rows={})


def pulsed(tables: Tables, row: int, future: Future) -> Tables:
    """Single bars are others, the rest stays."""
    rng, bars, size = _rng(future, row), list(future.bars), (len(future.bars), len(tables.symbols))
    factor, volume, hole = paths(len(tables), size[1], len(tables) - 1, rng, False)
    factor[bars] = np.exp(rng.choice([-1.0, 1.0], size) * rng.uniform(0.04, 0.12, size))
    volume[bars] = np.exp(rng.choice([-1.0, 1.0], size) * rng.uniform(0.3, 1.0, size))
    prices = {
        name: _priced(tables, name, table, factor, volume, hole, -1) for name, table in tables.prices.items()
    }
    return replace(tables, prices=prices, _rows={})


def unseen(tables: Tables, row: int) -> list[str]:
    """Symbols without a price by a bar."""
    return [s for s, there in zip(tables.symbols, seen(tables, row), strict=True) if not there]


def _without(tables: Tables, table: Table, gone: Collection[str]) -> list[str]:
    return [c for c in table.columns if c in gone] if tables.wide else []


def _until(tables: Tables, table: Table, end: int, gone: Collection[str]) -> Bools:
    """Rows up to a bar, of symbols that there are."""
    at = np.searchsorted(tables.times.instants, table.times().instants)
    there = at <= end
    return there if tables.wide else np.asarray(there & ~np.isin(table.words("symbol"), list(gone)))


def _rng(future: Future, row: int) -> np.random.Generator:
    return np.random.default_rng((future.seed, row, 7))


def _moved(tables: Tables, last: int, rng: np.random.Generator, holes: bool) -> dict[str, Table]:
    """Prices after bar `last`, each symbol on a path of its own."""
    factor, volume, hole = paths(len(tables), len(tables.symbols), last, rng, holes)
    hole[:, tables.first > last] = False
    return {
        name: _priced(tables, name, table, factor, volume, hole, last)
        for name, table in tables.prices.items()
    }


def paths(
    rows: int, symbols: int, last: int, rng: np.random.Generator, holes: bool
) -> tuple[Floats, Floats, Bools]:
    """(T + 1, S) factors of prices and volumes, 1 up to bar `last`, and cells without a price. Row T: what no bar knows."""
    after = rows - last - 1
    factor, volume = np.ones((rows + 1, symbols)), np.ones((rows + 1, symbols))
    hole = np.zeros((rows + 1, symbols), dtype=bool)
    if after <= 0:
        return factor, volume, hole
    up = rng.permutation(symbols) % 2 == rng.integers(2)  # half of them rise at once, the others fall
    steps = rng.normal(0.0, 0.025, (after, symbols))
    steps[0] = np.where(up, 1.0, -1.0) * rng.uniform(0.03, 0.12, symbols)
    factor[last + 1 : rows] = np.exp(np.clip(np.cumsum(steps, axis=0), -3.0, 3.0))
    volume[last + 1 : rows] = np.exp(rng.normal(0.0, 0.7, (after, symbols)))
    if holes and symbols > 1:
        hole[last + 1 : rows] = rng.random((after, symbols)) < 0.02
        hole[last + 1 : last + 3] |= rng.random(symbols) < 0.3
        ended = rng.integers(symbols)
        hole[last + 1 + int(rng.integers(0, max(after // 2, 2))) : rows, ended] = True
        hole[:, rng.integers(symbols)], hole[rows] = False, False  # every bar stays the bar of somebody
    return factor, volume, hole


def _priced(
    tables: Tables, name: str, table: Table, factor: Floats, volume: Floats, hole: Bools, last: int
) -> Table:
    at = tables.bar_rows(name)
    moved = at > last
    place = {s: i for i, s in enumerate(tables.symbols)}
    numbers = [c for c in table.columns if c != "symbol" and table.is_number(c)]
    if tables.wide:
        path = volume if name.lower() in COUNTS else factor
        cells = np.ix_(at, np.array([place[c] for c in numbers], dtype=np.int64))
        values = _cells(table.block(numbers), path[cells], hole[cells], moved[:, None])
        changed = dict(zip(numbers, values.T, strict=True))
        return table.taken(np.arange(len(table)), (), changed)
    s, never = np.array([place[word] for word in table.words("symbol")]), np.zeros(len(at), dtype=bool)
    changed = {
        c: _cells(table.numbers(c), (factor if c.lower() in PRICES else volume)[at, s], never, moved)
        for c in numbers
    }
    made = table.taken(np.arange(len(table)), (), changed)
    return made.taken(~hole[at, s])  # no row is a hole of the long form


def _cells(values: Floats, factor: Floats, hole: Bools, moved: Bools) -> Floats:
    return np.where(moved, np.where(hole, np.nan, values * factor), values)


def _restated(
    tables: Tables, name: str, table: Table, row: int, rng: np.random.Generator, values_only: bool
) -> Table:
    """A long table whose rows known after K are others; some of those known by then are restated after K."""
    known = tables.known_rows(name)
    changed = {c: _other(table.numbers(c), known > row, rng) for c in _values(table)}
    flags = {c: _flipped(table, c, known > row, rng) for c in table.columns if c == "member"}
    moved = table.taken(np.arange(len(table)), (), {**changed, **flags})
    if values_only or ties(table):
        return moved
    keep = (known <= row) | (rng.random(len(table)) > (0.5 if name == "actions" else 0.1))
    late = _late(tables, name, known, row, rng)
    if not len(late[0]):
        return moved.taken(keep)
    old, instants = late
    order = np.r_[np.flatnonzero(keep), old]
    column = known_column(table)
    other = np.ones(len(old), dtype=bool)
    fresh = {c: np.r_[moved.numbers(c)[keep], _other(table.numbers(c)[old], other, rng)] for c in changed}
    times = np.r_[table.instants(column).instants[keep], instants]
    made = moved.taken(order, (), {**fresh, column: times})
    return made.taken(_sorted_alike(table, made, column, order))


def ties(table: Table) -> bool:
    """Whether rows of one symbol (and item) became known at once: which of them a sort puts last may depend on how many rows
    there are, so none is added and none removed."""
    words = [table.words(c) for c in ("symbol", "item") if c in table.columns]
    order = np.lexsort([table.instants(known_column(table)).instants, *words])
    same = np.diff(table.instants(known_column(table)).instants[order]).astype(np.int64) == 0
    for column in words:
        same &= column[order][1:] == column[order][:-1]
    return bool(same.any())


def _sorted_alike(table: Table, made: Table, column: str, order: Ints) -> Ints:
    """The rows of `made` in an order like that of the table: by knowledge, by symbol (and item) and knowledge, or each after
    the row that it restates."""
    for by in ((), ("symbol",), ("symbol", "item")):
        if all(c in table.columns for c in by):
            keys = [table.instants(column).instants, *(table.words(c) for c in reversed(by))]
            if (np.lexsort(keys) == np.arange(len(table))).all():
                return np.lexsort([made.instants(column).instants, *(made.words(c) for c in reversed(by))])
    return np.argsort(order, kind="stable")


def _late(tables: Tables, name: str, known: Ints, row: int, rng: np.random.Generator) -> tuple[Ints, Any]:
    """Rows known by K that are restated after it, and when that is known."""
    old = np.flatnonzero(known <= row)
    if name != "facts" or row + 2 >= len(tables) or not len(old):
        return old[:0], np.empty(0, dtype="datetime64[us]")
    chosen = np.sort(rng.choice(old, size=max(1, len(old) // 3), replace=False))
    bars = rng.integers(row + 1, len(tables), len(chosen))
    step = (
        np.timedelta64(1, "D")
        if tables.times.daily and tables.decides == "before"
        else np.timedelta64(0, "us")
    )
    return chosen, tables.times.instants[bars] + step


def _values(table: Table) -> list[str]:
    fixed = {"symbol", "period", "event_at", "known_at", "member", "item", "kind", "ingested_at"}
    return [c for c in table.columns if c not in fixed and table.is_number(c)]


def _other(values: Floats, moved: Bools, rng: np.random.Generator) -> Floats:
    spread = np.nanstd(values) if np.isfinite(values).any() else 0.0
    new = values * (1.0 + rng.choice([-1.0, 1.0], len(values)) * rng.uniform(0.1, 0.4, len(values)))
    new = np.where(values == 0.0, rng.normal(0.0, spread or 1.0, len(values)), new)
    return np.where(moved, new, values)


def _flipped(table: Table, column: str, moved: Bools, rng: np.random.Generator) -> Any:
    """Half of the flags that are known later, the other way round."""
    native = table.given[column]
    values = np.array(native.to_list() if hasattr(native, "to_list") else list(native))
    flip = moved & (rng.random(len(values)) < 0.5)
    if values.dtype == bool:
        return np.where(flip, ~values, values)
    if values.dtype.kind in "if":
        return np.where(flip, 1 - values, values)
    return values
