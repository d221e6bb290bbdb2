"""What a step is, and in which order steps keep what they promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known

SHAPE, SCALE, CAP, TRADE = 0, 1, 2, 3


class Step(ABC):
    """Weights in, weights out, from what the decision knows alone.

    name: what a trace calls it. kind: SHAPE (changes weights against each other), SCALE (multiplies all by one number), CAP
    (takes none further from 0, unless it `raises`) or TRADE (each weight stays between the one held and the one asked for);
    steps come in this order. remembers: it reads `known.previous`. balances: it promises a balance of longs and shorts,
    which only a step that `keeps_balance` (all weights times one number) leaves as it is. shorts: it may sell what the rule
    holds long. leaves_alone: a weight equal to the one held means no trade.
    """

    name: ClassVar[str]
    kind: int = SHAPE
    remembers: bool = False
    balances: bool = False
    keeps_balance: bool = False
    raises: bool = False
    shorts: bool = False
    leaves_alone: bool = False

    @abstractmethod
    def apply(self, weights: Floats, known: Known) -> Floats:
        """(N,) the weights after the step; the ones it gets are not changed."""

    def most_gross(self, before: float) -> float:
        """The largest sum of absolute weights after the step, by the largest before it."""
        return before


def ordered(
    steps: Mapping[str, Step] | Sequence[Step], scale: Step | None = None
) -> tuple[tuple[str, Step], ...]:
    """Steps with the names that a trace shows: the keys of a mapping, else their own. `scale` comes before the first cap.

    Errors: InputError for what is no step, and for an order in which a later step would undo what an earlier one promises.
    """
    named = _named(steps)
    if scale is not None:
        at = sum(step.kind == SHAPE for _, step in named)
        named.insert(at, (scale.name, scale))
    for i, (later, step) in enumerate(named):
        for earlier, other in named[:i]:
            _refuse_undoing(earlier, other, later, step)
    return tuple(named)


def _named(steps: object) -> list[tuple[str, Step]]:
    if isinstance(steps, Mapping):
        named = [(str(name), step) for name, step in steps.items()]
    elif isinstance(steps, Sequence) and not isinstance(steps, str):
        named = [(getattr(step, "name", str(i)), step) for i, step in enumerate(steps)]
    else:
        raise InputError("portfolio.steps", steps, "a list of steps, or a mapping of names to steps")
    for name, step in named:
        if not isinstance(step, Step):
            raise InputError(
                f"portfolio.steps.{name}", step, "a step", "conf/portfolio/steps has one YAML of each."
            )
    return named


def _refuse_undoing(earlier: str, other: Step, later: str, step: Step) -> None:
    order = f"{earlier}, then {later}"
    if step.kind < other.kind or (step.raises and other.kind == CAP):
        raise InputError(
            "portfolio.steps",
            order,
            "neutrality first, then a volatility target, then caps, then limits on trading",
            f"Put {later} before {earlier}, which it would undo.",
        )
    if other.balances and step.kind != TRADE and not step.keeps_balance:
        raise InputError(
            "portfolio.steps",
            order,
            f"after {earlier} only steps that multiply all weights by one number",
            f"Put {later} before it, or give a cap per name how=scale.",
        )
