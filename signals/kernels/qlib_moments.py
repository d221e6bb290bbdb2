"""Means, deviations, lines, correlations and shares of qlib's Alpha158 over the last 5, 10, 20, 30 and 60 rows.

A window has the rows that there are, without those unknown. Sums are of x - c, where c is the newest known value. It is
inside every window that has a value, so the squared deviations from the mean are at least 1 / (n + 1) of the shifted sum of
squares: at most two digits cancel, and equal values give 0.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled
from backcast.signals.kernels.qlib_series import (
    AGE,
    CLOSE,
    EDGES,
    MA,
    NEW_CLOSE,
    RANK,
    TINY,
    VMA,
    VOLUME,
    WINDOWS,
    WVMA,
    Source,
    Target,
    place,
)

FLAT = 2e-5  # in units of the series: a deviation up to it qlib calls none


@compiled
def trend(source: Source, sums: Floats, target: Target) -> None:
    """MA, STD, BETA, RSQR, RESI and RANK of the close. The place of today's row is 0, that of the row before -1."""
    (rows, at, back), n = source, target[5]
    m, p1, p2, d1, d2, pd = sums[0, :n], sums[1, :n], sums[2, :n], sums[3, :n], sums[4, :n], sums[5, :n]
    less, same, today, c = sums[6, :n], sums[7, :n], rows[CLOSE, at : at + n], rows[NEW_CLOSE, at : at + n]
    sums[:8, :n] = 0.0
    for j in range(5):
        for q in range(EDGES[j], EDGES[j + 1]):
            x = rows[CLOSE, at - q * back : at - q * back + n]
            for i in range(n):
                v, has = x[i], x[i] == x[i]
                d, one = v - c[i] if has else 0.0, 1.0 if has else 0.0
                m[i] += one
                p1[i] -= q * one
                p2[i] += q * q * one
                d1[i] += d
                d2[i] += d * d
                pd[i] -= q * d
                less[i] += 1.0 if v < today[i] else 0.0
                same[i] += 1.0 if v == today[i] else 0.0
        trend_of(j, today, c, sums, target)


@compiled
def trend_of(j: int, today: Floats, c: Floats, sums: Floats, target: Target) -> None:
    """The answers of window j from its sums."""
    ma, std, beta = place(target, MA + j), place(target, MA + 5 + j), place(target, MA + 10 + j)
    fit, rest, rank = place(target, MA + 15 + j), place(target, MA + 20 + j), place(target, RANK + j)
    for i in range(len(today)):
        m, x = sums[0, i], today[i]
        mean, middle = sums[3, i] / m, sums[1, i] / m
        dd = squares(m, sums[3, i], sums[4, i])
        pp, pd = sums[2, i] - sums[1, i] * middle, sums[5, i] - sums[3, i] * middle
        spread, slope = math.sqrt(dd / (m - 1.0)), pd / pp
        ma[i] = (c[i] + mean) / x
        std[i] = spread / x if m > 1.0 else math.nan
        beta[i] = slope / x
        fit[i] = slope * (pd / dd) if m > 1.0 and spread > FLAT else math.nan
        rest[i] = (slope * middle - mean) / x
        rank[i] = (sums[6, i] + 0.5 * (sums[7, i] + 1.0)) / m + (x - x)


@compiled
def squares(m: float, d1: float, d2: float) -> float:
    """The sum of squared deviations from the mean of m values, from their sums about one of them."""
    left = d2 - d1 * d1 / m
    return left if left > 0.0 else 0.0


@compiled
def correlation(
    source: Source, x: int, y: int, newest: int, first: int, sums: Floats, target: Target
) -> None:
    """Corr over rows where both are known; NaN where either is constant over its own known values."""
    (rows, at, back), n = source, target[5]
    cx, cy, own, pair = rows[newest, at : at + n], rows[newest + 1, at : at + n], sums[:6, :n], sums[6:12, :n]
    sums[:12, :n] = 0.0
    for j in range(5):
        for q in range(EDGES[j], EDGES[j + 1]):
            u, v = rows[x, at - q * back : at - q * back + n], rows[y, at - q * back : at - q * back + n]
            own_sums(u, cx, own[0], own[1], own[2])
            own_sums(v, cy, own[3], own[4], own[5])
            pair_sums(u, v, cx, cy, pair[0], pair[1], pair[2], pair[3], pair[4], pair[5])
        out = place(target, first + j)
        for i in range(n):
            m, x1, x2, y1, y2, xy = pair[0, i], pair[1, i], pair[2, i], pair[3, i], pair[4, i], pair[5, i]
            below = math.sqrt(squares(m, x1, x2)) * math.sqrt(squares(m, y1, y2))
            flat = is_flat(own[0, i], own[1, i], own[2, i]) or is_flat(own[3, i], own[4, i], own[5, i])
            out[i] = math.nan if flat or m < 2.0 else (xy - x1 * y1 / m) / below


