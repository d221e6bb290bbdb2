"""What one decision had to go by: every version of the bars, actions and facts in its features' look-back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from backcast.data import asof, history
from backcast.data.errors import StaleDataError
from backcast.data.store import Store
from backcast.data.types import Panel
from backcast.signals.types import Compiled

KNOWN, REPLACED, LATER = "known", "replaced by then", "not known then"
"""What a version was to the decision: the one it saw, one that a newer had replaced, one that came later."""
VERSION = ("event_at", "known_at", "known_basis", "status")


@dataclass(frozen=True)
class Inputs:
    """Rows of raw tables, each a version: its key and values, event_at, known_at, known_basis, and status. used: the cells
    that features computed with, a row a bar: adjusted, as known at the decision."""

    lookback: int
    fields: tuple[str, ...]
    used: tuple[dict[str, Any], ...]
    bars: tuple[dict[str, Any], ...]
    actions: tuple[dict[str, Any], ...]
    facts: tuple[dict[str, Any], ...]


def inputs_of(
    store: Store,
    dataset: str,
    pin: dict[str, int],
    past: Panel,
    symbol: str,
    place: int | None,
    graph: Compiled,
    instant: np.datetime64,
) -> Inputs:
    """past: the world of the decision, which is its last; place: the symbol's there, None where nobody had seen it."""
    fields = tuple(getattr(graph, "fields", past.fields))
    clock, last = past.clock, len(past.clock) - 1
    first = max(0, last - graph.lookback)
    info = store.info(dataset)
    used: list[dict[str, Any]] = []
    if place is not None and graph.names:
        cells = asof.as_known(past.only(fields), instant)[:, place, first : last + 1]
        for k in range(cells.shape[1]):
            t = first + k
            values = {name: _number(cells[f, k]) for f, name in enumerate(fields)}
            used.append({"session": str(clock.sessions[t]), "event_at": _iso(clock.closes_at[t]), **values})
    begin = clock.closes_at[first] if graph.names else clock.closes_at[last]
    end = clock.closes_at[last]
    spells = _tickers(store, dataset, pin, symbol, instant)
    bars = _versions(store, dataset, pin, "bars", spells, begin, end, instant)
    actions = _versions(store, dataset, pin, "actions", spells, begin, instant, instant)
    items = [name for name in fields if name not in info.bar_fields]
    facts = (
        _facts(store, dataset, pin, [*{t for t, _, _ in spells}, asof.EVERY], items, begin, instant)
        if items
        else ()
    )
    shown = [name for name in (fields or info.bar_fields) if name in info.bar_fields]
    return Inputs(
        graph.lookback,
        fields,
        tuple(used),
        tuple({k: v for k, v in row.items() if k in (*VERSION, "symbol", *shown)} for row in bars),
        actions,
        facts,
    )


Spell = tuple[str, np.datetime64, np.datetime64]


def _tickers(store: Store, dataset: str, pin: dict[str, int], symbol: str, at: np.datetime64) -> list[Spell]:
    """The tickers under which rows of a permanent symbol came, and from when to when."""
    try:
        table = pl.DataFrame(pl.from_arrow(asof.dated_tickers(store, dataset, pin, at)))
    except StaleDataError:
        return []
    mine = table.filter(pl.col("symbol") == symbol).select("ticker", "first_at", "last_at")
    forever = np.datetime64("9999-12-31", "us")
    spells = [(ticker, _instant(first), _instant(last)) for ticker, first, last in mine.iter_rows()]
    if spells:  # rows of its newest ticker that come later are its own too
        newest = max(range(len(spells)), key=lambda i: spells[i][1])
        spells[newest] = (spells[newest][0], spells[newest][1], forever)
    return spells


def _versions(
    store: Store,
    dataset: str,
    pin: dict[str, int],
    table: str,
    spells: list[Spell],
    begin: np.datetime64,
    end: np.datetime64,
    instant: np.datetime64,
) -> tuple[dict[str, Any], ...]:
    """Every version of the rows about instants from `begin` to `end`, in order of event_at and known_at."""
    found = []
    for ticker, first, last in spells:
        rows = history.cell(store, dataset, table, {"symbol": ticker}, instant, pin)
        event = rows["event_at"].dt.replace_time_zone(None).to_numpy()
        day = np.timedelta64(1, "D") if table == "actions" else np.timedelta64(0, "D")
        inside = (event >= np.maximum(begin, first - day)) & (event <= min(end, last + day))
        found += [_row(row, instant) for row in rows.filter(pl.Series(inside)).iter_rows(named=True)]
    return tuple(sorted(found, key=lambda row: (row["event_at"], row["known_at"])))


def _facts(
    store: Store,
    dataset: str,
    pin: dict[str, int],
    symbols: list[str],
    items: list[str],
    begin: np.datetime64,
    instant: np.datetime64,
) -> tuple[dict[str, Any], ...]:
    """Of each item the versions that became known in the look-back, the newest before it, and those that came later about
    the same periods."""
    found = []
    for name in symbols:
        rows = history.cell(store, dataset, "facts", {"symbol": name}, instant, pin)
        for item in items:
            every = rows.filter(pl.col("item") == item).sort("known_at", "event_at")
            known = every["known_at"].dt.replace_time_zone(None).to_numpy()
            before = np.flatnonzero(known < begin)
            within = (known >= begin) & (known <= instant)
            within[before[-1:]] = True
            periods = every.filter(pl.Series(within))["event_at"].unique()
            later = pl.Series(known > instant) & every["event_at"].is_in(periods.implode())
            chosen = every.filter(pl.Series(within) | later)
            found += [_row(row, instant) for row in chosen.iter_rows(named=True)]
    return tuple(sorted(found, key=lambda row: (row["item"], row["event_at"], row["known_at"])))


def _row(row: dict[str, Any], instant: np.datetime64) -> dict[str, Any]:
    """A version with what it was to the decision."""
    known, ended = _instant(row["known_at"]), row["superseded_at"]
    status = (
        LATER if known > instant else REPLACED if ended is not None and _instant(ended) <= instant else KNOWN
    )
    left_out = ("batch", "source", "view", "ingested_at", "superseded_at")
    return {**{name: _plain(value) for name, value in row.items() if name not in left_out}, "status": status}


def _instant(value: datetime) -> np.datetime64:
    return np.datetime64(value.replace(tzinfo=None), "us")


def _iso(instant: np.datetime64) -> str:
    return str(instant.astype("datetime64[us]").astype(object).isoformat())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
