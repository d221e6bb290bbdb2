"""Technical staples against TA-Lib, once its recursions have forgotten how they began.

Ours weigh ten spans of rows and nothing before, from the first row alike; TA-Lib's begin with a plain mean and never
forget. What is left of either beginning after 700 rows, and of the rows beyond the horizon, is below 1e-7.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import talib
from language import FIELDS, compiled, panel

from backcast.data.types import Floats

ROWS, FORGOTTEN = 1500, 700


def _bars() -> dict[str, Floats]:
    rng = np.random.default_rng(21)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, ROWS)))
    close[::17] = np.roll(close, 1)[::17]  # days without a move
    spread = rng.uniform(0, 0.02, (2, ROWS))
    bars = {"close": close, "high": close * (1 + spread[0]), "low": close * (1 - spread[1])}
    return {**bars, "volume": rng.lognormal(10, 1, ROWS), "open": np.roll(close, 1)}


BARS = _bars()
C, H, L, V = (BARS[name] for name in ("close", "high", "low", "volume"))
PANEL = panel(np.stack([BARS[name] for name in FIELDS])[:, None])

RECURSIVE: dict[str, Callable[[], Floats]] = {
    "rsi(close, 14)": lambda: talib.RSI(C, 14),
    "rsi(close, 2)": lambda: talib.RSI(C, 2),
    "atr(high, low, close, 14)": lambda: talib.ATR(H, L, C, 14),
    "plus_di(high, low, close, 14)": lambda: talib.PLUS_DI(H, L, C, 14),
    "minus_di(high, low, close, 14)": lambda: talib.MINUS_DI(H, L, C, 14),
    "adx(high, low, close, 14)": lambda: talib.ADX(H, L, C, 14),
    "ewm_mean(close, 20)": lambda: talib.EMA(C, 20),
    "macd(close, 12, 26)": lambda: talib.MACD(C, 12, 26, 9)[0],
    "macd_signal(close, 12, 26, 9)": lambda: talib.MACD(C, 12, 26, 9)[1],
    "macd_histogram(close, 12, 26, 9)": lambda: talib.MACD(C, 12, 26, 9)[2],
}
WINDOWED: dict[str, Callable[[], Floats]] = {
    "bollinger_upper(close, 20, 2)": lambda: talib.BBANDS(C, 20, 2, 2)[0],
    "ts_mean(close, 20)": lambda: talib.BBANDS(C, 20, 2, 2)[1],
    "bollinger_lower(close, 20, 2)": lambda: talib.BBANDS(C, 20, 2, 2)[2],
    "decay_linear(close, 20)": lambda: talib.WMA(C, 20),
    "ts_slope(close, 20)": lambda: talib.LINEARREG_SLOPE(C, 20),
    "close - ts_resid(close, 20)": lambda: talib.LINEARREG(C, 20),
    "ts_corr(close, volume, 20)": lambda: talib.CORREL(C, V, 20),
    "close / ref(close, 10) - 1": lambda: talib.ROCP(C, 10),
    "ts_sum(volume, 20)": lambda: talib.SUM(V, 20),
}


def _ours(text: str) -> Floats:
    return compiled(text).evaluate(PANEL).values[0, 0]


@pytest.mark.parametrize("text", RECURSIVE)
def test_the_same_once_the_beginning_is_forgotten(text: str) -> None:
    ours, theirs = _ours(text)[FORGOTTEN:], RECURSIVE[text]()[FORGOTTEN:]
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7 * np.abs(theirs).max())


@pytest.mark.parametrize("text", WINDOWED)
def test_the_same_from_the_first_window_on(text: str) -> None:
    ours, theirs = _ours(text), WINDOWED[text]()
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_on_balance_volume_is_a_difference_of_theirs() -> None:
    """Its level depends on where the data begin; its change over a window does not."""
    theirs = talib.OBV(C, V)
    np.testing.assert_allclose(
        _ours("obv(close, volume, 20)")[20:], theirs[20:] - theirs[:-20], rtol=1e-9, atol=1e-6
    )


def test_bands_in_shares() -> None:
    upper, middle, lower = talib.BBANDS(C, 20, 2, 2)
    np.testing.assert_allclose(_ours("bollinger_width(close, 20, 2)"), (upper - lower) / middle, rtol=1e-8)
    share = (C - lower) / (upper - lower)
    np.testing.assert_allclose(_ours("bollinger_percent(close, 20, 2)"), share, rtol=1e-8, atol=1e-10)
