"""Volatility target, ex ante."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import number, whole
from backcast.engine.portfolio.steps.base import SCALE, Step


class VolatilityTarget(Step):
    """Multiplies all weights so that their ex ante volatility is the target, at most to a gross of `max_gross`.

    volatility_target: a year. Ex ante: by the sample covariance of the last `volatility_window` close-to-close returns as known
    (names without a whole window are taken to have the mean variance of the others and no correlation). Nothing is held
    where nothing is known about the volatility of what is held.
    """

    name = "volatility target"
    kind = SCALE
    keeps_balance = True
    raises = True

    def __init__(self, volatility_target: float, volatility_window: int = 60, max_gross: float = 2.0) -> None:
        self.target = number("portfolio.volatility_target", volatility_target, 10.0)
        self.window = whole("portfolio.volatility_window", volatility_window, 2, "sessions")
        self.max_gross = number("portfolio.max_gross", max_gross, 100.0)

    def most_gross(self, before: float) -> float:
        return self.max_gross

    def apply(self, weights: Floats, known: Known) -> Floats:
        return weights * self._scale(weights, known)

    def _scale(self, weights: Floats, known: Known) -> float:
        held = np.flatnonzero(weights)
        if not len(held):
            return 1.0
        returns = known.returns(self.window)[held]
        whole_window = np.isfinite(returns).all(axis=1)
        if returns.shape[1] < self.window or not whole_window.any():
            return 0.0
        own = weights[held]
        centred = returns[whole_window] - returns[whole_window].mean(axis=1, keepdims=True)
        periods = returns.shape[1] - 1
        common = (own[whole_window][:, None] * centred).sum(axis=0)
        mean_variance = float((centred**2).sum() / (periods * whole_window.sum()))
        variance = float((common**2).sum() / periods) + mean_variance * float((own[~whole_window] ** 2).sum())
        if variance <= 0:
            return 0.0
        wanted = self.target / np.sqrt(variance * known.periods_per_year)
        return float(min(wanted, self.max_gross / np.abs(weights).sum()))
