"""Alpha158 by qlib's conventions in plain NumPy, one window at a time and in extended precision: the truth for the kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from backcast.data.types import Floats

WINDOWS = (5, 10, 20, 30, 60)
FLAT = 2e-5
Series = np.ndarray


def alpha158(fields: dict[str, Floats]) -> dict[str, Floats]:
    """Name -> (T,), of one symbol whose first row is row 0. float32 where qlib computes in float32."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        o, h, low, c, vwap, v = (
            fields[n].astype(np.float32) for n in ("open", "high", "low", "close", "vwap", "volume")
        )
        made = _bars(o, h, low, c, vwap)
        for w in WINDOWS:
            made[f"ROC{w}"] = _ref(c, w) / c
        for w in WINDOWS:
            made |= {f"{name}{w}": x for name, x in _windowed(w, h, low, c, v).items()}
    return {name: np.asarray(x, dtype=np.float64) for name, x in made.items()}


def _bars(o: Series, h: Series, low: Series, c: Series, vwap: Series) -> dict[str, Series]:
    span = h - low + np.float32(1e-12)
    top, bottom, middle = np.maximum(o, c), np.minimum(o, c), np.float32(2) * c - h - low
    return {
        "KMID": (c - o) / o, "KLEN": (h - low) / o, "KMID2": (c - o) / span, "KUP": (h - top) / o, "KUP2": (h - top) / span,
        "KLOW": (bottom - low) / o, "KLOW2": (bottom - low) / span, "KSFT": middle / o, "KSFT2": middle / span,
        "OPEN0": o / c, "HIGH0": h / c, "LOW0": low / c, "VWAP0": vwap / c,
    }  # fmt: skip


def _windowed(w: int, h: Series, low: Series, c: Series, v: Series) -> dict[str, Series]:
    one = np.float32(1)
    before, traded = _ref(c, 1), _ref(v, 1)
    weight = np.abs(c / before - one) * v
    high, least = _over(np.max, w, h), _over(np.min, w, low)
    first, second = _place(np.argmax, w, h), _place(np.argmin, w, low)
    up, down = _rows(w, c > before), _rows(w, c < before)
    unit = v + np.float32(1e-12)
    made = {
        "MA": _over(np.mean, w, c) / c, "STD": _std(w, c) / c, "BETA": _line(w, c, 0) / c, "RSQR": _line(w, c, 1),
        "RESI": _line(w, c, 2) / c, "MAX": high / c, "MIN": least / c,
        "QTLU": _over(lambda x: np.quantile(x, 0.8), w, c) / c, "QTLD": _over(lambda x: np.quantile(x, 0.2), w, c) / c,
        "RANK": _rank(w, c), "RSV": (c - least) / (high - least + 1e-12),
        "IMAX": first / w, "IMIN": second / w, "IMXD": (first - second) / w,
        "CORR": _corr(w, c, np.log(v + one)), "CORD": _corr(w, c / before, np.log(v / traded + one)),
        "CNTP": up, "CNTN": down, "CNTD": up - down,
        "VMA": _over(np.mean, w, v) / unit, "VSTD": _std(w, v) / unit,
        "WVMA": _std(w, weight) / (_over(np.mean, w, weight) + 1e-12),
    }  # fmt: skip
    for letter, x, past in (("", c, before), ("V", v, traded)):
        zero = np.float32(0)
        rise, fall = (
            _over(np.sum, w, np.maximum(x - past, zero)),
            _over(np.sum, w, np.maximum(past - x, zero)),
        )
        whole = _over(np.sum, w, np.abs(x - past)) + 1e-12
        made |= {
            f"{letter}SUMP": rise / whole,
            f"{letter}SUMN": fall / whole,
            f"{letter}SUMD": (rise - fall) / whole,
        }
    return made


def _ref(x: Series, n: int) -> Series:
    out = np.full_like(x, np.nan)
    out[n:] = x[: max(len(x) - n, 0)]
    return out


def _windows(w: int, x: Series) -> list[Series]:
    """The last w rows at each row, or as many as there are; infinities are unknown."""
    x = np.where(np.isfinite(x), x.astype(np.longdouble), np.nan)
    return [x[max(0, t - w + 1) : t + 1] for t in range(len(x))]


def _over(function: Callable[[Series], float], w: int, x: Series, least: int = 1) -> Series:
    """function of the known values of each window, NaN where there are fewer than `least`."""
    known = [part[~np.isnan(part)] for part in _windows(w, x)]
    return np.array([function(part) if len(part) >= least else np.nan for part in known])


def _std(w: int, x: Series) -> Series:
    return _over(lambda v: v.std(ddof=1) if v.min() < v.max() else 0.0, w, x, least=2)


def _line(w: int, x: Series, which: int) -> Series:
    """The slope on the row number, the squared correlation with it, or today's distance from the line."""
    out = np.full((len(x), 3), np.nan)
    for t, part in enumerate(_windows(w, x)):
        known = ~np.isnan(part)
        if known.sum() >= 2:
            place, y = np.flatnonzero(known).astype(np.longdouble), part[known]
            dp, dy = place - place.mean(), y - (y.mean() if y.min() < y.max() else y[0])
            slope = (dp * dy).sum() / (dp * dp).sum()
            flat = np.sqrt((dy * dy).sum() / (len(y) - 1)) <= FLAT
            fit = np.nan if flat else (dp * dy).sum() ** 2 / ((dp * dp).sum() * (dy * dy).sum())
            out[t] = slope, fit, part[-1] - y.mean() - slope * (len(part) - 1 - place.mean())
    return out[:, which]


def _rank(w: int, x: Series) -> Series:
    out = []
    for part in _windows(w, x):
        known = part[~np.isnan(part)]
        place = (known < part[-1]).sum() + ((known == part[-1]).sum() + 1) / 2
        out.append(np.nan if np.isnan(part[-1]) else place / len(known))
    return np.array(out)


def _place(function: Callable[[Series], int], w: int, x: Series) -> Series:
    """1 for the oldest row of the window; the first NaN, if there is one, stands for the extreme."""
    parts = _windows(w, x)
    return np.array([np.nan if np.isnan(p).all() else function(p) + 1.0 for p in parts])


def _rows(w: int, x: Series) -> Series:
    return np.array([x[max(0, t - w + 1) : t + 1].mean() for t in range(len(x))])


def _corr(w: int, x: Series, y: Series) -> Series:
    out = np.full(len(x), np.nan)
    spreads = _std(w, x), _std(w, y)
    for t, (u, v) in enumerate(zip(_windows(w, x), _windows(w, y), strict=True)):
        both = ~np.isnan(u) & ~np.isnan(v)
        if both.sum() >= 2 and not (spreads[0][t] <= FLAT or spreads[1][t] <= FLAT):
            du, dv = u[both] - u[both].mean(), v[both] - v[both].mean()
            if u[both].min() < u[both].max() and v[both].min() < v[both].max():
                out[t] = (du * dv).sum() / np.sqrt((du * du).sum() * (dv * dv).sum())
    return out
