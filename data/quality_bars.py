"""Checks of bars, some symbols at a time: a frame sorted by symbol, event_at and known_at in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from backcast.data.schema import Finding

SPIKE = 5.0
"""A bar this many times (or one such part of) both neighbours' close is a spike."""

UNIT = 500.0
"""A value this many times (or one such part of) the one before it has changed its unit, pence for pounds or the like."""

STALE, STALE_CLOSES = 5, 20
"""This many bars in a row that are the same are a stale run; more where there are but closes, which may well come again."""

ABSENT = 60
"""A symbol that comes again after more sessions than this may be another company."""

EARLY, NEWEST = 250, 20
"""Rows at a symbol's beginning and end whose grids are compared."""

SHOWN = 20
"""Findings of a check and symbol that are rows of their own; one more row counts the rest."""


@dataclass(frozen=True)
class Whole:
    """What the checks of one symbol must know of all: whether bars are daily, the instants (T,) at which any symbol has a bar,
    the first and last bar of each symbol (symbol, first, last), and the symbols of which something says that they end."""

    daily: bool
    instants: pl.Series
    spells: pl.DataFrame
    told: frozenset[str]

    def when(self, event: datetime) -> str:
        """A bar's date, intraday with its time (UTC)."""
        return str(event.date()) if self.daily else event.strftime("%Y-%m-%d %H:%M")


def checked(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """Every check of one symbol at a time."""
    found = [
        *_prices(frame, whole),
        *_late(frame, whole),
        *_order(frame, whole),
        *_spikes(frame, whole),
        *_units(frame, whole),
        *_stale(frame, whole),
        *(_gaps(frame, whole) if whole.daily else _holes(frame, whole)),
    ]
    return _counted(found)


def _counted(findings: Iterable[Finding]) -> list[Finding]:
    """At most so many of one check and symbol, and one that counts the rest."""
    kept: list[Finding] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for found in findings:
        key = found.severity, found.check, found.symbol
        seen[key] += 1
        if seen[key] <= SHOWN:
            kept.append(found)
    return kept + [
        Finding(*key, "", "more of this symbol", count - SHOWN)
        for key, count in seen.items()
        if count > SHOWN
    ]


def _prices(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    prices = [c for c in ("open", "high", "low", "close") if frame[c].null_count() < frame.height]
    bad = frame.filter(pl.any_horizontal((pl.col(c) <= 0) | pl.col(c).is_infinite() for c in prices))
    negative = frame.filter((pl.col("volume") < 0) | pl.col("volume").is_infinite())
    early = frame.filter(pl.col("known_at") < pl.col("event_at"))
    empty = frame.filter(pl.col("close").is_null())
    return [
        *_rows(whole, empty, "warning", "no close", "the row has no close"),
        *_rows(whole, early, "error", "known_at", "the bar is known before it ends"),
        *_rows(whole, bad, "error", "price", "a price is zero, negative or infinite"),
        *_rows(whole, negative, "error", "volume", "a volume is negative or infinite"),
    ]


def _late(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """Known after a later bar: the mark of a backfill, or of a column mistaken for another."""
    first = frame.group_by("symbol", "event_at").agg(pl.col("known_at").min()).sort("symbol", "event_at")
    late = first.filter(pl.col("known_at") > pl.col("known_at").shift(-1).over("symbol"))
    counts = late.group_by("symbol").agg(pl.len(), pl.col("event_at").min()).sort("symbol")
    return [
        Finding(
            "warning",
            "late known_at",
            symbol,
            whole.when(event),
            "bars were known after a later one's",
            count,
        )
        for symbol, count, event in counts.iter_rows()
    ]


def _order(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    body = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    wrong = frame.filter((pl.col("low") > body[0]) | (pl.col("high") < body[1]))
    return _rows(whole, wrong, "warning", "ohlc order", "open or close lies outside low to high")


def _spikes(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    before, after = pl.col("close").shift(1).over("symbol"), pl.col("close").shift(-1).over("symbol")
    up = (pl.col("close") > SPIKE * before) & (pl.col("close") > SPIKE * after)
    down = (pl.col("close") * SPIKE < before) & (pl.col("close") * SPIKE < after)
    return _rows(
        whole,
        frame.filter(up | down),
        "warning",
        "spike",
        f"the close is {SPIKE:g} times off both neighbours'",
    )


def _units(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    before = pl.col("close").shift(1).over("symbol")
    step = pl.col("close") / pl.when(before > 0).then(before)
    jumped = frame.filter((step > UNIT) | ((step < 1 / UNIT) & (step > 0)))
    return _rows(
        whole, jumped, "warning", "unit jump", f"the close is over {UNIT:g} times off the one before it"
    )


def _stale(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
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
        Finding("warning", "stale run", symbol, whole.when(event), f"{count} bars in a row are the same")
        for symbol, event, count in long.select("symbol", "event_at", "len").iter_rows()
    ]


def _gaps(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """Sessions on which other symbols have a bar and this one, between its own first and last, has none."""
    holes = _skipped(frame, whole).filter(pl.col("skipped") > 0)
    found = []
    for symbol, event, count in holes.select("symbol", "event_at", "skipped").iter_rows():
        again = count > ABSENT and symbol not in whole.told
        detail = f"{count} sessions before it have no bar" + (": the same company?" if again else "")
        found.append(Finding("warning", "comes again" if again else "gap", symbol, whole.when(event), detail))
    return found


def _holes(frame: pl.DataFrame, whole: Whole) -> list[Finding]:
    """Intraday: of each symbol how many bars that others have it lacks within its own life."""
    lacking = (
        _skipped(frame, whole)
        .group_by("symbol")
        .agg(pl.col("skipped").sum(), pl.len(), worst=pl.col("skipped").max())
    )
    holes = lacking.filter(pl.col("skipped") > 0).sort("symbol")
    return [
        Finding(
            "warning",
            "gap",
            symbol,
            "",
            f"{count:,} of {bars + count:,} bars are missing, at most {worst:,} in a row",
        )
        for symbol, count, bars, worst in holes.iter_rows()
    ]


def _skipped(frame: pl.DataFrame, whole: Whole) -> pl.DataFrame:
    """Each bar of a symbol, with how many that others have are missing before it."""
    instants = pl.DataFrame({"event_at": whole.instants, "at": range(len(whole.instants))})
    own = frame.select("symbol", "event_at").unique().join(instants, on="event_at").sort("symbol", "at")
    return own.with_columns(skipped=pl.col("at").cast(pl.Int64).diff().over("symbol") - 1)


def off_grid(frame: pl.DataFrame) -> tuple[int, int]:
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


def _rows(whole: Whole, frame: pl.DataFrame, severity: str, name: str, detail: str) -> list[Finding]:
    return [
        Finding(severity, name, symbol, whole.when(event), detail)
        for symbol, event in frame.select("symbol", "event_at").iter_rows()
    ]
