"""Operators across symbols: one row is one decision, and only members whose value is known take part.

x and out are (T, S); member (T, S). A non-member, and a member whose value is NaN, gets NaN and influences nobody.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.signals.kernels.cache import compiled


@compiled
def cs_rank(x: Floats, member: Bools, out: Floats) -> None:
    """The place among the members, ties at their mean place, divided by their number: in (0, 1]."""
    for t in range(x.shape[0]):
        out[t] = np.nan
        known = np.nonzero(member[t] & ~np.isnan(x[t]))[0]
        n, values = len(known), x[t][known]
        order = np.argsort(values, kind="mergesort")
        first = 0
        while first < n:
            last = first
            while last + 1 < n and values[order[last + 1]] == values[order[first]]:
                last += 1
            for k in range(first, last + 1):
                out[t, known[order[k]]] = (0.5 * (first + last) + 1.0) / n
            first = last + 1


@compiled
def _mean(x: Floats, member: Bools, t: int) -> tuple[float, int]:
    """Mean and number of the members' values at t; summed in symbol order, then corrected by the residuals' mean."""
    total, n = 0.0, 0
    for s in range(x.shape[1]):
        if member[t, s] and x[t, s] == x[t, s]:
            total += x[t, s]
            n += 1
    if n == 0:
        return math.nan, 0
    mean, rest = total / n, 0.0
    for s in range(x.shape[1]):
        if member[t, s] and x[t, s] == x[t, s]:
            rest += x[t, s] - mean
    return mean + rest / n, n


@compiled
def cs_demean(x: Floats, member: Bools, out: Floats) -> None:
    """The value less the members' mean."""
    for t in range(x.shape[0]):
        mean, _ = _mean(x, member, t)
        for s in range(x.shape[1]):
            out[t, s] = x[t, s] - mean if member[t, s] else math.nan


@compiled
def cs_zscore(x: Floats, member: Bools, out: Floats) -> None:
    """The value less the members' mean, by their standard deviation (ddof=1); NaN where all are equal."""
    for t in range(x.shape[0]):
        mean, n = _mean(x, member, t)
        squares, low, high = 0.0, math.inf, -math.inf
        for s in range(x.shape[1]):
            if member[t, s] and x[t, s] == x[t, s]:
                squares += (x[t, s] - mean) ** 2
                low, high = min(low, x[t, s]), max(high, x[t, s])
        std = math.sqrt(squares / (n - 1)) if n > 1 and high > low else math.nan
        for s in range(x.shape[1]):
            out[t, s] = (x[t, s] - mean) / std if member[t, s] else math.nan


@compiled
def cs_scale(x: Floats, member: Bools, out: Floats) -> None:
    """The value by the sum of the members' absolute values, which is 1 afterwards; NaN where all are 0."""
    for t in range(x.shape[0]):
        size = 0.0
        for s in range(x.shape[1]):
            size += abs(x[t, s]) if member[t, s] and x[t, s] == x[t, s] else 0.0
        for s in range(x.shape[1]):
            out[t, s] = x[t, s] / size if member[t, s] else math.nan


@compiled
def cs_winsorise(x: Floats, member: Bools, tail: float, out: Floats) -> None:
    """The value kept between the members' quantiles at tail and 1 - tail, linear between places (type 7)."""
    for t in range(x.shape[0]):
        values = np.sort(x[t][member[t] & ~np.isnan(x[t])])
        n = len(values)
        place = (n - 1) * tail
        k = int(place)
        share, high = place - k, min(k + 1, n - 1)
        for s in range(x.shape[1]):
            v = x[t, s]
            if member[t, s] and v == v:
                low = values[k] + share * (values[high] - values[k])
                top = values[n - 1 - k] - share * (values[n - 1 - k] - values[n - 1 - high])
                out[t, s] = min(max(v, low), top)
            else:
                out[t, s] = math.nan


@compiled
def cs_bucket(x: Floats, member: Bools, buckets: float, out: Floats) -> None:
    """0 to buckets - 1: the whole part of buckets * (place - 1/2) / members, places from 1, ties at their mean place."""
    for t in range(x.shape[0]):
        out[t] = np.nan
        known = np.nonzero(member[t] & ~np.isnan(x[t]))[0]
        n, values = len(known), x[t][known]
        order = np.argsort(values, kind="mergesort")
        first = 0
        while first < n:
            last = first
            while last + 1 < n and values[order[last + 1]] == values[order[first]]:
                last += 1
            bucket = (int(buckets) * (first + last + 1)) // (2 * n)
            for k in range(first, last + 1):
                out[t, known[order[k]]] = bucket
            first = last + 1
