"""Cost-aware rebalancing band."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.costing import costing
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import flag, positive, whole
from backcast.engine.portfolio.steps.base import TRADE, Step


class Band(Step):
    """No trade in a name where the gain that its forecast promises does not exceed what trading costs.

    The gain of a change is the change x the forecast (x the forecast less the mean of all where `relative`: money comes from
    the other names and goes to them); the cost is that of the cost object, x `multiple` (2: the way back too). What is held
    without a forecast is traded as asked. capital: in the currency of the prices; window: for volatility and traded value.
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
        window: int = 20,
    ) -> None:
        self.cost = costing("portfolio.band.cost", cost)
        self.capital = positive("portfolio.band.capital", capital)
        self.multiple = positive("portfolio.band.multiple", multiple)
        self.relative = flag("portfolio.band.relative", relative)
        self.window = whole("portfolio.band.window", window, 2, "sessions")

    def apply(self, weights: Floats, known: Known) -> Floats:
        change = weights - known.previous
        forecast = known.scores
        named = np.isfinite(forecast)
        if self.relative and named.any():
            forecast = forecast - forecast[named].mean()
        traded = (
            known.traded(self.window)
            if "volume" in known.history.panel.fields
            else np.full(len(change), np.nan)
        )
        cost = self.cost.cost_of(change, known.volatility(self.window), traded, self.capital)
        worth = ~named | (change * forecast > self.multiple * cost)
        return np.asarray(np.where(worth, weights, known.previous))
