"""Cap per group."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.groups import Groups
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import number
from backcast.engine.portfolio.steps.base import CAP, Step


class CapGroup(Step):
    """No group's sum of absolute weights above `most`: a group above it shrinks by one number, the rest stays in cash.

    groups: a field of the panel or a mapping of symbols to groups. Names whose group is not known count as one group.
    """

    name = "cap per group"
    kind = CAP

    def __init__(self, most: float, groups: object) -> None:
        self.most = number("portfolio.cap_group.most", most, 100.0)
        self.groups = Groups("portfolio.cap_group.groups", groups)

    def apply(self, weights: Floats, known: Known) -> Floats:
        _, group = np.unique(self.groups.codes(known), return_inverse=True)  # NaN is one group
        gross = np.bincount(group, weights=np.abs(weights))
        factor = np.minimum(1.0, self.most / np.where(gross > 0, gross, self.most))
        return np.asarray(weights * factor[group])
