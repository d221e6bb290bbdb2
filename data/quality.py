"""Checks of a batch before it enters the store: findings are rows; an error stops the batch whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from backcast.data.calendar import clock
from backcast.data.schema import DatasetInfo

SPIKE = 5.0
"""A bar this many times (or one such part of) both neighbours' close is a spike."""

UNIT = 500.0
"""A close this many times (or one such part of) the close before it has changed its unit, pence for pounds or the like."""


STALE, STALE_CLOSES = 5, 20
"""This many bars in a row that are the same are a stale run; more where there are but closes, which may well come again."""

ENDS = 5
"""A symbol whose last bar is more sessions than this before the last one has ended."""

EARLY, NEWEST = 250, 20
"""Rows at a symbol's beginning and end whose grids are compared."""


@dataclass(frozen=True)
class Finding:
    """severity: error, warning or info; symbol and session may be empty."""

    severity: str
    check: str
    symbol: str
    session: str
    detail: str


def check(info: DatasetInfo, tables: Mapping[str, pa.Table]) -> list[Finding]:
    """What is wrong or odd in the bars of a batch, given the actions and the membership that came with them."""
    if "bars" not in tables:
        return []
    frame = pl.DataFrame(tables["bars"]).sort("symbol", "event_at", "known_at")
    return [
        *_prices(frame),
        *_known(frame),
        *_order(frame),
        *_spikes(frame),
        *_units(frame),
        *_stale(frame),
        *_sessions(info, frame),
        *_gaps(frame),
        *_survivors(info, frame),
        *_ends(info, frame, _told(tables)),
        *_back_adjusted(info, frame),
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


def _known(frame: pl.DataFrame) -> list[Finding]:
    """Known in the future, or after a later session's bar: the mark of a backfill, or of a column mistaken for another."""
    future = frame.filter(pl.col("known_at") > pl.col("ingested_at"))
    first = frame.group_by("symbol", "event_at").agg(pl.col("known_at").min()).sort("symbol", "event_at")
    late = first.filter(pl.col("known_at") > pl.col("known_at").shift(-1).over("symbol"))
    counts = late.group_by("symbol").agg(pl.len(), pl.col("event_at").min()).sort("symbol")
    return [
        *_rows(future, "error", "future known_at", "the bar will be known only after it was ingested"),
        *(
            Finding(
                "warning",
                "late known_at",
                symbol,
                str(event.date()),
                f"{count} bars were known after a later session's",
            )
            for symbol, count, event in counts.iter_rows()
        ),
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


def _stale(frame: pl.DataFrame) -> list[Finding]:
    """The very same bar, volume and all, again and again: a feed that stood still."""
    newest = frame.unique(["symbol", "event_at"], keep="last", maintain_order=True)
    columns = ("open", "high", "low", "close", "volume")
    moved = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift(1).over("symbol")) for c in columns)
    begun = moved | (pl.col("symbol") != pl.col("symbol").shift(1).fill_null(""))
    runs = newest.with_columns(run=begun.cum_sum()).group_by("run", maintain_order=True)
    least = STALE if newest["volume"].count() else STALE_CLOSES
    long = runs.agg(pl.col("symbol").first(), pl.col("event_at").first(), pl.len(), pl.col("close").first())
    return [
        Finding("warning", "stale run", symbol, str(event.date()), f"{count} bars in a row are the same")
        for _, symbol, event, count, close in long.iter_rows()
        if count >= least and close is not None
    ]


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


def _told(tables: Mapping[str, pa.Table]) -> set[str]:
    """Symbols of which an action or the membership says that they end."""
    ended: set[str] = set()
    if "actions" in tables:
        kinds = pl.col("kind").is_in(("delisting", "merger", "rename"))
        ended |= set(pl.DataFrame(tables["actions"]).filter(kinds)["symbol"])
    if "membership" in tables:
        ended |= set(pl.DataFrame(tables["membership"]).filter(~pl.col("member"))["symbol"])
    return ended


def _ends(info: DatasetInfo, frame: pl.DataFrame, told: set[str]) -> list[Finding]:
    """Symbols whose bars end before the data do, and nothing says why."""
    sessions = frame["event_at"].unique().sort()
    if len(sessions) <= ENDS:
        return []
    last = frame.group_by("symbol").agg(pl.col("event_at").max()).sort("symbol")
    early = last.filter(pl.col("event_at") < sessions[-1 - ENDS])
    return [
        Finding(
            "warning",
            "ends",
            symbol,
            str(event.date()),
            "its last bar, and nothing says why: delisted or renamed?",
        )
        for symbol, event in early.iter_rows()
        if symbol not in told and symbol != info.benchmark
    ]


def _back_adjusted(info: DatasetInfo, frame: pl.DataFrame) -> list[Finding]:
    """Prices that are called raw and look adjusted backwards.

    Exchanges quote in hundredths of a cent or in 64ths, and dividing by splits and dividends leaves that grid: then most of
    a symbol's early closes lie off it and its newest, which nothing has adjusted yet, on it. Prices of many decimals by
    nature, such as those of currencies, are off it at both ends and raise no alarm.
    """
    if info.price_basis != "raw":
        return []
    close = pl.col("close")
    off = pl.all_horizontal(
        ((close * n) - (close * n).round()).abs() > 1e-5 * n.bit_length() for n in (10_000, 64)
    )
    ends = frame.group_by("symbol", maintain_order=True).agg(
        first=off.head(EARLY).mean(), last=off.tail(NEWEST).mean(), count=pl.len()
    )
    long = ends.filter(pl.col("count") >= 2 * NEWEST)
    odd = long.filter((pl.col("first") > 0.5) & (pl.col("first") - pl.col("last") > 0.2))
    if odd.height <= long.height / 2:
        return []
    detail = f"{odd.height} of {long.height} symbols have early closes that no exchange quotes, and newer ones that it does"
    return [Finding("warning", "back-adjusted?", "", "", detail)]


def _rows(frame: pl.DataFrame, severity: str, name: str, detail: str) -> list[Finding]:
    return [
        Finding(severity, name, symbol, str(event.date()), detail)
        for symbol, event in frame.select("symbol", "event_at").iter_rows()
    ]
