"""Cap per name."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import choice, number
from backcast.engine.portfolio.steps.base import CAP, Step


class CapName(Step):
    """No absolute weight above `most`.

    how: clip (what is cut off stays in cash), spread (it goes to the other names of its side, in proportion, none above the
    cap; where all are at the cap the rest stays in cash) or scale (all weights shrink by one number, which keeps neutrality).
    """

    name = "cap per name"
    kind = CAP

    def __init__(self, most: float, how: str = "clip") -> None:
        self.most = number("portfolio.cap_name.most", most, 100.0)
        self.how = choice("portfolio.cap_name.how", how, "clip", "spread", "scale")
        self.keeps_balance = how == "scale"
        self.raises = how == "spread"

    def apply(self, weights: Floats, known: Known) -> Floats:
        if self.how == "clip":
            return np.clip(weights, -self.most, self.most)
        if self.how == "scale":
            largest = float(np.abs(weights).max(initial=0.0))
            return (
                np.clip(weights * (self.most / largest), -self.most, self.most)
                if largest > self.most
                else weights
            )
        return self._spread(np.maximum(weights, 0.0)) - self._spread(np.maximum(-weights, 0.0))

    def _spread(self, side: Floats) -> Floats:
        """One side's sizes, their sum kept where the cap allows: the largest are cut, the rest multiplied by one number.

        With the names in descending order, the k largest are at the cap for the first k at which the next one is not above it.
        """
        total = float(side.sum())
        if side.max(initial=0.0) <= self.most:
            return side
        order = np.argsort(-side, kind="stable")
        sizes = side[order]
        rest = np.cumsum(sizes[::-1])[::-1]  # of the k-th and all smaller ones
        for k in range(len(sizes)):
            left = total - k * self.most
            if left <= 0 or sizes[k] == 0.0:
                break
            if sizes[k] * (left / rest[k]) <= self.most:
                out = np.full(len(side), self.most)
                out[order[k:]] = sizes[k:] * (left / rest[k])
                return np.minimum(out, self.most)
        return np.where(side > 0, self.most, 0.0)
