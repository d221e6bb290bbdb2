"""Which weights earned a bar, measured: a close is nudged by one part in a million, and the return of its bar answers.

1. Cells (a bar, a symbol) are chosen whose weight at the bar is another than at the bars before it, and some whose weight
   stayed.
2. In each replay the closes of such cells, rows apart, are multiplied by 1 + 1e-6. What the return of the bar moves by, over
   what the bar moved by, is the weight that earned it; a cap on returns, or a jump elsewhere, does not matter.
3. An honest bar is earned by weights of bars before it. Same-bar fills are said where nearly all entries, or nearly all exits,
   were earned by the weight of the bar itself. That nothing is earned proves exits only where what stayed is earned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.audit.foreign.bars import field, held, on_bars, simple
from backcast.engine.audit.foreign.calling import Output, call
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.tables import Tables

if TYPE_CHECKING:
    from backcast.engine.audit.foreign.audit import Session

NUDGE = 1e-6
BEFORE = 5
"""Bars before it with whose weights a bar may honestly be paid, and whose weights a cell's own must differ from."""

APART, MIDWAY = 5, 10
"""Bars between two cells of a replay, at least; and after how many one is taken whose weight stayed."""

NEAR, CLEAR = 0.1, 0.3
"""Of the larger weight: what counts as the same, and as another."""

AGREE, CELLS = 0.8, 4
"""Share of a kind's cells that has to agree, and how many of them at least."""

SHARE = {"quick": 0.3, "full": 3.0}
"""What is replayed of all rows."""

CLOSES = ("close", "adj_close", "adj close", "price")

INSIDE = ("high", "low", "open")
"""With these a stop may honestly close inside a bar; exits alone prove nothing then."""


@dataclass
class Count:
    """Cells of one kind by what earned them: its own weight, one before it, neither."""

    own: int = 0
    before: int = 0
    neither: int = 0

    @property
    def cells(self) -> int:
        return self.own + self.before + self.neither

    @property
    def says(self) -> bool:
        """Nearly all were earned by their own weight."""
        return self.own >= CELLS and self.own >= AGREE * self.cells


@dataclass
class Earned:
    """Of each kind of cell what earned it, and the first bar that its own weight did."""

    entries: Count
    exits: Count
    stays: Count
    first: int | None = None

    @property
    def same_bar(self) -> bool:
        return self.entries.says or (self.exits.says and self.stays.says)

    @property
    def later(self) -> bool:
        """Nearly all cells that tell were earned by weights from before."""
        told = self.entries.cells + self.exits.cells
        return told >= CELLS and self.entries.before + self.exits.before >= AGREE * told


def asked(session: Session) -> bool:
    """Whether there are returns, weights and closes."""
    given = {"targets", "execution"} <= session.recorded.keys()
    return given and field(session.tables, "close") is not None


def measured(session: Session, level: str) -> Earned | None:
    """What a level's replays say; None where there are no weights or closes, or f raises on a nudge."""
    share, tables = SHARE.get(level, SHARE["full"]), session.tables
    close = field(tables, "close")
    if not asked(session) or close is None:
        return None
    if share < 1.0:
        tables = Future("truncated").of(tables, int(share * len(tables)) - 1)
        close = close[: int(share * len(tables))]
    found = Earned(Count(), Count(), Count())
    weights = held(session.tables, session.recorded["targets"][0])
    kinds = kinds_of(weights, simple(close))
    for number in range(max(1, int(share))):
        cells = chosen(kinds, number)
        if not len(cells):
            break
        factor = np.ones((len(close), close.shape[1]))
        factor[cells[:, 0], cells[:, 1]] = 1.0 + NUDGE
        session.runs += 1
        try:
            again = call(session.f, nudged(tables, factor), session.names)
        except Exception:  # nothing is said about what cannot be run
            return None
        if not {"targets", "execution"} <= again.keys():
            return None
        _count(found, session, again, kinds, cells, close, factor)
    inside = {n.lower() for n in tables.prices} | {
        c.lower() for t in tables.prices.values() if not tables.wide for c in t.columns
    }
    if inside & set(INSIDE) and not found.entries.says:
        found.exits = Count()
    return found


