"""Overlapping holdings."""

from __future__ import annotations

from collections import deque

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.base import Path, Portfolio, Rule, Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import whole


class OverlappingPortfolio(Portfolio):
    """The average of the last `holdings` decisions' targets of another portfolio: each is held so many decisions.

    of: that portfolio, with its own steps; it never sees what the average holds. The first decisions divide by `holdings`
    too: a part that is not formed yet is cash. Every part is brought back to its own weights at each decision, as in
    Jegadeesh and Titman (1993), whose K-month strategies these are with a decision a month.
    """

    rule = "overlapping"

    def __init__(self, of: Portfolio, holdings: int = 5, steps: Steps = ()) -> None:
        if not isinstance(of, Portfolio):
            raise InputError("portfolio.of", of, "a portfolio, whose targets are averaged")
        self.of = of
        self.holdings = whole("portfolio.holdings", holdings, 1, "decisions")
        self.side, self.gross = of.side, of.most_gross
        super().__init__(steps)

    @property
    def rule_memory(self) -> int | None:
        inner = self.of.memory
        return None if inner is None else inner + self.holdings - 1

    def begin(self) -> Rule:
        inner, parts = Path(self.of), deque[Floats](maxlen=self.holdings)

        def rule(known: Known) -> Floats:
            stages, _ = inner.decide(known.history, known.decision, known.wide(known.scores, float("nan")))
            parts.append(stages[-1][1])
            total = parts[0][known.names].copy()
            for part in list(parts)[1:]:
                total += part[known.names]
            return total / self.holdings

        return rule

    def weigh(self, known: Known) -> Floats:
        """The first decision of a path; `begin` is what remembers the ones before."""
        return self.begin()(known)
