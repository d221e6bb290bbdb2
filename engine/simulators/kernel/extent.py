"""The extent of an array in one reading of it: checks should cost less than what they guard."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled


@compiled
def extent(array: Floats) -> tuple[float, float]:
    """The least and the largest number of (T, S), NaN left out; inf and -inf where there is none."""
    low, high = np.inf, -np.inf
    for t in range(array.shape[0]):
        for s in range(array.shape[1]):
            value = array[t, s]
            low = value if value < low else low
            high = value if value > high else high
    return low, high