def kinds_of(weights: Floats, moves: Floats) -> Floats:
    """(T, S) 1 where a weight is larger than all of the bars before it, -1 where smaller, 0 where it about stayed; else NaN,
    so too where the return of the bar is missing or large (a split, which a cap may take out)."""
    kinds = np.full(moves.shape, np.nan)
    for t in range(BEFORE + 1, len(moves)):
        own, before = np.abs(weights[t]), np.abs(weights[t - BEFORE : t])
        size = np.maximum(own, before.max(axis=0))
        apart = (np.abs(weights[t] - weights[t - BEFORE : t]) > CLEAR * size).all(axis=0)
        stayed = (np.abs(weights[t] - weights[t - BEFORE : t]) <= CLEAR * size).all(axis=0)
        kinds[t] = np.where(apart, np.where(own > before[-1], 1.0, -1.0), np.where(stayed, 0.0, np.nan))
        kinds[t, (size == 0) | ~(np.abs(moves[t]) < 0.2)] = np.nan
    return kinds


def chosen(kinds: Floats, number: int) -> Ints:
    """(N, 2) bars and symbols of a replay, one symbol a bar, bars apart; entries, exits and stays in turn."""
    cells: list[tuple[int, int]] = []
    last, turns = 0, [1.0, -1.0, 0.0]
    for t in range(len(kinds)):
        there = [k for k in turns if (kinds[t] == k).any()]
        if not there or t - last < (MIDWAY if there == [0.0] else APART):
            continue
        symbols = np.flatnonzero(kinds[t] == there[0])
        cells.append((t, int(symbols[(t + number) % len(symbols)])))
        last = t
        turns.append(turns.pop(turns.index(there[0])))
    return np.array(cells, dtype=np.int64).reshape(-1, 2)


def _count(
    found: Earned, session: Session, again: Output, kinds: Floats, cells: Ints, close: Floats, factor: Floats
) -> None:
    """What the return of each cell's bar moved by, beside what every lag of the weights would have made of it."""
    tables, recorded = session.tables, session.recorded
    old, new = (on_bars(tables, o["execution"][0])[:, 0] for o in (recorded, again))
    before, after = (held(tables, o["targets"][0]) for o in (recorded, again))
    moves, moved = simple(close), simple(close * factor)
    of_kind = {1.0: found.entries, -1.0: found.exits, 0.0: found.stays}
    for t, s in cells.tolist():
        answer, step = new[t] - old[t], moved[t, s] - moves[t, s]
        if not np.isfinite(answer):
            continue
        made = [
            np.nansum(after[t - k] * moved[t]) - np.nansum(before[t - k] * moves[t])
            for k in range(BEFORE + 1)
        ]
        near = NEAR * step * max(np.abs(before[t - BEFORE : t + 1, s]))
        own = min(abs(answer - made[0]), abs(answer - before[t, s] * step)) <= near
        earlier = min(abs(answer - m) for m in made[1:]) <= near
        kind, count = kinds[t, s], of_kind[kinds[t, s]]
        if own and (kind == 0.0 or not earlier):
            count.own += 1
            found.first = t if found.first is None and kind != 0.0 else found.first
        elif earlier:
            count.own += kind == 0.0  # a weight that stayed is its own and that before
            count.before += kind != 0.0
        else:
            count.neither += 1


def nudged(tables: Tables, factor: Floats) -> Tables:
    """The closes times a factor (T, S) each, all else as it is."""
    place = {s: i for i, s in enumerate(tables.symbols)}
    prices = dict(tables.prices)
    for name, table in tables.prices.items():
        at = np.searchsorted(tables.times.instants, table.times().instants)
        every = np.arange(len(table))
        if not tables.wide:
            closes = [c for c in table.columns if c.lower() in CLOSES and table.is_number(c)]
            s = [place[w] for w in table.words("symbol")]
            changed = {c: table.numbers(c) * factor[at, s] for c in closes}
        elif name.lower() in ("", *CLOSES):
            columns = [c for c in table.columns if table.is_number(c)]
            values: Floats = table.block(columns) * factor[np.ix_(at, np.array([place[c] for c in columns]))]
            changed = dict(zip(columns, values.T, strict=True))
        else:
            continue
        prices[name] = table.taken(every, (), changed)
    return replace(tables, prices=prices, _rows={})
