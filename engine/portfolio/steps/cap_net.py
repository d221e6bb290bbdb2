"""Cap on net exposure."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps.base import CAP, Step


class CapNet(Step):
    """No sum of weights above `most` or below -`most` (0: as much short as long): the larger side shrinks by one number."""

    name = "cap on net"
    kind = CAP
    balances = True

    def __init__(self, most: float) -> None:
        if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most <= 100:
            raise InputError("portfolio.cap_net.most", most, "a number from 0 to 100")
        self.most = float(most)

    def apply(self, weights: Floats, known: Known) -> Floats:
        long = float(np.maximum(weights, 0.0).sum())
        short = float(np.maximum(-weights, 0.0).sum())
        if abs(long - short) <= self.most:
            return weights
        if long > short:
            return np.asarray(np.where(weights > 0, weights * ((short + self.most) / long), weights))
        return np.asarray(np.where(weights < 0, weights * ((long + self.most) / short), weights))
