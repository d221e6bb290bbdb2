"""Weights of all decisions by rank, compiled: a grid sizes thousands of portfolios by one forecast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats, Ints
from backcast.signals.kernels.cache import compiled


@compiled
def weights_by_rank(
    place: npt.NDArray[np.int32], count: Ints, held: Ints, each: Floats, short: bool
) -> Floats:
    """(D, S) `each` on the first `held` places of a decision (D,) and, where short, -`each` on the last of `count` places; 0
    elsewhere. place (D, S): `count` or more where there is none."""
    decisions, symbols = place.shape
    weights = np.empty((decisions, symbols))
    for d in range(decisions):
        best, size = held[d], each[d]
        last = count[d] - best if short else symbols + 1
        for s in range(symbols):
            at = place[d, s]
            weights[d, s] = size if at < best else (-size if last <= at < count[d] else 0.0)
    return weights
