"""Sums, means, extremes and lags over the last `window` rows, for many symbols at once.

Arrays are (T, B): time down, the symbols of a block side by side, so that every step is a loop over lanes that the
compiler turns into vector instructions. Each operator is a `step` on a `state` (rows, B) that starts as all NaN
("nothing known yet"); batch runs the step along time and live runs it once, so the two agree to the last bit.

The sums: time is cut into blocks of `window` rows where slot % window == 0. A window is the tail of one block and the
head of the next, so its sum is a suffix sum plus a prefix sum (van Herk 1992): constant time, no subtraction, and
nothing outside the window touches it. A result is a function of the window's rows and of the slot's phase alone,
hence the same from whichever row the computation started. A NaN in the window, or a window that is not full, gives NaN;
so does a result beyond float64: v + (v - v) is v where v is finite, NaN where it is not.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def sum_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: ring (w), suffix sums of the block before (w+1, the last 0), prefix sum (1)."""
    ring, suffix, prefix, lanes = state[:w], state[w : 2 * w + 1], state[2 * w + 1], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w, b] = 0.0
            prefix[b] = 0.0
        for q in range(w - 1, 0, -1):
            for b in range(lanes):
                suffix[q, b] = suffix[q + 1, b] + ring[q, b]
    for b in range(lanes):
        ring[p, b] = x[t, b]
        prefix[b] += x[t, b]
        total = prefix[b] + suffix[p + 1, b]
        out[t, b] = total + (total - total)


@compiled
def ts_sum(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        sum_step(x, t, (slot + t) % w, w, state, out)


@compiled
def ts_mean(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        sum_step(x, t, (slot + t) % w, w, state, out)
        for b in range(x.shape[1]):
            out[t, b] /= w


@compiled
def product_two_part(ring: Floats, w: int, b: int) -> float:
    """Of lane b: the product, its exponent apart, so that nothing overflows or vanishes on the way."""
    part, power = 1.0, 0
    for q in range(w):
        part, moved = math.frexp(part * ring[q, b])
        power += moved
    return math.ldexp(part, min(max(power, -5000), 5000))


@compiled
def product_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: ring (w), suffix products of the block before (w+1, the last 1), prefix product (1)."""
    ring, suffix, prefix, lanes, lost = state[:w], state[w : 2 * w + 1], state[2 * w + 1], x.shape[1], 0
    if p == 0:
        for b in range(lanes):
            suffix[w, b] = 1.0
            prefix[b] = 1.0
        for q in range(w - 1, 0, -1):
            for b in range(lanes):
                suffix[q, b] = suffix[q + 1, b] * ring[q, b]
    for b in range(lanes):
        ring[p, b] = x[t, b]
        prefix[b] *= x[t, b]
        out[t, b] = prefix[b] * suffix[p + 1, b]
        lost += unsafe(prefix[b]) | unsafe(suffix[p + 1, b]) | unsafe(out[t, b])
    if lost > 0:
        for b in range(lanes):
            if unsafe(prefix[b]) or unsafe(suffix[p + 1, b]) or unsafe(out[t, b]):
                product = product_two_part(ring, w, b)
                out[t, b] = product + (product - product)


@compiled
def unsafe(v: float) -> bool:
    """Outside the range in which a product keeps all its digits."""
    return (abs(v) < 1e-290) | (abs(v) > 1e290)


@compiled
def ts_product(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        product_step(x, t, (slot + t) % w, w, state, out)


@compiled
def extreme_step(x: Floats, t: int, p: int, w: int, sign: float, state: Floats, out: Floats) -> None:
    """The largest of sign * x, times sign. state: ring (w), suffix maxima (w+1, the last -inf), prefix maximum (1)."""
    ring, suffix, prefix, lanes = state[:w], state[w : 2 * w + 1], state[2 * w + 1], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w, b] = -math.inf
            prefix[b] = -math.inf
        for q in range(w - 1, 0, -1):
            for b in range(lanes):
                v, m = ring[q, b], suffix[q + 1, b]
                suffix[q, b] = v if v > m or v != v else m
    for b in range(lanes):
        v, m, old = sign * x[t, b], prefix[b], suffix[p + 1, b]
        ring[p, b] = v
        v = v if v > m or v != v else m
        prefix[b] = v
        out[t, b] = sign * (v if v > old or v != v else old)


@compiled
def ts_max(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        extreme_step(x, t, (slot + t) % w, w, 1.0, state, out)


@compiled
def ts_min(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        extreme_step(x, t, (slot + t) % w, w, -1.0, state, out)


@compiled
def argmax_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """Rows since the maximum, the latest of equals. state: ring (w), suffix maxima (w+1), their places (w+1), prefix
    maximum and its place (a row each). A NaN takes the maximum, and the answer is NaN where it has."""
    ring, suffix, place = state[:w], state[w : 2 * w + 1], state[2 * w + 1 : 3 * w + 2]
    best, at, lanes = state[3 * w + 2], state[3 * w + 3], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w, b], place[w, b] = -math.inf, 0.0
            best[b], at[b] = -math.inf, 0.0
        for q in range(w - 1, 0, -1):
            for b in range(lanes):
                v, m = ring[q, b], suffix[q + 1, b]
                take, newer = (v > m) | (v != v), place[q + 1, b]
                suffix[q, b] = v if take else m
                place[q, b] = float(q) if take else newer
    for b in range(lanes):
        v, m, old, since, before = x[t, b], best[b], suffix[p + 1, b], at[b], place[p + 1, b] - w
        ring[p, b] = v
        take = (v >= m) | (v != v)
        v = v if take else m
        since = float(p) if take else since
        best[b], at[b] = v, since
        out[t, b] = p - (since if v >= old else before) + (v - v) + (old - old if old != -math.inf else 0.0)


@compiled
def ts_argmax(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        argmax_step(x, t, (slot + t) % w, w, state, out)


@compiled
def ref(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    """The value of `w` rows ago. state: ring (w)."""
    for t in range(x.shape[0]):
        p = (slot + t) % w
        for b in range(x.shape[1]):
            out[t, b] = state[p, b]
            state[p, b] = x[t, b]
