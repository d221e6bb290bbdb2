"""Windows with unknown rows: sum, variance, maximum and count of those rows that are known.

NaN rows, and rows before the first, are left out; fewer than `least` known ones give NaN. Each answer is made from the
whole ring, in the order of its places, so it is a function of the window's rows and of the slot's phase alone. Layout as
in `rolling`; state: ring (w), then rows of scratch.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def count_step(x: Floats, t: int, p: int, w: int, state: Floats) -> None:
    """Puts the row in its place; row w of the state: how many are known."""
    n, lanes = state[w], x.shape[1]
    state[p] = x[t]
    n[:] = 0.0
    for q in range(w):
        for b in range(lanes):
            n[b] += 1.0 if state[q, b] == state[q, b] else 0.0


@compiled
def ts_known(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        count_step(x, t, (slot + t) % w, w, state)
        out[t] = state[w]


@compiled
def ts_sum_known(x: Floats, slot: int, w: int, least: float, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        count_step(x, t, (slot + t) % w, w, state)
        out[t] = 0.0
        for q in range(w):
            for b in range(x.shape[1]):
                out[t, b] += state[q, b] if state[q, b] == state[q, b] else 0.0
        for b in range(x.shape[1]):
            v = out[t, b]
            out[t, b] = v + (v - v) if state[w, b] >= least else math.nan


@compiled
def ts_max_known(x: Floats, slot: int, w: int, least: float, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        count_step(x, t, (slot + t) % w, w, state)
        out[t] = -math.inf
        for q in range(w):
            for b in range(x.shape[1]):
                out[t, b] = state[q, b] if state[q, b] > out[t, b] else out[t, b]
        for b in range(x.shape[1]):
            out[t, b] = out[t, b] if state[w, b] >= least else math.nan


@compiled
def ts_var_known(x: Floats, slot: int, w: int, least: float, state: Floats, out: Floats) -> None:
    """About one of the known values first, then about the mean; ddof=1, so one known row gives NaN."""
    n, c, mean, rest = state[w], state[w + 1], state[w + 2], state[w + 3]
    for t in range(x.shape[0]):
        count_step(x, t, (slot + t) % w, w, state)
        mean[:] = 0.0
        rest[:] = 0.0
        out[t] = 0.0
        for q in range(w):
            for b in range(x.shape[1]):
                c[b] = state[q, b] if state[q, b] == state[q, b] else c[b]
        for q in range(w):
            for b in range(x.shape[1]):
                mean[b] += state[q, b] - c[b] if state[q, b] == state[q, b] else 0.0
        for b in range(x.shape[1]):
            mean[b] /= n[b]
        for q in range(w):
            for b in range(x.shape[1]):
                d = state[q, b] - c[b] - mean[b]
                d = d if d == d else 0.0
                rest[b] += d
                out[t, b] += d * d
        for b in range(x.shape[1]):
            v = max(out[t, b] - rest[b] * rest[b] / n[b], 0.0) / (n[b] - 1.0)
            out[t, b] = v + (v - v) if (n[b] >= least) & (n[b] >= 2.0) else math.nan
