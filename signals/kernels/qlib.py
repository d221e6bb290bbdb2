"""qlib's Alpha158 by qlib's conventions: partial windows, NaN skipped, positions from the oldest row, float32 between windows.

`rows` (SERIES, columns) holds the series of a symbol, or of many: item i of a row is column `at + i`, the row before it
`back` columns to the left. For one symbol's rows side by side `back` is 1, for many symbols at one row it is their number,
so that batch and live are one piece of code. A row's series are made from its fields and the row before (`derive`: the
state and the step); its features are made of the last 60 rows, newest first, so that one pass ends at 5, 10, 20, 30 and 60
rows in turn. Nothing is carried from window to window: a feature is a function of the rows that it covers.

Sums are of x - c, where c is the newest known value. It is inside every window that has a value, so the squared deviations
from the mean are at least 1 / (n + 1) of the shifted sum of squares: at most two digits cancel, and equal values give 0.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.signals.kernels.cache import compiled
from backcast.signals.kernels.networks import Network

WINDOWS = (5, 10, 20, 30, 60)
LONGEST, GAP = 60, 61  # rows; a symbol without a bar for GAP rows is listed anew when it comes back
OPEN, HIGH, LOW, CLOSE, VWAP, VOLUME, FACTOR = range(7)  # as qlib stores them: rounded to float32
LOG_VOLUME, RATIO, LOG_RATIO, MOVE, VOLUME_MOVE, WEIGHT = range(7, 13)
AGE, IDLE = 13, 14  # rows since the listing (at most LONGEST, 0 = not listed), rows since the last bar
NEW_CLOSE, NEW_VOLUME, NEW_WEIGHT = 15, 16, 17  # the newest known value
LEVEL, LEVEL_VOLUME, CHANGE, CHANGE_VOLUME = 18, 19, 20, 21  # the newest pair of which both are known
SERIES = 22
FEATURES, SUMS = 158, 14
BARS, ROC, MA, EXTREMES, QUANTILES, RANK, PLACES = 0, 13, 18, 43, 53, 63, 68
CORR, CORD, COUNTS, SUMP, VMA, WVMA, VSUMP = 88, 93, 98, 113, 128, 138, 143  # each group's first feature

_EDGES = (0, *WINDOWS)
_NETWORK = Network(WINDOWS)
_PAIRS, _ENDS, _ORDERS = _NETWORK.pairs, _NETWORK.ends, _NETWORK.orders
_ONE, _TWO, _TINY = np.float32(1.0), np.float32(2.0), np.float32(1e-12)
_FLAT = 2e-5  # in units of the series: under it qlib calls a window constant


@compiled
def start(rows: Floats) -> None:
    """Nothing is known yet."""
    rows[:] = math.nan
    rows[AGE] = 0.0
    rows[IDLE] = 0.0


@compiled
def known(x: float) -> float:
    return x if x - x == 0.0 else math.nan


@compiled
def derive(rows: Floats, k: int, back: int) -> None:
    """The step: column k of every series, from its fields and the row before. Infinities become NaN."""
    b, bar = k - back, False
    for f in range(7):
        rows[f, k] = known(np.float32(rows[f, k]))
        bar |= rows[f, k] == rows[f, k]
    rows[IDLE, k] = 0.0 if bar else min(rows[IDLE, b] + 1.0, 1.0 * GAP)
    listed = (bar or rows[AGE, b] > 0.0) and rows[IDLE, k] < GAP
    rows[AGE, k] = min(rows[AGE, b] + 1.0, 1.0 * LONGEST) if listed else 0.0
    close, volume = np.float32(rows[CLOSE, k]), np.float32(rows[VOLUME, k])
    before, traded = np.float32(rows[CLOSE, b]), np.float32(rows[VOLUME, b])
    ratio, share = close / before, volume / traded
    rows[LOG_VOLUME, k] = log32(volume + _ONE)
    rows[RATIO, k] = known(ratio)
    rows[LOG_RATIO, k] = log32(share + _ONE)
    rows[MOVE, k] = known(close - before)
    rows[VOLUME_MOVE, k] = known(volume - traded)
    rows[WEIGHT, k] = known(abs(ratio - _ONE) * volume)
    for series, newest in ((CLOSE, NEW_CLOSE), (VOLUME, NEW_VOLUME), (WEIGHT, NEW_WEIGHT)):
        x = rows[series, k]
        rows[newest, k] = x if x == x else rows[newest, b]
    newest_pair(rows, k, b, CLOSE, LOG_VOLUME, LEVEL)
    newest_pair(rows, k, b, RATIO, LOG_RATIO, CHANGE)


@compiled
def log32(x: float) -> float:
    """The logarithm rounded to float32; NaN where it is not finite."""
    return known(np.float32(math.log(np.float64(x)))) if x > 0.0 else math.nan


@compiled
def newest_pair(rows: Floats, k: int, b: int, one: int, two: int, newest: int) -> None:
    x, y = rows[one, k], rows[two, k]
    both = x == x and y == y
    rows[newest, k] = x if both else rows[newest, b]
    rows[newest + 1, k] = y if both else rows[newest + 1, b]


@compiled
def place(values: Floats, places: Ints, spare: Floats, f: int, s: int, t: int, lanes: int) -> Floats:
    """Where feature f goes: values (F, S, T) from row t of symbol s on, or nowhere if it is not asked for."""
    return values[places[f], s, t : t + lanes] if places[f] >= 0 else spare[:lanes]


@compiled
def bars(
    rows: Floats, at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    """Shapes of the bar, prices and past closes over the close: float32 at every step."""
    spare = sums[SUMS]
    for f in range(13):
        out = place(values, places, spare, f, s, t, n)
        if places[f] >= 0:
            for i in range(n):
                k = at + i
                out[i] = bar_feature(
                    f, np.float32(rows[OPEN, k]), np.float32(rows[HIGH, k]), np.float32(rows[LOW, k]),
                    np.float32(rows[CLOSE, k]), np.float32(rows[VWAP, k]),
                )  # fmt: skip
    for j in range(5):
        out, past = place(values, places, spare, ROC + j, s, t, n), at - WINDOWS[j] * back
        for i in range(n):
            out[i] = np.float32(rows[CLOSE, past + i]) / np.float32(rows[CLOSE, at + i])


@compiled
def bar_feature(f: int, o: float, h: float, low: float, c: float, vwap: float) -> float:
    top, bottom = (o if o > c else c), (o if o < c else c)
    if f >= 9:
        return (o if f == 9 else h if f == 10 else low if f == 11 else vwap) / c
    unit = o if f in (0, 1, 3, 5, 7) else h - low + _TINY
    if f in (0, 2):
        return (c - o) / unit
    if f == 1:
        return (h - low) / unit
    if f in (3, 4):
        return (h - top + (o - o) + (c - c)) / unit
    if f in (5, 6):
        return (bottom - low + (o - o) + (c - c)) / unit
    return (_TWO * c - h - low) / unit


@compiled
def trend(
    rows: Floats, at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    """MA, STD, BETA, RSQR, RESI and RANK of the close. The place of today's row is 0, that of the row before -1."""
    m, p1, p2, d1, d2, pd = sums[0, :n], sums[1, :n], sums[2, :n], sums[3, :n], sums[4, :n], sums[5, :n]
    less, same, today, c = sums[6, :n], sums[7, :n], rows[CLOSE, at : at + n], rows[NEW_CLOSE, at : at + n]
    sums[:8, :n] = 0.0
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
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
        trend_of(j, today, c, sums, values, places, s, t, n)


