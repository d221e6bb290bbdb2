"""Every function of the language in plain NumPy, as its meaning reads: the truth that the compiled ones are tested against.

Those that are short for others are not made of them here, so a wrong definition shows. Functions over time take series
(T,) and give (T,); they look at one window at a time, in extended precision where that matters. Functions across
symbols take the values and the membership of one decision, (S,) each. Technical staples are in `reference_technical`.
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


def _centred(x: Floats) -> Any:
    """x less its mean; less its first value before, lest a high level eat digits even of extended precision."""
    d = _long(x) - x[0]
    return d - d.mean()


def _std(x: Floats) -> Any:
    return _centred(x).std(ddof=1) if x.min() < x.max() else 0.0


def _zscore(x: Floats) -> Any:
    return _centred(x)[-1] / _std(x) if x.min() < x.max() else np.nan


def _var(x: Floats) -> Any:
    return _centred(x).var(ddof=1) if x.min() < x.max() else 0.0


def _skew(x: Floats) -> Any:
    if x.min() == x.max():
        return np.nan
    n, d = np.longdouble(len(x)), _centred(x)
    return np.sqrt(n * (n - 1)) / (n - 2) * (d**3).mean() / (d**2).mean() ** np.longdouble(1.5)


def _kurt(x: Floats) -> Any:
    if x.min() == x.max():
        return np.nan
    n, d = np.longdouble(len(x)), _centred(x)
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (d**4).mean() / (d**2).mean() ** 2 - 3 * (n - 1))


def _rank(x: Floats) -> Any:
    return ((x < x[-1]).sum() + ((x == x[-1]).sum() + 1) / 2) / len(x)


def _slope(x: Floats) -> Any:
    place = np.arange(len(x)) - np.longdouble(len(x) - 1) / 2
    return (place * (_long(x) - x[0])).sum() / (place * place).sum()


def _line(x: Floats) -> Any:
    """The deviations from the mean, and what the least-squares line leaves of them."""
    place, d = np.arange(len(x)) - np.longdouble(len(x) - 1) / 2, _centred(x)
    return d, d - _slope(x) * place


def _rsquare(x: Floats) -> Any:
    if x.min() == x.max():
        return np.nan
    d, rest = _line(x)
    return 1 - (rest * rest).sum() / (d * d).sum()


def _cov(x: Floats, y: Floats) -> Any:
    return (_centred(x) * _centred(y)).sum() / (len(x) - 1)


def _beta(x: Floats, y: Floats) -> Any:
    return _cov(x, y) / _var(y) if y.min() < y.max() else np.nan


def _corr(x: Floats, y: Floats) -> Any:
    if x.min() == x.max() or y.min() == y.max():
        return np.nan
    u, v = _centred(x), _centred(y)
    return np.clip((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum()), -1, 1)


def _ref(x: Floats, lag: int) -> Floats:
    return np.concatenate([np.full(min(lag, len(x)), np.nan), x[: max(len(x) - lag, 0)]])


def _decay_linear(x: Floats) -> Any:
    weights = np.arange(1, len(x) + 1, dtype=np.longdouble)
    return (weights * x).sum() / weights.sum()


def _since(condition: Floats) -> float:
    true = np.flatnonzero(condition[::-1] != 0)
    return float(true[0]) if len(true) else np.nan


def _log_returns(x: Floats, lag: int) -> Floats:
    ratio = x / _ref(x, lag)
    return np.log(np.where(ratio > 0, ratio, np.nan))


def _if_known(x: Floats, y: Floats, answer: Any) -> Floats:
    return np.where(np.isnan(x) | np.isnan(y), np.nan, answer)


def _or_partial(function: Callable[[Floats], Any], fewest: int = 1) -> Callable[..., Floats]:
    """function of full windows; with a third argument, of the known rows of any window that has at least so many."""

    def over(x: Floats, window: int, least: int | None = None) -> Floats:
        if least is None:
            return _windows(function, window, x)
        out = np.full(len(x), np.nan)
        for t in range(len(x)):
            part = x[max(0, t - window + 1) : t + 1]
            part = part[~np.isnan(part)]
            if len(part) >= max(least, fewest):
                out[t] = function(part)
        return out

    return over


def weighted(x: Floats, span: int, least: int | None, function: Callable[[Any, Any], Any]) -> Floats:
    """function(values, weights) of the known rows among the last ten spans, weights (1 - 2 / (span + 1)) ** age."""
    out, decay = np.full(len(x), np.nan), np.longdouble(1) - np.longdouble(2) / (span + 1)
    for t in range(len(x)):
        part = x[max(0, t - 10 * span + 1) : t + 1][::-1]
        known = ~np.isnan(part)
        if known.sum() >= (span if least is None else least):
            out[t] = function(_long(part[known]), decay ** np.flatnonzero(known))
    return out


def ewm_mean(x: Floats, span: int, least: int | None = None) -> Floats:
    return weighted(x, span, least, lambda v, w: (v * w).sum() / w.sum())


def _ewm_std(v: Any, w: Any) -> Any:
    if len(v) < 2:
        return np.nan
    mean, total = (v * w).sum() / w.sum(), w.sum()
    squares = (w * (v - mean) ** 2).sum() if v.min() < v.max() else 0.0
    return np.sqrt(squares * total / (total * total - (w * w).sum()))


OVER_TIME: dict[str, Callable[..., Floats]] = {
    "ref": _ref,
    "delta": lambda x, lag: x - _ref(x, lag),
    "returns": lambda x, lag: x / _ref(x, lag) - 1,
    "log_returns": _log_returns,
    "ts_sum": _or_partial(lambda v: _long(v).sum()),
    "ts_mean": _or_partial(lambda v: _long(v).mean()),
    "ts_product": lambda x, w: _windows(lambda v: _long(v).prod(), w, x),
    "ts_var": _or_partial(_var, 2),
    "ts_std": _or_partial(_std, 2),
    "ts_skew": lambda x, w: _windows(_skew, w, x),
    "ts_kurt": lambda x, w: _windows(_kurt, w, x),
    "ts_zscore": lambda x, w: _windows(_zscore, w, x),
    "ts_demean": lambda x, w: _windows(lambda v: _centred(v)[-1], w, x),
    "ts_min": _or_partial(np.min),
    "ts_max": _or_partial(np.max),
    "ts_argmin": lambda x, w: _windows(lambda v: np.argmin(v[::-1]), w, x),
    "ts_argmax": lambda x, w: _windows(lambda v: np.argmax(v[::-1]), w, x),
    "ts_rank": lambda x, w: _windows(_rank, w, x),
    "ts_quantile": lambda x, w, level: _windows(lambda v: np.quantile(v, level), w, x),
    "ts_median": lambda x, w: _windows(np.median, w, x),
    "ts_slope": lambda x, w: _windows(_slope, w, x),
    "ts_rsquare": lambda x, w: _windows(_rsquare, w, x),
    "ts_resid": lambda x, w: _windows(lambda v: _line(v)[1][-1], w, x),
    "ts_corr": lambda x, y, w: _windows(_corr, w, x, y),
    "ts_cov": lambda x, y, w: _windows(_cov, w, x, y),
    "ts_beta": lambda x, y, w: _windows(_beta, w, x, y),
    "ts_autocorr": lambda x, w, lag: _windows(_corr, w, x, _ref(x, lag)),
    "decay_linear": lambda x, w: _windows(_decay_linear, w, x),
    "ewm_mean": ewm_mean,
    "ewm_std": lambda x, span, least=None: weighted(x, span, least, _ewm_std),
    "ts_known": lambda x, w: np.array([np.sum(~np.isnan(x[max(0, t - w + 1) : t + 1])) for t in range(len(x))]) * 1.0,
    "ts_count": lambda x, w: _windows(np.count_nonzero, w, x),
    "ts_count_up": lambda x, w: _windows(np.sum, w, _if_known(x, _ref(x, 1), x > _ref(x, 1))),
    "ts_count_down": lambda x, w: _windows(np.sum, w, _if_known(x, _ref(x, 1), x < _ref(x, 1))),
    "ts_since": lambda x, w: _windows(_since, w, x),
}  # fmt: skip


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
    return (_centred(v) / _centred(v).std(ddof=1)).astype(np.float64)


def _cs_bucket(v: Floats, buckets: int) -> Floats:
    """The whole part of buckets * (place - 1/2) / n in whole numbers: twice the place is one."""
    twice = 2 * (v[None, :] < v[:, None]).sum(axis=1) + (v[None, :] == v[:, None]).sum(axis=1) + 1
    return (buckets * (twice - 1)) // (2 * len(v)) * 1.0


def _cs_neutralise(x: Floats, group: Floats, member: Bools) -> Floats:
    out, known = np.full(len(x), np.nan), member & ~np.isnan(x) & ~np.isnan(group)
    for i in np.flatnonzero(known):
        out[i] = x[i] - _long(x[known & (group == group[i])]).mean()
    return out


def _cs_residual(x: Floats, *rest: Any) -> Floats:
    """NumPy's own least squares on centred columns of length 1."""
    exposures, member = rest[:-1], rest[-1]
    out, known = np.full(len(x), np.nan), member & ~np.isnan(np.stack([x, *exposures])).any(axis=0)
    if known.sum() >= len(exposures) + 2:
        columns = np.stack([e[known] - e[known].mean() for e in exposures], axis=1)
        size = np.sqrt((columns**2).sum(axis=0))
        columns = columns / np.where(size > 0, size, 1)
        y = x[known] - x[known].mean()
        out[known] = y - columns @ np.linalg.lstsq(columns, y, rcond=1e-10)[0]
    return out


