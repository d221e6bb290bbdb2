"""Cost-aware rebalancing band."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.costing import Costing
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import flag, positive
from backcast.engine.portfolio.steps.base import TRADE, Step


class Band(Step):
    """No trade in a name where the gain that its forecast promises does not exceed what trading costs.

    The gain of a change is the change x the forecast (x the forecast less the mean of all where `relative`: money comes from
    the other names and goes to them); the cost is that of the cost object, x `multiple` (2: the way back too). What is held
    without a forecast is traded as asked; where the cost is not known, nothing trades. capital: in the currency of the
    prices; windows, columns: those of the run's execution, for costs that depend on them.
    """

    name = "cost band"
    kind = TRADE
    remembers = True
    leaves_alone = True

    def __init__(
        self,
        cost: object,
        capital: float,
        multiple: float = 1.0,
        relative: bool = True,
        windows: object = None,
        columns: object = None,
    ) -> None:
        self.cost = Costing("portfolio.band", cost, capital, windows, columns)
        self.multiple = positive("portfolio.band.multiple", multiple)
        self.relative = flag("portfolio.band.relative", relative)

    def apply(self, weights: Floats, known: Known) -> Floats:
        change = weights - known.previous
        forecast = known.scores
        named = np.isfinite(forecast)
        if self.relative and named.any():
            forecast = forecast - forecast[named].mean()
        worth = change * forecast > self.multiple * self.cost.estimate(change, known)  # NaN is not
        return np.asarray(np.where(worth | ~named, weights, known.previous))
