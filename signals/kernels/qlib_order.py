"""Extremes, their places and quantiles of qlib's Alpha158 over the last 5, 10, 20, 30 and 60 rows."""

from __future__ import annotations

import math

from backcast.data.types import Floats, Ints
from backcast.signals.kernels.cache import compiled
from backcast.signals.kernels.networks import Network
from backcast.signals.kernels.qlib_series import (
    AGE,
    CLOSE,
    EDGES,
    EXTREMES,
    HIGH,
    LONGEST,
    LOW,
    PLACES,
    QUANTILES,
    STEP,
    WINDOWS,
    Five,
    Source,
    Target,
    five,
    place,
)

_NETWORK = Network(WINDOWS)
_PAIRS, _ENDS, _ORDERS = _NETWORK.pairs, _NETWORK.ends, _NETWORK.orders


@compiled
def extremes(source: Source, windows: int, sums: Floats, target: Target) -> None:
    """MAX, MIN, RSV, IMAX, IMIN, IMXD. A NaN is no maximum, yet takes the place of one, the oldest first."""
    (rows, at, back), n = source, target[5]
    age = rows[AGE, at : at + n]
    sums[:6, :n] = -math.inf
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1], STEP):
            higher(five(rows, HIGH, at - q * back, back, n), 1.0, 1.0 * q, age, sums)
            higher(five(rows, LOW, at - q * back, back, n), -1.0, 1.0 * q, age, sums[3:6])
        extremes_of(j, rows[CLOSE, at : at + n], age, sums, target)


@compiled
def higher(x: Five, sign: float, first: float, age: Floats, sums: Floats) -> None:
    """Five rows into the largest of sign * x, and into its place, where the symbol was listed then."""
    for i in range(len(age)):
        top, peak, since, ago = sums[0, i], sums[1, i], sums[2, i], first
        for value in (x[0][i], x[1][i], x[2][i], x[3][i], x[4][i]):
            v = sign * value
            top = v if v > top else top
            key = v if v == v else math.inf
            new = (key >= peak) & (ago < age[i])
            peak = key if new else peak
            since = ago if new else since
            ago += 1.0
        sums[0, i], sums[1, i], sums[2, i] = top, peak, since


@compiled
def extremes_of(j: int, x: Floats, age: Floats, sums: Floats, target: Target) -> None:
    """The answers of window j from its extremes."""
    top, bottom, rsv = place(target, EXTREMES + j), place(target, EXTREMES + 5 + j), place(target, PLACES + j)
    high, low, apart = (
        place(target, PLACES + 5 + j),
        place(target, PLACES + 10 + j),
        place(target, PLACES + 15 + j),
    )
    w = 1.0 * WINDOWS[j]
    for i in range(len(x)):
        most = sums[0, i] if sums[0, i] > -math.inf else math.nan
        least = -sums[3, i] if sums[3, i] > -math.inf else math.nan
        rows = age[i] if age[i] < w else w
        first, second = rows - sums[2, i] + (most - most), rows - sums[5, i] + (least - least)
        top[i] = most / x[i]
        bottom[i] = least / x[i]
        rsv[i] = (x[i] - least) / (most - least + 1e-12)
        high[i] = first / w
        low[i] = second / w
        apart[i] = (first - second) / w


@compiled
def quantiles(source: Source, windows: int, work: Floats, target: Target) -> None:
    """QTLU and QTLD: quantiles at 0.8 and 0.2 of the known closes, linear between places, from a sorting network."""
    (rows, at, back), n, done = source, target[5], 0
    m, today = work[LONGEST, :n], rows[CLOSE, at : at + n]
    m[:] = 0.0
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1]):
            x, row = rows[CLOSE, at - q * back : at - q * back + n], work[q, :n]
            for i in range(n):
                has = x[i] == x[i]
                row[i] = x[i] if has else math.inf
                m[i] += 1.0 if has else 0.0
        for k in range(done, _ENDS[j]):
            exchange(work[_PAIRS[k, 0], :n], work[_PAIRS[k, 1], :n])
        done = _ENDS[j]
        for f, level in ((QUANTILES + j, 0.8), (QUANTILES + 5 + j, 0.2)):
            out = place(target, f)
            for i in range(n):
                out[i] = between(work, i, _ORDERS[j], m[i], level) / today[i]


@compiled
def exchange(one: Floats, two: Floats) -> None:
    for i in range(len(one)):
        v, u = one[i], two[i]
        one[i] = v if v < u else u
        two[i] = u if v < u else v


@compiled
def between(work: Floats, i: int, order: Ints, m: float, level: float) -> float:
    """The quantile of the m smallest of a sorted column; the rest, +inf, stands for unknown."""
    if m < 1.0:
        return math.nan
    low = int(level * (m - 1.0))
    first, share = work[order[low], i], level * (m - 1.0) - low
    return first + share * (work[order[low + 1], i] - first) if share > 0.0 else first
