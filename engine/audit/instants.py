"""Which decisions are replayed."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Ints
from backcast.signals.types import Forecast


def sample(forecast: Forecast, instants: int, seed: int) -> Ints:
    """Rows of the forecast to replay: first, last, fold borders, then random ones; at most `instants`, ascending."""
    rows = len(forecast.decisions)
    borders = np.flatnonzero(np.diff(forecast.fold, prepend=forecast.fold[0] - 1))
    must = np.unique(np.r_[0, rows - 1, borders])
    generator = np.random.default_rng(seed)
    if len(must) > instants:
        inner = generator.choice(must[1:-1], size=instants - 2, replace=False)
        return np.sort(np.r_[0, rows - 1, inner])
    rest = np.setdiff1d(np.arange(rows), must)
    more = generator.choice(rest, size=min(instants - len(must), len(rest)), replace=False)
    return np.sort(np.r_[must, more])