def _cs_scale(v: Floats) -> Floats:
    size = np.abs(_long(v)).sum()
    return (v / size).astype(np.float64) if size > 0 else np.full(len(v), np.nan)


ACROSS: dict[str, Callable[..., Floats]] = {
    "cs_rank": lambda x, member: _known(_cs_rank, x, member),
    "cs_zscore": lambda x, member: _known(_cs_zscore, x, member),
    "cs_demean": lambda x, member: _known(lambda v: _centred(v).astype(np.float64), x, member),
    "cs_scale": lambda x, member: _known(_cs_scale, x, member),
    "cs_winsorise": lambda x, member, tail: _known(
        lambda v: np.clip(v, np.quantile(v, tail), np.quantile(v, 1 - tail)), x, member
    ),
    "cs_bucket": lambda x, member, buckets: _known(lambda v: _cs_bucket(v, buckets), x, member),
    "cs_neutralise": _cs_neutralise,
    "cs_residual": _cs_residual,
}
"""(*values, member, *literals), (S,) each."""

_TRUTHS: dict[str, Callable[..., Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
    "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "neg": np.negative, "abs": np.abs, "sign": np.sign,
    "min": np.minimum, "max": np.maximum, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "clip": np.clip,
}  # fmt: skip


def at_once(operator: str, *x: Any) -> Floats:
    """A function of one row: NaN where an input is, and where the answer is not finite."""
    with np.errstate(all="ignore"):
        if operator == "where":
            out = np.where(x[0] != 0, x[1], x[2])
            return np.where(np.isnan(x[0]), np.nan, out)
        if operator in _TRUTHS:
            return _if_known(x[0], x[1], _TRUTHS[operator](*x).astype(float))
        if operator == "not":
            return np.where(np.isnan(x[0]), np.nan, x[0] == 0)
        if operator == "power":
            return at_once("+", np.power(x[0], x[1]), 0 * x[0])
        out = _ARITHMETIC[operator](*x)
    return np.where(np.isfinite(out), out, np.nan)
