"""What a pinned store holds, as the conditions of the data are read from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from backcast.data import query
from backcast.data.market import Market
from backcast.data.schema import DatasetInfo
from backcast.data.store import Store
from backcast.data.types import Bools, Floats, Ints, Panel

ENDS = 5
"""A symbol whose last bar is more sessions than this before the last one has ended."""


@dataclass(frozen=True)
class EarlyBar:
    """The first of the bars that are known before they end, and how many there are. Instants are UTC."""

    count: int
    symbol: str = ""
    event_at: str = ""
    early_hours: float = 0.0


@dataclass(frozen=True)
class Tables:
    """What decisions knew, what happened, and the rows beside the bars; `bars`: how many rows of bars there are."""

    info: DatasetInfo
    panel: Panel
    market: Market
    actions: pa.Table
    membership: pa.Table
    facts: pa.Table
    bars: int
    early: EarlyBar

    @cached_property
    def traded(self) -> Bools:
        """(S, T) where there is a close."""
        return np.isfinite(self.market.field("close"))

    @cached_property
    def ordinals(self) -> Ints:
        """(T,) of each bar the number of its session, of those in which anything traded."""
        days = self.market.clock.sessions
        return np.searchsorted(np.unique(days[self.traded.any(axis=0)]), days).astype(np.int64)


def tables_of(store: Store, dataset: str, pin: dict[str, int], panel: Panel, market: Market) -> Tables:
    """The tables of a pinned version, around the panel and the market that were read of it."""
    actions, membership, facts = (
        store.read(dataset, name, pin) for name in ("actions", "membership", "facts")
    )
    count, early = _bars(store, dataset, pin)
    return Tables(store.info(dataset), panel, market, actions, membership, facts, count, early)


def _bars(store: Store, dataset: str, pin: dict[str, int]) -> tuple[int, EarlyBar]:
    """How many bars, and the first of those known before they end."""
    with store.reading(dataset, "bars", pin) as files, query.shared() as connection:
        rows = query.rows(files)
        told = query.first(
            connection, f"SELECT count(*), count(*) FILTER (known_at < event_at) FROM ({rows})"
        )
        if not told[1]:
            return int(told[0]), EarlyBar(0)
        hours = "epoch(event_at - known_at) / 3600"
        ordered = f"WHERE known_at < event_at ORDER BY event_at, {query.quoted('symbol')} LIMIT 1"
        symbol, event, early = query.first(
            connection, f"SELECT symbol, event_at, {hours} FROM ({rows}) {ordered}"
        )
    at = str(np.datetime64(event.replace(tzinfo=None), "s"))
    return int(told[0]), EarlyBar(int(told[1]), symbol, at, float(early))


@dataclass(frozen=True)
class Lives:
    """Of each symbol that ever had a close, (N,): its index on the panel's axis, its first and last bar, whether its bars end
    before the data do, and the years between the two."""

    symbol: Ints
    first: Ints
    last: Ints
    ended: Bools
    years: Floats


def lives_of(tables: Tables) -> Lives:
    """The lives of a market's symbols."""
    traded, days = tables.traded, tables.market.clock.sessions
    symbol = np.flatnonzero(traded.any(axis=1))
    mine = traded[symbol]
    first, last = mine.argmax(axis=1), mine.shape[1] - 1 - mine[:, ::-1].argmax(axis=1)
    open_days = np.unique(days[traded.any(axis=0)])
    late = open_days[max(len(open_days) - 1 - ENDS, 0)] if len(open_days) else np.datetime64("NaT", "D")
    years = (days[last] - days[first]).astype("timedelta64[D]").astype(np.float64) / 365.25
    return Lives(symbol, first, last, np.asarray(days[last] < late), years)
