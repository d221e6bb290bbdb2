"""Cells as known at many decisions side by side, and where what is made of them goes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats, Ints
from backcast.signals.kernels.cache import compiled


@compiled
def cells_of(
    cells: Floats,
    fields: Ints,
    revised: tuple[Ints, Ints, Ints, Ints, Floats],
    symbols: Ints,
    decisions: Ints,
    begin: int,
    out: Floats,
) -> None:
    """Of cells (F, S, T) the `fields` of each job's symbol, from row `begin` on, with the versions known at its decision, into
    out (F', K, T'). revised: by symbol, then by decision, the newest last."""
    first, decision, field, time, value = revised
    rows = out.shape[2]
    for k in range(len(symbols)):
        s = symbols[k]
        for f in range(len(fields)):
            for t in range(rows):
                out[f, k, t] = cells[fields[f], s, begin + t]
        n = first[s]
        while n < first[s + 1] and decision[n] <= decisions[k]:
            if begin <= time[n] < begin + rows:
                out[field[n], k, time[n] - begin] = value[n]
            n += 1


@compiled
def put(
    block: Floats,
    start: int,
    symbols: Ints,
    begins: Ints,
    ends: Ints,
    largest: float,
    out: npt.NDArray[np.floating],
) -> None:
    """From a block (T', K) of jobs, whose first row is `start`, to rows begins <= row < ends of out (T, S)."""
    for k in range(len(symbols)):
        for t in range(max(begins[k], start), min(ends[k], start + block.shape[0])):
            v = block[t - start, k]
            out[t, symbols[k]] = v if abs(v) <= largest else math.nan
