"""Statistics over a window that moves: each value is of the window that ends with its session."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Unit

COLUMNS = {
    "return_per_year": (Unit.SHARE_PER_YEAR, "compound, of the window's sessions"),
    "volatility_per_year": (Unit.SHARE_PER_YEAR, "standard deviation (ddof 1) x sqrt(sessions a year)"),
    "sharpe": (
        Unit.RATIO_PER_YEAR,
        "mean / standard deviation (ddof 1) x sqrt(sessions a year), of excess returns",
    ),
    "beta": (Unit.RATIO, "covariance with the benchmark over its variance, of excess returns"),
    "drawdown": (Unit.SHARE, "equity over its highest value since the start, less 1; of no window"),
}
"""Of the rolling table, with unit and convention. Null where the window is not full, lacks a benchmark, or does not vary."""


def window_of(year: float) -> int:
    """Half a year of sessions."""
    return max(round(year / 2), performance.MINIMUM_SESSIONS)


def table(
    returns: Floats,
    sessions: npt.NDArray[Any],
    benchmark: Floats | None,
    risk_free: Floats,
    year: float,
    window: int,
) -> pl.DataFrame:
    """A row a session: `COLUMNS`."""
    excess, none = returns - risk_free, np.full(len(returns), np.nan)
    deviation = _moved(excess, window, lambda w: w.std(axis=1, ddof=1))
    mean = _moved(excess, window, lambda w: w.mean(axis=1))
    varies = _moved(excess, window, lambda w: np.ptp(w, axis=1)) > 0
    sharpe = np.divide(mean, deviation, out=none.copy(), where=varies) * np.sqrt(year)
    values = {
        "return_per_year": _growth(returns, window, year),
        "volatility_per_year": _moved(returns, window, lambda w: w.std(axis=1, ddof=1)) * np.sqrt(year),
        "sharpe": sharpe,
        "beta": none if benchmark is None else _beta(excess, benchmark - risk_free, window),
        "drawdown": performance.drawdown(returns),
    }
    frame = pl.DataFrame({"session": sessions.astype("datetime64[ms]"), **values}, nan_to_null=True)
    return frame.with_columns(pl.col("session").cast(pl.Date))


def _moved(values: Floats, window: int, function: Any) -> Floats:
    """(T,) function of each window (N, window); NaN where it is not full."""
    found = np.full(len(values), np.nan)
    if len(values) >= window:
        found[window - 1 :] = function(np.lib.stride_tricks.sliding_window_view(values, window))
    return found


def _growth(returns: Floats, window: int, year: float) -> Floats:
    whole = _moved(returns, window, lambda w: np.prod(1 + w, axis=1))
    return np.asarray(np.maximum(whole, 0.0) ** (year / window) - 1)


def _beta(excess: Floats, market: Floats, window: int) -> Floats:
    found = np.full(len(excess), np.nan)
    if len(excess) < window:
        return found
    x, y = (np.lib.stride_tricks.sliding_window_view(v, window) for v in (market, excess))
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).sum(axis=1)
    np.divide((centred * y).sum(axis=1), variance, out=found[window - 1 :], where=variance > 0)
    return found
