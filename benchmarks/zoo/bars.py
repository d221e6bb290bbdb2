"""Inside the bar: fills on the bar that made the signal, and highs, lows and volumes used before the bar is over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from zoo.weights import long_only, long_short, moves, pair, shared

Fields = dict[str, pd.DataFrame]


def same_bar_fill(prices: pd.DataFrame) -> dict[str, Any]:
    """Weights earn the return of the bar that they were made from.

    `(weights * returns).sum(axis=1)`: the signal of a close is paid the move into that close. The commonest mistake of
    backtests written by hand, one `.shift(1)` away from the truth.
    """
    weights = long_short(moves(prices, 3))
    earned = (weights * _capped(prices)).sum(axis=1)
    return {"weights": weights, "returns": earned}


def next_bar_fill(prices: pd.DataFrame) -> dict[str, Any]:
    """Weights earn the return of the next bar."""
    weights = long_short(moves(prices, 3))
    earned = (weights.shift(1) * _capped(prices)).sum(axis=1)
    return {"weights": weights, "returns": earned}


def _capped(prices: pd.DataFrame) -> pd.DataFrame:
    """Returns without the jumps of splits."""
    steps = moves(prices)
    return steps.where(steps.abs() < 0.4)


def fill_at_the_open_before(prices: Fields) -> dict[str, Any]:
    """Signals of a close are filled at the open of the same day.

    Day traders compute the return from open to close and multiply it with a signal that needs the close.
    """
    close = prices["close"]
    weights = long_short(moves(close))
    day = close / prices["open"] - 1
    return {"weights": weights, "returns": (weights * day).sum(axis=1)}


def fill_at_the_open_after(prices: Fields) -> dict[str, Any]:
    """They are filled at the next open."""
    close = prices["close"]
    weights = long_short(moves(close))
    day = close / prices["open"] - 1
    return {"weights": weights, "returns": (weights.shift(1) * day).sum(axis=1)}


def exits_without_lag(prices: pd.DataFrame) -> dict[str, Any]:
    """Entries wait for the next bar, exits do not.

    Positions are lagged, and then a stop closes them "today" when today's return is bad: the loss that triggers the stop is the
    one that is avoided.
    """
    weights = long_only(moves(prices, 20))
    held = weights.shift(1).where(weights > 0, 0.0)
    return {"weights": weights, "returns": (held * _capped(prices)).sum(axis=1)}


def exits_with_lag(prices: pd.DataFrame) -> dict[str, Any]:
    """Exits wait as well."""
    weights = long_only(moves(prices, 20))
    held = weights.shift(1)
    return {"weights": weights, "returns": (held * _capped(prices)).sum(axis=1)}


def unshifted_polars(prices: pl.DataFrame) -> dict[str, Any]:
    """A column of positions times a column of returns, in polars.

    In a frame of columns nothing reminds one that position and return of a row belong to different bars.
    """
    return _timed(prices, lag=0)


def shifted_polars(prices: pl.DataFrame) -> dict[str, Any]:
    """Positions shifted by a row."""
    return _timed(prices, lag=1)


def _timed(prices: pl.DataFrame, lag: int) -> dict[str, Any]:
    """Long all names that rose over ten days, equally weighted among five."""
    symbols = pl.all().exclude("time")
    clean = prices.sort("time").with_columns(symbols.fill_nan(None))
    steps = clean.with_columns((symbols / symbols.shift(1) - 1).clip(-0.4, 0.4))
    rose = clean.with_columns((symbols > symbols.shift(10)).cast(pl.Float64).fill_null(0.0) / 5)
    held = rose.with_columns(symbols.shift(lag))
    names = [c for c in prices.columns if c != "time"]
    earned = [(held[c] * steps[c]).fill_null(0.0) for c in names]
    total = pl.Series("returns", np.sum([x.to_numpy() for x in earned], axis=0))
    return {"weights": rose, "returns": pl.DataFrame({"time": clean["time"], "returns": total})}


def breakout_of_today(prices: Fields) -> dict[str, Any]:
    """A breakout decided before the day by the high of the day.

    The position of a day is taken at its open when its high exceeds the high of the last twenty days. At the open nobody knows
    the high.
    """
    high = prices["high"]
    broken = (high > high.rolling(20).max().shift(1)).astype(float)
    return {"features": {"broken": broken}, "weights": long_only(broken)}


def breakout_of_yesterday(prices: Fields) -> dict[str, Any]:
    """By the high of the day before."""
    high = prices["high"]
    broken = (high > high.rolling(20).max().shift(1)).astype(float).shift(1)
    return {"features": {"broken": broken}, "weights": long_only(broken)}


def range_of_today(prices: Fields) -> dict[str, Any]:
    """Sized before the day by the range of the day.

    Average true range over fourteen bars, the running one included.
    """
    return _by_range(prices, _true_range(prices).rolling(14).mean())


def range_until_yesterday(prices: Fields) -> dict[str, Any]:
    """Over the fourteen bars before."""
    return _by_range(prices, _true_range(prices).rolling(14).mean().shift(1))


def _true_range(prices: Fields) -> pd.DataFrame:
    before = prices["close"].shift(1)
    return np.maximum(prices["high"], before) - np.minimum(prices["low"], before)


def _by_range(prices: Fields, reach: pd.DataFrame) -> dict[str, Any]:
    relative = reach / prices["close"].shift(1)
    return {"features": {"range": relative}, "weights": shared(1 / relative)}


def stopped_by_the_low(prices: Fields) -> dict[str, Any]:
    """Not held on the days on which the stop would have been hit.

    The position of the day is set to zero where the day's low lies under the stop: the loss down to the stop disappears.
    """
    score, stop = _score_and_stop(prices)
    hit = prices["low"] < stop
    return {"features": {"momentum": score}, "weights": long_short(score).mask(hit, 0.0)}


def stopped_after_the_low(prices: Fields) -> dict[str, Any]:
    """Out from the day after the low went through the stop."""
    score, stop = _score_and_stop(prices)
    hit = (prices["low"] < stop).shift(1, fill_value=False)
    return {"features": {"momentum": score}, "weights": long_short(score).mask(hit, 0.0)}


def _score_and_stop(prices: Fields) -> tuple[pd.DataFrame, pd.DataFrame]:
    close = prices["close"]
    return moves(close, 20).shift(1), 0.98 * close.shift(1)


def volume_of_today(prices: Fields) -> dict[str, Any]:
    """Orders capped by the volume of the day they are sent on.

    Participation of at most a share of "the day's volume": at the open there is none yet, and heavy days are days with news.
    """
    return _capped_by(prices, prices["volume"])


def volume_until_yesterday(prices: Fields) -> dict[str, Any]:
    """Capped by the mean volume of the days before."""
    return _capped_by(prices, prices["volume"].rolling(10, min_periods=5).mean().shift(1))


def _capped_by(prices: Fields, volume: pd.DataFrame) -> dict[str, Any]:
    score = moves(prices["close"], 20).shift(1)
    limit = 0.0005 * volume * prices["close"].shift(1) / 1e6
    weights = long_short(score)
    return {"features": {"momentum": score}, "weights": weights.clip(-limit, limit).fillna(0.0)}


def tradable_by_the_close(prices: Fields) -> dict[str, Any]:
    """Limit-up names left out by the close of the day on which they would be bought.

    "Not tradable when it closed at its limit", judged at the open: what closed at the limit went up there during the day, or
    down.
    """
    score = moves(prices["close"], 5).shift(1)
    day = moves(prices["close"])
    return {"features": {"reversal": -score}, "weights": long_short(-score).mask(day.abs() > 0.03, 0.0)}


def tradable_by_the_close_before(prices: Fields) -> dict[str, Any]:
    """By the close of the day before."""
    score = moves(prices["close"], 5).shift(1)
    day = moves(prices["close"]).shift(1)
    return {"features": {"reversal": -score}, "weights": long_short(-score).mask(day.abs() > 0.03, 0.0)}


PAIRS = (
    pair(same_bar_fill, next_bar_fill, "execution"),
    pair(fill_at_the_open_before, fill_at_the_open_after, "execution", shape="fields"),
    pair(exits_without_lag, exits_with_lag, "execution"),
    pair(unshifted_polars, shifted_polars, "execution", shape="polars"),
    pair(breakout_of_today, breakout_of_yesterday, "features", shape="fields", decides="before"),
    pair(range_of_today, range_until_yesterday, "features", shape="fields", decides="before"),
    pair(stopped_by_the_low, stopped_after_the_low, "targets", shape="fields", decides="before"),
    pair(volume_of_today, volume_until_yesterday, "targets", shape="fields", decides="before"),
    pair(tradable_by_the_close, tradable_by_the_close_before, "targets", shape="fields", decides="before"),
)
