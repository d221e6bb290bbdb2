"""From forecasts to target weights: one rule, then steps, a pure function of what is known at each decision.

1. The decisions are walked in order. What is known at each is a `Known`: the forecast, the panel as known, and the weights of
   the decision before, drifted by the returns since.
2. The rule gives weights; each step changes them. That list, by name, is what a trace shows (`stages`).
3. The last of them are the targets (`targets`). They are also all that the next decision remembers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps.base import Step, ordered
from backcast.engine.types import Targets
from backcast.signals.types import Forecast

Stage = tuple[str, Floats]
Steps = Mapping[str, Step] | Sequence[Step]
Rule = Callable[[Known], Floats]


class Portfolio(ABC):
    """One rule and its steps.

    rule: its name in a trace. side: long_short or long_only. gross: the sum of absolute weights that the rule asks for.
    leaves_alone: a weight of the rule that equals the one held means no trade.
    """

    rule: ClassVar[str]
    leaves_alone: bool = False
    side: str
    gross: float

    def __init__(self, steps: Steps = (), scale: Step | None = None) -> None:
        """scale: a step that the rule brings itself; it comes before the first cap."""
        self.steps = ordered(steps, scale)

    @abstractmethod
    def weigh(self, known: Known) -> Floats:
        """(N,) the rule's weights of one decision; finite, 0 where nothing is to be held."""

    @property
    def rule_memory(self) -> int | None:
        """How many earlier decisions the rule depends on; None: all of them, through `known.previous`."""
        return None

    @property
    def memory(self) -> int | None:
        """How many earlier decisions' forecasts a decision depends on; None: all of them. A replay needs as many."""
        return None if any(step.remembers for _, step in self.steps) else self.rule_memory

    @property
    def most_gross(self) -> float:
        """The largest sum of absolute weights that it may ask for; limits on trading may hold more by drift."""
        most = self.gross
        for _, step in self.steps:
            most = step.most_gross(most)
        return most

    @property
    def borrows(self) -> bool:
        """Whether it may ask for more than all of the equity on the long side alone."""
        shorts = any(step.shorts for _, step in self.steps)
        return self.side == "long_only" and self.most_gross > 1.0 and not shorts

    def begin(self) -> Rule:
        """The rule at the start of a path; one that remembers more than the weights held overrides it."""
        return self.weigh

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        """(D, S) weights; NaN where what is held is to be left alone. Earlier rows never depend on later ones.

        Errors: InputError for a forecast of other symbols, and for what the rule or a step cannot do with this panel.
        """
        weights = np.stack([row for _, row in self._walk(forecast, panel)])
        return Targets(forecast.decisions, forecast.symbols, weights)

    def stages(self, forecast: Forecast, panel: Panel, decision: int) -> list[Stage]:
        """The weights (S,) of one decision after the rule and after each step, by name, in order; `targets` is the last,
        but for NaN where it leaves alone what is held. Errors: InputError for a decision without a forecast."""
        for t, (stages, _) in zip(forecast.decisions.tolist(), self._walk(forecast, panel), strict=True):
            if t == decision:
                return stages
        raise InputError("decision", decision, "one of the forecast's decisions")

    def _walk(self, forecast: Forecast, panel: Panel) -> Iterator[tuple[list[Stage], Floats]]:
        if forecast.symbols != panel.symbols:
            raise InputError(
                "forecast.symbols", len(forecast.symbols), "the symbols of the panel, in its order"
            )
        history, path = History(panel), Path(self)
        for decision, scores in zip(forecast.decisions.tolist(), forecast.mean, strict=True):
            yield path.decide(history, decision, scores)


class Path:
    """One portfolio's way through the decisions: it keeps the weights of the last one, and whatever its rule keeps."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio, self._rule = portfolio, portfolio.begin()
        self._remembers = portfolio.memory is None
        self._leaves = portfolio.leaves_alone or any(step.leaves_alone for _, step in portfolio.steps)
        self._weights: Floats | None = None
        self._since = 0

    def decide(self, history: History, decision: int, scores: Floats) -> tuple[list[Stage], Floats]:
        """The stages of the next decision, and its row of targets (S,)."""
        before = self._drifted(history, decision, scores)
        names = np.flatnonzero(history.seen(decision) | np.isfinite(scores) | (before != 0))
        known = Known(decision, names, scores[names], before[names] if self._remembers else None, history)
        weights = self._rule(known)
        stages = [(self._portfolio.rule, known.wide(weights, 0.0))]
        for name, step in self._portfolio.steps:
            weights = step.apply(weights, known)
            stages.append((name, known.wide(weights, 0.0)))
        self._weights, self._since = stages[-1][1], decision
        row = self._weights
        if self._leaves and self._remembers:
            row = np.where((row == before) & (before != 0), np.nan, row)
        return stages, row

    def _drifted(self, history: History, decision: int, scores: Floats) -> Floats:
        if self._weights is None or not self._remembers:
            return np.zeros(len(scores))
        return history.drifted(self._weights, self._since, decision)
