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
    STEP,
    TINY,
    VMA,
    VOLUME,
    WINDOWS,
    WVMA,
    Five,
    Source,
    Target,
    five,
    place,
)

FLAT = 2e-5  # in units of the series: a deviation up to it qlib calls none


@compiled
def trend(source: Source, windows: int, sums: Floats, target: Target) -> None:
    """MA, STD, BETA, RSQR, RESI and RANK of the close. The place of today's row is 0, that of the row before -1."""
    (rows, at, back), n = source, target[5]
    today, c = rows[CLOSE, at : at + n], rows[NEW_CLOSE, at : at + n]
    sums[:8, :n] = 0.0
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1], STEP):
            trend_sums(five(rows, CLOSE, at - q * back, back, n), 1.0 * q, today, c, sums)
        trend_of(j, today, c, sums, target)


@compiled
def trend_sums(x: Five, first: float, today: Floats, c: Floats, sums: Floats) -> None:
    """Five rows into the sums of 1, place, its square, d, d * d and place * d, and of the values below and at today's."""
    for i in range(len(c)):
        m, p1, p2, d1, d2, pd = sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i], sums[5, i]
        less, same, place = sums[6, i], sums[7, i], -first
        for v in (x[0][i], x[1][i], x[2][i], x[3][i], x[4][i]):
            d, one = v - c[i] if v == v else 0.0, 1.0 if v == v else 0.0
            m += one
            p1 += place * one
            p2 += place * place * one
            d1 += d
            d2 += d * d
            pd += place * d
            less += 1.0 if v < today[i] else 0.0
            same += 1.0 if v == today[i] else 0.0
            place -= 1.0
        sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i], sums[5, i] = m, p1, p2, d1, d2, pd
        sums[6, i], sums[7, i] = less, same


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
    source: Source, windows: int, x: int, y: int, newest: int, first: int, sums: Floats, target: Target
) -> None:
    """Corr over rows where both are known; NaN where either is constant over its own known values."""
    (rows, at, back), n = source, target[5]
    cx, cy = rows[newest, at : at + n], rows[newest + 1, at : at + n]
    reach = at - (EDGES[windows] - 1) * back
    apart = known_apart(rows[x, reach : at + n], rows[y, reach : at + n])
    sums[:12, :n] = 0.0
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1], STEP):
            u, v = five(rows, x, at - q * back, back, n), five(rows, y, at - q * back, back, n)
            pair_sums(u, v, cx, cy, sums[:6])
            if apart:
                own_sums(u, cx, sums[6:9])
                own_sums(v, cy, sums[9:12])
        out, own = place(target, first + j), sums[6:12] if apart else sums[:6]
        m = own[3] if apart else own[0]
        y1, y2 = (own[4], own[5]) if apart else (own[3], own[4])
        for i in range(n):
            flat = is_flat(own[0, i], own[1, i], own[2, i]) or is_flat(m[i], y1[i], y2[i])
            out[i] = math.nan if flat else correlated(sums, i)


@compiled
def known_apart(x: Floats, y: Floats) -> bool:
    """Whether somewhere one is known and the other is not."""
    apart = 0
    for i in range(len(x)):
        apart += (x[i] == x[i]) != (y[i] == y[i])
    return apart > 0


@compiled
def correlated(sums: Floats, i: int) -> float:
    m, x1, y1 = sums[0, i], sums[1, i], sums[3, i]
    below = math.sqrt(squares(m, x1, sums[2, i])) * math.sqrt(squares(m, y1, sums[4, i]))
    return (sums[5, i] - x1 * y1 / m) / below if m > 1.0 else math.nan


@compiled
def own_sums(x: Five, c: Floats, sums: Floats) -> None:
    """Five rows into the sums of 1, d and d * d."""
    for i in range(len(c)):
        m, d1, d2 = sums[0, i], sums[1, i], sums[2, i]
        for v in (x[0][i], x[1][i], x[2][i], x[3][i], x[4][i]):
            d = v - c[i] if v == v else 0.0
            m += 1.0 if v == v else 0.0
            d1 += d
            d2 += d * d
        sums[0, i], sums[1, i], sums[2, i] = m, d1, d2


@compiled
def pair_sums(x: Five, y: Five, cx: Floats, cy: Floats, sums: Floats) -> None:
    """Five rows into the sums of 1, d, d * d, e, e * e and d * e, where both are known."""
    for i in range(len(cx)):
        m, x1, x2, y1, y2, xy = sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i], sums[5, i]
        for u, v in (
            (x[0][i], y[0][i]),
            (x[1][i], y[1][i]),
            (x[2][i], y[2][i]),
            (x[3][i], y[3][i]),
            (x[4][i], y[4][i]),
        ):
            has = (u == u) & (v == v)
            d, e = u - cx[i] if has else 0.0, v - cy[i] if has else 0.0
            m += 1.0 if has else 0.0
            x1 += d
            x2 += d * d
            y1 += e
            y2 += e * e
            xy += d * e
        sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i], sums[5, i] = m, x1, x2, y1, y2, xy


@compiled
def is_flat(m: float, d1: float, d2: float) -> bool:
    return m > 1.0 and math.sqrt(squares(m, d1, d2) / (m - 1.0)) <= FLAT


@compiled
def moves(
    source: Source, windows: int, x: int, first: int, counts: int, sums: Floats, target: Target
) -> None:
    """SUMP, SUMN, SUMD from `first` on, of the series x of changes; CNTP, CNTN, CNTD too where `counts` >= 0."""
    (rows, at, back), n = source, target[5]
    m, up, down, ups, downs = sums[0, :n], sums[1, :n], sums[2, :n], sums[3, :n], sums[4, :n]
    sums[:5, :n] = 0.0
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1], STEP):
            move_sums(five(rows, x, at - q * back, back, n), n, sums)
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
def move_sums(x: Five, n: int, sums: Floats) -> None:
    """Five rows into the number of known changes, the sums of rises and of falls, and their numbers."""
    for i in range(n):
        m, up, down, ups, downs = sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i]
        for v in (x[0][i], x[1][i], x[2][i], x[3][i], x[4][i]):
            m += 1.0 if v == v else 0.0
            up += v if v > 0.0 else 0.0
            down -= v if v < 0.0 else 0.0
            ups += 1.0 if v > 0.0 else 0.0
            downs += 1.0 if v < 0.0 else 0.0
        sums[0, i], sums[1, i], sums[2, i], sums[3, i], sums[4, i] = m, up, down, ups, downs


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
def spread(source: Source, windows: int, x: int, newest: int, sums: Floats, target: Target) -> None:
    """Of the volume VMA and VSTD, over today's; of the weighted change WVMA, its deviation over its mean."""
    (rows, at, back), n = source, target[5]
    c, today = rows[newest, at : at + n], rows[VOLUME, at : at + n]
    sums[:3, :n] = 0.0
    for j in range(windows):
        for q in range(EDGES[j], EDGES[j + 1], STEP):
            own_sums(five(rows, x, at - q * back, back, n), c, sums)
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
