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
    stops: Ints,
    begin: int,
    reach: int,
    out: Floats,
) -> None:
    """Of cells (F, S, T) the `fields` of each job's symbol, with the versions known at its decision, into out
    (F', T', K), whose first row is `begin`: the rows that its windows cover, which look `reach` rows back. NaN in
    place of infinities. revised: by symbol, then by decision, the newest last."""
    first, decision, field, time, value = revised
    rows = out.shape[1]
    for f in range(len(fields)):
        for tile in range(0, rows, 32):
            for k in range(len(symbols)):
                low, high = max(tile, decisions[k] - reach - begin), min(tile + 32, stops[k] - begin)
                for t in range(low, high):
                    v = cells[fields[f], symbols[k], begin + t]
                    out[f, t, k] = v if v - v == 0.0 else math.nan
    for k in range(len(symbols)):
        n = first[symbols[k]]
        while n < first[symbols[k] + 1] and decision[n] <= decisions[k]:
            if begin <= time[n] < begin + rows:
                v = value[n]
                out[field[n], time[n] - begin, k] = v if v - v == 0.0 else math.nan
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
