"""When rows say that they were known: bars before they end, facts at their period's end, final values, times by a rule."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from backcast.data.calendar import zone_of_calendar
from backcast.engine.audit.findings import INFORMATION, LEAK, WARNING, Check, Finding
from backcast.engine.audit.tables import Tables

BARS, PERIODS, HOURS, RESTATED, RULE = (
    "bars known after they end",
    "facts known after their period",
    "facts known at a time of day",
    "facts restated",
    "known by a rule",
)

QUARTER_DAYS = 80
"""Periods at least so far apart are accounts; what is dated more often may well be known at once."""
MONTH_END_DAYS = 4
"""Accounts end within so many days of a month's end."""
AT_ONCE = 0.5
ENOUGH = 200
"""Account figures of which somebody would have restated one."""
FEW = 50
LAGS = 10
"""Filings come after so many different numbers of days; fewer are a rule."""
MONDAYS, WEEKENDS = 0.1, 0.02
"""Of days of filing at least and at most this share. The days after them are Tuesdays to Saturdays."""


def conditions(tables: Tables) -> list[Check]:
    """What the rows say of when they were known."""
    firsts = _first_known(tables)
    zone = zone_of_calendar(tables.info.calendar)
    return [bars(tables), periods(firsts), hours(firsts, zone), restated(firsts), by_rule(tables)]


def bars(tables: Tables) -> Check:
    """LEAK: a bar that is known before its end holds prices from after a decision that may read it."""
    early = tables.early
    check = Check(BARS, "data", "known_at against event_at of every bar", tables.bars, early.count)
    if early.count:
        clock = tables.panel.clock
        bar = (clock.closes_at[0] - clock.opens_at[0]) / np.timedelta64(1, "h") if clock.intraday else 24.0
        check.finding = Finding(
            LEAK,
            f"{early.count:,} bars are known before they end, the first by {early.early_hours:,.1f} hours.",
            "Give known_at of a bar's end or later: a time stamp of its open is not when it was known.",
            column="known_at",
            symbol=early.symbol,
            at=early.event_at,
            depth=max(1, math.ceil(early.early_hours / bar)),
            through="bars",
        )
    return check


def _first_known(tables: Tables) -> pl.DataFrame:
    """Of accounts, a row a period: symbol, item, event_at, known_at and known_basis of the first version, and how many versions
    it has."""
    if not tables.facts.num_rows:
        return pl.DataFrame(
            schema={"symbol": pl.String, "item": pl.String, "event_at": pl.Datetime("us", "UTC"),
                    "known_at": pl.Datetime("us", "UTC"), "known_basis": pl.String, "versions": pl.UInt32}
        )  # fmt: skip
    rows = pl.DataFrame(tables.facts.select(["symbol", "item", "event_at", "known_at", "known_basis"]))
    firsts = (
        rows.sort("known_at")
        .group_by("symbol", "item", "event_at")
        .agg(pl.first("known_at"), pl.first("known_basis"), versions=pl.len())
    )
    firsts = firsts.sort("symbol", "item", "event_at")
    apart = pl.col("event_at").diff().over("symbol", "item").dt.total_days()
    day = pl.col("event_at").dt.day()
    last = pl.col("event_at").dt.month_end().dt.day()
    near = (day >= last - MONTH_END_DAYS) | (day <= MONTH_END_DAYS)
    kinds = firsts.group_by("item").agg(apart.median().alias("apart"), near.mean().alias("near"))
    accounts = kinds.filter((pl.col("apart") >= QUARTER_DAYS) & (pl.col("near") > 0.8))["item"]
    return firsts.filter(pl.col("item").is_in(accounts.implode()))


