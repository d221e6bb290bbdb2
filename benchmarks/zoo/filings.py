"""Facts used before they were known, or in a version that came later."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl

from zoo.weights import long_short, moves, pair

DAY = pd.Timedelta("1D")


def at_period_end(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Earnings joined at the end of their quarter.

    Vendors' tables carry the date of the period, and the join on dates runs without an error. The number is filed weeks later.
    """
    return _earnings_yield(prices, facts, facts["event_at"])


def at_filing(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Joined when they are known."""
    return _earnings_yield(prices, facts, facts["known_at"])


def day_before_filing(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Earnings a day before they were filed.

    The filing's instant is cut to its date and the date is taken as known at the close before it, as when a calendar of filings
    is shifted by one to "trade on the announcement".
    """
    return _earnings_yield(prices, facts, facts["known_at"] - DAY)


def same_day_filing(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Filings after the close used at the close of their day.

    Both sides are cut to dates before the join. Most companies report after the close.
    """
    return _earnings_yield(prices, facts, facts["known_at"].dt.normalize() + pd.Timedelta("12h"))


def flat_lag(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """A lag of 45 days after the quarter for everybody.

    A rule of thumb in place of filing dates. Those who file late, often with bad news, are known before they speak.
    """
    return _earnings_yield(prices, facts, facts["event_at"] + 45 * DAY)


def longest_lag(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Known at the filing, and 45 days after the quarter at the earliest."""
    return _earnings_yield(prices, facts, (facts["event_at"] + 45 * DAY).where(
        facts["event_at"] + 45 * DAY > facts["known_at"], facts["known_at"]))  # fmt: skip


def final_values(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Restated earnings from the day of the first filing on.

    A database that overwrites keeps one number a quarter, the last, beside the date of the first filing.
    """
    keys = ["symbol", "item", "event_at"]
    ordered = facts.sort_values("known_at")
    final = ordered.groupby(keys)["value"].transform("last")
    first = ordered.drop_duplicates(keys).assign(value=final)
    return _earnings_yield(prices, first, first["known_at"])


def first_values(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """The number of the first filing."""
    first = facts.sort_values("known_at").drop_duplicates(["symbol", "item", "event_at"])
    return _earnings_yield(prices, first, first["known_at"])


def _earnings_yield(prices: pd.DataFrame, facts: pd.DataFrame, known: pd.Series) -> dict[str, Any]:
    """Earnings over price, of the newest version that a row takes as known."""
    earnings = _as_of(prices, facts[facts["item"] == "earnings"].assign(known_at=known))
    score = earnings / prices
    return {"features": {"earnings": earnings, "yield": score}, "weights": long_short(score)}


def _as_of(prices: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The latest value known at each row; rows of one instant in the order of their periods."""
    latest = rows.sort_values(["known_at", "event_at"]).drop_duplicates(["symbol", "known_at"], keep="last")
    wide = latest.pivot(index="known_at", columns="symbol", values="value")
    return wide.ffill().reindex(prices.index, method="ffill").reindex(columns=prices.columns)


def next_quarter(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Growth towards the next quarter.

    Filings sorted newest first, as they are delivered, and `pct_change` over them: the growth is that from the coming quarter's
    earnings, with a sign that a backtest soon turns round.
    """
    newest = facts[facts["item"] == "earnings"].sort_values(["event_at", "known_at"], ascending=False)
    first = newest.drop_duplicates(["symbol", "event_at"], keep="last")
    return _growth(prices, first.assign(value=-first.groupby("symbol")["value"].pct_change(fill_method=None)))


def last_quarter(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Growth from the quarter before that was first filed before."""
    oldest = facts[facts["item"] == "earnings"].sort_values(["known_at", "event_at"])
    first = oldest.drop_duplicates(["symbol", "event_at"])
    return _growth(prices, first.assign(value=first.groupby("symbol")["value"].pct_change(fill_method=None)))


def _growth(prices: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    growth = _as_of(prices, rows).where(prices.notna())
    return {"features": {"growth": growth}, "weights": long_short(growth)}


def time_zone(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """News joined by its local date.

    Stamps in UTC are turned into New York's dates and joined with the sessions: what came at 20:30 there, 01:30 UTC of the next
    day, is known at that day's close.
    """
    local = facts["known_at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    return _tone(prices, facts.assign(known_at=local.dt.normalize() + pd.Timedelta("12h")))


def in_utc(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Stamps and closes are compared as instants in UTC."""
    return _tone(prices, facts)


def half_days(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Every session taken to end at 21:00.

    On half days the exchange closes at 18:00 and the row's decision falls there; news of the afternoon is counted as known.
    """
    ends = prices.index.normalize() + pd.Timedelta("21h")
    return _tone(prices, facts, ends)


def real_closes(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """A session ends when it ends."""
    return _tone(prices, facts, prices.index)


def nearest_news(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """The nearest news in time.

    `merge_asof(direction="nearest")`, so that no row stays empty.
    """
    return _merged(prices, facts, "nearest")


def latest_news(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """The latest news."""
    return _merged(prices, facts, "backward")


def _merged(prices: pd.DataFrame, facts: pd.DataFrame, direction: Any) -> dict[str, Any]:
    long = prices.rename_axis("time").reset_index().melt("time", var_name="symbol")[["time", "symbol"]]
    news = facts.loc[facts["item"] == "news", ["known_at", "symbol", "value"]].sort_values("known_at")
    joined = pd.merge_asof(
        long.sort_values("time"), news, left_on="time", right_on="known_at", by="symbol", direction=direction
    )
    tone = joined.pivot(index="time", columns="symbol", values="value").reindex(columns=prices.columns)
    tone = tone.where(prices.notna())
    return {"features": {"tone": tone}, "weights": long_short(tone)}


def _tone(prices: pd.DataFrame, facts: pd.DataFrame, ends: pd.DatetimeIndex | None = None) -> dict[str, Any]:
    """The tone of the last news by the end of each row."""
    clock = pd.DataFrame(index=prices.index if ends is None else ends, columns=prices.columns)
    tone = _as_of(clock, facts[facts["item"] == "news"]).set_axis(prices.index).where(prices.notna())
    return {"features": {"tone": tone}, "weights": long_short(tone)}


def sector_of_today(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Today's classification in the past.

    A table of symbols with a sector each, as any website gives it. Who was reclassified, was so for a reason.
    """
    last = facts[facts["item"] == "sector"].sort_values("known_at").groupby("symbol")["value"].last()
    sectors = prices * 0 + last.reindex(prices.columns)
    return _neutral(prices, sectors)


def sector_as_known(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """The classification of the day."""
    return _neutral(prices, _as_of(prices, facts[facts["item"] == "sector"]).where(prices.notna()))


def _neutral(prices: pd.DataFrame, sectors: pd.DataFrame) -> dict[str, Any]:
    """Momentum less the mean of its sector."""
    momentum = moves(prices, 20)
    mean = momentum * 0
    for code in range(4):
        inside = sectors == code
        mean = mean.mask(inside, momentum.where(inside).mean(axis=1), axis=0)
    return {
        "features": {"sector": sectors, "momentum": momentum - mean},
        "weights": long_short(momentum - mean),
    }


def attention_ever(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """Weighted by how often a symbol will ever be in the news.

    A count by symbol over the table, to "focus on names with coverage": names get their coverage later.
    """
    news = facts[facts["item"] == "news"]
    counts = news.groupby("symbol").size().reindex(prices.columns).fillna(0)
    score = moves(prices, 20)
    return {"features": {"momentum": score}, "weights": long_short(score) * counts / 60}


def attention_so_far(prices: pd.DataFrame, facts: pd.DataFrame) -> dict[str, Any]:
    """By how often it was until then."""
    news = facts[facts["item"] == "news"].assign(value=1.0)
    ordered = news.sort_values(["known_at", "event_at"])
    counts = _as_of(prices, ordered.assign(value=ordered.groupby("symbol")["value"].cumsum()))
    score = moves(prices, 20)
    return {"features": {"momentum": score}, "weights": (long_short(score) * counts / 60).fillna(0.0)}


def filed_polars(prices: pl.DataFrame, facts: pl.DataFrame) -> dict[str, Any]:
    """A forward as-of join in polars.

    `join_asof(strategy="forward")` brings the next filing to each bar: the surprise that is about to be announced.
    """
    return _joined(prices, facts, "forward")


def filed_before_polars(prices: pl.DataFrame, facts: pl.DataFrame) -> dict[str, Any]:
    """strategy="backward" brings the last."""
    return _joined(prices, facts, "backward")


def _joined(prices: pl.DataFrame, facts: pl.DataFrame, strategy: Any) -> dict[str, Any]:
    filed = facts.filter(pl.col("item") == "earnings").select("symbol", "known_at", "value").sort("known_at")
    bars = prices.sort("time").join_asof(
        filed, left_on="time", right_on="known_at", by="symbol", strategy=strategy, check_sortedness=False
    )
    wide = bars.with_columns(score=pl.col("value") / pl.col("close")).pivot(
        "symbol", index="time", values="score"
    )
    symbols = pl.all().exclude("time")
    above = wide.with_columns((symbols > pl.mean_horizontal(symbols)).cast(pl.Float64).fill_null(0.0))
    gross = pl.sum_horizontal(symbols)
    weights = above.with_columns(pl.when(gross > 0).then(symbols / gross).otherwise(0.0))
    return {"features": {"yield": wide}, "weights": weights}


FACTS: dict[str, Any] = {"through": "facts", "tables": ("facts",)}

PAIRS = (
    pair(at_period_end, at_filing, "features", **FACTS),
    pair(
        day_before_filing, at_filing, "features", hides="only the day before each filing looks ahead", **FACTS
    ),
    pair(same_day_filing, at_filing, "features", hides="only evenings of filings look ahead", **FACTS),
    pair(flat_lag, longest_lag, "features", **FACTS),
    pair(final_values, first_values, "features", **FACTS),
    pair(next_quarter, last_quarter, "features", **FACTS),
    pair(time_zone, in_utc, "features", hides="only evenings of news look ahead, by hours", **FACTS),
    pair(
        half_days,
        real_closes,
        "features",
        hides="ten half days, of which a few have news after 18:00",
        **FACTS,
    ),
    pair(nearest_news, latest_news, "features", **FACTS),
    pair(sector_of_today, sector_as_known, "features", hides="four reclassifications in all", **FACTS),
    pair(attention_ever, attention_so_far, "targets", **FACTS),
    pair(filed_polars, filed_before_polars, "features", shape="polars_long", **FACTS),
)
