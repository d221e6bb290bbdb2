"""What really happened, for accounts: prices as the source gave them, and what holders got and owed. No feature reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from backcast.data.identity import ENDINGS, instants, next_versions
from backcast.data.types import Bools, Clock, Floats, Instants, Ints, Panel

PAY_AFTER_DAYS = 21
"""Calendar days from its ex date to the payment of a dividend whose pay date the source does not give: our convention, about
what large US companies take (one to five weeks); each is marked in `pay_by_rule`, and a run counts those that it held."""


@dataclass(frozen=True)
class Market:
    """The newest version of a pinned store, in the source's own units, on the axes of its panel.

    values (F, S, T): bars, NaN where there is none. Only raw sources have actions: split (S, T), new shares for an old one
    from the session's open on, 1 where there is none; dividends, (N,) each in order of ex: symbol, ex and pay are indices
    (pay: the session at whose open it is paid, T if that is after the last), amount in currency a share as held before ex;
    known_at: when it was known. endings: of each symbol that a fact ends its last session and the cash a share.

    first: the same bars as each decision first knew them, with their revisions, for what must be as known then; None where
    nobody needs it. pay_by_rule (N,): its pay date is our convention, for the source gives none. merged: the
    symbols that a merger ended.
    """

    fields: tuple[str, ...]
    symbols: tuple[str, ...]
    clock: Clock
    values: Floats
    split: Floats
    symbol: Ints
    ex: Ints
    pay: Ints
    amount: Floats
    known_at: Instants
    endings: dict[str, tuple[int, float]]
    price_basis: str
    first: Panel | None = None
    pay_by_rule: Bools | None = None
    merged: frozenset[str] = frozenset()

    def field(self, name: str) -> Floats:
        """(S, T) the newest version of a field."""
        return np.asarray(self.values[self.fields.index(name)])


def market_of(
    first: Panel, values: Floats, actions: pa.Table, row: Ints, symbol: Ints, session: Ints
) -> Market:
    """The market of bars and actions that are placed on the axes of a panel already.

    first: the bars, unadjusted; values (F, S, T) their newest version. actions: every version of them, in the order of key and
    known_at; (N,) of those on the clock: row in the table, symbol index (-1: not on the axis) and session.
    """
    newest = (next_versions(actions)[row] < 0) & (symbol >= 0)
    placed = _Placed(actions, row[newest], symbol[newest], session[newest])
    traded = np.isfinite(values[first.fields.index("close")])
    endings, merged = _endings(placed, first.symbols)
    raw = first.price_basis == "raw"
    split, dividends = _actions(placed, traded, first.clock) if raw else _no_actions(traded)
    return Market(
        first.fields,
        first.symbols,
        first.clock,
        values,
        split,
        *dividends[:5],
        endings,
        first.price_basis,
        first,
        dividends[5],
        merged,
    )


@dataclass(frozen=True)
class _Placed:
    """The newest versions of actions, (N,): row in the table, symbol and session index."""

    table: pa.Table
    row: Ints
    symbol: Ints
    session: Ints

    def of(self, *kinds: str) -> _Placed:
        """Those of some kinds."""
        kind = np.array(self.table["kind"].to_pylist(), dtype=object)
        chosen = np.isin(kind[self.row], kinds)
        return _Placed(self.table, self.row[chosen], self.symbol[chosen], self.session[chosen])

    def where(self, chosen: Bools) -> _Placed:
        return _Placed(self.table, self.row[chosen], self.symbol[chosen], self.session[chosen])

    @property
    def value(self) -> Floats:
        return np.asarray(self.table["value"].to_numpy(zero_copy_only=False)[self.row], dtype=np.float64)

    @property
    def known_at(self) -> Instants:
        return instants(self.table, "known_at")[self.row]


def _endings(
    placed: _Placed, symbols: tuple[str, ...]
) -> tuple[dict[str, tuple[int, float]], frozenset[str]]:
    """Of each symbol that ended its last session and the cash a share, and which ended in a merger; of a delisting and a merger
    of one symbol the one that was known last counts."""
    ends = placed.of(*ENDINGS)
    found: dict[str, tuple[int, float]] = {}
    merged: set[str] = set()
    kinds, values = ends.table["kind"].to_pylist(), ends.value
    for i in np.argsort(ends.known_at, kind="stable").tolist():
        name = symbols[ends.symbol[i]]
        found[name] = int(ends.session[i]), float(values[i])
        (merged.add if kinds[ends.row[i]] == "merger" else merged.discard)(name)
    return dict(sorted(found.items())), frozenset(merged)


_Dividends = tuple[Ints, Ints, Ints, Floats, Instants, Bools]
"""symbol, ex, pay, amount, known_at, pay_by_rule."""


def _no_actions(traded: Bools) -> tuple[Floats, _Dividends]:
    """Where prices hold them already there are none."""
    none = np.empty(0, dtype=np.int64)
    never = np.empty(0, dtype="datetime64[us]")
    return np.ones(traded.shape), (none, none, none, np.empty(0), never, np.empty(0, dtype=bool))


def _actions(placed: _Placed, traded: Bools, clock: Clock) -> tuple[Floats, _Dividends]:
    """Splits (S, T) and dividends. One before a symbol's first bar found nobody who could hold it, and is left out."""
    listed = np.logical_or.accumulate(traded, axis=1)

    def held(moves: _Placed) -> _Placed:
        return moves.where((moves.session > 0) & listed[moves.symbol, np.maximum(moves.session - 1, 0)])

    splits, paid = held(placed.of("split")), held(placed.of("dividend"))
    split = np.ones(traded.shape)
    np.multiply.at(split, (splits.symbol, splits.session), splits.value)
    paid = paid.where(paid.value != 0.0)  # withdrawn: corrected to nothing
    order = np.lexsort((paid.symbol, paid.session))
    paid = _Placed(paid.table, paid.row[order], paid.symbol[order], paid.session[order])
    pay, by_rule = _pay_sessions(paid, clock)
    return split, (paid.symbol, paid.session, pay, paid.value, paid.known_at, by_rule)


def _pay_sessions(paid: _Placed, clock: Clock) -> tuple[Ints, Bools]:
    """The session at whose open each is paid, the first one on its pay date or after it and never before ex; and which have
    their date by our rule."""
    days = paid.table["pay_on"].cast(pa.int32()).to_numpy(zero_copy_only=False)[paid.row]
    given = np.isfinite(np.asarray(days, dtype=np.float64))
    dates = np.where(given, days, 0).astype(np.int64).astype("datetime64[D]")
    assumed = clock.sessions[paid.session] + np.timedelta64(PAY_AFTER_DAYS, "D")
    at = np.searchsorted(clock.sessions, np.where(given, dates, assumed))
    return np.maximum(at, paid.session).astype(np.int64), ~given
