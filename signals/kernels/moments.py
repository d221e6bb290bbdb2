"""Second moments over the last `window` rows: std, zscore, slope, correlation. Layout and anchors as in `rolling`.

Sums are taken of x - c, where c is the first value of the current block: a value inside every window that the block
ends, near the window's own level, so the squares cancel little. Where they do (a spike at c) the window is done again
in two passes. Errors stay near 1e-15 of the standard deviation even at a level of 1e7 times it. A window of equal
values has a std of exactly 0, and a zscore and a correlation of NaN.
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
def ts_std(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    m2, part = state[3 * w + 5], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = math.sqrt(m2[b] * part)


@compiled
def ts_zscore(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    m2, dev, part = state[3 * w + 5], state[3 * w + 6], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            std = math.sqrt(m2[b] * part)
            out[t, b] = dev[b] / std if std > 0.0 else math.nan


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
        out[t, b] = product * per_row
        lost += squares - total * total * part < KEPT * squares
    if lost > 0:
        for b in range(lanes):
            total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
            if squares - total * total * part < KEPT * squares:
                out[t, b] = slope_two_pass(ring, w, p, b) * per_row


@compiled
def ts_slope(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        slope_step(x, t, (slot + t) % w, w, state, out)


@compiled
def corr_two_pass(u: Floats, v: Floats, w: int, b: int) -> float:
    """Of lane b: the correlation from sums about the means; NaN where a side is constant."""
    u0, v0, su, sv = u[0, b], v[0, b], 0.0, 0.0
    for q in range(w):
        su += u[q, b] - u0
        sv += v[q, b] - v0
    uu, vv, uv, ru, rv = 0.0, 0.0, 0.0, 0.0, 0.0
    for q in range(w):
        du, dv = u[q, b] - u0 - su / w, v[q, b] - v0 - sv / w
        ru += du
        rv += dv
        uu += du * du
        vv += dv * dv
        uv += du * dv
    uu, vv, uv = uu - ru * ru / w, vv - rv * rv / w, uv - ru * rv / w
    return uv / (math.sqrt(uu) * math.sqrt(vv)) if uu > 0.0 and vv > 0.0 else math.nan


@compiled
def corr_restart(x: Floats, y: Floats, t: int, w: int, state: Floats) -> None:
    """At a block's first row: new shifts, prefixes of 0, and the suffix sums over the block before."""
    k, u, v, rest = w + 1, state[:w], state[w : 2 * w], state[2 * w :]
    cx, cy, mixed, lanes = rest[5 * k + 5], rest[5 * k + 6], rest[4 * k : 5 * k], x.shape[1]
    rest[5 * k : 5 * k + 5] = 0.0
    cx[:] = x[t]
    cy[:] = y[t]
    shift_rows(u, w, cx, rest[:k], rest[k : 2 * k])
    shift_rows(v, w, cy, rest[2 * k : 3 * k], rest[3 * k : 4 * k])
    mixed[w] = 0.0
    for q in range(w - 1, 0, -1):
        for b in range(lanes):
            mixed[q, b] = mixed[q + 1, b] + (u[q, b] - cx[b]) * (v[q, b] - cy[b])


@compiled
def corr_step(x: Floats, y: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: rings of x and y (w each); suffix sums of dx, dx*dx, dy, dy*dy, dx*dy (w+1 each), their prefixes (5) and
    the two shifts; a row that marks the lanes to be done again."""
    if p == 0:
        corr_restart(x, y, t, w, state)
    k, u, v, rest = w + 1, state[:w], state[w : 2 * w], state[2 * w :]
    px, pxx, py, pyy, pxy = rest[5 * k], rest[5 * k + 1], rest[5 * k + 2], rest[5 * k + 3], rest[5 * k + 4]
    cx, cy, again = rest[5 * k + 5], rest[5 * k + 6], rest[5 * k + 7]
    sx, sxx, sy, syy, sxy = (
        rest[p + 1],
        rest[k + p + 1],
        rest[2 * k + p + 1],
        rest[3 * k + p + 1],
        rest[4 * k + p + 1],
    )
    part, lost, lanes = 1.0 / w, 0, x.shape[1]
    for b in range(lanes):
        u[p, b], v[p, b] = x[t, b], y[t, b]
        dx, dy = x[t, b] - cx[b], y[t, b] - cy[b]
        px[b] += dx
        pxx[b] += dx * dx
        py[b] += dy
        pyy[b] += dy * dy
        pxy[b] += dx * dy
        tx, ty, xx, yy = px[b] + sx[b], py[b] + sy[b], pxx[b] + sxx[b], pyy[b] + syy[b]
        cxx, cyy, cxy = xx - tx * tx * part, yy - ty * ty * part, pxy[b] + sxy[b] - tx * ty * part
        r = cxy / (math.sqrt(cxx) * math.sqrt(cyy))
        r = 1.0 if r > 1.0 else r
        out[t, b] = -1.0 if r < -1.0 else r
        bad = (cxx < KEPT * xx) | (cyy < KEPT * yy)
        again[b] = 1.0 if bad else 0.0
        lost += bad
    if lost > 0:
        for b in range(lanes):
            if again[b] > 0.0:
                r = corr_two_pass(u, v, w, b)
                out[t, b] = 1.0 if r > 1.0 else -1.0 if r < -1.0 else r


@compiled
def ts_corr(x: Floats, y: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        corr_step(x, y, t, (slot + t) % w, w, state, out)
