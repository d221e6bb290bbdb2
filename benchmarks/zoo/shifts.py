"""A row that reads the rows after it: shifts, windows, filters and turning points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy.signal import argrelextrema, butter, filtfilt, lfilter, lfilter_zi

from zoo.weights import long_only, long_short, moves, pair


def negative_shift(prices: pd.DataFrame) -> dict[str, Any]:
    """A label left among the features.

    The return of the next five days was made for training and kept under the name `momentum`. In practice a column that was
    shifted up to line up with its target is joined back as a feature.
    """
    ahead = moves(prices, 5).shift(-5)
    return {"features": {"momentum": ahead}, "weights": long_short(ahead)}


def lagged_return(prices: pd.DataFrame) -> dict[str, Any]:
    """The return of the last five days."""
    past = moves(prices, 5)
    return {"features": {"momentum": past}, "weights": long_short(past)}


def backward_change(prices: pd.DataFrame) -> dict[str, Any]:
    """A change taken with periods=-1.

    The reversal score is meant to be minus today's return; `pct_change(-1)` is the change from tomorrow's price to today's,
    with the sign that one hoped for. It passes a glance, because both are called "minus one".
    """
    reversal = prices.pct_change(-1, fill_method=None)
    return {"features": {"reversal": reversal}, "weights": long_short(reversal)}


def minus_change(prices: pd.DataFrame) -> dict[str, Any]:
    """Minus the change of today."""
    reversal = -moves(prices)
    return {"features": {"reversal": reversal}, "weights": long_short(reversal)}


def centred_window(prices: pd.DataFrame) -> dict[str, Any]:
    """A moving average with center=True.

    Charts centre a moving average because it looks right there: half of the window lies after the row.
    """
    trend = prices.rolling(21, center=True).mean()
    score = trend / prices - 1
    return {"features": {"distance": score}, "weights": long_short(score)}


def trailing_window(prices: pd.DataFrame) -> dict[str, Any]:
    """The moving average of the rows up to now."""
    score = prices.rolling(21).mean() / prices - 1
    return {"features": {"distance": score}, "weights": long_short(score)}


def convolved_same(prices: pd.DataFrame) -> dict[str, Any]:
    """A smoothing by np.convolve with mode="same".

    The kernel is laid centred on each row. NumPy's users meet it when they replace a slow rolling mean.
    """
    kernel = np.ones(11) / 11
    steps = moves(prices).fillna(0.0)
    smooth = steps.apply(lambda x: np.convolve(x, kernel, mode="same") if len(x) >= 11 else x).where(
        prices.notna()
    )
    return {"features": {"smooth": smooth}, "weights": long_short(smooth)}


def convolved_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """The same kernel over the rows up to now."""
    kernel = np.ones(11) / 11
    steps = moves(prices).fillna(0.0)
    smooth = steps.apply(lambda x: np.convolve(x, kernel, mode="full")[: len(x)]).where(prices.notna())
    return {"features": {"smooth": smooth}, "weights": long_short(smooth)}


def newest_first(prices: pd.DataFrame) -> dict[str, Any]:
    """A rolling window over rows that lie newest first.

    Vendors' files often begin with the latest day. The window rolls down the file, and so forward in time.
    """
    as_delivered = prices.iloc[::-1]
    peak = as_delivered.rolling(20).max().sort_index()
    drawdown = prices / peak - 1
    return {"features": {"drawdown": drawdown}, "weights": long_short(drawdown)}


def oldest_first(prices: pd.DataFrame) -> dict[str, Any]:
    """Sorted by time before the window rolls."""
    as_delivered = prices.iloc[::-1]
    peak = as_delivered.sort_index().rolling(20).max()
    drawdown = prices / peak - 1
    return {"features": {"drawdown": drawdown}, "weights": long_short(drawdown)}


def zero_phase_filter(prices: pd.DataFrame) -> dict[str, Any]:
    """A filter without delay.

    `filtfilt` runs a Butterworth filter forward and then backward, which is why its trend line turns on time. The backward run
    begins at the last row.
    """
    logs = np.log(prices.ffill()).fillna(0.0)
    if len(logs) < 20:
        return {"features": {"trend": logs * 0}, "weights": logs * 0}
    b, a = butter(2, 0.1)
    trend = logs.apply(lambda x: filtfilt(b, a, x)).diff().where(prices.notna())
    return {"features": {"trend": trend}, "weights": long_only(trend)}


def causal_filter(prices: pd.DataFrame) -> dict[str, Any]:
    """The filter run forward only, with its delay."""
    logs = np.log(prices.ffill()).fillna(0.0)
    b, a = butter(2, 0.1)
    rest = lfilter_zi(b, a)
    trend = logs.apply(lambda x: lfilter(b, a, x, zi=rest * x.iloc[0])[0]).diff().where(prices.notna())
    return {"features": {"trend": trend}, "weights": long_only(trend)}


def turning_points(prices: pd.DataFrame) -> dict[str, Any]:
    """Bottoms marked on the day of the bottom.

    `argrelextrema` finds the lows of their neighbourhood of ten rows to either side; that a low was one shows ten rows later.
    Zigzag and swing-point indicators do the same.
    """
    bottom = _bottoms(prices)
    recent = bottom.rolling(5, min_periods=1).max()
    return {"features": {"bottom": bottom}, "weights": long_only(recent)}


def confirmed_points(prices: pd.DataFrame) -> dict[str, Any]:
    """Bottoms marked when they are confirmed, ten rows later."""
    bottom = _bottoms(prices).shift(10, fill_value=0.0)
    recent = bottom.rolling(5, min_periods=1).max()
    return {"features": {"bottom": bottom}, "weights": long_only(recent)}


def _bottoms(prices: pd.DataFrame) -> pd.DataFrame:
    """1 where a price is the lowest of the ten rows before and the ten after it, of which there must be ten."""
    found = pd.DataFrame(0.0, index=prices.index, columns=prices.columns)
    filled = prices.ffill().to_numpy()
    for column in range(filled.shape[1]):
        (rows,) = argrelextrema(filled[:, column], np.less, order=10)
        found.iloc[rows[(rows >= 10) & (rows < len(filled) - 10)], column] = 1.0
    return found


def centred_oscillator(prices: pd.DataFrame) -> dict[str, Any]:
    """The detrended price oscillator as charts draw it, 200 rows ahead.

    Its moving average is moved back by half of its length, so that it lies under the prices it averages; libraries do so by
    default (`centered=True`).
    """
    trend = prices.rolling(398, min_periods=100).mean()
    score = trend.shift(-200) / prices - 1
    return {"features": {"oscillator": score}, "weights": long_short(score)}


def trailing_oscillator(prices: pd.DataFrame) -> dict[str, Any]:
    """The price of 200 rows ago against the average of now."""
    trend = prices.rolling(398, min_periods=100).mean()
    score = trend / prices.shift(200) - 1
    return {"features": {"oscillator": score}, "weights": long_short(score)}


def lagging_span(prices: pd.DataFrame) -> dict[str, Any]:
    """Ichimoku's lagging span, read where it is drawn.

    The span is the close drawn 26 rows to the left. Read at the row where it is drawn it is the close 26 rows ahead.
    """
    span = prices.shift(-26)
    signal = np.sign(span / prices.rolling(9).mean() - 1)
    return {"features": {"span": signal}, "weights": long_only(signal)}


def span_of_now(prices: pd.DataFrame) -> dict[str, Any]:
    """Today's close against the prices of 26 rows ago, which is what the span tells."""
    signal = np.sign(prices / prices.rolling(9).mean().shift(26) - 1)
    return {"features": {"span": signal}, "weights": long_only(signal)}


