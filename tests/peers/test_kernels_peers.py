"""The kernels against pandas, polars and bottleneck, wherever these have the same operator with the same conventions."""

from __future__ import annotations

import bottleneck as bn
import numpy as np
import pandas as pd
import polars as pl
import pytest
from language import compiled, panel

from backcast.data.types import Floats
from backcast.signals.kernels.operators import rolled

ROWS, LANES = 700, 9
WINDOWS = [2, 5, 20, 60]


def _prices(seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    x = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (ROWS, LANES)), axis=0))
    x[:, 4:] = np.round(x[:, 4:])  # ties
    x[rng.random(x.shape) < 0.005] = np.nan
    return np.ascontiguousarray(x)


X, Y = _prices(1), _prices(2)


def _pandas(operator: str, w: int) -> Floats:
    rolling = pd.DataFrame(X).rolling(w)
    frames = {
        "ts_sum": rolling.sum,
        "ts_mean": rolling.mean,
        "ts_std": rolling.std,
        "ts_min": rolling.min,
        "ts_max": rolling.max,
        "ts_rank": lambda: rolling.rank(pct=True),
        "ts_quantile": lambda: rolling.quantile(0.3),
        "ts_corr": lambda: rolling.corr(pd.DataFrame(Y)),
    }
    return np.asarray(frames[operator]())


def _polars(operator: str, w: int) -> Floats:
    every = pl.all()
    columns = {
        "ts_sum": every.rolling_sum(w),
        "ts_mean": every.rolling_mean(w),
        "ts_std": every.rolling_std(w),
        "ts_min": every.rolling_min(w),
        "ts_max": every.rolling_max(w),
        "ts_quantile": every.rolling_quantile(0.3, "linear", window_size=w),
    }
    return pl.from_numpy(X).fill_nan(None).select(columns[operator]).to_numpy()


def _bottleneck(operator: str, w: int) -> Floats:
    if operator == "ts_std":
        return bn.move_std(X, w, axis=0, ddof=1)
    if operator == "ts_rank":
        return ((bn.move_rank(X, w, axis=0) + 1) / 2 * (w - 1) + 1) / w
    return getattr(bn, operator.replace("ts_", "move_"))(X, w, axis=0)


def _ours(operator: str, w: int) -> Floats:
    literals = (w, 0.3) if operator == "ts_quantile" else (w,)
    return rolled(operator, (X, Y) if operator == "ts_corr" else (X,), literals, slot=4321)


def _agree(ours: Floats, theirs: Floats) -> None:
    """Within the digits that sums along the whole series keep; a ratio of noise where a window is constant is left out."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-5)


@pytest.mark.parametrize("w", WINDOWS)
@pytest.mark.parametrize(
    "operator", ["ts_sum", "ts_mean", "ts_std", "ts_min", "ts_max", "ts_rank", "ts_quantile"]
)
def test_pandas(operator: str, w: int) -> None:
    _agree(_ours(operator, w), _pandas(operator, w))


@pytest.mark.parametrize("w", [5, 20, 60])
def test_pandas_correlation(w: int) -> None:
    ours, theirs = _ours("ts_corr", w)[:, :4], _pandas("ts_corr", w)[:, :4]
    _agree(ours, theirs)


@pytest.mark.parametrize("w", WINDOWS)
@pytest.mark.parametrize("operator", ["ts_sum", "ts_mean", "ts_std", "ts_min", "ts_max", "ts_quantile"])
def test_polars(operator: str, w: int) -> None:
    _agree(_ours(operator, w), _polars(operator, w))


@pytest.mark.parametrize("w", WINDOWS)
@pytest.mark.parametrize(
    "operator", ["ts_sum", "ts_mean", "ts_std", "ts_min", "ts_max", "ts_rank", "ts_argmax"]
)
def test_bottleneck(operator: str, w: int) -> None:
    _agree(_ours(operator, w), _bottleneck(operator, w))


MOMENTS = {
    "ts_var(close, 20)": lambda x, y: x.rolling(20).var(),
    "ts_skew(close, 20)": lambda x, y: x.rolling(20).skew(),
    "ts_kurt(close, 20)": lambda x, y: x.rolling(20).kurt(),
    "ts_cov(close, volume, 20)": lambda x, y: x.rolling(20).cov(y),
    "ts_autocorr(close, 20, 3)": lambda x, y: x.rolling(20).corr(x.shift(3)),
    "ts_median(close, 20)": lambda x, y: x.rolling(20).median(),
    "ts_known(close, 20)": lambda x, y: x.rolling(20, min_periods=0).count(),
    "ts_sum(close, 20, 4)": lambda x, y: x.rolling(20, min_periods=4).sum(),
    "ts_mean(close, 20, 4)": lambda x, y: x.rolling(20, min_periods=4).mean(),
    "ts_std(close, 20, 4)": lambda x, y: x.rolling(20, min_periods=4).std(),
    "ts_min(close, 20, 4)": lambda x, y: x.rolling(20, min_periods=4).min(),
    "ts_max(close, 20, 4)": lambda x, y: x.rolling(20, min_periods=4).max(),
    "ewm_mean(close, 10)": lambda x, y: x.ewm(span=10, min_periods=10).mean(),
    "ewm_mean(close, 10, 3)": lambda x, y: x.ewm(span=10, min_periods=3).mean(),
    "ewm_std(close / ref(close, 1), 10)": lambda x, y: (x / x.shift(1)).ewm(span=10, min_periods=10).std(),
    "log_returns(close, 5)": lambda x, y: np.log(x).diff(5),
}


@pytest.mark.parametrize("text", MOMENTS)
def test_pandas_by_expression(text: str) -> None:
    """Lanes without ties, since pandas calls the skewness of a constant 0; with unknown rows."""
    cells = panel(np.stack([X[:, :4].T, Y[:, :4].T]))
    ours = compiled(text, fields=cells.fields).evaluate(cells).values[0].T
    theirs = MOMENTS[text](pd.DataFrame(X[:, :4]), pd.DataFrame(Y[:, :4]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


def test_slope_is_the_least_squares_fit() -> None:
    ours = _ours("ts_slope", 20)
    for t in (19, 60, 333):
        window = X[t - 19 : t + 1]
        fit = np.polyfit(np.arange(20), np.nan_to_num(window), 1)[0]
        expected = np.where(np.isnan(window).any(axis=0), np.nan, fit)
        np.testing.assert_allclose(ours[t], expected, rtol=1e-9, atol=1e-12)
