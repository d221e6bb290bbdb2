"""Portfolios of the best names, and against the worst, in which the risk of each name decides its share."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.portfolio.base import Portfolio, Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.rules.rank import sides
from backcast.engine.portfolio.settings import choice, number, whole


class SidedPortfolio(Portfolio):
    """side: long_only, or long_short with half of gross on each side. quantile: share of the names on each side, at least one,
    of those with a forecast and a whole window of returns that vary (no others are held). window: sessions of returns as known.
    """

    def __init__(self, side: str, gross: float, quantile: float, window: int, steps: Steps) -> None:
        self.side = choice("portfolio.side", side, "long_short", "long_only")
        self.gross = number("portfolio.gross", gross, 100.0)
        self.quantile = number("portfolio.quantile", quantile, 0.5 if side == "long_short" else 1.0)
        self.window = whole("portfolio.window", window, 2, "sessions")
        super().__init__(steps)

    @property
    def rule_memory(self) -> int | None:
        return 0

    @abstractmethod
    def shares(self, names: Ints, known: Known) -> Floats:
        """(n,) of some names, above 0 and 1 in sum."""

    def weigh(self, known: Known) -> Floats:
        weights = np.zeros(len(known.scores))
        best, worst = sides(
            np.where(measured(known, self.window), known.scores, np.nan), self.quantile, self.side
        )
        if not len(best):
            return weights
        each = self.gross if self.side == "long_only" else self.gross / 2
        weights[best] = each * self.shares(best, known)
        if len(worst):
            weights[worst] = -each * self.shares(worst, known)
        return weights


def measured(known: Known, window: int) -> Bools:
    """(N,) whether the names have a whole window of returns as known, and these vary."""
    return np.asarray(known.volatility(window) > 0)  # NaN is not
