"""Weights in proportion to scores."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.portfolio.base import Portfolio, Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import choice, number


class ScorePortfolio(Portfolio):
    """Weights in proportion to the forecast mean less its mean over all names with one.

    side: long_short (they sum to 0) or long_only (the part above the mean). gross: sum of absolute weights. Where fewer
    than two names have a forecast, or all are equal, nothing is held.
    """

    rule = "score"

    def __init__(self, side: str = "long_short", gross: float = 1.0, steps: Steps = ()) -> None:
        self.side = choice("portfolio.side", side, "long_short", "long_only")
        self.gross = number("portfolio.gross", gross, 100.0)
        super().__init__(steps)

    @property
    def rule_memory(self) -> int:
        return 0

    def weigh(self, known: Known) -> Floats:
        weights = np.zeros(len(known.scores))
        named = np.flatnonzero(np.isfinite(known.scores))
        scores = known.scores[named]
        if len(named) < 2 or scores.min() == scores.max():
            return weights
        centred = scores - scores.mean()
        if self.side == "long_only":
            centred = np.maximum(centred, 0.0)
        weights[named] = centred * (self.gross / np.abs(centred).sum())
        return weights
