"""Sums, means, extremes and lags over the last `window` rows, for many symbols at once.

Arrays are (T, B): time down, the symbols of a block side by side, so that every step is a loop over lanes that the
compiler turns into vector instructions. Each operator is a `step` on a `state` (rows, B) that starts as all NaN
("nothing known yet"); batch runs the step along time and live runs it once, so the two agree to the last bit.

The sums: time is cut into blocks of `window` rows where slot % window == 0. A window is the tail of one block and the
head of the next, so its sum is a suffix sum plus a prefix sum (van Herk 1992): constant time, no subtraction, and
nothing outside the window touches it. A result is a function of the window's rows and of the slot's phase alone,
hence the same from whichever row the computation started. A NaN in the window, or a window that is not full, gives NaN.
"""

from __future__ import annotations

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def sum_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """state: ring (w), suffix sums of the last block (w), prefix sum (1)."""
    ring, suffix, prefix, lanes = state[:w], state[w : 2 * w], state[2 * w], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w - 1, b] = ring[w - 1, b]
            prefix[b] = 0.0
        for q in range(w - 2, 0, -1):
            for b in range(lanes):
                suffix[q, b] = suffix[q + 1, b] + ring[q, b]
    for b in range(lanes):
        ring[p, b] = x[t, b]
        prefix[b] += x[t, b]
    if p == w - 1:
        for b in range(lanes):
            out[t, b] = prefix[b]
    else:
        for b in range(lanes):
            out[t, b] = prefix[b] + suffix[p + 1, b]


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
def extreme_step(x: Floats, t: int, p: int, w: int, sign: float, state: Floats, out: Floats) -> None:
    """The largest of sign * x, times sign. state: ring (w), suffix maxima (w), prefix maximum (1)."""
    ring, suffix, prefix, lanes = state[:w], state[w : 2 * w], state[2 * w], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w - 1, b] = ring[w - 1, b]
            prefix[b] = sign * x[t, b]
        for q in range(w - 2, 0, -1):
            for b in range(lanes):
                v, m = ring[q, b], suffix[q + 1, b]
                suffix[q, b] = v if v > m or v != v else m
    for b in range(lanes):
        v, m = sign * x[t, b], prefix[b]
        ring[p, b] = v
        prefix[b] = v if v > m or v != v else m
    if p == w - 1:
        for b in range(lanes):
            out[t, b] = sign * prefix[b]
    else:
        for b in range(lanes):
            v, m = prefix[b], suffix[p + 1, b]
            out[t, b] = sign * (v if v > m or v != v else m)


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
    """Rows since the maximum. state: ring (w), suffix maxima (w), their places (w), prefix maximum, its place."""
    ring, suffix, place = state[:w], state[w : 2 * w], state[2 * w : 3 * w]
    best, at, lanes = state[3 * w], state[3 * w + 1], x.shape[1]
    if p == 0:
        for b in range(lanes):
            suffix[w - 1, b], place[w - 1, b] = ring[w - 1, b], w - 1.0
            best[b], at[b] = x[t, b], 0.0
        for q in range(w - 2, 0, -1):
            for b in range(lanes):
                newer = not (ring[q, b] > suffix[q + 1, b] or ring[q, b] != ring[q, b])
                suffix[q, b] = suffix[q + 1, b] if newer else ring[q, b]
                place[q, b] = place[q + 1, b] if newer else q
    for b in range(lanes):
        v = x[t, b]
        ring[p, b] = v
        take = v >= best[b] or v != v
        best[b] = v if take else best[b]
        at[b] = p if take else at[b]
    for b in range(lanes):
        age = p - at[b] + (best[b] - best[b])  # NaN stays NaN
        if p < w - 1:
            old = suffix[p + 1, b]
            age = age if best[b] >= old else p + w - place[p + 1, b] + (old - old) + (best[b] - best[b])
        out[t, b] = age


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
