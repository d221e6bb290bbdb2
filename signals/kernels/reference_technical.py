"""Technical staples in plain NumPy, as Wilder, Appel, Bollinger and Granville wrote them; see `reference`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backcast.data.types import Floats
from backcast.signals.kernels.reference import OVER_TIME, ewm_mean


def _before(x: Floats) -> Floats:
    return np.concatenate([[np.nan], x[:-1]])


def _wilder(x: Floats, n: int) -> Floats:
    """Weights (1 - 1/n) ** age, from the n-th known row on."""
    return ewm_mean(x, 2 * n - 1, n)


def _finite(x: Floats) -> Floats:
    return np.where(np.isfinite(x), x, np.nan)


def _rsi(x: Floats, n: int) -> Floats:
    """Wilder 1978: 100 - 100 / (1 + mean rise / mean fall); NaN where nothing moved."""
    moved = x - _before(x)
    rise = _wilder(np.where(np.isnan(moved), np.nan, np.where(moved > 0, moved, 0)), n)
    fall = _wilder(np.where(np.isnan(moved), np.nan, np.where(moved < 0, -moved, 0)), n)
    return _finite(100 * rise / (rise + fall))


def _true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    last = _before(close)
    return np.maximum(high, last) - np.minimum(low, last)


def _moves(high: Floats, low: Floats) -> tuple[Floats, Floats]:
    """Wilder's directional movements: the larger of the two ways out of the last bar's range, if it is outward."""
    up, down = high - _before(high), _before(low) - low
    unknown = np.isnan(up) | np.isnan(down)
    plus = np.where(unknown, np.nan, np.where((up > down) & (up > 0), up, 0))
    return plus, np.where(unknown, np.nan, np.where((down > up) & (down > 0), down, 0))


def _indicators(high: Floats, low: Floats, close: Floats, n: int) -> tuple[Floats, Floats]:
    mean_range = _wilder(_true_range(high, low, close), n)
    plus, minus = (_finite(100 * _wilder(moved, n) / mean_range) for moved in _moves(high, low))
    return plus, minus


def _adx(high: Floats, low: Floats, close: Floats, n: int) -> Floats:
    plus, minus = _indicators(high, low, close, n)
    return _wilder(_finite(100 * np.abs(plus - minus) / (plus + minus)), n)


def _macd(x: Floats, fast: int, slow: int) -> Floats:
    return ewm_mean(x, fast) - ewm_mean(x, slow)


def _band(x: Floats, w: int, width: float) -> tuple[Floats, Floats]:
    """The mean, and width population standard deviations."""
    return OVER_TIME["ts_mean"](x, w), width * OVER_TIME["ts_std"](x, w) * np.sqrt((w - 1) / w)


def _percent(x: Floats, w: int, width: float) -> Floats:
    _, band = _band(x, w, width)
    return _finite(0.5 + 0.5 * OVER_TIME["ts_demean"](x, w) / band)


def _obv(x: Floats, volume: Floats, w: int) -> Floats:
    return OVER_TIME["ts_sum"](np.sign(x - _before(x)) * volume, w)


TECHNICAL: dict[str, Callable[..., Floats]] = {
    "rsi": _rsi,
    "atr": lambda high, low, close, n: _wilder(_true_range(high, low, close), n),
    "plus_di": lambda high, low, close, n: _indicators(high, low, close, n)[0],
    "minus_di": lambda high, low, close, n: _indicators(high, low, close, n)[1],
    "adx": _adx,
    "macd": _macd,
    "macd_signal": lambda x, fast, slow, n: ewm_mean(_macd(x, fast, slow), n),
    "macd_histogram": lambda x, fast, slow, n: _macd(x, fast, slow) - ewm_mean(_macd(x, fast, slow), n),
    "bollinger_upper": lambda x, w, width: _band(x, w, width)[0] + _band(x, w, width)[1],
    "bollinger_lower": lambda x, w, width: _band(x, w, width)[0] - _band(x, w, width)[1],
    "bollinger_width": lambda x, w, width: _finite(2 * _band(x, w, width)[1] / _band(x, w, width)[0]),
    "bollinger_percent": _percent,
    "obv": _obv,
}
