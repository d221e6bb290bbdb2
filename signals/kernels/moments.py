"""Second moments over the last `window` rows: std, zscore, slope, correlation. Layout and anchors as in `rolling`.

Sums are taken of x - c, where c is the last value of the previous block: a value near the window's own level, so the
squares cancel little. Where they do (a spike at c) and on a block's last row (where c lies outside the window), the
window is done again in two passes. Errors stay near 1e-15 of the standard deviation even at a level of 1e7 times it.
A window of equal values has a std of exactly 0, and a zscore and a correlation of NaN.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled

KEPT = 0.01  # of the shifted sum of squares must be left after centring, or the window is done in two passes


@compiled
def shift_rows(ring: Floats, w: int, c: Floats, s1: Floats, s2: Floats) -> None:
    """At a block's first row: c is the last value of the block before, s1 and s2 its suffix sums of x-c, (x-c)**2."""
    for b in range(c.shape[0]):
        c[b] = ring[w - 1, b]
        s1[w - 1, b] = c[b] - c[b]  # 0, or NaN where c is not known
        s2[w - 1, b] = c[b] - c[b]
    for q in range(w - 2, 0, -1):
        for b in range(c.shape[0]):
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
    """state: ring (w), suffix sums of d (w) and d*d (w), then a row each: prefix sums of d and d*d, the shift c, and
    the answers: the sum of squared deviations, and the deviation of the latest row from the mean."""
    ring, s1, s2, lanes = state[:w], state[w : 2 * w], state[2 * w : 3 * w], x.shape[1]
    p1, p2, c, m2, dev = state[3 * w], state[3 * w + 1], state[3 * w + 2], state[3 * w + 3], state[3 * w + 4]
    if p == 0:
        shift_rows(ring, w, c, s1, s2)
        for b in range(lanes):
            p1[b] = 0.0
            p2[b] = 0.0
    for b in range(lanes):
        d = x[t, b] - c[b]
        ring[p, b] = x[t, b]
        p1[b] += d
        p2[b] += d * d
    if p == w - 1:
        for b in range(lanes):
            m2[b], dev[b] = two_pass(ring, w, b, x[t, b])
        return
    lost = 0
    for b in range(lanes):
        total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
        m2[b] = squares - total * total / w
        dev[b] = x[t, b] - c[b] - total / w
        lost += m2[b] < KEPT * squares
    if lost > 0:
        for b in range(lanes):
            if m2[b] < KEPT * (p2[b] + s2[p + 1, b]):
                m2[b], dev[b] = two_pass(ring, w, b, x[t, b])


