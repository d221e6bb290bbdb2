"""Holes filled from the other side: back-fill, interpolation, resampling, cleaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from zoo.weights import long_only, long_short, moves, pair

GAPS = "only the rows of gaps look ahead"


def back_filled(prices: pd.DataFrame) -> dict[str, Any]:
    """Gaps filled with the next price.

    `bfill()` after a reindex, so that the first rows are not empty. It fills every halt with the price after it as well.
    """
    filled = prices.bfill(limit=5)
    score = moves(filled, 5)
    return {"features": {"momentum": score}, "weights": long_short(-score)}


def forward_filled(prices: pd.DataFrame) -> dict[str, Any]:
    """Gaps keep the last price."""
    filled = prices.ffill(limit=5)
    score = moves(filled, 5)
    return {"features": {"momentum": score}, "weights": long_short(-score)}


def interpolated(prices: pd.DataFrame) -> dict[str, Any]:
    """Gaps bridged by a straight line.

    The line ends at the price after the gap, and so a halted stock already moves towards where it will open.
    """
    filled = prices.interpolate(limit_area="inside", limit=5)
    score = filled / filled.rolling(10).mean() - 1
    return {"features": {"distance": score}, "weights": long_short(-score)}


def carried(prices: pd.DataFrame) -> dict[str, Any]:
    """Gaps keep the last price."""
    filled = prices.ffill(limit=5)
    score = filled / filled.rolling(10).mean() - 1
    return {"features": {"distance": score}, "weights": long_short(-score)}


def nearest_filled(prices: pd.DataFrame) -> dict[str, Any]:
    """Two calendars aligned with reindex(method="nearest").

    Each symbol's own sessions are brought onto the common calendar; the session nearest to a missing one is as often the one
    after it.
    """
    return _aligned(prices, "nearest")


def last_filled(prices: pd.DataFrame) -> dict[str, Any]:
    """Aligned to the last session that was."""
    return _aligned(prices, "ffill")


def _aligned(prices: pd.DataFrame, method: str) -> dict[str, Any]:
    limit = pd.Timedelta("5D")
    aligned = prices.apply(lambda x: x.dropna().reindex(prices.index, method=method, tolerance=limit))
    score = moves(aligned, 3)
    return {"features": {"change": score}, "weights": long_short(-score)}


def weekly_left(prices: pd.DataFrame) -> dict[str, Any]:
    """Weekly bars labelled by the Monday on which they begin.

    `resample("W-FRI", label="left")`: the bar of a week carries the label of the Friday before, and when it is spread over the
    days again, Monday knows Friday's close.
    """
    weekly = prices.resample("W-FRI", label="left").last()
    score = moves(weekly, 4).reindex(prices.index, method="ffill")
    return {"features": {"weekly": score}, "weights": long_short(score)}


def weekly_right(prices: pd.DataFrame) -> dict[str, Any]:
    """Weekly bars become known when their week is over."""
    weekly = prices.resample("W-FRI", label="right").last()
    weekly.index += pd.Timedelta("1D")  # labelled at midnight of Friday, before its close
    score = moves(weekly, 4).reindex(prices.index, method="ffill")
    return {"features": {"weekly": score}, "weights": long_short(score)}


def months_joined(prices: pd.DataFrame) -> dict[str, Any]:
    """Monthly volatility joined to the days of its month.

    A table by month is made once, and merged with the daily table on year and month.
    """
    month = prices.index.to_period("M")
    spread = moves(prices).clip(-0.3, 0.3).groupby(month).std()
    joined = spread.reindex(month).set_axis(prices.index)
    return {"features": {"volatility": joined}, "weights": long_short(-joined)}


def months_before_joined(prices: pd.DataFrame) -> dict[str, Any]:
    """The days of a month get the volatility of the month before."""
    month = prices.index.to_period("M")
    spread = moves(prices).clip(-0.3, 0.3).groupby(month).std()
    joined = spread.reindex(month - 1).set_axis(prices.index)
    return {"features": {"volatility": joined}, "weights": long_short(-joined)}


def spikes_removed(prices: pd.DataFrame) -> dict[str, Any]:
    """Bad ticks recognised by their coming back.

    A move of more than one and a half deviations that is taken back the next day is "a data error" and replaced. Whether it
    will be taken back is the very bet of a reversal strategy.
    """
    steps = moves(prices)
    usual = steps.rolling(60, min_periods=20).std()
    odd = (steps.abs() > 1.5 * usual) & (steps * steps.shift(-1) < 0)
    return _reversed(prices.mask(odd).ffill(limit=1))


def spikes_kept(prices: pd.DataFrame) -> dict[str, Any]:
    """Bad ticks recognised by their size alone, from what was known."""
    steps = moves(prices)
    usual = steps.rolling(60, min_periods=20).std()
    odd = steps.abs() > 3 * usual
    return _reversed(prices.mask(odd).ffill(limit=1))


def _reversed(clean: pd.DataFrame) -> dict[str, Any]:
    score = -moves(clean, 3)
    return {"features": {"reversal": score}, "weights": long_short(score)}


def last_trade_result(prices: pd.DataFrame) -> dict[str, Any]:
    """The outcome of a trade written at its entry and carried forward.

    Each Monday's trade is given its result over the next five sessions; forward-filled, "how did the last trade do" is known
    while it is still open.
    """
    outcome = np.sign(moves(prices, 5).shift(-5))
    entries = outcome[(np.arange(len(prices)) % 5 == 0)]
    carried_on = entries.reindex(prices.index).ffill(limit=4)
    return {"features": {"last_result": carried_on}, "weights": long_only(carried_on)}


def closed_trade_result(prices: pd.DataFrame) -> dict[str, Any]:
    """The outcome is written at the exit."""
    outcome = np.sign(moves(prices, 5))
    exits = outcome[(np.arange(len(prices)) % 5 == 0)]
    carried_on = exits.reindex(prices.index).ffill(limit=4)
    return {"features": {"last_result": carried_on}, "weights": long_only(carried_on)}


def filled_backward_polars(prices: pl.DataFrame) -> dict[str, Any]:
    """Holes in volume filled by strategy="backward".

    In polars the two directions differ by one word. The turnover of a halted day is then that of the day when trading resumes.
    """
    return _turnover(prices, "backward")


def filled_forward_polars(prices: pl.DataFrame) -> dict[str, Any]:
    """Filled by strategy="forward"."""
    return _turnover(prices, "forward")


def _turnover(prices: pl.DataFrame, strategy: Any) -> dict[str, Any]:
    wide = prices.pivot("symbol", index="time", values="volume").sort("time")
    symbols = pl.all().exclude("time")
    filled = wide.with_columns(symbols.fill_nan(None).fill_null(strategy=strategy, limit=3))
    surprise = filled.with_columns((symbols / symbols.rolling_mean(10, min_samples=5)).log())
    quiet = surprise.with_columns((symbols < 0).cast(pl.Float64).fill_null(0.0))
    gross = pl.sum_horizontal(symbols)
    weights = quiet.with_columns(pl.when(gross > 0).then(symbols / gross).otherwise(0.0))
    return {"features": {"surprise": surprise}, "weights": weights}


PAIRS = (
    pair(back_filled, forward_filled, "features", hides=GAPS),
    pair(interpolated, carried, "features", hides=GAPS),
    pair(nearest_filled, last_filled, "features", hides=GAPS),
    pair(weekly_left, weekly_right, "features"),
    pair(months_joined, months_before_joined, "features"),
    pair(spikes_removed, spikes_kept, "features", depth=1),
    pair(last_trade_result, closed_trade_result, "features", depth=5),
    pair(filled_backward_polars, filled_forward_polars, "features", hides=GAPS, shape="polars_long"),
)
