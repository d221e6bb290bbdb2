"""Another future for each table of a data set: plausible enough that honest code runs on it, and different in every way.

After an instant values are others, rows are gone, late or new; what was known by then is corrected later, and keeps its row.
Prices stay positive with low <= open, close <= high; splits and dividends stay such that prices can be adjusted; dates stay
on bars that there are; a data set without membership stays without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backcast.data.identity import instants
from backcast.data.schema import INSTANT, TABLES, DatasetInfo
from backcast.data.types import Bools, Floats, Instants, Ints

GONE = 0.05
"""The share of late rows that do not exist in the other future."""
LATE = 0.01
"""The share of them that are known some days later there."""
RECENT = 60
"""Days before an instant from which on actions are corrected after it: each restates every bar since its ex date."""
DAY = np.timedelta64(1, "D")
INSTANT_STEP = np.timedelta64(1, "us")


@dataclass(frozen=True)
class Past:
    """What the futures of all tables share: the tickers of the bars but the benchmark (N,), the rows (N + 1,) where each ticker
    of `names` begins, each row's bar end, and each ticker's least close, below which a dividend must stay."""

    info: DatasetInfo
    tickers: tuple[str, ...]
    names: tuple[str, ...]
    first: Ints
    event: Instants
    least: Mapping[str, float]

    @staticmethod
    def of(info: DatasetInfo, bars: pa.Table) -> Past:
        code, names = codes(bars["symbol"])
        close = np.nan_to_num(floats(bars, "close"), nan=np.inf)
        first = np.searchsorted(code, np.arange(len(names) + 1))
        least = np.minimum.reduceat(close, first[:-1]) if len(close) else close
        tickers = tuple(n for n in names if n != info.benchmark)
        lowest = dict(zip(names, least.tolist(), strict=True))
        return Past(info, tickers, tuple(names), first, instants(bars, "event_at"), lowest)

    def ends(self, ticker: str) -> Instants:
        """The ends of a ticker's bars, in order of time."""
        i = self.names.index(ticker)
        return np.unique(self.event[self.first[i] : self.first[i + 1]])


def codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """(N,) each string's index into the sorted distinct ones, and those."""
    encoded = pa.chunked_array(column).combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    rank = np.empty(len(words), dtype=np.int64)
    rank[order] = np.arange(len(words))
    return rank[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)], [words[i] for i in order]


