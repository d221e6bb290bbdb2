"""How much of what differs goes with a grouping: one-way analysis of variance, as a description and no test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Ints


@dataclass(frozen=True)
class Explained:
    """share: eta squared, the sum of squares between groups over the total; adjusted: epsilon squared (Kelley 1935), less what
    so many groups explain of nothing, may be below 0. groups: how many there are."""

    share: float
    adjusted: float
    groups: int


def explained(values: Floats, group: Ints) -> Explained | None:
    """values (N,), group (N,) a number each. None for one group, one value a group, or values that do not vary.

    adjusted = 1 - (1 - share) (N - 1) / (N - groups), the adjusted R squared of a mean for each group.
    """
    _, place, sizes = np.unique(group, return_inverse=True, return_counts=True)
    count, groups = len(values), len(sizes)
    if groups < 2 or groups >= count or np.ptp(values) == 0:
        return None
    centred = values - values.mean()
    means = np.bincount(place, centred) / sizes
    share = float((sizes * means**2).sum() / (centred**2).sum())
    return Explained(share, 1 - (1 - share) * (count - 1) / (count - groups), groups)
