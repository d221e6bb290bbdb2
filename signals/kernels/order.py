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
def quantile_step(x: Floats, t: int, slot: int, w: int, level: float, state: Floats, out: Floats) -> None:
    """Linear between the two nearest places (Hyndman and Fan's type 7). One value leaves a sorted column, one enters.

    state, all +inf at first, which stands for unknown: ring (w), two sorted windows with a row of -inf before and of +inf
    after (w+2 each; odd slots read the one and write the other), the values that leave and that enter (a row each).
    """
    k, ring, lanes = w + 2, state[:w], x.shape[1]
    first = w + k * (slot % 2)
    last = 2 * w + k - first
    now, then = state[first : first + k], state[last : last + k]
    old, new, p = state[w + 2 * k], state[w + 2 * k + 1], slot % w
    for b in range(lanes):
        old[b] = ring[p, b]
        new[b] = x[t, b] if x[t, b] == x[t, b] else math.inf
        ring[p, b] = new[b]
        then[0, b] = -math.inf
    for q in range(w):
        for b in range(lanes):
            before, here, after, gone, entry = then[q, b], then[q + 1, b], then[q + 2, b], old[b], new[b]
            left = before if before < gone else here
            rest = here if here < gone else after
            entry = rest if rest < entry else entry
            now[q + 1, b] = entry if entry > left else left
    place = (w - 1) * level
    low = min(int(place), w - 1)
    high, share = min(low + 1, w - 1), place - low
    for b in range(lanes):
        value = now[low + 1, b] + share * (now[high + 1, b] - now[low + 1, b])
        out[t, b] = value if now[w, b] < math.inf else math.nan


@compiled
def ts_quantile(x: Floats, slot: int, w: int, level: float, state: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        quantile_step(x, t, slot + t, w, level, state, out)
