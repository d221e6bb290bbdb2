"""The world as known: the only place that compares `known_at` with a decision.

1. Read the rows of a pinned version, with `until` only those known by then.
2. Put each bar on its session and find the first decision that could know each of its versions. The version known at the
   bar's own decision is the panel's value; later ones are revisions, dated.
3. Adjust raw prices forward with the actions known by each decision; an action known late is a revision of the sessions
   since its ex date.
4. Add dated facts, the newest period known, and the members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backcast.data.adjust import Actions, adjusted, ratios
from backcast.data.calendar import clock as make_clock
from backcast.data.errors import InputError, StaleDataError
from backcast.data.identity import (
    ENDINGS,
    Names,
    from_the_open,
    identities,
    index_on,
    instants,
    named,
    next_versions,
)
from backcast.data.market import Market, market_of
from backcast.data.schema import DatasetInfo
from backcast.data.tables import Tables
from backcast.data.types import Clock, Floats, Instants, Ints, Panel, Revisions
from backcast.data.universe import members, state_as_known


def load_panel(
    store: Tables,
    dataset: str,
    pin: dict[str, int],
    fields: tuple[str, ...] | None = None,
    until: np.datetime64 | None = None,
) -> Panel:
    """The panel of a pinned version, each cell as its decision first knew it.

    With `until` the store ends there: rows known later do not exist and the clock ends at the last decision by then. What both
    panels hold is equal to the bit. The benchmark is not in it; tickers that a rename joins are one symbol under
    its first ticker. fields: bar fields and items of facts (default: all; the items are
    those of the pinned version, since a column's name is no value).
    """
    world = _read(store, dataset, pin, until)
    info, clock, names, symbols = world.info, world.clock, world.names, world.symbols
    values, revisions, unadjusted = world.values, world.revisions, None
    if world.actions:
        unadjusted = _bars(world).only(tuple(f for f in ("close", "volume") if f in info.bar_fields))
        values, revisions = adjusted(values, revisions, world.actions, info.bar_fields)
    facts = store.read(dataset, "facts", pin, until)
    items = store.items(dataset, pin)
    states = _facts(facts, items, clock, names, symbols)
    spells = from_the_open(store.read(dataset, "membership", pin, until), world.sessions)
    membership = _membership(spells, clock, names, symbols)
    panel = Panel(
        (*info.bar_fields, *items),
        symbols,
        clock,
        np.concatenate([values, states]),
        members(membership, values[info.bar_fields.index("close")]),
        revisions,
        info.price_basis,
        _share_by_rule(world.bars, facts),
        unadjusted,
    )
    return panel if fields is None else panel.only(fields)


def as_known(panel: Panel, instant: np.datetime64) -> Floats:
    """(F, S, T) the newest version of every cell known at an instant; NaN where nothing was known yet.

    A panel's own value counts as known from its decision instant on.
    """
    values = panel.values.copy()
    values[:, :, int(np.searchsorted(panel.clock.decides_at, instant, side="right")) :] = np.nan
    r = panel.revisions
    n = int(np.searchsorted(r.known_at, instant, side="right"))
    values[r.field[:n], r.symbol[:n], r.time[:n]] = r.value[:n]  # in order of known_at: the last one stays
    return values


def load_clock(store: Tables, dataset: str, pin: dict[str, int]) -> Clock:
    """The clock of the panel of a pinned version."""
    bars = store.read(dataset, "bars", pin)
    return _clock(store.info(dataset), bars, None, store.last_bar(dataset, pin))[1]


def load_benchmark(
    store: Tables, dataset: str, pin: dict[str, int], until: np.datetime64 | None = None
) -> Floats | None:
    """(T,) closes of the data set's benchmark on the panel's clock, newest version, the last one carried over gaps."""
    info = store.info(dataset)
    if info.benchmark is None:
        return None
    bars = store.read(dataset, "bars", pin, until)
    _, clock = _clock(info, bars, until, store.last_bar(dataset, pin))
    rows = _on_clock(bars, clock, {}, only=info.benchmark)
    closes = np.full(len(clock), np.nan)
    closes[rows.session] = bars["close"].to_numpy()[rows.row]
    last = np.maximum.accumulate(np.where(np.isfinite(closes), np.arange(len(clock)), 0))
    return np.asarray(closes[last])


def load_market(store: Tables, dataset: str, pin: dict[str, int]) -> Market:
    """What really happened by a pinned version, for accounts: the newest version of everything, in the source's units."""
    world = _read(store, dataset, pin, None)
    rows = _on_clock(world.moves, world.clock, world.names)
    first = _bars(world)
    newest = as_known(first, FOREVER) if len(world.revisions) else world.values
    return market_of(first, newest, world.moves, rows.row, rows.on(world.symbols), rows.session)


def _bars(world: _World) -> Panel:
    """The bars as each decision first knew them, in the source's own units."""
    return Panel(
        world.info.bar_fields,
        world.symbols,
        world.clock,
        world.values,
        np.isfinite(world.values[world.info.bar_fields.index("close")]),
        world.revisions,
        world.info.price_basis,
        _share_by_rule(world.bars),
    )


Delistings = dict[str, list[tuple[int, float, np.datetime64]]]
"""Of each delisted symbol: its last session's index, what a holder got for a share, and when that was known; a corrected one
once for each version, in the order in which they were known."""


def delisted_by(delistings: Delistings, instant: np.datetime64) -> dict[str, tuple[int, float]]:
    """The delistings known at an instant, the newest version of each."""
    known = {symbol: [v for v in versions if v[2] <= instant] for symbol, versions in delistings.items()}
    return {symbol: versions[-1][:2] for symbol, versions in known.items() if versions}


def delistings(
    store: Tables, dataset: str, pin: dict[str, int], until: np.datetime64 | None = None
) -> Delistings:
    """Of each symbol with a delisting fact its versions: the index of its last session, the proceeds a share in the panel's
    adjusted units, and when they were known."""
    if not set(ENDINGS) & set(store.read(dataset, "actions", pin, until)["kind"].to_pylist()):
        return {}
    world = _read(store, dataset, pin, until)
    rows = _on_clock(world.moves, world.clock, world.names)
    kinds, values = world.moves["kind"].to_pylist(), world.moves["value"].to_numpy(zero_copy_only=False)
    found: Delistings = {}
    for s, session, row, known in zip(
        rows.on(world.symbols), rows.session, rows.row, rows.known_at, strict=True
    ):
        if kinds[row] in ENDINGS and s >= 0:
            own = world.actions.get(s)
            factor = own.factors(len(world.clock))[0][session] if own else 1.0
            version = int(session), float(values[row] * factor), known
            found.setdefault(world.symbols[s], []).append(version)
    return {symbol: sorted(found[symbol], key=lambda version: version[2]) for symbol in sorted(found)}


def newest_factors(
    store: Tables, dataset: str, pin: dict[str, int], at: np.datetime64
) -> tuple[Floats, Floats]:
    """(S,) price and share factors of each symbol's newest session by the actions known at an instant, on the symbols of
    the panel until then; dividing by the one and multiplying by the other turns forward-adjusted cells into back-adjusted."""
    world = _read(store, dataset, pin, at)
    price, shares = np.ones(len(world.symbols)), np.ones(len(world.symbols))
    for s, own in world.actions.items():
        price[s], shares[s] = (factor[-1] for factor in own.factors_known(at, len(world.clock)))
    return price, shares


def dated_tickers(store: Tables, dataset: str, pin: dict[str, int], at: np.datetime64) -> pa.Table:
    """What tickers meant, as known at an instant: (symbol, ticker, first_at, last_at, bars); symbol is the permanent name."""
    world = _read(store, dataset, pin, at)
    event = instants(world.bars, "event_at")
    vocabulary, name, _ = named(world.bars, event, world.names)
    rows = world.bars.select(["event_at"]).append_column("ticker", world.bars["symbol"])
    rows = rows.append_column("symbol", pa.array(vocabulary).take(pa.array(name)))
    grouped = rows.group_by(["symbol", "ticker"]).aggregate(
        [("event_at", "min"), ("event_at", "max"), ([], "count_all")]
    )
    renamed = grouped.rename_columns(["symbol", "ticker", "first_at", "last_at", "bars"])
    return renamed.sort_by([("symbol", "ascending"), ("first_at", "ascending")])


@dataclass(frozen=True)
class _World:
    """What was read of a version: its bars and actions as rows, the whole sessions around them, the clock, what tickers
    mean, the symbols (S,), raw values (F, S, T) as first known with their revisions, and the splits and dividends of each
    symbol index."""

    info: DatasetInfo
    bars: pa.Table
    moves: pa.Table
    sessions: Clock
    clock: Clock
    names: Names
    symbols: tuple[str, ...]
    values: Floats
    revisions: Revisions
    actions: dict[int, Actions]


def _read(store: Tables, dataset: str, pin: dict[str, int], until: np.datetime64 | None) -> _World:
    info = store.info(dataset)
    bars = store.read(dataset, "bars", pin, until)
    sessions, clock = _clock(info, bars, until, store.last_bar(dataset, pin))
    if not len(clock):
        raise StaleDataError(f"No bar of the data set {dataset} has come to its decision by {until}.")
    moves = from_the_open(store.read(dataset, "actions", pin, until), sessions)
    known_by = np.searchsorted(clock.decides_at, instants(moves, "known_at"))
    names = identities(moves, known_by, clock)
    rows = _on_clock(bars, clock, names, skip=info.benchmark)
    symbols = rows.present()
    values, revisions = _versions(rows, bars, symbols, info.bar_fields, clock)
    closes = values[info.bar_fields.index("close")]
    actions = _actions_by_symbol(moves, clock, names, symbols, closes) if info.price_basis == "raw" else {}
    return _World(info, bars, moves, sessions, clock, names, symbols, values, revisions, actions)


@dataclass(frozen=True)
class _Rows:
    """Rows of a table placed on the clock, (N,): row in the table, name (an index into the sorted vocabulary), session
    index, known_at, and `decision`, the first decision that can use the row."""

    row: Ints
    vocabulary: list[str]
    name: Ints
    session: Ints
    known_at: Instants
    decision: Ints

    def present(self) -> tuple[str, ...]:
        """The names that have rows, sorted."""
        return tuple(self.vocabulary[i] for i in np.unique(self.name))

    def on(self, symbols: tuple[str, ...]) -> Ints:
        """(N,) each row's index on an axis of symbols; -1 where it is not on it."""
        return index_on(self.vocabulary, symbols)[self.name]


def _clock(
    info: DatasetInfo, bars: pa.Table, until: np.datetime64 | None, last: np.datetime64
) -> tuple[Clock, Clock]:
    """All bars of the sessions around the data, and the clock: from the first bar that was known by its own decision to the
    last bar of the version; with `until`, to the last decision by then, whether or not any of its bars was known."""
    if not bars.num_rows:
        raise StaleDataError(f"The data set {info.name} has no bars known{f' by {until}' if until else ''}.")
    event, known = instants(bars, "event_at"), instants(bars, "known_at")
    on_time = event[known <= event + np.timedelta64(info.decision_delay, "m")]
    first = on_time.min() if len(on_time) else event.min()
    # The session of a close is its date in the exchange's own day: a UTC close may fall on the next date.
    day = np.timedelta64(1, "D")
    wide = make_clock(info.calendar, first - day, last + day, info.decision_delay, info.frequency)
    inside = (wide.closes_at >= first) & (wide.closes_at <= last)
    begin, end = int(inside.argmax()), int(len(inside) - inside[::-1].argmax())
    whole = wide.slice(begin, end) if inside.any() else wide.slice(0, 0)
    return wide, whole if until is None else whole.until(until)


def _on_clock(
    table: pa.Table, clock: Clock, names: Names, skip: str | None = None, only: str | None = None
) -> _Rows:
    """Places rows on sessions. Rows before the clock, or whose session has no decision yet, are not part of it.

    Errors: InputError for an event_at that is no bar's end.
    """
    event, known = instants(table, "event_at"), instants(table, "known_at")
    vocabulary, name, ticker = named(table, event, names)
    session = np.searchsorted(clock.closes_at, event)
    here = (
        (event >= clock.closes_at[0]) & (session < len(clock))
        if len(clock)
        else np.zeros(len(event), dtype=bool)
    )
    off = here & (clock.closes_at[np.minimum(session, len(clock) - 1)] != event)
    if off.any():
        at = int(off.argmax())
        raise InputError(
            f"event_at of {table['symbol'][at].as_py()}",
            str(event[at]),
            f"the end of a bar of the calendar {clock.calendar}",
        )
    wanted = np.array([t != skip and only in (None, t) for t in ticker.dictionary.to_pylist()], dtype=bool)
    row = np.flatnonzero(here & wanted[ticker.indices.to_numpy()])
    decision = np.maximum(np.searchsorted(clock.decides_at, known[row]), session[row])
    return _Rows(row, vocabulary, name[row], session[row], known[row], decision)


FOREVER = np.datetime64("9999-12-31", "us")

EVERY = "*"
"""The symbol of facts about all symbols."""


def _versions(
    rows: _Rows, bars: pa.Table, symbols: tuple[str, ...], fields: tuple[str, ...], clock: Clock
) -> tuple[Floats, Revisions]:
    """Base values (F, S, T), each as its own decision knew it, and every later version as a revision."""
    s = rows.on(symbols)
    on_time = rows.decision == rows.session
    values = np.full((len(fields), len(symbols), len(clock)), np.nan)
    order = np.argsort(rows.known_at, kind="stable")
    parts = []
    for f, name in enumerate(fields):
        column = bars[name].to_numpy(zero_copy_only=False)[rows.row]
        now = order[on_time[order]]
        values[f, s[now], rows.session[now]] = column[now]  # in order of known_at: the newest stays
        late = order[~on_time[order]]
        parts.append(
            Revisions.of_field(
                f, s[late], rows.session[late], rows.known_at[late], rows.decision[late], column[late]
            )
        )
    return values, Revisions.joined(parts)


def _actions_by_symbol(
    actions: pa.Table, clock: Clock, names: Names, symbols: tuple[str, ...], closes: Floats
) -> dict[int, Actions]:
    """The splits and dividends of each symbol that has any, every version of them."""
    rows = _on_clock(actions, clock, names)
    kinds, amounts = actions["kind"].to_pylist(), actions["value"].to_numpy(zero_copy_only=False)
    following, known_at = next_versions(actions), instants(actions, "known_at")
    found: dict[int, list[tuple[int, int, np.datetime64, float, float, np.datetime64, int]]] = {}
    for s, ex, row, known, decision in zip(
        rows.on(symbols).tolist(), rows.session, rows.row, rows.known_at, rows.decision, strict=True
    ):
        if kinds[row] not in ("split", "dividend") or s < 0:
            continue
        before = closes[s, :ex]
        known_closes = before[np.isfinite(before)]
        if not len(known_closes):  # an action before the first bar adjusts nothing
            continue
        corrected = following[row] >= 0
        until = known_at[following[row]] if corrected else FOREVER
        stop = max(int(np.searchsorted(clock.decides_at, until)), int(ex)) if corrected else len(clock)
        try:
            pair = ratios(kinds[row], float(amounts[row]), symbols[s], float(known_closes[-1]))
        except InputError:
            if not corrected:
                raise
            continue  # it could not be, and was corrected
        found.setdefault(s, []).append((int(ex), int(decision), known, *pair, until, stop))
    return {
        s: Actions(*(np.array(column) for column in zip(*rows_, strict=True)))
        for s, rows_ in sorted(found.items())
    }


def _facts(
    facts: pa.Table, items: tuple[str, ...], clock: Clock, names: Names, symbols: tuple[str, ...]
) -> Floats:
    """The states (I, S, T) of the items: at each decision the newest period known. A fact about `*`, such as a macro series,
    holds for every symbol that has none of its own."""
    item = facts["item"].combine_chunks().dictionary_encode()
    number = index_on(item.dictionary.to_pylist(), items)[item.indices.to_numpy()]
    offsets, shape = number * len(symbols), (len(items), len(symbols), len(clock))
    states = _states(facts, "value", offsets, clock, names, symbols, len(items) * len(symbols)).reshape(shape)
    common = _states(facts, "value", number, clock, {}, (EVERY,), len(items))
    return np.where(np.isnan(states), common[:, None, :], states)


def _membership(table: pa.Table, clock: Clock, names: Names, symbols: tuple[str, ...]) -> Floats | None:
    """(S, T) 1 for members, 0 for others, NaN where nothing was known; None where the data set has no membership."""
    if not table.num_rows:
        return None
    return _states(
        table, "member", np.zeros(table.num_rows, dtype=np.int64), clock, names, symbols, len(symbols)
    )


def _states(
    table: pa.Table,
    value: str,
    offsets: Ints,
    clock: Clock,
    names: Names,
    symbols: tuple[str, ...],
    series: int,
) -> Floats:
    """(series, T) states of dated rows; a row's series is its symbol's index plus its offset."""
    event, known = instants(table, "event_at"), instants(table, "known_at")
    vocabulary, name, _ = named(table, event, names)
    symbol = index_on(vocabulary, symbols)[name]
    # A fact about a later instant than its announcement (a membership from next Monday) holds from that instant on.
    decision = np.searchsorted(clock.decides_at, np.maximum(event, known))
    chosen = np.flatnonzero(symbol >= 0)
    order = chosen[np.lexsort((known[chosen], decision[chosen], (symbol + offsets)[chosen]))]
    values = table[value].to_numpy(zero_copy_only=False).astype(np.float64)
    periods = event.astype(np.int64)
    return state_as_known(
        (symbol + offsets)[order], periods[order], decision[order], values[order], (series, len(clock))
    )


def _share_by_rule(*tables: pa.Table) -> float:
    """The share of rows whose known_at came from a rule."""
    rows = sum(t.num_rows for t in tables)
    by_rule = sum(pc.sum(pc.equal(t["known_basis"], "rule")).as_py() or 0 for t in tables)
    return by_rule / rows if rows else 0.0
