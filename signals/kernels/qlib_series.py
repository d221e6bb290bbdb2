"""What qlib's Alpha158 is made of, row by row: fields as qlib stores them, changes, and what is known of the listing.

`rows` (SERIES, columns) holds the series of a symbol, or of many. Item i of a row is column `at + i`, the row before it lies
`back` columns to the left: 1 for the rows of one symbol, the number of symbols for one row of them all, so that batch and
live are one piece of code. Column by column `derive` is the step, and the columns before are its state.

float32 where qlib computes in float32: between fields, before a window. Infinities become NaN, as in pandas' windows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.signals.kernels.cache import compiled

LONGEST, GAP = 60, 61  # rows; a symbol without a bar for GAP rows is listed anew when it comes back
OPEN, HIGH, LOW, CLOSE, VWAP, VOLUME, FACTOR = range(7)
LOG_VOLUME, RATIO, LOG_RATIO, MOVE, VOLUME_MOVE, WEIGHT = range(7, 13)
AGE, IDLE = 13, 14  # rows since the listing (at most LONGEST, 0 = not listed), rows since the last bar
NEW_CLOSE, NEW_VOLUME, NEW_WEIGHT = 15, 16, 17  # the newest known value
LEVEL, CHANGE = (
    18,
    20,
)  # the newest pair of close and log volume, and of their ratios, of which both are known
SERIES = 22

WINDOWS = (5, 10, 20, 30, 60)
STEP = 5  # rows taken at a time: sums stay in registers meanwhile; every window is a whole number of them
EDGES = (0, *WINDOWS)
SUMS = 13  # rows of scratch for running sums, the last for what is not asked for
BARS, ROC, MA, EXTREMES, QUANTILES, RANK, PLACES = 0, 13, 18, 43, 53, 63, 68
CORR, CORD, COUNTS, SUMP, VMA, WVMA, VSUMP = (
    88,
    93,
    98,
    113,
    128,
    138,
    143,
)  # each group's first feature of the 158

Source = tuple[Floats, int, int]
"""The series, the column of the first item, and how many columns to the left the row before lies."""
Target = tuple[Floats, Ints, Floats, int, int, int]
"""values (F, S, T), where in F each of the 158 goes (-1: nowhere), a spare row, and s, t, n: values[f, s, t : t + n]."""
Five = tuple[Floats, Floats, Floats, Floats, Floats]
Real = float | np.floating[Any]
ONE, TINY = np.float32(1.0), np.float32(1e-12)


@compiled
def start(rows: Floats) -> None:
    """Nothing is known yet."""
    rows[:] = math.nan
    rows[AGE] = 0.0
    rows[IDLE] = 0.0


@compiled
def advance(
    cells: Floats,
    where: Ints,
    typical: bool,
    logs: bool,
    t: int,
    n: int,
    rows: Floats,
    at: int,
    back: int,
) -> None:
    """Of cells (F, N) the items from t on, n of them, one after another into the columns from `at` on.

    where (7,): in which of F each field lies, -1: nowhere. typical: (high + low + close) / 3 for the average price. logs:
    whether logarithms are wanted, else NaN.
    """
    for i in range(n):
        k = at + i
        for f in range(7):
            rows[f, k] = cells[where[f], t + i] if where[f] >= 0 else math.nan
        if typical:
            rows[VWAP, k] = (rows[HIGH, k] + rows[LOW, k] + rows[CLOSE, k]) / 3.0
        derive(rows, k, back, logs)


@compiled
def derive(rows: Floats, k: int, back: int, logs: bool) -> None:
    """The step: column k of every series, from its fields and the row before."""
    b, bar = k - back, False
    for f in range(7):
        rows[f, k] = known(np.float32(rows[f, k]))
        bar |= rows[f, k] == rows[f, k]
    rows[IDLE, k] = 0.0 if bar else min(rows[IDLE, b] + 1.0, 1.0 * GAP)
    listed = (bar or rows[AGE, b] > 0.0) and rows[IDLE, k] < GAP
    rows[AGE, k] = min(rows[AGE, b] + 1.0, 1.0 * LONGEST) if listed else 0.0
    close, volume = np.float32(rows[CLOSE, k]), np.float32(rows[VOLUME, k])
    before, traded = np.float32(rows[CLOSE, b]), np.float32(rows[VOLUME, b])
    ratio = close / before
    rows[LOG_VOLUME, k] = log32(volume + ONE) if logs else math.nan
    rows[RATIO, k] = known(ratio)
    rows[LOG_RATIO, k] = log32(volume / traded + ONE) if logs else math.nan
    rows[MOVE, k] = known(close - before)
    rows[VOLUME_MOVE, k] = known(volume - traded)
    rows[WEIGHT, k] = known(abs(ratio - ONE) * volume)
    for series, newest in ((CLOSE, NEW_CLOSE), (VOLUME, NEW_VOLUME), (WEIGHT, NEW_WEIGHT)):
        x = rows[series, k]
        rows[newest, k] = x if x == x else rows[newest, b]
    newest_pair(rows, k, b, CLOSE, LOG_VOLUME, LEVEL)
    newest_pair(rows, k, b, RATIO, LOG_RATIO, CHANGE)


@compiled
def known(x: Real) -> Real:
    return x if x - x == 0.0 else math.nan


@compiled
def log32(x: Real) -> Real:
    """The logarithm rounded to float32; NaN where it is not finite."""
    return known(np.float32(math.log(np.float64(x)))) if x > 0.0 else math.nan


@compiled
def newest_pair(rows: Floats, k: int, b: int, one: int, two: int, newest: int) -> None:
    x, y = rows[one, k], rows[two, k]
    both = x == x and y == y
    rows[newest, k] = x if both else rows[newest, b]
    rows[newest + 1, k] = y if both else rows[newest + 1, b]


@compiled
def place(target: Target, f: int) -> Floats:
    """Where feature f goes."""
    values, places, spare, s, t, n = target
    return values[places[f], s, t : t + n] if places[f] >= 0 else spare[:n]


@compiled
def five(rows: Floats, f: int, k: int, back: int, n: int) -> Five:
    """Series f of the n columns from k on, and of the four rows before."""
    a, b, c, d = k - back, k - 2 * back, k - 3 * back, k - 4 * back
    return rows[f, k : k + n], rows[f, a : a + n], rows[f, b : b + n], rows[f, c : c + n], rows[f, d : d + n]
