"""Second moments over the last `window` rows: variance, std, zscore, slope. Layout and anchors as in `rolling`.

Sums are taken of x - c, where c is the first value of the current block: a value inside every window that the block
ends, near the window's own level, so the squares cancel little. Where they do (a spike at c) the window is done again
in two passes. Errors stay near 1e-15 of the standard deviation even at a level of 1e7 times it. A window of equal
values has a std of exactly 0 and a zscore of NaN; one whose values differ by less than 1e-154 counts as such, since
their squares are 0.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled

KEPT = 0.01  # of the shifted sum of squares must be left after centring, or the window is done in two passes


@compiled
def shift_rows(ring: Floats, w: int, c: Floats, s1: Floats, s2: Floats) -> None:
    """At a block's first row: the suffix sums of x - c and (x - c)**2 over the block before; row w is 0."""
    lanes = len(c)
    for b in range(lanes):
        s1[w, b] = 0.0
        s2[w, b] = 0.0
    for q in range(w - 1, 0, -1):
        for b in range(lanes):
            d = ring[q, b] - c[b]
            s1[q, b] = s1[q + 1, b] + d
            s2[q, b] = s2[q + 1, b] + d * d


@compiled
def two_pass(ring: Floats, w: int, b: int, latest: float) -> tuple[float, float]:
    """Of lane b: the sum of squared deviations, and the deviation of the latest value from the mean."""
    first, total, squares, rest = ring[0, b], 0.0, 0.0, 0.0
    for q in range(w):
        total += ring[q, b] - first
    mean = total / w
    for q in range(w):
        d = ring[q, b] - first - mean
        squares += d * d
        rest += d
    kept = squares - rest * rest / w
    return kept if not kept < 0.0 else 0.0, latest - first - mean - rest / w


@compiled
def moments_step(x: Floats, t: int, p: int, w: int, state: Floats) -> None:
    """state: ring (w), suffix sums of d and d*d (w+1 each), then a row each: prefix sums of d and d*d, the shift c, and
    the answers: the sum of squared deviations, and the deviation of the latest row from the mean."""
    ring, s1, s2, rest = state[:w], state[w : 2 * w + 1], state[2 * w + 1 : 3 * w + 2], state[3 * w + 2 :]
    p1, p2, c, m2, dev, lanes = rest[0], rest[1], rest[2], rest[3], rest[4], x.shape[1]
    if p == 0:
        for b in range(lanes):
            c[b] = x[t, b]
            p1[b] = 0.0
            p2[b] = 0.0
        shift_rows(ring, w, c, s1, s2)
    part, lost = 1.0 / w, 0
    for b in range(lanes):
        ring[p, b] = x[t, b]
        d = x[t, b] - c[b]
        p1[b] += d
        p2[b] += d * d
        total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
        mean = total * part
        m2[b] = squares - total * mean
        dev[b] = d - mean
        lost += m2[b] < KEPT * squares
    if lost > 0:
        for b in range(lanes):
            if m2[b] < KEPT * (p2[b] + s2[p + 1, b]):
                m2[b], dev[b] = two_pass(ring, w, b, x[t, b])


@compiled
def ts_var(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    m2, part = state[3 * w + 5], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = m2[b] * part + (m2[b] - m2[b])


@compiled
def ts_demean(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    dev = state[3 * w + 6]
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = dev[b] + (dev[b] - dev[b])


@compiled
def ts_std(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    m2, part = state[3 * w + 5], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = math.sqrt(m2[b] * part) + (m2[b] - m2[b])


@compiled
def ts_zscore(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    m2, dev, part = state[3 * w + 5], state[3 * w + 6], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            std = math.sqrt(m2[b] * part)
            out[t, b] = dev[b] / std + (std - std) if std > 0.0 else math.nan


@compiled
def slope_two_pass(ring: Floats, w: int, p: int, b: int) -> float:
    """Of lane b: the sum of (place - mean place) * x, oldest row first; exactly 0 for equal values."""
    first, total = ring[(p + 1) % w, b], 0.0
    for k in range(w):
        total += (k - 0.5 * (w - 1)) * (ring[(p + 1 + k) % w, b] - first)
    return total


@compiled
def slope_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: ring (w), suffix sums of d, d*d and q*d (w+1 each), their prefixes and the shift c (a row each)."""
    ring, s1, s2 = state[:w], state[w : 2 * w + 1], state[2 * w + 1 : 3 * w + 2]
    sk, rest, lanes = state[3 * w + 2 : 4 * w + 3], state[4 * w + 3 :], x.shape[1]
    p1, p2, pk, c = rest[0], rest[1], rest[2], rest[3]
    if p == 0:
        for b in range(lanes):
            c[b] = x[t, b]
            p1[b] = 0.0
            p2[b] = 0.0
            pk[b] = 0.0
            sk[w, b] = 0.0
        shift_rows(ring, w, c, s1, s2)
        for q in range(w - 1, 0, -1):
            for b in range(lanes):
                sk[q, b] = sk[q + 1, b] + q * (ring[q, b] - c[b])
    part, per_row, half, lost = 1.0 / w, 12.0 / (w * (w * w - 1.0)), 0.5 * (w - 1), 0
    for b in range(lanes):
        ring[p, b] = x[t, b]
        d = x[t, b] - c[b]
        p1[b] += d
        p2[b] += d * d
        pk[b] += p * d
        total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
        product = pk[b] + (w - 1 - p) * p1[b] + sk[p + 1, b] - (p + 1) * s1[p + 1, b] - half * total
        slope = product * per_row
        out[t, b] = slope + (slope - slope)
        lost += squares - total * total * part < KEPT * squares
    if lost > 0:
        for b in range(lanes):
            total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
            if squares - total * total * part < KEPT * squares:
                slope = slope_two_pass(ring, w, p, b) * per_row
                out[t, b] = slope + (slope - slope)


@compiled
def ts_slope(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        slope_step(x, t, (slot + t) % w, w, state, out)