@compiled
def ts_std(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = math.sqrt(state[3 * w + 3, b] / (w - 1))


@compiled
def ts_zscore(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        moments_step(x, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            std = math.sqrt(state[3 * w + 3, b] / (w - 1))
            out[t, b] = state[3 * w + 4, b] / std if std > 0.0 else math.nan


@compiled
def slope_two_pass(ring: Floats, w: int, p: int, b: int) -> float:
    """Of lane b: the sum of (place - mean place) * x, oldest row first; exactly 0 for equal values."""
    first, total = ring[(p + 1) % w, b], 0.0
    for k in range(w):
        total += (k - 0.5 * (w - 1)) * (ring[(p + 1 + k) % w, b] - first)
    return total


@compiled
def slope_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: as `moments_step`, without its answers, then suffix sums of q*d (w) and their prefix (1)."""
    ring, s1, s2, lanes = state[:w], state[w : 2 * w], state[2 * w : 3 * w], x.shape[1]
    p1, p2, c, pk, sk = state[3 * w], state[3 * w + 1], state[3 * w + 2], state[3 * w + 3], state[3 * w + 4 :]
    if p == 0:
        shift_rows(ring, w, c, s1, s2)
        for b in range(lanes):
            p1[b] = 0.0
            p2[b] = 0.0
            pk[b] = 0.0
            sk[w - 1, b] = s1[w - 1, b]
        for q in range(w - 2, 0, -1):
            for b in range(lanes):
                sk[q, b] = sk[q + 1, b] + q * (ring[q, b] - c[b])
    for b in range(lanes):
        d = x[t, b] - c[b]
        ring[p, b] = x[t, b]
        p1[b] += d
        p2[b] += d * d
        pk[b] += p * d
    spread = w * (w * w - 1.0) / 12.0
    if p == w - 1:
        for b in range(lanes):
            out[t, b] = slope_two_pass(ring, w, p, b) / spread
        return
    half, lost = 0.5 * (w - 1), 0
    for b in range(lanes):
        total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
        product = pk[b] + (w - 1 - p) * p1[b] + sk[p + 1, b] - (p + 1) * s1[p + 1, b] - half * total
        out[t, b] = product / spread
        lost += squares - total * total / w < KEPT * squares
    if lost > 0:
        for b in range(lanes):
            total, squares = p1[b] + s1[p + 1, b], p2[b] + s2[p + 1, b]
            if squares - total * total / w < KEPT * squares:
                out[t, b] = slope_two_pass(ring, w, p, b) / spread


@compiled
def ts_slope(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        slope_step(x, t, (slot + t) % w, w, state, out)


@compiled
def corr_two_pass(u: Floats, v: Floats, w: int, b: int) -> tuple[float, float, float]:
    """Of lane b: the centred sums uu, vv and uv."""
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
    return uu - ru * ru / w, vv - rv * rv / w, uv - ru * rv / w


@compiled
def corr_step(x: Floats, y: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: rings of x and y (2w), suffix sums of dx, dx*dx, dy, dy*dy, dx*dy (5w), their prefixes (5), shifts (2)."""
    u, v, lanes = state[:w], state[w : 2 * w], x.shape[1]
    s1, s2, r1 = state[2 * w : 3 * w], state[3 * w : 4 * w], state[4 * w : 5 * w]
    r2, sr = state[5 * w : 6 * w], state[6 * w : 7 * w]
    prefix, cx, cy = state[7 * w : 7 * w + 5], state[7 * w + 5], state[7 * w + 6]
    if p == 0:
        shift_rows(u, w, cx, s1, s2)
        shift_rows(v, w, cy, r1, r2)
        prefix[:] = 0.0
        for b in range(lanes):
            sr[w - 1, b] = s1[w - 1, b] + r1[w - 1, b]
        for q in range(w - 2, 0, -1):
            for b in range(lanes):
                sr[q, b] = sr[q + 1, b] + (u[q, b] - cx[b]) * (v[q, b] - cy[b])
    for b in range(lanes):
        dx, dy = x[t, b] - cx[b], y[t, b] - cy[b]
        u[p, b], v[p, b] = x[t, b], y[t, b]
        prefix[0, b] += dx
        prefix[1, b] += dx * dx
        prefix[2, b] += dy
        prefix[3, b] += dy * dy
        prefix[4, b] += dx * dy
    whole, lost, z = p == w - 1, 0, min(p + 1, w - 1)
    for b in range(lanes):
        xs, x2, ys, y2 = (
            prefix[0, b] + s1[z, b],
            prefix[1, b] + s2[z, b],
            prefix[2, b] + r1[z, b],
            prefix[3, b] + r2[z, b],
        )
        uu, vv, uv = x2 - xs * xs / w, y2 - ys * ys / w, prefix[4, b] + sr[z, b] - xs * ys / w
        lost += uu < KEPT * x2 or vv < KEPT * y2
        out[t, b] = uv / (math.sqrt(uu) * math.sqrt(vv))
    if whole or lost > 0:
        for b in range(lanes):
            xs, x2, ys, y2 = (
                prefix[0, b] + s1[z, b],
                prefix[1, b] + s2[z, b],
                prefix[2, b] + r1[z, b],
                prefix[3, b] + r2[z, b],
            )
            if whole or x2 - xs * xs / w < KEPT * x2 or y2 - ys * ys / w < KEPT * y2:
                uu, vv, uv = corr_two_pass(u, v, w, b)
                out[t, b] = uv / (math.sqrt(uu) * math.sqrt(vv)) if uu > 0.0 and vv > 0.0 else math.nan
    for b in range(lanes):
        r = out[t, b]
        r = 1.0 if r > 1.0 else r
        out[t, b] = -1.0 if r < -1.0 else r


@compiled
def ts_corr(x: Floats, y: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        corr_step(x, y, t, (slot + t) % w, w, state, out)