@compiled
def own_sums(x: Floats, c: Floats, m: Floats, d1: Floats, d2: Floats) -> None:
    for i in range(len(x)):
        has = x[i] == x[i]
        d = x[i] - c[i] if has else 0.0
        m[i] += 1.0 if has else 0.0
        d1[i] += d
        d2[i] += d * d


@compiled
def pair_sums(
    x: Floats, y: Floats, cx: Floats, cy: Floats, m: Floats, x1: Floats, x2: Floats, y1: Floats, y2: Floats, xy: Floats
) -> None:  # fmt: skip
    for i in range(len(x)):
        has = (x[i] == x[i]) & (y[i] == y[i])
        u, v = x[i] - cx[i] if has else 0.0, y[i] - cy[i] if has else 0.0
        m[i] += 1.0 if has else 0.0
        x1[i] += u
        x2[i] += u * u
        y1[i] += v
        y2[i] += v * v
        xy[i] += u * v


@compiled
def is_flat(m: float, d1: float, d2: float) -> bool:
    return m > 1.0 and math.sqrt(squares(m, d1, d2) / (m - 1.0)) <= FLAT


@compiled
def moves(source: Source, x: int, first: int, counts: int, sums: Floats, target: Target) -> None:
    """SUMP, SUMN, SUMD from `first` on, of the series x of changes; CNTP, CNTN, CNTD too where `counts` >= 0."""
    (rows, at, back), n = source, target[5]
    m, up, down, ups, downs = sums[0, :n], sums[1, :n], sums[2, :n], sums[3, :n], sums[4, :n]
    sums[:5, :n] = 0.0
    for j in range(5):
        for q in range(EDGES[j], EDGES[j + 1]):
            d = rows[x, at - q * back : at - q * back + n]
            for i in range(n):
                v = d[i]
                m[i] += 1.0 if v == v else 0.0
                up[i] += v if v > 0.0 else 0.0
                down[i] -= v if v < 0.0 else 0.0
                ups[i] += 1.0 if v > 0.0 else 0.0
                downs[i] += 1.0 if v < 0.0 else 0.0
        plus, minus, apart = (
            place(target, first + j),
            place(target, first + 5 + j),
            place(target, first + 10 + j),
        )
        for i in range(n):
            whole = up[i] + down[i] + 1e-12 if m[i] > 0.0 else math.nan
            plus[i] = up[i] / whole
            minus[i] = down[i] / whole
            apart[i] = (up[i] - down[i]) / whole
        if counts >= 0:
            shares_of(j, counts, rows[AGE, at : at + n], ups, downs, target)


@compiled
def shares_of(j: int, f: int, age: Floats, ups: Floats, downs: Floats, target: Target) -> None:
    """Ups and downs over the rows of the window, a row without a change among them."""
    plus, minus, apart = place(target, f + j), place(target, f + 5 + j), place(target, f + 10 + j)
    for i in range(len(age)):
        rows = min(age[i], 1.0 * WINDOWS[j])
        plus[i] = ups[i] / rows
        minus[i] = downs[i] / rows
        apart[i] = ups[i] / rows - downs[i] / rows


@compiled
def spread(source: Source, x: int, newest: int, sums: Floats, target: Target) -> None:
    """Of the volume VMA and VSTD, over today's; of the weighted change WVMA, its deviation over its mean."""
    (rows, at, back), n = source, target[5]
    c, today = rows[newest, at : at + n], rows[VOLUME, at : at + n]
    sums[:3, :n] = 0.0
    for j in range(5):
        for q in range(EDGES[j], EDGES[j + 1]):
            own_sums(rows[x, at - q * back : at - q * back + n], c, sums[0, :n], sums[1, :n], sums[2, :n])
        first, second = place(target, VMA + j if x == VOLUME else WVMA + j), place(target, VMA + 5 + j)
        for i in range(n):
            m = sums[0, i]
            mean = c[i] + sums[1, i] / m
            deviation = math.sqrt(squares(m, sums[1, i], sums[2, i]) / (m - 1.0)) if m > 1.0 else math.nan
            if x == VOLUME:
                unit = np.float64(np.float32(today[i]) + TINY)
                first[i] = mean / unit
                second[i] = deviation / unit
            else:
                first[i] = deviation / (mean + 1e-12)