def periods(firsts: pl.DataFrame) -> Check:
    """WARNING where most of an item's account figures are known within a day of their period's end, which nobody could publish.

    A filing date that is a day too early cannot be seen from the data alone.
    """
    detail = "lag of each account figure; a date one day before the filing cannot be seen from data alone"
    check = Check(PERIODS, "data", detail, firsts.height)
    early = (pl.col("known_at") - pl.col("event_at")) <= pl.duration(days=1)
    shares = firsts.group_by("item").agg(early.mean().alias("share"), pl.len()).sort("item")
    wrong = shares.filter(pl.col("share") > AT_ONCE)
    if not wrong.height:
        return check
    item, share = wrong["item"][0], float(wrong["share"][0])
    first = firsts.filter((pl.col("item") == item) & early).sort("event_at", "symbol").row(0, named=True)
    more = f" (and of {wrong.height - 1:,} more items)" if wrong.height > 1 else ""
    check.finding = Finding(
        WARNING,
        f"{share:.0%} of the figures of {item!r}{more} are known within a day of their period's end; accounts take weeks.",
        "Give known_at of the filing, or a rule such as event_at + 90d (dataset.known_at).",
        column=str(item),
        symbol=first["symbol"],
        at=str(first["event_at"].replace(tzinfo=None)),
        through="facts",
    )
    return check


def hours(firsts: pl.DataFrame, zone: str) -> Check:
    """WARNING where most account figures that no rule dated are known from the midnight with which a working day begins: only
    the date of a filing was kept, and nobody files at night.

    A midnight after the filing passes: those fall on Saturdays and on no Mondays; so does a rule, whose lags are few.
    """
    told = firsts.filter(pl.col("known_basis") != "rule")
    check = Check(HOURS, "data", "time of day of each account figure's known_at", told.height)
    for name in ("UTC", zone):
        local = pl.col("known_at").dt.convert_time_zone(name)
        night = told.filter(local.dt.time() == pl.time(0))
        if night.height < FEW or night.height <= AT_ONCE * told.height:
            continue
        weekday = night.select(local.dt.weekday()).to_series()
        lags = night.select((pl.col("known_at") - pl.col("event_at")).dt.total_days()).to_series()
        mondays, weekends = float((weekday == 1).mean()), float((weekday > 5).mean())  # type: ignore[arg-type]
        if lags.n_unique() < LAGS or mondays < MONDAYS or weekends > WEEKENDS:
            continue
        first = night.sort("known_at", "symbol").row(0, named=True)
        check.changed = night.height
        check.finding = Finding(
            WARNING,
            f"{night.height / told.height:.0%} of {told.height:,} account figures are known from the midnight ({name}) with "
            "which a working day begins: dates without a time. Who filed in the evening is known a day early.",
            "Give the time of the filing, or the end of its day: known_at + 1d.",
            column="known_at",
            symbol=first["symbol"],
            at=str(first["known_at"].replace(tzinfo=None)),
            through="facts",
        )
        break
    return check


def restated(firsts: pl.DataFrame) -> Check:
    """INFORMATION where no account figure was ever restated: final values in place of first ones, maybe."""
    check = Check(RESTATED, "data", "account figures with a later version", firsts.height)
    again = int((firsts["versions"] > 1).sum())
    if firsts.height >= ENOUGH and not again:
        check.finding = Finding(
            INFORMATION,
            f"None of {firsts.height:,} account figures was ever restated: they may be final values, which nobody had then.",
            "Ask the source for first-published values, with restatements as rows of their own.",
            column="facts",
            through="facts",
        )
    elif again:
        check.detail += f": {again:,} restated"
    return check


def by_rule(tables: Tables) -> Check:
    """INFORMATION: the share of rows of bars and facts whose known_at a rule gave, and nobody observed."""
    share, rule = tables.panel.known_by_rule, tables.info.known_rule
    check = Check(RULE, "data", "rows of bars and facts", tables.bars + tables.facts.num_rows)
    if share > 0:
        told = f" ({rule})" if rule else ""
        check.finding = Finding(
            INFORMATION,
            f"{share:.0%} of the rows were known by a rule{told}: nobody recorded when they really were.",
            "Nothing, where the rule is later than the vendor; else ask it for times.",
            column="known_at",
        )
    return check
