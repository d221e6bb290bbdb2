"""From forecasts to target weights: one rule, then steps, a pure function of what is known at each decision.

1. The decisions are walked in order. What is known at each is a `Known`: the forecast, the panel as known, and the weights of
   the decision before, drifted by the returns since. Of a symbol that had no bar in the session where that decision was to
   fill, they are what was held before it.
2. The rule gives weights; each step changes them. That list, by name, is what a trace shows (`stages`).
3. The last of them are the targets (`targets`). They are also all that the next decision remembers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Panel
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps.base import Step, ordered
from backcast.engine.types import Targets
from backcast.signals.types import Forecast

Stage = tuple[str, Floats]
Steps = Mapping[str, Step] | Sequence[Step]
Rule = Callable[[Known], Floats]

GIVES_UP = 5
"""Sessions without a bar after which nothing is taken to be held by an order that could not fill (the default of
execution.exit_after, by which a holder is out by then)."""


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

    @property
    def leaves_holdings_alone(self) -> bool:
        """Whether its targets may say "no trade", for what it takes to be held: it would not ask again for what was cut."""
        return self.leaves_alone or any(step.leaves_alone for _, step in self.steps)

    def begin(self) -> Rule:
        """The rule at the start of a path; one that remembers more than the weights held overrides it."""
        return self.weigh

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        """(D, S) weights; NaN where what is held is to be left alone. Earlier rows never depend on later ones.

        Errors: InputError for a forecast of other symbols, and for what the rule or a step cannot do with this panel.
        """
        weights = None if self.steps else self.weigh_all(_of_panel(forecast, panel))
        if weights is None:
            weights = np.stack([row for _, row in self._walk(forecast, panel)])
        return Targets(forecast.decisions, forecast.symbols, weights)

    def weigh_all(self, forecast: Forecast) -> Floats | None:
        """(D, S) what `weigh` gives at every decision, to the last bit, of a rule that reads scores alone; None: one at a
        time. A row depends on its own scores only."""
        return None

    def stages(self, forecast: Forecast, panel: Panel, decision: int) -> list[Stage]:
        """The weights (S,) of one decision after the rule and after each step, by name, in order; `targets` is the last,
        but for NaN where it leaves alone what is held. Errors: InputError for a decision without a forecast."""
        for t, (stages, _) in zip(forecast.decisions.tolist(), self._walk(forecast, panel), strict=True):
            if t == decision:
                return stages
        raise InputError("decision", decision, "one of the forecast's decisions")

    def _walk(self, forecast: Forecast, panel: Panel) -> Iterator[tuple[list[Stage], Floats]]:
        forecast = _of_panel(forecast, panel)
        history, path = History(panel), Path(self)
        for decision, scores in zip(forecast.decisions.tolist(), forecast.mean, strict=True):
            yield path.decide(history, decision, scores)


def _of_panel(forecast: Forecast, panel: Panel) -> Forecast:
    """The forecast. Errors: InputError for one of other symbols than the panel's."""
    if forecast.symbols != panel.symbols:
        raise InputError("forecast.symbols", len(forecast.symbols), "the symbols of the panel, in its order")
    return forecast


class Path:
    """One portfolio's way through the decisions: it keeps what the last one held and asked for, and whatever its rule keeps."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio, self._rule = portfolio, portfolio.begin()
        self._remembers = portfolio.memory is None
        self._leaves = portfolio.leaves_holdings_alone
        self._last: _Asked | None = None

    def decide(self, history: History, decision: int, scores: Floats) -> tuple[list[Stage], Floats]:
        """The stages of the next decision, and its row of targets (S,)."""
        before, again = self._held(history, decision, len(scores))
        names = np.flatnonzero(history.seen(decision) | np.isfinite(scores) | (before != 0))
        known = Known(decision, names, scores[names], before[names] if self._remembers else None, history)
        weights = self._rule(known)
        stages = [(self._portfolio.rule, known.wide(weights, 0.0))]
        for name, step in self._portfolio.steps:
            weights = step.apply(weights, known)
            stages.append((name, known.wide(weights, 0.0)))
        row = wanted = stages[-1][1]
        if self._leaves and self._remembers:
            row = np.where((row == before) & (before != 0) & ~again, np.nan, row)
        self._last = _Asked(decision, before, wanted, np.isfinite(row))
        return stages, row

    def _held(self, history: History, decision: int, symbols: int) -> tuple[Floats, Bools]:
        """(S,) what is held by drift, and (S,) what is to be asked for again: where an order did not fill, the others of its
        decision may not have had the cash that it was to bring."""
        last = self._last
        if last is None or not self._remembers:
            return np.zeros(symbols), np.zeros(symbols, dtype=bool)
        failed = last.asked & (last.weights != last.before)
        failed &= ~history.traded_in(last.decision + 1, decision)  # a decision fills in the session after it
        held = np.where(failed, last.before, last.weights)
        if failed.any():
            held[failed & ~history.seen_since(GIVES_UP, decision)] = 0.0
        return history.drifted(held, last.decision, decision), last.asked & failed.any()


@dataclass(frozen=True)
class _Asked:
    """A decision: its index, and (S,) each what was held by drift, what was to be held, and whether that was asked for."""

    decision: int
    before: Floats
    weights: Floats
    asked: Bools
