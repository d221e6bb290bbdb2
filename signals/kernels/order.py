"""Order statistics over the last `window` rows: rank and quantile. Layout, NaN and warm-up as in `rolling`."""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def rank_step(x: Floats, t: int, p: int, w: int, state: Floats, out: Floats) -> None:
    """The latest value's place in its window, ties at their mean place, in (0, 1]. state: ring (w)."""
    lanes = x.shape[1]
    for b in range(lanes):
        state[p, b] = x[t, b]
        out[t, b] = 1.0
    for q in range(w):
        for b in range(lanes):
            v, u = state[q, b], x[t, b]
            out[t, b] += (1.0 if v < u else 0.0) + (1.0 if v <= u else 0.0) + (v - v)
    for b in range(lanes):
        out[t, b] /= 2.0 * w


@compiled
def ts_rank(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        rank_step(x, t, (slot + t) % w, w, state, out)


@compiled
def quantile_step(x: Floats, t: int, p: int, w: int, level: float, state: Floats, out: Floats) -> None:
    """Linear between the two nearest places (Hyndman and Fan's type 7). One value leaves a sorted column, one enters.

    state: ring (w), sorted window (w) with unknown values as +inf at its end, a row that carries a value along.
    """
    ring, ordered, carry, lanes = state[:w], state[w : 2 * w], state[2 * w], x.shape[1]
    for b in range(lanes):
        carry[b] = -math.inf
    for q in range(w):
        for b in range(lanes):
            old = ring[p, b] if ring[p, b] == ring[p, b] else math.inf
            new = x[t, b] if x[t, b] == x[t, b] else math.inf
            here = ordered[q, b] if ordered[q, b] == ordered[q, b] else math.inf
            after = math.inf
            if q < w - 1:
                after = ordered[q + 1, b] if ordered[q + 1, b] == ordered[q + 1, b] else math.inf
            rest = here if here < old else after
            entry = rest if rest < new else new
            ordered[q, b] = entry if entry > carry[b] else carry[b]
            carry[b] = rest
    place = (w - 1) * level
    low = min(int(place), w - 1)
    high = min(low + 1, w - 1)
    for b in range(lanes):
        ring[p, b] = x[t, b]
        value = ordered[low, b] + (place - low) * (ordered[high, b] - ordered[low, b])
        out[t, b] = value if ordered[w - 1, b] < math.inf else math.nan


@compiled
def ts_quantile(x: Floats, slot: int, w: int, level: float, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        quantile_step(x, t, (slot + t) % w, w, level, state, out)
