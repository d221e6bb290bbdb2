"""qlib's Alpha158 by qlib's conventions: partial windows, NaN skipped, positions from the oldest row, float32 between windows.

A row's features are made of its last 60 rows of series (`qlib_series`), newest first, so that one pass ends at 5, 10, 20, 30
and 60 rows in turn. Nothing is carried from window to window: a feature is a function of the rows that it covers, hence the
same in batch and live, from whichever row the data start.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats, Ints
from backcast.signals.kernels import qlib_series as of
from backcast.signals.kernels.cache import compiled
from backcast.signals.kernels.qlib_moments import correlation, moves, spread, trend
from backcast.signals.kernels.qlib_order import extremes, quantiles
from backcast.signals.kernels.qlib_series import (
    TINY,
    Real,
    Source,
    Target,
    place,
)

_TWO = np.float32(2.0)


@compiled
def bars(source: Source, target: Target) -> None:
    """Shapes of the bar, prices and past closes over the close: float32 at every step."""
    (rows, at, back), n = source, target[5]
    for f in range(of.ROC):
        if target[1][f] >= 0:
            out = place(target, f)
            for i in range(n):
                o, h, low = (
                    np.float32(rows[of.OPEN, at + i]),
                    np.float32(rows[of.HIGH, at + i]),
                    np.float32(rows[of.LOW, at + i]),
                )
                out[i] = bar(
                    f, o, h, low, np.float32(rows[of.CLOSE, at + i]), np.float32(rows[of.VWAP, at + i])
                )
    for j in range(5):
        out, past = place(target, of.ROC + j), at - of.WINDOWS[j] * back
        for i in range(n):
            out[i] = np.float32(rows[of.CLOSE, past + i]) / np.float32(rows[of.CLOSE, at + i])


@compiled
def bar(f: int, o: Real, h: Real, low: Real, c: Real, vwap: Real) -> Real:
    """Feature f of one bar."""
    if f >= 9:
        return (o if f == 9 else h if f == 10 else low if f == 11 else vwap) / c
    unit = o if f in (0, 1, 3, 5, 7) else h - low + TINY
    if f in (0, 2):
        return (c - o) / unit
    if f == 1:
        return (h - low) / unit
    if f in (3, 4):
        return (h - (o if o > c else c) + (o - o)) / unit
    if f in (5, 6):
        return ((o if o < c else c) - low + (o - o)) / unit
    return (_TWO * c - h - low) / unit


@compiled
def features(source: Source, sums: Floats, work: Floats, groups: Ints, target: Target) -> None:
    """The features of n items, NaN in place of infinities. groups (10,): how many windows of each are wanted.

    sums (n), work (LONGEST + 1, n): scratch.
    """
    if groups[0]:
        bars(source, target)
    if groups[1]:
        trend(source, groups[1], sums, target)
    if groups[2]:
        extremes(source, groups[2], sums, target)
    if groups[3]:
        quantiles(source, groups[3], work, target)
    if groups[4]:
        correlation(source, groups[4], of.CLOSE, of.LOG_VOLUME, of.LEVEL, of.CORR, sums, target)
    if groups[5]:
        correlation(source, groups[5], of.RATIO, of.LOG_RATIO, of.CHANGE, of.CORD, sums, target)
    if groups[6]:
        moves(source, groups[6], of.MOVE, of.SUMP, of.COUNTS, sums, target)
    if groups[7]:
        moves(source, groups[7], of.VOLUME_MOVE, of.VSUMP, -1, sums, target)
    if groups[8]:
        spread(source, groups[8], of.VOLUME, of.NEW_VOLUME, sums, target)
    if groups[9]:
        spread(source, groups[9], of.WEIGHT, of.NEW_WEIGHT, sums, target)


@compiled
def put(
    answers: Floats, n: int, largest: float, values: npt.NDArray[np.floating[Any]], s: int, t: int
) -> None:
    """The first n of answers (F, 1, N) to values[f, s, t : t + n], NaN in place of what is too large for them."""
    for f in range(len(answers)):
        row, out = answers[f, 0, :n], values[f, s, t : t + n]
        for i in range(n):
            out[i] = row[i] if abs(row[i]) <= largest else math.nan
