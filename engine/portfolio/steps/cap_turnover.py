"""Cap on the turnover of a decision."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import number
from backcast.engine.portfolio.steps.base import TRADE, Step


class CapTurnover(Step):
    """Buys and sells of one decision together at most `most` of equity: above it, all trades shrink by one number.

    Against the weights held by drift; the first decision comes from cash and is capped too. A weight above an earlier cap by
    drift comes down as fast as the turnover allows.
    """

    name = "cap on turnover"
    kind = TRADE
    remembers = True

    def __init__(self, most: float) -> None:
        self.most = number("portfolio.cap_turnover.most", most, 100.0)

    def apply(self, weights: Floats, known: Known) -> Floats:
        change = weights - known.previous
        turnover = float(np.abs(change).sum())
        return known.previous + change * (self.most / turnover) if turnover > self.most else weights
