"""Second moments of two series over the last `window` rows: correlation and covariance. Sums as in `moments`."""

from __future__ import annotations

import math

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled
from backcast.signals.kernels.moments import KEPT, shift_rows


@compiled
def pair_two_pass(u: Floats, v: Floats, w: int, b: int) -> tuple[float, float, float]:
    """Of lane b: the sums of squared deviations and of their products, about the means."""
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
def pair_restart(x: Floats, y: Floats, t: int, w: int, state: Floats) -> None:
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
def pair_step(x: Floats, y: Floats, t: int, p: int, w: int, state: Floats) -> None:
    """state: rings of x and y (w each); suffix sums of dx, dx*dx, dy, dy*dy, dx*dy (w+1 each), their prefixes (5) and
    the two shifts; a row that marks the lanes to be done again; the answers: centred sums of x*x, y*y and x*y."""
    if p == 0:
        pair_restart(x, y, t, w, state)
    k, u, v, rest = w + 1, state[:w], state[w : 2 * w], state[2 * w :]
    px, pxx, py, pyy, pxy = rest[5 * k], rest[5 * k + 1], rest[5 * k + 2], rest[5 * k + 3], rest[5 * k + 4]
    cx, cy, again = rest[5 * k + 5], rest[5 * k + 6], rest[5 * k + 7]
    cxx, cyy, cxy = rest[5 * k + 8], rest[5 * k + 9], rest[5 * k + 10]
    sx, sxx, sy = rest[p + 1], rest[k + p + 1], rest[2 * k + p + 1]
    syy, sxy = rest[3 * k + p + 1], rest[4 * k + p + 1]
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
        cxx[b], cyy[b], cxy[b] = xx - tx * tx * part, yy - ty * ty * part, pxy[b] + sxy[b] - tx * ty * part
        bad = (cxx[b] < KEPT * xx) | (cyy[b] < KEPT * yy)
        again[b] = 1.0 if bad else 0.0
        lost += bad
    if lost > 0:
        for b in range(lanes):
            if again[b] > 0.0:
                cxx[b], cyy[b], cxy[b] = pair_two_pass(u, v, w, b)


@compiled
def ts_corr(x: Floats, y: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    cxx, cyy, cxy = state[7 * w + 13], state[7 * w + 14], state[7 * w + 15]
    for t in range(x.shape[0]):
        pair_step(x, y, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            size = math.sqrt(cxx[b]) * math.sqrt(cyy[b])
            r = cxy[b] / size + (size - size)
            r = 1.0 if r > 1.0 else r
            r = -1.0 if r < -1.0 else r
            out[t, b] = r if (cxx[b] > 0.0) & (cyy[b] > 0.0) else math.nan


@compiled
def ts_cov(x: Floats, y: Floats, slot: int, w: int, state: Floats, out: Floats) -> None:
    cxy, part = state[7 * w + 15], 1.0 / (w - 1)
    for t in range(x.shape[0]):
        pair_step(x, y, t, (slot + t) % w, w, state)
        for b in range(x.shape[1]):
            out[t, b] = cxy[b] * part + (cxy[b] - cxy[b])
