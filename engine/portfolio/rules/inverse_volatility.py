"""Inverse volatility."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.portfolio.base import Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.rules.sided import SidedPortfolio


class InverseVolatilityPortfolio(SidedPortfolio):
    """The best names by forecast (quantile 1: all), each in proportion to 1 / the sample deviation of its last `window` returns
    as known; against the worst where long_short. See `SidedPortfolio`."""

    rule = "inverse volatility"

    def __init__(
        self,
        side: str = "long_only",
        gross: float = 1.0,
        quantile: float = 0.25,
        window: int = 60,
        steps: Steps = (),
    ) -> None:
        super().__init__(side, gross, quantile, window, steps)

    def shares(self, names: Ints, known: Known) -> Floats:
        inverse = 1.0 / known.volatility(self.window)[names]
        return np.asarray(inverse / inverse.sum())
