"""What travels from the data layer upward: frozen arrays with labelled axes.

Grammar of shapes: F fields, S symbols, T bar ends of one clock. Instants are `datetime64[us]` in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Instants = npt.NDArray[Any]  # datetime64[us], UTC


@dataclass(frozen=True)
class Clock:
    """The bar ends of one exchange calendar and the decisions that follow them.

    sessions (T,) datetime64[D] · opens_at, closes_at, decides_at (T,) instants, ascending; a bar's
    `event_at` is its `closes_at` · slots (T,) the ordinal of each bar in the calendar's own fixed history,
    so that a phase anchored to it does not depend on where the data start · periods_per_year: bars of a mean
    year. Intraday a session has many bars, and `sessions` is each bar's own.
    """

    calendar: str
    sessions: npt.NDArray[Any]
    opens_at: Instants
    closes_at: Instants
    decides_at: Instants
    slots: Ints
    periods_per_year: float

    def __len__(self) -> int:
        return len(self.sessions)

    @property
    def intraday(self) -> bool:
        """Whether some session has more than one bar."""
        return bool((self.sessions[1:] == self.sessions[:-1]).any())

    def openings(self, closes: Instants) -> Instants:
        """(N,) for closes of sessions the end of their session's first bar; any other instant stays as it is."""
        at = np.searchsorted(self.closes_at, closes)
        here = np.minimum(at, len(self) - 1)
        first = np.searchsorted(self.sessions, self.sessions[here])
        return np.where(self.closes_at[here] == closes, self.closes_at[first], closes)

    def before(self, at: int, sessions: int) -> int:
        """The first bar of the session that lies so many sessions before that of bar `at`, at least the clock's first bar; `at`
        itself for none. On a daily clock that is `at - sessions`."""
        if sessions == 0:
            return at
        days = np.unique(self.sessions[: at + 1])
        return int(np.searchsorted(self.sessions, days[max(len(days) - 1 - sessions, 0)]))

    def after(self, at: int, sessions: int) -> int:
        """The first bar of the session that lies so many sessions after that of bar `at`; the clock's length where it has none.
        On a daily clock that is `at + sessions`, at most the length."""
        days = np.unique(self.sessions[at:])
        return int(np.searchsorted(self.sessions, days[sessions])) if sessions < len(days) else len(self)

    def until(self, instant: np.datetime64) -> Clock:
        """The bars whose decision falls at or before `instant`."""
        n = int(np.searchsorted(self.decides_at, instant, side="right"))
        return self.slice(0, n)

    def slice(self, begin: int, end: int) -> Clock:
        """The bars with these indices."""
        part = slice(begin, end)
        return Clock(
            self.calendar,
            self.sessions[part],
            self.opens_at[part],
            self.closes_at[part],
            self.decides_at[part],
            self.slots[part],
            self.periods_per_year,
        )


@dataclass(frozen=True)
class Revisions:
    """Later versions of cells: a correction, or a bar that arrived after its own decision instant.

    All (N,), sorted by known_at: field, symbol, time index the cell; `known_at` is when the version could have
    been read and `decision` the first decision index that knows it (T if none does); `value` replaces the cell.
    """

    field: Ints
    symbol: Ints
    time: Ints
    known_at: Instants
    decision: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.value)

    def where(self, chosen: Bools) -> Revisions:
        """The chosen ones, in their order."""
        return Revisions(*(getattr(self, f.name)[chosen] for f in fields(Revisions)))

    @staticmethod
    def of_field(
        field: int, symbol: Ints, time: Ints, known_at: Instants, decision: Ints, value: Floats
    ) -> Revisions:
        """Revisions of cells of one field."""
        return Revisions(np.full(len(symbol), field, dtype=np.int64), symbol, time, known_at, decision, value)

    @staticmethod
    def joined(parts: Sequence[Revisions]) -> Revisions:
        """All of them in order of known_at, then symbol, session and field."""
        columns = [np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Revisions)]
        field, symbol, time, known_at, _, _ = columns
        order = np.lexsort((field, time, symbol, known_at))
        return Revisions(*(column[order] for column in columns))


@dataclass(frozen=True)
class Panel:
    """Cells as each decision first knew them, and what was learned about them later.

    values (F, S, T) float64, time contiguous: the cell at t as known at `clock.decides_at[t]`, NaN = not known
    then. member (S, T): in the universe as known at t. price_basis: raw (forward-adjusted on reading),
    split_adjusted or total_return. known_by_rule: share of rows whose known_at came from a rule. unadjusted: closes and
    volumes in the source's own units, as known, for what is in currency; None where `values` hold them so.
    """

    fields: tuple[str, ...]
    symbols: tuple[str, ...]
    clock: Clock
    values: Floats
    member: Bools
    revisions: Revisions
    price_basis: str
    known_by_rule: float
    unadjusted: Panel | None = None

    def field(self, name: str) -> Floats:
        """(S, T) values of one field as each decision first knew them."""
        return self.values[self.fields.index(name)]

    def since(self, begin: int) -> Panel:
        """The rows from `begin` on, and the revisions of their cells."""
        kept = self.revisions.where(self.revisions.time >= begin)
        moved = replace(kept, time=kept.time - begin, decision=kept.decision - begin)
        clock = self.clock.slice(begin, len(self.clock))
        return replace(
            self,
            clock=clock,
            values=np.ascontiguousarray(self.values[:, :, begin:]),
            member=np.ascontiguousarray(self.member[:, begin:]),
            revisions=moved,
            unadjusted=None if self.unadjusted is None else self.unadjusted.since(begin),
        )

    def between(self, begin: int, end: int) -> Panel:
        """The rows from `begin` on and before `end`, with the revisions of their cells that one of their decisions knows: what
        a store that ends at the last of them gives, on the axis of all symbols."""
        r = self.revisions
        kept = r.where((r.time >= begin) & (r.decision < end))
        return replace(
            self,
            clock=self.clock.slice(begin, end),
            values=np.ascontiguousarray(self.values[:, :, begin:end]),
            member=np.ascontiguousarray(self.member[:, begin:end]),
            revisions=replace(kept, time=kept.time - begin, decision=kept.decision - begin),
            unadjusted=None if self.unadjusted is None else self.unadjusted.between(begin, end),
        )

    def only(self, fields: tuple[str, ...]) -> Panel:
        """The panel with these fields, in this order. Errors: InputError for one that it does not have."""
        unknown = [name for name in fields if name not in self.fields]
        if unknown:
            raise InputError("fields", unknown[0], f"one of {', '.join(self.fields)}")
        index = [self.fields.index(name) for name in fields]
        moved = {old: new for new, old in enumerate(index)}
        kept = self.revisions.where(np.isin(self.revisions.field, index))
        field = np.array([moved[int(f)] for f in kept.field], dtype=np.int64)
        return replace(self, fields=fields, values=self.values[index], revisions=replace(kept, field=field))