def month_transform(prices: pd.DataFrame) -> dict[str, Any]:
    """A price against the mean of its month.

    `groupby(month).transform("mean")` gives every day of a month the mean of all its days.
    """
    month = prices.index.to_period("M")
    score = prices.groupby(month).transform("mean") / prices - 1
    return {"features": {"to_mean": score}, "weights": long_short(score)}


def month_so_far(prices: pd.DataFrame) -> dict[str, Any]:
    """A price against the mean of its month so far."""
    month = prices.index.to_period("M")
    mean = prices.groupby(month).cumsum() / prices.notna().groupby(month).cumsum()
    score = mean / prices - 1
    return {"features": {"to_mean": score}, "weights": long_short(score)}


def shifted_over_symbol(prices: pl.DataFrame) -> dict[str, Any]:
    """A long frame shifted the wrong way within its symbol.

    In polars `shift(-1)` brings the row below up. The gap to "the neighbouring close" is then the gap to tomorrow's.
    """
    score = pl.col("close").shift(-1).over("symbol") / pl.col("close") - 1
    return _scored(prices, score)


def shifted_back_over_symbol(prices: pl.DataFrame) -> dict[str, Any]:
    """The row above brought down."""
    score = pl.col("close").shift(1).over("symbol") / pl.col("close") - 1
    return _scored(prices, score)


def _scored(prices: pl.DataFrame, score: pl.Expr) -> dict[str, Any]:
    """A score of a long frame as a wide feature, and weights by its sign."""
    rows = prices.sort("symbol", "time").with_columns(score=score)
    wide = rows.pivot("symbol", index="time", values="score").sort("time")
    symbols = pl.all().exclude("time")
    sides = wide.with_columns(symbols.fill_nan(None).fill_null(0.0).sign())
    gross = pl.sum_horizontal(symbols.abs())
    sides = sides.with_columns(pl.when(gross > 0).then(symbols / gross).otherwise(0.0))
    return {"features": {"gap": wide}, "weights": sides}


def shifted_across_symbols(prices: pd.DataFrame) -> dict[str, Any]:
    """A long frame shifted without groupby.

    Sorted by symbol and time, the first row of each symbol receives the last close of the symbol above it, of years later.
    """
    rows = prices.sort_values(["symbol", "time"])
    rows["change"] = rows["close"] / rows["close"].shift(1) - 1
    return _pivoted(rows)


def shifted_within_symbols(prices: pd.DataFrame) -> dict[str, Any]:
    """The shift stays within its symbol."""
    rows = prices.sort_values(["symbol", "time"])
    rows["change"] = rows["close"] / rows.groupby("symbol")["close"].shift(1) - 1
    return _pivoted(rows)


def _pivoted(rows: pd.DataFrame) -> dict[str, Any]:
    change = rows.pivot(index="time", columns="symbol", values="change").sort_index()
    return {"features": {"change": change}, "weights": long_short(-change)}


PAIRS = (
    pair(negative_shift, lagged_return, "features", depth=5),
    pair(backward_change, minus_change, "features", depth=1),
    pair(centred_window, trailing_window, "features", depth=10),
    pair(convolved_same, convolved_trailing, "features", depth=5),
    pair(newest_first, oldest_first, "features", depth=19),
    pair(zero_phase_filter, causal_filter, "features"),
    pair(turning_points, confirmed_points, "features", depth=10),
    pair(centred_oscillator, trailing_oscillator, "features", depth=200),
    pair(lagging_span, span_of_now, "features", depth=26),
    pair(month_transform, month_so_far, "features"),
    pair(shifted_over_symbol, shifted_back_over_symbol, "features", shape="polars_long"),  # over a gap: several bars
    pair(shifted_across_symbols, shifted_within_symbols, "features", shape="long",
         hides="only the first row of each symbol looks ahead, but to the end of the data"),
)  # fmt: skip
