"""Exponentially weighted mean and standard deviation over a fixed horizon of `window` rows. Layout as in `rolling`.

A recursion without end depends on where it began, so it cannot be the same from a shorter history. Here the weight of a row
is decay ** age inside the horizon and 0 beyond. As in `rolling`, a window is the tail of one block of rows and the head of
the next: the head is the plain recursion, begun anew at each block, and the tail's share is faded by decay ** (p + 1).
Unknown rows weigh nothing and keep their place (pandas' `adjust=True, ignore_na=False`); an answer needs `least` known ones.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def ewm_mean_restart(ring: Floats, w: int, decay: float, suffix: Floats) -> None:
    """The tails of the block before: weighted sums, weights and known rows; suffix (3, w+1, B)."""
    suffix[:, w] = 0.0
    weight = 1.0
    for q in range(w - 1, 0, -1):
        for b in range(ring.shape[1]):
            v = ring[q, b]
            known = v == v
            suffix[0, q, b] = suffix[0, q + 1, b] + (v * weight if known else 0.0)
            suffix[1, q, b] = suffix[1, q + 1, b] + (weight if known else 0.0)
            suffix[2, q, b] = suffix[2, q + 1, b] + (1.0 if known else 0.0)
        weight *= decay


@compiled
def ewm_mean(x: Floats, slot: int, w: int, decay: float, least: float, state: Floats, out: Floats) -> None:
    """state: ring (w), the three tails (w+1 each), the three of the head; a row that is NaN before the first."""
    k, ring, lanes = w + 1, state[:w], x.shape[1]
    suffix, head = state[w : w + 3 * k].reshape(3, k, lanes), state[w + 3 * k :]
    total, weights, n = head[0], head[1], head[2]
    for t in range(x.shape[0]):
        p = (slot + t) % w
        if p == 0 or head[3, 0] != head[3, 0]:
            head[:] = 0.0
            ewm_mean_restart(ring, w, decay, suffix)
        s, sw, sn, fade = suffix[0, p + 1], suffix[1, p + 1], suffix[2, p + 1], decay ** (p + 1.0)
        for b in range(lanes):
            v = x[t, b]
            ring[p, b] = v
            known = v == v
            total[b] = total[b] * decay + (v if known else 0.0)
            weights[b] = weights[b] * decay + (1.0 if known else 0.0)
            n[b] += 1.0 if known else 0.0
            mean = (total[b] + fade * s[b]) / (weights[b] + fade * sw[b])
            out[t, b] = mean + (mean - mean) if n[b] + sn[b] >= least else math.nan


@compiled
def ewm_std_restart(ring: Floats, w: int, decay: float, suffix: Floats, c: Floats) -> None:
    """The tails of the block before, values less c, its newest known one: mean, squares about it, weights, their squares,
    known rows; suffix (5, w+1, B)."""
    suffix[:, w] = 0.0
    c[:] = math.nan
    for q in range(w - 1, 0, -1):
        for b in range(ring.shape[1]):
            c[b] = c[b] if c[b] == c[b] else ring[q, b]
    weight = 1.0
    for q in range(w - 1, 0, -1):
        for b in range(ring.shape[1]):
            gap = ring[q, b] - c[b] - suffix[0, q + 1, b]
            known = gap == gap
            own, gap = weight if known else 0.0, gap if known else 0.0
            suffix[2, q, b] = suffix[2, q + 1, b] + own
            step = gap * own / suffix[2, q, b] if known else 0.0
            suffix[0, q, b] = suffix[0, q + 1, b] + step
            suffix[1, q, b] = suffix[1, q + 1, b] + own * gap * (gap - step)
            suffix[3, q, b] = suffix[3, q + 1, b] + own * own
            suffix[4, q, b] = suffix[4, q + 1, b] + (1.0 if known else 0.0)
        weight *= decay


@compiled
def ewm_std_head(x: Floats, t: int, decay: float, head: Floats) -> None:
    """One row more in the head: mean, squares, weights, their squares, known rows, and c, its first known value."""
    for b in range(x.shape[1]):
        v = x[t, b]
        known = v == v
        head[5, b] = head[5, b] if head[5, b] == head[5, b] else v
        gap = v - head[5, b] - head[0, b] if known else 0.0
        one = 1.0 if known else 0.0
        head[2, b] = head[2, b] * decay + one
        step = gap / head[2, b] if known else 0.0
        head[0, b] += step
        head[1, b] = head[1, b] * decay + gap * (gap - step)
        head[3, b] = head[3, b] * decay * decay + one
        head[4, b] += one


@compiled
def ewm_std(x: Floats, slot: int, w: int, decay: float, least: float, state: Floats, out: Floats) -> None:
    """Weighted updates (West 1979), merged: nothing is centred by subtraction. Unbiased for independent rows: times
    W*W / (W*W - sum of squared weights). state: ring (w), the five tails (w+1 each), their c; the head (6); a row that is
    NaN before the first."""
    k, ring, lanes = w + 1, state[:w], x.shape[1]
    suffix, c, head = state[w : w + 5 * k].reshape(5, k, lanes), state[w + 5 * k], state[w + 5 * k + 1 :]
    for t in range(x.shape[0]):
        p = (slot + t) % w
        if p == 0 or head[6, 0] != head[6, 0]:
            head[:] = 0.0
            head[5] = math.nan
            ewm_std_restart(ring, w, decay, suffix, c)
        ring[p] = x[t]
        ewm_std_head(x, t, decay, head)
        fade = decay ** (p + 1.0)
        for b in range(lanes):
            old, new = fade * suffix[2, p + 1, b], head[2, b]
            weights, gap = old + new, head[5, b] - c[b] + (head[0, b] - suffix[0, p + 1, b])
            squares = head[1, b] + fade * suffix[1, p + 1, b]
            squares += gap * gap * (old * new / weights) if (old > 0.0) & (new > 0.0) else 0.0
            less = weights * weights - (head[3, b] + fade * fade * suffix[3, p + 1, b])
            n = head[4, b] + suffix[4, p + 1, b]
            v = math.sqrt(squares * weights / less)
            out[t, b] = v + (v - v) if (n >= least) & (n >= 2.0) else math.nan