def floats(rows: pa.Table, name: str) -> Floats:
    """(N,) a column of numbers; NaN for null. A copy."""
    return np.array(rows[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def with_column(rows: pa.Table, name: str, values: npt.NDArray[Any] | Sequence[Any]) -> pa.Table:
    """The rows with another column, of the same type; NaN is null."""
    kind = rows.schema.field(name).type
    if kind == INSTANT:
        column = pa.array(np.asarray(values).astype("datetime64[us]")).cast(INSTANT)
    else:
        column = pa.array(values, type=kind, from_pandas=True)
    return rows.set_column(rows.schema.get_field_index(name), name, column)


def ordered(table: str, early: pa.Table, parts: Sequence[pa.Table]) -> pa.Table:
    """All rows in the order of key and known_at; of two that have both, the first that was given. The early ones are in that
    order, and each of the parts is known later than they all: it goes behind those of its key."""
    rows = pa.concat_tables(parts).combine_chunks()
    keys = [
        codes(rows[name])[0] if pa.types.is_string(rows.schema.field(name).type) else instants(rows, name)
        for name in TABLES[table].versioned
    ]
    order = np.lexsort(keys[::-1])  # stable
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    late = rows.take(pa.array(order[~np.r_[np.zeros(min(1, len(order)), bool), same]]))
    if not late.num_rows:
        return early
    place = _places(early, late, TABLES[table].keys)
    ends = np.append(np.flatnonzero(np.diff(place)) + 1, len(place))  # runs of late rows that stand together
    pieces, done, begin = [], 0, 0
    for end in ends.tolist():
        at = int(place[begin])
        pieces += [early.slice(done, at - done), late.slice(begin, end - begin)]
        done, begin = at, end
    return pa.concat_tables([*pieces, early.slice(done)]).combine_chunks()


def _places(early: pa.Table, late: pa.Table, keys: Sequence[str]) -> Ints:
    """(N,) before which early row each late one goes; both are in the order of their keys, the symbol first."""
    columns = {}
    for name in keys:
        both = pa.chunked_array([*early[name].chunks, *late[name].chunks])
        columns[name] = (
            codes(both)[0] if pa.types.is_string(both.type) else instants(pa.table({name: both}), name)
        )
    n, symbol = early.num_rows, columns["symbol"]
    place = np.empty(late.num_rows, dtype=np.int64)
    for code in np.unique(symbol[n:]):
        begin, end = np.searchsorted(symbol[:n], [code, code + 1])
        mine = np.flatnonzero(symbol[n:] == code)
        old = [columns[name][begin:end] for name in keys[1:]]
        new = [columns[name][n:][mine] for name in keys[1:]]
        if len(keys) == 2:
            place[mine] = begin + np.searchsorted(old[0], new[0], side="right")
            continue
        order = np.lexsort(
            [np.r_[a, b] for a, b in zip(old, new, strict=True)][::-1]
        )  # stable: the early ones first
        behind = np.cumsum(order < end - begin)[np.argsort(order)]
        place[mine] = begin + behind[end - begin :]
    return place


def _later(known: Instants, generator: np.random.Generator) -> Instants:
    """Some of the instants moved by one to three days."""
    moved = generator.random(len(known)) < LATE
    return known + np.where(moved, generator.integers(1, 4, len(known)), 0) * DAY


def _soon(count: int, at: np.datetime64, generator: np.random.Generator) -> Instants:
    """Instants after one: half of them at once, the others within a week."""
    minutes = generator.integers(1, 7 * 24 * 60, count) * (generator.random(count) < 0.5)
    return at + INSTANT_STEP + minutes.astype("timedelta64[m]")


def _split(
    rows: pa.Table, known: Instants, at: np.datetime64, generator: np.random.Generator, mild: bool
) -> tuple[pa.Table, pa.Table]:
    """What was known by an instant, and what of the rest stays in the other future, some of it later."""
    early = known <= at
    stays = ~early if mild else ~early & (generator.random(len(known)) >= GONE)
    late = rows.filter(pa.array(stays))
    if not mild:
        late = with_column(late, "known_at", _later(known[stays], generator))
    return rows.filter(pa.array(early)), late


def _newest(code: Ints, chosen: Bools, generator: np.random.Generator, depth: int) -> Ints:
    """Of each series (N,) of rows in order of time the last chosen row, and one of the `depth` before it."""
    at = np.flatnonzero(chosen)
    last = at[np.flatnonzero(np.append(np.diff(code[at]) != 0, True))] if len(at) else at
    back = last - generator.integers(0, depth, len(last))
    kept = (back >= 0) & (code[np.maximum(back, 0)] == code[last])
    back = back[kept]
    return np.unique(np.r_[last, back[chosen[back]]])


def _prices(rows: pa.Table, fields: Sequence[str], generator: np.random.Generator) -> pa.Table:
    """Bars with other prices and volumes."""
    n = rows.num_rows
    common = generator.normal(0, 0.12, n)
    made = {}
    for name in (f for f in ("open", "close") if f in fields):
        factor = np.exp(np.clip(common + generator.normal(0, 0.02, n), -0.5, 0.5))
        made[name] = floats(rows, name) * factor
    body = np.stack(list(made.values()))
    wick = 1 + generator.uniform(0, 0.02, (2, n))
    if "high" in fields:
        made["high"] = np.where(np.isnan(floats(rows, "high")), np.nan, np.fmax.reduce(body) * wick[0])
    if "low" in fields:
        made["low"] = np.where(np.isnan(floats(rows, "low")), np.nan, np.fmin.reduce(body) / wick[1])
    if "volume" in fields:
        volume = floats(rows, "volume")
        other = np.maximum(np.round(volume * np.exp(generator.normal(0, 0.5, n))), 1.0)
        made["volume"] = np.where(volume > 0, other, volume)
    for name, values in made.items():
        rows = with_column(rows, name, values)
    return rows


def bars(
    past: Past, rows: pa.Table, known: Instants, at: np.datetime64, generator: np.random.Generator, mild: bool
) -> pa.Table:
    """Other bars; some companies gone; of every ticker late corrections of what was known; and a new listing."""
    fields = past.info.bar_fields
    early, late = _split(rows, known, at, generator, mild)
    if mild:
        return ordered("bars", early, [_prices(late, fields, generator)])
    code, names = codes(rows["symbol"])
    vanish = generator.random(len(names)) < 0.03
    vanish[names.index(past.info.benchmark) if past.info.benchmark in names else slice(0)] = False
    gone = vanish[np.searchsorted(names, late["symbol"].to_pylist())] if late.num_rows else np.zeros(0, bool)
    again = rows.take(pa.array(_newest(code, known <= at, generator, 60)))
    again = with_column(again, "known_at", _soon(again.num_rows, at, generator))
    parts = [late.filter(pa.array(~gone)), again, *_listed(past, rows, code, names, known, at, generator)]
    return ordered("bars", early, [_prices(part, fields, generator) for part in parts])


def _listed(
    past: Past,
    rows: pa.Table,
    code: Ints,
    names: list[str],
    known: Instants,
    at: np.datetime64,
    generator: np.random.Generator,
) -> list[pa.Table]:
    """A company that nobody knew: the later bars of another's, and some earlier ones that come late."""
    if not past.tickers:
        return []
    donor = str(generator.choice(np.array(past.tickers, dtype=object)))
    own = np.flatnonzero(code == names.index(donor))
    late = own[known[own] > at]
    before = own[known[own] <= at][-20:]
    chosen = np.r_[before, late]
    name = next(n for n in (f"{donor}.{i}" for i in range(10**6)) if n not in names)
    listed = with_column(rows.take(pa.array(chosen)), "symbol", [name] * len(chosen))
    soon = _soon(len(before), at, generator)
    return [with_column(listed, "known_at", np.r_[soon, known[late]])]


def actions(
    past: Past, rows: pa.Table, known: Instants, at: np.datetime64, generator: np.random.Generator, mild: bool
) -> pa.Table:
    """Other splits, dividends and ends, corrections of those known, and new ones, of which some count from before."""
    early, late = _split(rows, known, at, generator, mild)
    parts = [_amounts(past, late, generator)]
    if not mild:
        kind = np.array(rows["kind"].to_pylist(), dtype=object)
        ex = instants(rows, "event_at")
        newest = np.flatnonzero((known <= at) & (kind != "rename") & (ex > at - RECENT * DAY))
        newest = generator.choice(newest, min(len(newest), 20), replace=False)
        again = with_column(
            rows.take(pa.array(np.sort(newest))), "known_at", _soon(len(newest), at, generator)
        )
        parts += [_amounts(past, again, generator), _announced(past, rows, at, generator)]
    return ordered("actions", early, parts)


def _amounts(past: Past, rows: pa.Table, generator: np.random.Generator) -> pa.Table:
    """Actions of other amounts, each possible whatever the prices of the other future are."""
    value, kinds = floats(rows, "value"), rows["kind"].to_pylist()
    draw = generator.uniform(0.3, 0.9, len(value))
    for i, (kind, ticker) in enumerate(zip(kinds, rows["symbol"].to_pylist(), strict=True)):
        if kind == "split":
            value[i] *= 2.0 if draw[i] < 0.6 else 0.5
        elif kind == "dividend":
            value[i] = min(value[i], 0.2 * past.least.get(ticker, np.inf)) * draw[i]
        elif np.isfinite(value[i]):
            value[i] *= draw[i]
    return with_column(rows, "value", value)


def _announced(past: Past, rows: pa.Table, at: np.datetime64, generator: np.random.Generator) -> pa.Table:
    """New actions of a tenth of the tickers, two at least: most of them with an ex date just before the instant or after."""
    count = min(len(past.tickers), max(2, len(past.tickers) // 10))
    chosen = generator.choice(np.array(past.tickers, dtype=object), count, replace=False)
    kinds = ("split", "dividend") if past.info.price_basis == "raw" else ()
    found = []
    for n, ticker in enumerate(sorted(chosen.tolist())):
        ends = past.ends(ticker)
        here = int(np.searchsorted(ends, at, side="right"))
        place = int(np.clip(here + generator.integers(-15, 15), 1, max(1, len(ends) - 1)))
        kind = "delisting" if n == 0 or not kinds else kinds[n % 2]
        if place >= len(ends):
            continue
        value = {"split": 3.0, "dividend": 0.05 * past.least[ticker], "delisting": past.least[ticker]}[kind]
        found.append((ticker, kind, value, ends[place]))
    return _made(rows.schema, found, _soon(len(found), at, generator))


def _made(
    schema: pa.Schema, found: Sequence[tuple[str, str, float, np.datetime64]], known: Instants
) -> pa.Table:
    event = np.array([row[3] for row in found], dtype="datetime64[us]")
    columns = {
        "symbol": [row[0] for row in found],
        "kind": [row[1] for row in found],
        "value": [row[2] for row in found],
        "event_at": pa.array(event).cast(INSTANT),
        "known_at": pa.array(known.astype("datetime64[us]")).cast(INSTANT),
        "ingested_at": pa.array(known.astype("datetime64[us]")).cast(INSTANT),
        "known_basis": ["vendor"] * len(found),
        "batch": ["another future"] * len(found),
    }
    none = [None] * len(found)
    return pa.table([pa.array(columns.get(f.name, none), type=f.type) for f in schema], schema=schema)


def membership(
    past: Past, rows: pa.Table, known: Instants, at: np.datetime64, generator: np.random.Generator, mild: bool
) -> pa.Table:
    """Others join and leave; of half of the names known it is said later that they were no members, or were."""
    if not rows.num_rows:
        return rows
    early, late = _split(rows, known, at, generator, mild)
    parts = [_flipped(late, generator.random(late.num_rows) < 0.5)]
    if not mild:
        newest = _newest(codes(rows["symbol"])[0], known <= at, generator, 1)
        newest = newest[generator.random(len(newest)) < 0.5]
        again = rows.take(pa.array(newest))
        again = with_column(again, "known_at", _soon(len(newest), at, generator))
        event, moved = instants(again, "event_at"), generator.random(len(newest)) < 0.5
        again = with_column(again, "event_at", np.where(moved, instants(again, "known_at"), event))
        parts.append(_flipped(again, np.ones(len(newest), dtype=bool)))
    return ordered("membership", early, parts)


def _flipped(rows: pa.Table, chosen: Bools) -> pa.Table:
    member = np.array(rows["member"].to_pylist(), dtype=bool)
    return with_column(rows, "member", member ^ chosen)


def facts(
    past: Past, rows: pa.Table, known: Instants, at: np.datetime64, generator: np.random.Generator, mild: bool
) -> pa.Table:
    """Other values; of every series the newest known and an older one restated, and a period that nobody knew."""
    early, late = _split(rows, known, at, generator, mild)
    parts = [_values(late, generator)]
    if not mild and rows.num_rows:
        (symbol, _), (item, items) = codes(rows["symbol"]), codes(rows["item"])
        newest = rows.take(pa.array(_newest(symbol * len(items) + item, known <= at, generator, 6)))
        again = with_column(newest, "known_at", _soon(newest.num_rows, at, generator))
        fresh = with_column(again, "event_at", instants(again, "known_at"))
        parts += [_values(again, generator), _values(fresh, generator)]
    return ordered("facts", early, parts)


def _values(rows: pa.Table, generator: np.random.Generator) -> pa.Table:
    """Facts of other values, of the same sign and size; a 0 becomes anything."""
    value = floats(rows, "value")
    other = value * np.exp(generator.normal(0, 0.3, len(value)))
    return with_column(rows, "value", np.where(value == 0, generator.normal(0, 1, len(value)), other))


Future = Callable[[Past, pa.Table, Instants, np.datetime64, np.random.Generator, bool], pa.Table]

FUTURES: dict[str, Future] = {
    "bars": bars,
    "actions": actions,
    "membership": membership,
    "facts": facts,
}