@compiled
def trend_of(
    j: int, today: Floats, c: Floats, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    ma, std = (
        place(values, places, sums[SUMS], MA + j, s, t, n),
        place(values, places, sums[SUMS], MA + 5 + j, s, t, n),
    )
    beta, fit = (
        place(values, places, sums[SUMS], MA + 10 + j, s, t, n),
        place(values, places, sums[SUMS], MA + 15 + j, s, t, n),
    )
    rest, rank = (
        place(values, places, sums[SUMS], MA + 20 + j, s, t, n),
        place(values, places, sums[SUMS], RANK + j, s, t, n),
    )
    for i in range(n):
        m, x = sums[0, i], today[i]
        mean, middle = sums[3, i] / m, sums[1, i] / m
        dd = squares(m, sums[3, i], sums[4, i])
        pp, pd = sums[2, i] - sums[1, i] * middle, sums[5, i] - sums[3, i] * middle
        spread, slope = math.sqrt(dd / (m - 1.0)), pd / pp
        ma[i] = (c[i] + mean) / x
        std[i] = spread / x if m > 1.0 else math.nan
        beta[i] = slope / x
        fit[i] = pd / pp * (pd / dd) if m > 1.0 and spread > _FLAT else math.nan
        rest[i] = (slope * middle - mean) / x
        rank[i] = (sums[6, i] + 0.5 * (sums[7, i] + 1.0)) / m + (x - x)


@compiled
def squares(m: float, d1: float, d2: float) -> float:
    """The sum of squared deviations from the mean of m values, from their sums about one of them."""
    left = d2 - d1 * d1 / m
    return left if left > 0.0 else 0.0


@compiled
def extremes(
    rows: Floats, at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    """MAX, MIN, RSV, IMAX, IMIN, IMXD. A NaN is no maximum, yet takes the place of one, the oldest first."""
    top, high, since = sums[0, :n], sums[1, :n], sums[2, :n]
    bottom, low, after = sums[3, :n], sums[4, :n], sums[5, :n]
    age = rows[AGE, at : at + n]
    sums[:2, :n] = -math.inf
    sums[3:5, :n] = math.inf
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
            x = rows[HIGH, at - q * back : at - q * back + n]
            y = rows[LOW, at - q * back : at - q * back + n]
            for i in range(n):
                v = x[i]
                top[i] = v if v > top[i] else top[i]
                key = v if v == v else math.inf
                take = (key >= high[i]) & (q < age[i])
                high[i] = key if take else high[i]
                since[i] = 1.0 * q if take else since[i]
            for i in range(n):
                v = y[i]
                bottom[i] = v if v < bottom[i] else bottom[i]
                key = v if v == v else -math.inf
                take = (key <= low[i]) & (q < age[i])
                low[i] = key if take else low[i]
                after[i] = 1.0 * q if take else after[i]
        extremes_of(j, rows[CLOSE, at : at + n], age, sums, values, places, s, t, n)


@compiled
def extremes_of(
    j: int, x: Floats, age: Floats, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    spare, w = sums[SUMS], 1.0 * WINDOWS[j]
    top, bottom = (
        place(values, places, spare, EXTREMES + j, s, t, n),
        place(values, places, spare, EXTREMES + 5 + j, s, t, n),
    )
    rsv, high = (
        place(values, places, spare, PLACES + j, s, t, n),
        place(values, places, spare, PLACES + 5 + j, s, t, n),
    )
    low, apart = (
        place(values, places, spare, PLACES + 10 + j, s, t, n),
        place(values, places, spare, PLACES + 15 + j, s, t, n),
    )
    for i in range(n):
        most = sums[0, i] if sums[0, i] > -math.inf else math.nan
        least = sums[3, i] if sums[3, i] < math.inf else math.nan
        rows = age[i] if age[i] < w else w
        first, second = rows - sums[2, i] + (most - most), rows - sums[5, i] + (least - least)
        top[i] = most / x[i]
        bottom[i] = least / x[i]
        rsv[i] = (x[i] - least) / (most - least + 1e-12)
        high[i] = first / w
        low[i] = second / w
        apart[i] = (first - second) / w


@compiled
def quantiles(
    rows: Floats, at: int, back: int, work: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    """QTLU and QTLD: quantiles at 0.8 and 0.2 of the known closes, linear between places, from a sorting network."""
    m = work[LONGEST, :n]
    m[:] = 0.0
    for q in range(LONGEST):
        x, row = rows[CLOSE, at - q * back : at - q * back + n], work[q, :n]
        for i in range(n):
            row[i] = x[i] if x[i] == x[i] else math.inf
    done = 0
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
            row = rows[CLOSE, at - q * back : at - q * back + n]
            for i in range(n):
                m[i] += 1.0 if row[i] == row[i] else 0.0
        for k in range(done, _ENDS[j]):
            one, two = work[_PAIRS[k, 0], :n], work[_PAIRS[k, 1], :n]
            for i in range(n):
                v, u = one[i], two[i]
                one[i] = v if v < u else u
                two[i] = u if v < u else v
        done, today = _ENDS[j], rows[CLOSE, at : at + n]
        for f, level in ((QUANTILES + j, 0.8), (QUANTILES + 5 + j, 0.2)):
            out = place(values, places, work[LONGEST + 1], f, s, t, n)
            for i in range(n):
                out[i] = between(work, i, _ORDERS[j], m[i], level) / today[i]


@compiled
def between(work: Floats, i: int, order: Ints, m: float, level: float) -> float:
    """The quantile of the m smallest of a sorted column: the rest, +inf, stands for unknown."""
    if m < 1.0:
        return math.nan
    low = int(level * (m - 1.0))
    first = work[order[low], i]
    share = level * (m - 1.0) - low
    return first + share * (work[order[low + 1], i] - first) if share > 0.0 else first


@compiled
def correlation(
    rows: Floats, x: int, y: int, newest: int, first: int,
    at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int,
) -> None:  # fmt: skip
    """Corr over rows where both are known; NaN where either is constant over its own known values."""
    sums[:12, :n] = 0.0
    cx, cy = rows[newest, at : at + n], rows[newest + 1, at : at + n]
    a, b = sums[:6], sums[6:12]
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
            k = at - q * back
            own_sums(rows[x, k : k + n], cx, a[0, :n], a[1, :n], a[2, :n])
            own_sums(rows[y, k : k + n], cy, a[3, :n], a[4, :n], a[5, :n])
            pair_sums(rows[x, k : k + n], rows[y, k : k + n], cx, cy, b)
        out = place(values, places, sums[SUMS], first + j, s, t, n)
        for i in range(n):
            xx, yy = squares(b[0, i], b[1, i], b[2, i]), squares(b[0, i], b[3, i], b[4, i])
            xy = b[5, i] - b[1, i] * b[3, i] / b[0, i]
            flat = is_flat(a[0, i], a[1, i], a[2, i]) or is_flat(a[3, i], a[4, i], a[5, i]) or b[0, i] < 2.0
            out[i] = math.nan if flat else xy / (math.sqrt(xx) * math.sqrt(yy))


@compiled
def own_sums(x: Floats, c: Floats, m: Floats, d1: Floats, d2: Floats) -> None:
    for i in range(x.shape[0]):
        has = x[i] == x[i]
        d = x[i] - c[i] if has else 0.0
        m[i] += 1.0 if has else 0.0
        d1[i] += d
        d2[i] += d * d


@compiled
def pair_sums(x: Floats, y: Floats, cx: Floats, cy: Floats, b: Floats) -> None:
    n = x.shape[0]
    m, x1, x2, y1, y2, xy = b[0, :n], b[1, :n], b[2, :n], b[3, :n], b[4, :n], b[5, :n]
    for i in range(n):
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
    return m > 1.0 and math.sqrt(squares(m, d1, d2) / (m - 1.0)) <= _FLAT


@compiled
def moves(
    rows: Floats, x: int, first: int, counts: int,
    at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int,
) -> None:  # fmt: skip
    """SUMP, SUMN, SUMD from `first` on, of the series x of changes; CNTP, CNTN, CNTD too where `counts` >= 0."""
    m, up, down = sums[0, :n], sums[1, :n], sums[2, :n]
    ups, downs = sums[3, :n], sums[4, :n]
    sums[:5, :n] = 0.0
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
            d = rows[x, at - q * back : at - q * back + n]
            for i in range(n):
                v = d[i]
                m[i] += 1.0 if v == v else 0.0
                up[i] += v if v > 0.0 else 0.0
                down[i] -= v if v < 0.0 else 0.0
                ups[i] += 1.0 if v > 0.0 else 0.0
                downs[i] += 1.0 if v < 0.0 else 0.0
        spare = sums[SUMS]
        plus, minus = (
            place(values, places, spare, first + j, s, t, n),
            place(values, places, spare, first + 5 + j, s, t, n),
        )
        apart = place(values, places, spare, first + 10 + j, s, t, n)
        for i in range(n):
            some = 1.0 if m[i] > 0.0 else math.nan
            whole = up[i] + down[i] + 1e-12
            plus[i] = some * up[i] / whole
            minus[i] = some * down[i] / whole
            apart[i] = some * (up[i] - down[i]) / whole
        if counts >= 0:
            shares_of(j, counts, rows[AGE, at : at + n], sums, values, places, s, t, n)


@compiled
def shares_of(
    j: int, f: int, age: Floats, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int
) -> None:
    """Ups and downs over the rows of the window, a row without a change among them."""
    spare, w = sums[SUMS], 1.0 * WINDOWS[j]
    plus, minus = (
        place(values, places, spare, f + j, s, t, n),
        place(values, places, spare, f + 5 + j, s, t, n),
    )
    apart = place(values, places, spare, f + 10 + j, s, t, n)
    for i in range(n):
        rows = age[i] if age[i] < w else w
        plus[i] = sums[3, i] / rows
        minus[i] = sums[4, i] / rows
        apart[i] = sums[3, i] / rows - sums[4, i] / rows


@compiled
def spread(
    rows: Floats, x: int, newest: int,
    at: int, back: int, sums: Floats, values: Floats, places: Ints, s: int, t: int, n: int,
) -> None:  # fmt: skip
    """Of the volume VMA and VSTD, over today's; of the weighted change WVMA, its deviation over its mean."""
    c, today = rows[newest, at : at + n], rows[VOLUME, at : at + n]
    sums[:3, :n] = 0.0
    for j in range(5):
        for q in range(_EDGES[j], _EDGES[j + 1]):
            own_sums(rows[x, at - q * back : at - q * back + n], c, sums[0, :n], sums[1, :n], sums[2, :n])
        f = VMA + j if x == VOLUME else WVMA + j
        mean, std = (
            place(values, places, sums[SUMS], f, s, t, n),
            place(values, places, sums[SUMS], VMA + 5 + j, s, t, n),
        )
        for i in range(n):
            m = sums[0, i]
            middle = c[i] + sums[1, i] / m
            deviation = math.sqrt(squares(m, sums[1, i], sums[2, i]) / (m - 1.0)) if m > 1.0 else math.nan
            if x == VOLUME:
                unit = np.float64(np.float32(today[i]) + _TINY)
                mean[i] = middle / unit
                std[i] = deviation / unit
            else:
                mean[i] = deviation / (middle + 1e-12)


@compiled
def features(
    rows: Floats, at: int, back: int, sums: Floats, work: Floats, groups: Ints, values: Floats, places: Ints,
    s: int, t: int, n: int,
) -> None:  # fmt: skip
    """The features of n items, into values (F, S, T) from row t of symbol s on; NaN in place of infinities. groups: which of the nine are wanted.

    sums (SUMS + 1, n), work (LONGEST + 2, n): scratch.
    """
    if groups[0]:
        bars(rows, at, back, sums, values, places, s, t, n)
    if groups[1]:
        trend(rows, at, back, sums, values, places, s, t, n)
    if groups[2]:
        extremes(rows, at, back, sums, values, places, s, t, n)
    if groups[3]:
        quantiles(rows, at, back, work, values, places, s, t, n)
    if groups[4]:
        correlation(rows, CLOSE, LOG_VOLUME, LEVEL, CORR, at, back, sums, values, places, s, t, n)
    if groups[5]:
        correlation(rows, RATIO, LOG_RATIO, CHANGE, CORD, at, back, sums, values, places, s, t, n)
    if groups[6]:
        moves(rows, MOVE, SUMP, COUNTS, at, back, sums, values, places, s, t, n)
    if groups[7]:
        spread(rows, VOLUME, NEW_VOLUME, at, back, sums, values, places, s, t, n)
        spread(rows, WEIGHT, NEW_WEIGHT, at, back, sums, values, places, s, t, n)
    if groups[8]:
        moves(rows, VOLUME_MOVE, VSUMP, -1, at, back, sums, values, places, s, t, n)
    for f in range(values.shape[0]):
        out = values[f, s, t : t + n]
        for i in range(n):
            out[i] = out[i] if out[i] - out[i] == 0.0 else math.nan


@compiled
def take(cells: Floats, where: Ints, typical: bool, t: int, rows: Floats, k: int) -> None:
    """The fields of one symbol's row t, cells (F, T), into column k of the series."""
    for f in range(7):
        rows[f, k] = cells[where[f], t] if where[f] >= 0 else math.nan
    if typical:
        rows[VWAP, k] = (rows[HIGH, k] + rows[LOW, k] + rows[CLOSE, k]) / 3.0


@compiled
def symbol(
    cells: Floats, where: Ints, typical: bool, rows: Floats, sums: Floats, work: Floats, groups: Ints,
    values: Floats, places: Ints, s: int, begin: int, skip: int,
) -> None:  # fmt: skip
    """All features of one symbol's cells (F, T'), whose first row is row `begin` of values; those before `skip` stay."""
    length, chunk = cells.shape[1], sums.shape[1]
    start(rows)
    for t in range(0, length, chunk):
        n = min(chunk, length - t)
        for i in range(n):
            take(cells, where, typical, t + i, rows, LONGEST + i)
            derive(rows, LONGEST + i, 1)
        first = max(skip - begin - t, 0)
        if first < n:
            features(
                rows, LONGEST + first, 1, sums, work, groups, values, places, s, begin + t + first, n - first
            )
        for f in range(SERIES):
            for q in range(LONGEST):
                rows[f, q] = rows[f, q + n]


@compiled
def advance(cells: Floats, where: Ints, typical: bool, rows: Floats, at: int) -> None:
    """The next row of many symbols, cells (F, S), into the columns from `at` on."""
    for i in range(cells.shape[1]):
        take(cells, where, typical, i, rows, at + i)
        derive(rows, at + i, cells.shape[1])
