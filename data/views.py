"""The world at one instant, as tables: prices adjusted by the actions known then, and who was in the universe."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from backcast.data.adjust import PRICES
from backcast.data.asof import as_known, dated_tickers, load_panel, newest_factors
from backcast.data.calendar import DAILY
from backcast.data.catalog import Pin
from backcast.data.errors import InputError
from backcast.data.store import Store

ADJUSTMENTS = ("forward", "back")


def prices(
    store: Store, dataset: str, at: np.datetime64, adjust: str = "forward", pin: Pin | None = None
) -> pl.DataFrame:
    """Of every bar whose decision has come, the newest version known at an instant: (session, symbol, the bar's
    fields), intraday with its event_at.

    adjust: forward, in units of the symbol's first session, so that no later action changes them; back, in units of its
    newest, which is what a chart of that day showed. Splits and dividends are those known at the instant; prices that
    the source had adjusted stay as it gave them. Raw ones are in the store's table of bars. Errors: InputError.
    """
    if adjust not in ADJUSTMENTS:
        raise InputError("adjust", adjust, f"one of {', '.join(ADJUSTMENTS)}")
    pin, info = pin or store.version(dataset), store.info(dataset)
    panel = load_panel(store, dataset, pin, info.bar_fields, until=at)
    values = as_known(panel, at)
    if adjust == "back":
        price, shares = newest_factors(store, dataset, pin, at)
        for f, name in enumerate(panel.fields):
            values[f] = values[f] / price[:, None] if name in PRICES else values[f] * shares[:, None]
    s, t = np.nonzero(np.isfinite(values).any(axis=0))
    axes: dict[str, Any] = {"session": panel.clock.sessions[t], "symbol": [panel.symbols[k] for k in s]}
    if info.frequency != DAILY:
        axes = {"event_at": panel.clock.closes_at[t], **axes}
    return pl.DataFrame({**axes, **{name: values[f, s, t] for f, name in enumerate(panel.fields)}}).fill_nan(
        None
    )


def universe(store: Store, dataset: str, at: np.datetime64, pin: Pin | None = None) -> pl.DataFrame:
    """Who is in the universe as known at an instant, those who left included: (symbol, joined, left), a row a spell; left is
    null for a member, and lies ahead where a departure was announced. Errors: InputError without a membership."""
    states = pl.DataFrame(store.as_of(dataset, "membership", at, pin))
    if not states.height:
        raise InputError("dataset", dataset, f"a data set whose membership was known by {at}")
    ordered = states.sort("symbol", "event_at").with_columns(
        changed=pl.col("member") != pl.col("member").shift(1).over("symbol").fill_null(False)
    )
    turns = ordered.filter("changed").with_columns(left=pl.col("event_at").shift(-1).over("symbol"))
    return (
        turns.filter("member").select("symbol", "left", joined="event_at").select("symbol", "joined", "left")
    )


def symbols(store: Store, dataset: str, at: np.datetime64, pin: Pin | None = None) -> pl.DataFrame:
    """The permanent symbols and the tickers that they had, as known at an instant: (symbol, ticker, first_at, last_at, bars),
    a row a ticker. A recycled ticker is there once for each company that had it; no bar is of two. Errors: StaleDataError."""
    return pl.DataFrame(pl.from_arrow(dated_tickers(store, dataset, pin or store.version(dataset), at)))
