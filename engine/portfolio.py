"""From forecasts to target weights: a pure function of what is known at each decision."""

from __future__ import annotations

import numpy as np

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.types import Targets
from backcast.signals.types import Forecast


class RankPortfolio:
    """Equal weights on the best names by forecast mean, and in a long-short portfolio against the worst.

    side: long_short (half of gross on each side) or long_only. gross: sum of absolute weights. quantile: share of the names
    with a forecast on each side, at least one name. volatility_target: annual; scales the weights ex ante by the sample
    covariance of the last `volatility_window` close-to-close returns as known at the decision (names without a whole
    window are taken to have the mean variance of the others and no correlation), at most to `max_gross`. null: no scaling.
    """

    def __init__(
        self,
        side: str = "long_short",
        gross: float = 1.0,
        quantile: float = 0.25,
        volatility_target: float | None = None,
        volatility_window: int = 60,
        max_gross: float = 2.0,
    ) -> None:
        if side not in ("long_short", "long_only"):
            raise InputError("portfolio.side", side, "long_short or long_only")
        self.side = side
        self.gross = _number("gross", gross, 100.0)
        self.quantile = _number("quantile", quantile, 0.5 if side == "long_short" else 1.0)
        self.volatility_target = (
            None if volatility_target is None else _number("volatility_target", volatility_target, 10.0)
        )
        if (
            isinstance(volatility_window, bool)
            or not isinstance(volatility_window, int)
            or volatility_window < 2
        ):
            raise InputError(
                "portfolio.volatility_window", volatility_window, "a number of sessions, at least 2"
            )
        self.volatility_window = volatility_window
        self.max_gross = _number("max_gross", max_gross, 100.0)

    @property
    def borrows(self) -> bool:
        """Whether it may ask for more than all of the equity on the long side alone."""
        scaled = self.gross if self.volatility_target is None else self.max_gross
        return self.side == "long_only" and scaled > 1.0

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        """(D, S) weights. A symbol without a forecast gets 0; where fewer than two symbols have one, everything does."""
        weights = np.stack([self.weights(scores) for scores in forecast.mean])
        if self.volatility_target is not None:
            for row, decision in enumerate(forecast.decisions.tolist()):
                weights[row] *= self._scale(weights[row], self._returns(panel, decision), panel)
        return Targets(forecast.decisions, forecast.symbols, weights)

    def weights(self, scores: Floats) -> Floats:
        """(S,) weights of one decision before the volatility target; equal scores rank in the order of their symbols."""
        weights = np.zeros(len(scores))
        named = np.flatnonzero(np.isfinite(scores))
        if len(named) < 2:
            return weights
        order = named[np.argsort(-scores[named], kind="stable")]
        count = max(1, int(self.quantile * len(named)))
        if self.side == "long_only":
            weights[order[:count]] = self.gross / count
        else:
            weights[order[:count]] = self.gross / (2 * count)
            weights[order[-count:]] = -self.gross / (2 * count)
        return weights

    def _returns(self, panel: Panel, decision: int) -> Floats:
        """(S, W) the last returns as known at a decision."""
        known = panel.revisions.decision <= decision
        start = max(0, decision - self.volatility_window)
        closes = panel.field("close")[:, start : decision + 1].copy()
        if known.any():  # corrections by then; the panel's own values are first versions
            closes = asof.as_known(panel, panel.clock.decides_at[decision])[
                panel.fields.index("close"), :, start : decision + 1
            ]
        return np.asarray(closes[:, 1:] / closes[:, :-1] - 1)

    def _scale(self, weights: Floats, returns: Floats, panel: Panel) -> float:
        """What the weights are multiplied by; 0 where nothing is known about the volatility of what they hold."""
        held = np.flatnonzero(weights)
        whole = np.isfinite(returns[held]).all(axis=1)
        if self.volatility_target is None or not len(held):
            return 1.0
        if returns.shape[1] < self.volatility_window or not whole.any():
            return 0.0
        centred = returns[held[whole]] - returns[held[whole]].mean(axis=1, keepdims=True)
        periods = returns.shape[1] - 1
        common = (weights[held[whole]][:, None] * centred).sum(axis=0)
        mean_variance = float((centred**2).sum() / (periods * whole.sum()))
        variance = float((common**2).sum() / periods) + mean_variance * float(
            (weights[held[~whole]] ** 2).sum()
        )
        if variance <= 0:
            return 0.0
        wanted = self.volatility_target / np.sqrt(variance * panel.clock.periods_per_year)
        return float(min(wanted, self.max_gross / np.abs(weights).sum()))


def _number(name: str, value: object, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= high:
        raise InputError(f"portfolio.{name}", value, f"a number above 0 and at most {high:g}")
    return float(value)
