"""Cap on gross exposure."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import number
from backcast.engine.portfolio.steps.base import CAP, Step


class CapGross(Step):
    """No sum of absolute weights above `most`: above it, all weights shrink by one number."""

    name = "cap on gross"
    kind = CAP
    keeps_balance = True

    def __init__(self, most: float) -> None:
        self.most = number("portfolio.cap_gross.most", most, 100.0)

    def most_gross(self, before: float) -> float:
        return min(before, self.most)

    def apply(self, weights: Floats, known: Known) -> Floats:
        gross = float(np.abs(weights).sum())
        return weights * (self.most / gross) if gross > self.most else weights
