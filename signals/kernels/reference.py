"""Every operator in plain NumPy, as its definition reads: the truth that the compiled kernels are tested against.

Operators over time take series (T,) and give (T,); they look at one window at a time, in extended precision where
that matters. Operators across symbols take the values and the membership of one decision, (S,) each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backcast.data.types import Bools, Floats


def _windows(function: Callable[..., Any], window: int, *series: Floats) -> Floats:
    """function(*windows) at every row whose windows are full and free of NaN; NaN elsewhere."""
    out = np.full(len(series[0]), np.nan)
    for t in range(window - 1, len(out)):
        parts = [x[t - window + 1 : t + 1] for x in series]
        if not any(np.isnan(part).any() for part in parts):
            out[t] = function(*parts)
    return out


def _long(x: Floats) -> Any:
    return x.astype(np.longdouble)


def _std(x: Floats) -> Any:
    return _long(x).std(ddof=1) if x.min() < x.max() else 0.0


def _zscore(x: Floats) -> Any:
    return (_long(x)[-1] - _long(x).mean()) / _std(x) if x.min() < x.max() else np.nan


def _rank(x: Floats) -> Any:
    return ((x < x[-1]).sum() + ((x == x[-1]).sum() + 1) / 2) / len(x)


def _slope(x: Floats) -> Any:
    place = np.arange(len(x)) - np.longdouble(len(x) - 1) / 2
    return (place * (_long(x) - x[0])).sum() / (place * place).sum()


def _corr(x: Floats, y: Floats) -> Any:
    if x.min() == x.max() or y.min() == y.max():
        return np.nan
    u, v = _long(x) - _long(x).mean(), _long(y) - _long(y).mean()
    return np.clip((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum()), -1, 1)


def _ref(x: Floats, lag: int) -> Floats:
    return np.concatenate([np.full(min(lag, len(x)), np.nan), x[: max(len(x) - lag, 0)]])


OVER_TIME: dict[str, Callable[..., Floats]] = {
    "ref": _ref,
    "ts_sum": lambda x, w: _windows(lambda v: _long(v).sum(), w, x),
    "ts_mean": lambda x, w: _windows(lambda v: _long(v).mean(), w, x),
    "ts_std": lambda x, w: _windows(_std, w, x),
    "ts_zscore": lambda x, w: _windows(_zscore, w, x),
    "ts_min": lambda x, w: _windows(np.min, w, x),
    "ts_max": lambda x, w: _windows(np.max, w, x),
    "ts_argmax": lambda x, w: _windows(lambda v: np.argmax(v[::-1]), w, x),
    "ts_rank": lambda x, w: _windows(_rank, w, x),
    "ts_quantile": lambda x, w, level: _windows(lambda v: np.quantile(v, level), w, x),
    "ts_slope": lambda x, w: _windows(_slope, w, x),
    "ts_corr": lambda x, y, w: _windows(_corr, w, x, y),
}


def _known(function: Callable[[Floats], Floats], x: Floats, member: Bools) -> Floats:
    """function of the members' known values, NaN for everybody else."""
    out, known = np.full(len(x), np.nan), member & ~np.isnan(x)
    if known.any():
        out[known] = function(x[known])
    return out


def _cs_rank(v: Floats) -> Floats:
    less = (v[None, :] < v[:, None]).sum(axis=1)
    return (less + ((v[None, :] == v[:, None]).sum(axis=1) + 1) / 2) / len(v)


def _cs_zscore(v: Floats) -> Floats:
    if v.min() == v.max():
        return np.full(len(v), np.nan)
    return ((_long(v) - _long(v).mean()) / _long(v).std(ddof=1)).astype(np.float64)


ACROSS: dict[str, Callable[[Floats, Bools], Floats]] = {
    "cs_rank": lambda x, member: _known(_cs_rank, x, member),
    "cs_zscore": lambda x, member: _known(_cs_zscore, x, member),
    "cs_demean": lambda x, member: _known(
        lambda v: (_long(v) - _long(v).mean()).astype(np.float64), x, member
    ),
}

_COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
                "!=": np.not_equal}  # fmt: skip
_ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "neg": np.negative, "abs": np.abs,
               "sign": np.sign, "min": np.minimum, "max": np.maximum, "log": np.log}  # fmt: skip


def at_once(operator: str, *x: Floats) -> Floats:
    """An element-wise operator: NaN where an input is, and where the answer is not finite."""
    with np.errstate(all="ignore"):
        if operator == "where":
            out = np.where(x[0] != 0, x[1], x[2])
            return np.where(np.isnan(x[0]), np.nan, out)
        if operator in _COMPARISONS:
            out = _COMPARISONS[operator](*x).astype(float)
            return np.where(np.isnan(x[0]) | np.isnan(x[1]), np.nan, out)
        out = _ARITHMETIC[operator](*x)
    return np.where(np.isfinite(out), out, np.nan)
