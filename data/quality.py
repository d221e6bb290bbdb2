"""Checks of a batch before it enters the store: findings are rows; an error stops the batch whole."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from backcast.data.calendar import clock
from backcast.data.schema import DatasetInfo

SPIKE = 5.0
"""A bar this many times (or one such part of) both neighbours' close is a spike."""

UNIT = 500.0
"""A close this many times (or one such part of) the close before it has changed its unit, pence for pounds or the like."""


@dataclass(frozen=True)
class Finding:
    """severity: error, warning or info; symbol and session may be empty."""

    severity: str
    check: str
    symbol: str
    session: str
    detail: str


def check(info: DatasetInfo, bars: pa.Table) -> list[Finding]:
    """What is wrong or odd in a batch of bars."""
    frame = pl.DataFrame(bars).sort("symbol", "event_at", "known_at")
    return [
        *_prices(frame),
        *_order(frame),
        *_spikes(frame),
        *_units(frame),
        *_sessions(info, frame),
        *_gaps(frame),
        *_survivors(info, frame),
    ]


def _prices(frame: pl.DataFrame) -> list[Finding]:
    prices = [c for c in ("open", "high", "low", "close") if frame[c].null_count() < frame.height]
    bad = frame.filter(pl.any_horizontal((pl.col(c) <= 0) | pl.col(c).is_infinite() for c in prices))
    negative = frame.filter((pl.col("volume") < 0) | pl.col("volume").is_infinite())
    early = frame.filter(pl.col("known_at") < pl.col("event_at"))
    empty = frame.filter(pl.col("close").is_null())
    return [
        *_rows(empty, "warning", "no close", "the row has no close"),
        *_rows(early, "error", "known_at", "the bar is known before its session's close"),
        *_rows(bad, "error", "price", "a price is zero, negative or infinite"),
        *_rows(negative, "error", "volume", "a volume is negative or infinite"),
    ]


def _order(frame: pl.DataFrame) -> list[Finding]:
    body = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    wrong = frame.filter((pl.col("low") > body[0]) | (pl.col("high") < body[1]))
    return _rows(wrong, "warning", "ohlc order", "open or close lies outside low to high")


def _spikes(frame: pl.DataFrame) -> list[Finding]:
    before, after = pl.col("close").shift(1).over("symbol"), pl.col("close").shift(-1).over("symbol")
    up = (pl.col("close") > SPIKE * before) & (pl.col("close") > SPIKE * after)
    down = (pl.col("close") * SPIKE < before) & (pl.col("close") * SPIKE < after)
    return _rows(
        frame.filter(up | down), "warning", "spike", f"the close is {SPIKE:g} times off both neighbours'"
    )


def _units(frame: pl.DataFrame) -> list[Finding]:
    before = pl.col("close").shift(1).over("symbol")
    step = pl.col("close") / pl.when(before > 0).then(before)
    jumped = frame.filter((step > UNIT) | ((step < 1 / UNIT) & (step > 0)))
    return _rows(jumped, "warning", "unit jump", f"the close is over {UNIT:g} times off the one before it")


def _gaps(frame: pl.DataFrame) -> list[Finding]:
    """Sessions on which other symbols have a bar and this one, between its own first and last, has none."""
    days = frame["event_at"].unique().sort()
    ranked = frame.join(pl.DataFrame({"event_at": days, "at": range(len(days))}), on="event_at")
    own = ranked.select("symbol", "event_at", pl.col("at").cast(pl.Int64)).unique().sort("symbol", "at")
    skipped = pl.col("at").diff().over("symbol") - 1
    holes = own.with_columns(skipped=skipped).filter(pl.col("skipped") > 0)
    return [
        Finding("warning", "gap", symbol, str(event.date()), f"{count} sessions before it have no bar")
        for symbol, event, count in holes.select("symbol", "event_at", "skipped").iter_rows()
    ]


def _sessions(info: DatasetInfo, frame: pl.DataFrame) -> list[Finding]:
    """Sessions of the calendar without any bar."""
    events = frame["event_at"].dt.replace_time_zone(None).unique().sort().to_numpy()
    sessions = clock(info.calendar, events[0], events[-1], 0)
    missing = sorted(set(sessions.closes_at.tolist()) - set(events.astype("datetime64[us]").tolist()))
    return [Finding("warning", "missing session", "", str(m.date()), "no symbol has a bar") for m in missing]


def _survivors(info: DatasetInfo, frame: pl.DataFrame) -> list[Finding]:
    """Whether nobody ever leaves: the mark of a sample chosen at its end."""
    last = (
        frame.filter(pl.col("symbol") != (info.benchmark or ""))
        .group_by("symbol")
        .agg(pl.col("event_at").max())
    )
    if last.height > 1 and last["event_at"].n_unique() == 1:
        return [
            Finding(
                "warning",
                "survivorship",
                "",
                "",
                f"none of the {last.height} symbols ends before the data do",
            )
        ]
    return []


def _rows(frame: pl.DataFrame, severity: str, name: str, detail: str) -> list[Finding]:
    return [
        Finding(severity, name, symbol, str(event.date()), detail)
        for symbol, event in frame.select("symbol", "event_at").iter_rows()
    ]
