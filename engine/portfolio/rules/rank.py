"""Rank and quantile portfolios: equal weights on the best names and against the worst."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.portfolio.base import Portfolio, Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.ranked import weights_by_rank
from backcast.engine.portfolio.settings import choice, number
from backcast.engine.portfolio.steps.volatility import VolatilityTarget
from backcast.signals.types import Forecast


class RankPortfolio(Portfolio):
    """Equal weights on the best names by forecast mean, and in a long-short portfolio against the worst.

    side: long_short (half of gross on each side) or long_only. gross: sum of absolute weights. quantile: share of the names
    with a forecast on each side, at least one name. volatility_target, volatility_window, max_gross: a `VolatilityTarget`
    before the caps; null: none.
    """

    rule = "rank"

    def __init__(
        self,
        side: str = "long_short",
        gross: float = 1.0,
        quantile: float = 0.25,
        volatility_target: float | None = None,
        volatility_window: int = 60,
        max_gross: float = 2.0,
        steps: Steps = (),
    ) -> None:
        self.side = choice("portfolio.side", side, "long_short", "long_only")
        self.gross = number("portfolio.gross", gross, 100.0)
        self.quantile = number("portfolio.quantile", quantile, 0.5 if side == "long_short" else 1.0)
        wanted = 1.0 if volatility_target is None else volatility_target  # the others are checked even so
        target = VolatilityTarget(wanted, volatility_window, max_gross)
        super().__init__(steps, None if volatility_target is None else target)

    @property
    def rule_memory(self) -> int:
        return 0

    def weigh(self, known: Known) -> Floats:
        return self.weights(known.scores)

    def weigh_all(self, forecast: Forecast) -> Floats | None:
        if type(self) is not RankPortfolio:
            return None  # one of somebody's own may weigh otherwise
        ranking, short = forecast.ranking, self.side == "long_short"
        held = np.where(ranking.count < 2, 0, np.maximum(1, (self.quantile * ranking.count).astype(np.int64)))
        each = self.gross / np.maximum(1, 2 * held if short else held)
        return weights_by_rank(ranking.place, ranking.count, held, each, short)

    def weights(self, scores: Floats) -> Floats:
        """(S,) the rule's weights by scores alone; equal scores rank in the order of their symbols. A symbol without a
        forecast gets 0; where fewer than two symbols have one, everything does."""
        weights = np.zeros(len(scores))
        best, worst = sides(scores, self.quantile, self.side)
        if not len(best):
            return weights
        if self.side == "long_only":
            weights[best] = self.gross / len(best)
        else:
            weights[best] = self.gross / (2 * len(best))
            weights[worst] = -self.gross / (2 * len(best))
        return weights


def sides(scores: Floats, quantile: float, side: str) -> tuple[Ints, Ints]:
    """The best names and, long-short, as many of the worst: this share of those with a score, at least one; none at all where
    fewer than two have one. Equal scores rank in the order of their symbols."""
    named = np.flatnonzero(np.isfinite(scores))
    if len(named) < 2:
        return named[:0], named[:0]
    order = named[np.argsort(-scores[named], kind="stable")]
    count = max(1, int(quantile * len(named)))
    return order[:count], order[-count:] if side == "long_short" else order[:0]
