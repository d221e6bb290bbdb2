"""Third and fourth moments over the last `window` rows: skewness and kurtosis. Layout and anchors as in `rolling`.

A window is the tail of one block and the head of the next. Of each the mean and the central sums are kept, updated a row at
a time and merged at the end (Pebay 2008, SAND2008-6212, eqs. 2.1 and 3.1): no power sum is ever centred by
subtraction. Values are taken less the first of the current block, which every window that the block ends contains.
Where the squares leave the range in which fourth powers keep their digits, the window is done again in its own unit.
"""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled

SMALLEST, LARGEST = 1e-60, 1e60  # sums of squares between these have cubes and fourth powers in float64


@compiled
def shape_restart(ring: Floats, w: int, c: Floats, suffix: Floats, fourth: bool) -> None:
    """At a block's first row: mean, and sums of squares, cubes and, if they are wanted, fourth powers about it, of each tail
    of the block before; suffix (4, w+1, B)."""
    m, m2, m3, m4 = suffix[0], suffix[1], suffix[2], suffix[3]
    suffix[:, w] = 0.0
    for q in range(w - 1, 0, -1):
        n = float(w - q)
        part, grown, third = 1.0 / n, n - 2.0, n * n - 3.0 * n + 3.0
        for b in range(len(c)):
            gap = ring[q, b] - c[b] - m[q + 1, b]
            step = gap * part
            term, old2, old3 = gap * step * (n - 1.0), m2[q + 1, b], m3[q + 1, b]
            m[q, b] = m[q + 1, b] + step
            if fourth:
                more = term * step * step * third + 6.0 * step * step * old2 - 4.0 * step * old3
                m4[q, b] = m4[q + 1, b] + more
            m3[q, b] = old3 + term * step * grown - 3.0 * step * old2
            m2[q, b] = old2 + term


@compiled
def shape_step(x: Floats, t: int, p: int, w: int, state: Floats, fourth: bool) -> None:
    """state: ring (w); of the tails of the block before: means, central sums of powers 2 to 4 (w+1 each); the same of the
    block's head (4), the shift c; the answers: the central sums of powers 2 and of 3, or if `fourth` of 4 (3)."""
    k, ring, c, lanes = w + 1, state[:w], state[5 * w + 8], x.shape[1]
    suffix, head, answer = state[w : w + 4 * k].reshape(4, k, lanes), state[5 * w + 4 :], state[5 * w + 9 :]
    if p == 0:
        c[:] = x[t]
        head[:4] = 0.0
        shape_restart(ring, w, c, suffix, fourth)
    m, m2, m3, m4 = head[0], head[1], head[2], head[3]
    s, s2, s3, s4 = suffix[0, p + 1], suffix[1, p + 1], suffix[2, p + 1], suffix[3, p + 1]
    nb, na, part = float(p + 1), float(w - 1 - p), 1.0 / w
    own, grown, third = 1.0 / nb, nb - 2.0, nb * nb - 3.0 * nb + 3.0
    both, cube, quart = na * nb * part, (na - nb) * part, (na * na - na * nb + nb * nb) * part * part
    for b in range(lanes):
        ring[p, b] = x[t, b]
        gap = x[t, b] - c[b] - m[b]
        step = gap * own
        term = gap * step * p
        m[b] += step
        if fourth:
            m4[b] += term * step * step * third + 6.0 * step * step * m2[b] - 4.0 * step * m3[b]
        m3[b] += term * step * grown - 3.0 * step * m2[b]
        m2[b] += term
        d = m[b] - s[b]
        d2, share = d * d, d * part
        answer[0, b] = m2[b] + s2[b] + d2 * both
        if fourth:
            cross = 6.0 * share * share * (na * na * m2[b] + nb * nb * s2[b])
            answer[2, b] = (
                m4[b] + s4[b] + d2 * d2 * both * quart + cross + 4.0 * share * (na * m3[b] - nb * s3[b])
            )
        else:
            answer[1, b] = m3[b] + s3[b] + d2 * d * both * cube + 3.0 * share * (na * m2[b] - nb * s2[b])
    lost = 0
    for b in range(lanes):
        lost += (answer[0, b] < SMALLEST) | (answer[0, b] > LARGEST)
    if lost > 0:
        for b in range(lanes):
            if answer[0, b] < SMALLEST or answer[0, b] > LARGEST:
                answer[0, b], answer[1, b], answer[2, b] = shape_in_own_unit(ring, w, b)


@compiled
def shape_in_own_unit(ring: Floats, w: int, b: int) -> tuple[float, float, float]:
    """Of lane b: the central sums of powers 2 to 4 in units of the largest distance from the ring's first value."""
    first, unit, total = ring[0, b], 0.0, 0.0
    for q in range(w):
        unit = max(unit, abs(ring[q, b] - first))
    if unit == 0.0:
        return 0.0, 0.0, 0.0
    for q in range(w):
        total += (ring[q, b] - first) / unit
    two, three, four = 0.0, 0.0, 0.0
    for q in range(w):
        d = (ring[q, b] - first) / unit - total / w
        two += d * d
        three += d * d * d
        four += d * d * d * d
    return two, three, four


@compiled
def ts_skew(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    answer, factor = state[5 * w + 9 :], w * math.sqrt(w - 1.0) / (w - 2.0)
    for t in range(x.shape[0]):
        shape_step(x, t, (slot + t) % w, w, state, False)
        for b in range(x.shape[1]):
            squares = answer[0, b]
            out[t, b] = factor * answer[1, b] / (squares * math.sqrt(squares)) if squares > 0.0 else math.nan


@compiled
def ts_kurt(x: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    answer, factor, less = state[5 * w + 9 :], w * (w + 1.0), 3.0 * (w - 1.0)
    factor, less = factor * (w - 1.0) / ((w - 2.0) * (w - 3.0)), less * (w - 1.0) / ((w - 2.0) * (w - 3.0))
    for t in range(x.shape[0]):
        shape_step(x, t, (slot + t) % w, w, state, True)
        for b in range(x.shape[1]):
            squares = answer[0, b]
            out[t, b] = factor * answer[2, b] / (squares * squares) - less if squares > 0.0 else math.nan
