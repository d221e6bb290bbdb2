"""Checks of a batch before it enters the store: findings are rows; an error stops the batch whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from backcast.data.calendar import clock
from backcast.data.query import connected, first, scan
from backcast.data.schema import DatasetInfo

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPIKE = 5.0
"""A bar this many times (or one such part of) both neighbours' close is a spike."""

UNIT = 500.0
"""A close this many times (or one such part of) the close before it has changed its unit, pence for pounds or the like."""


STALE, STALE_CLOSES = 5, 20
"""This many bars in a row that are the same are a stale run; more where there are but closes, which may well come again."""

ENDS = 5
"""A symbol whose last bar is more sessions than this before the last one has ended."""

BUCKET = 1_000_000
"""Bars that are checked in memory at a time, whole symbols."""

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


@dataclass(frozen=True)
class Whole:
    """What the checks of one symbol must know of all: the sessions (T,) on which any symbol has a bar, the first and last
    bar of each symbol (symbol, first, last), and the symbols of which something says that they end."""

    sessions: pl.Series
    spells: pl.DataFrame
    told: frozenset[str]


def check(info: DatasetInfo, tables: Mapping[str, pa.Table]) -> list[Finding]:
    """What is wrong or odd in the bars of a batch, given the actions and the membership that came with them."""
    with connected() as connection:
        for name, rows in tables.items():
            connection.register(f"given_{name}", rows)
        return _check(info, connection, {name: f"given_{name}" for name in tables})


def check_files(info: DatasetInfo, files: Mapping[str, Sequence[Path]]) -> list[Finding]:
    """`check` of files of any size, in memory for so many symbols at a time."""
    with connected("1GB") as connection:
        return _check(info, connection, {name: scan(found) for name, found in files.items() if found})


