"""Who is in the universe, as known at each decision."""

from __future__ import annotations

import numpy as np
from numba import njit

from backcast.data.types import Bools, Floats, Ints


def state_as_known(
    series: Ints, period: Ints, decision: Ints, value: Floats, shape: tuple[int, int]
) -> Floats:
    """The state of dated facts at each decision (N series, T): the newest period known wins.

    Rows must be sorted by series, then decision (the first that may use the row), then known_at. A restatement of an old period
    never replaces a newer one; a restatement of the newest does. NaN before the first.
    """
    out = np.empty(shape)
    _merge(series, period, decision, value, out)
    return out


@njit(cache=True, nogil=True)
def _merge(series: Ints, period: Ints, decision: Ints, value: Floats, out: Floats) -> None:
    rows, sessions = len(series), out.shape[1]
    row = 0
    for current in range(len(out)):  # each cell is written once
        best, state, t = np.int64(-(2**62)), np.nan, 0
        while row < rows and series[row] == current:
            until = min(decision[row], sessions)
            while t < until:
                out[current, t] = state
                t += 1
            if period[row] >= best:
                best, state = period[row], value[row]
            row += 1
        while t < sessions:
            out[current, t] = state
            t += 1


def members(state: Floats | None, closes: Floats) -> Bools:
    """(S, T) who is a member: by the membership table's state, and where there is none wherever a bar is known."""
    return np.isfinite(closes) if state is None else np.asarray(state == 1.0)