def _check(info: DatasetInfo, connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    if "bars" not in sources:
        return []
    bars = sources["bars"]
    rows, closes = first(connection, f"SELECT count(*), count(close) FROM {bars}")
    if not closes:
        return [Finding("error", "no close", "", "", "no bar has a close")]
    whole = _whole(connection, sources)
    buckets = -(-rows // BUCKET)
    found, odd, long = [], 0, 0
    for k in range(buckets):
        frame = connection.sql(f"SELECT * FROM {bars} WHERE hash(symbol) % {buckets} = {k}").pl()
        if frame.height:
            frame = frame.sort("symbol", "event_at", "known_at")
            found += _symbols(frame, whole)
            off, enough = _off_grid(frame)
            odd, long = odd + off, long + enough
    return [
        *found,
        *_sessions(info, whole),
        *_survivors(info, whole),
        *_ends(info, whole),
        *_back_adjusted(info, odd, long),
        *_absent(connection, sources),
    ]


def _whole(connection: DuckDBPyConnection, sources: Mapping[str, str]) -> Whole:
    bars = sources["bars"]
    ended = {
        "actions": "kind IN ('delisting', 'merger', 'rename')",
        "membership": "NOT member",
    }
    told = [
        row[0]
        for name, ends in ended.items()
        if name in sources
        for row in connection.execute(f"SELECT DISTINCT symbol FROM {sources[name]} WHERE {ends}").fetchall()
    ]
    return Whole(
        connection.sql(f"SELECT DISTINCT event_at FROM {bars} ORDER BY event_at").pl()["event_at"],
        connection.sql(
            f"SELECT symbol, min(event_at) AS first, max(event_at) AS last FROM {bars} GROUP BY symbol ORDER BY symbol"
        ).pl(),
        frozenset(told),
    )


def _symbols(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """The checks of one symbol at a time."""
    return [
        *_prices(frame),
        *_known(frame),
        *_order(frame),
        *_spikes(frame),
        *_units(frame),
        *_stale(frame),
        *_gaps(frame, whole),
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
    counted = runs.agg(
        pl.col("symbol").first(), pl.col("event_at").first(), pl.len(), pl.col("close").first()
    )
    long = counted.filter((pl.col("len") >= least) & pl.col("close").is_not_null())
    return [
        Finding("warning", "stale run", symbol, str(event.date()), f"{count} bars in a row are the same")
        for symbol, event, count in long.select("symbol", "event_at", "len").iter_rows()
    ]


def _gaps(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """Sessions on which other symbols have a bar and this one, between its own first and last, has none."""
    days = pl.DataFrame({"event_at": whole.sessions, "at": range(len(whole.sessions))})
    ranked = frame.join(days, on="event_at")
    own = ranked.select("symbol", "event_at", pl.col("at").cast(pl.Int64)).unique().sort("symbol", "at")
    skipped = pl.col("at").diff().over("symbol") - 1
    holes = own.with_columns(skipped=skipped).filter(pl.col("skipped") > 0)
    return [
        Finding("warning", "gap", symbol, str(event.date()), f"{count} sessions before it have no bar")
        for symbol, event, count in holes.select("symbol", "event_at", "skipped").iter_rows()
    ]


def _sessions(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Sessions of the calendar without any bar."""
    events = whole.sessions.dt.replace_time_zone(None).to_numpy()
    sessions = clock(info.calendar, events[0], events[-1], 0)
    missing = sorted(set(sessions.closes_at.tolist()) - set(events.astype("datetime64[us]").tolist()))
    return [Finding("warning", "missing session", "", str(m.date()), "no symbol has a bar") for m in missing]


def _survivors(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Whether nobody ever leaves: the mark of a sample chosen at its end."""
    last = whole.spells.filter(pl.col("symbol") != (info.benchmark or ""))
    if last.height > 1 and last["last"].n_unique() == 1:
        detail = f"none of the {last.height} symbols ends before the data do"
        return [Finding("warning", "survivorship", "", "", detail)]
    return []


def _ends(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Symbols whose bars end before the data do, and nothing says why."""
    if len(whole.sessions) <= ENDS:
        return []
    early = whole.spells.filter(pl.col("last") < whole.sessions[-1 - ENDS]).select("symbol", "last")
    return [
        Finding(
            "warning",
            "ends",
            symbol,
            str(event.date()),
            "its last bar, and nothing says why: delisted or renamed?",
        )
        for symbol, event in early.iter_rows()
        if symbol not in whole.told and symbol != info.benchmark
    ]


def _off_grid(frame: pl.DataFrame) -> tuple[int, int]:
    """How many symbols have early closes off the grid of exchanges and newer ones on it, of how many that are long enough.

    Exchanges quote in hundredths of a cent or in 64ths, and dividing by splits and dividends leaves that grid: then most of
    a symbol's early closes lie off it and its newest, which nothing has adjusted yet, on it. Prices of many decimals by
    nature, such as those of currencies, are off it at both ends and raise no alarm.
    """
    close = pl.col("close")
    off = pl.all_horizontal(
        ((close * n) - (close * n).round()).abs() > 1e-5 * n.bit_length() for n in (10_000, 64)
    )
    ends = frame.group_by("symbol", maintain_order=True).agg(
        first=off.head(EARLY).mean(), last=off.tail(NEWEST).mean(), count=pl.len()
    )
    long = ends.filter(pl.col("count") >= 2 * NEWEST)
    odd = long.filter((pl.col("first") > 0.5) & (pl.col("first") - pl.col("last") > 0.2))
    return odd.height, long.height


def _back_adjusted(info: DatasetInfo, odd: int, long: int) -> list[Finding]:
    """Prices that are called raw and look adjusted backwards."""
    if info.price_basis != "raw" or odd <= long / 2:
        return []
    detail = f"{odd} of {long} symbols have early closes that no exchange quotes, and newer ones that it does"
    return [Finding("warning", "back-adjusted?", "", "", detail)]


def _absent(connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    """Members without a bar in all of a spell that the bars reach: they are missing, or known there by another ticker."""
    if "membership" not in sources:
        return []
    spells = connection.execute(
        f"""
        WITH range AS (SELECT min(event_at) AS lo, max(event_at) AS hi FROM {sources["bars"]}),
        states AS (SELECT symbol, event_at, arg_max(member, known_at) AS member FROM {sources["membership"]} GROUP BY ALL),
        spells AS (SELECT *, lead(event_at) OVER (PARTITION BY symbol ORDER BY event_at) AS until FROM states)
        SELECT symbol, event_at FROM spells s, range
        WHERE member AND event_at <= hi AND (until IS NULL OR until > lo) AND NOT EXISTS (
            SELECT 1 FROM {sources["bars"]} b
            WHERE b.symbol = s.symbol AND b.event_at >= s.event_at AND (s.until IS NULL OR b.event_at < s.until))
        ORDER BY symbol, event_at"""
    ).fetchall()
    detail = "a member from here on, without a single bar: missing, or known by another ticker?"
    return [
        Finding("warning", "member without bars", symbol, str(event.date()), detail)
        for symbol, event in spells
    ]


def _rows(frame: pl.DataFrame, severity: str, name: str, detail: str) -> list[Finding]:
    return [
        Finding(severity, name, symbol, str(event.date()), detail)
        for symbol, event in frame.select("symbol", "event_at").iter_rows()
    ]
