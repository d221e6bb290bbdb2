"""What a trace is made of: plain values, a class a step of the story."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from backcast.engine.trace.inputs import Inputs


@dataclass(frozen=True)
class Feature:
    """A feature at the decision; definition: its expression, or the class that computes it."""

    name: str
    definition: str
    value: float | None


@dataclass(frozen=True)
class Forecasted:
    """The recorded forecast, in units of the label; rank 1 is the highest mean of the `among` symbols that have one."""

    fold: int
    horizon: int
    mean: float
    quantiles: dict[str, float]
    rank: int
    among: int


@dataclass(frozen=True)
class StageWeight:
    """The symbol's weight after a step, and the sum of all absolute weights after it."""

    stage: str
    weight: float | None
    gross: float


@dataclass(frozen=True)
class Ordered:
    """The recorded target, and the shares before and after the session (or bar) in which it is to be filled. target None: left
    alone. session: its date; of bars of minutes the instant at which they fill."""

    kind: str
    target: float | None
    session: str
    shares_before: float
    shares_after: float


@dataclass(frozen=True)
class Held:
    """The position that the decision opened, changed, kept or closed."""

    shares: float
    opened: str
    closed: str
    still_open: bool
    profit: float
    traded: float
    dividends: float
    paid_out: float
    costs: float
    value: float


@dataclass(frozen=True)
class Trace:
    """The story. differences: what is not what the run recorded, in words; notes: what could not be told."""

    run: str
    dataset: str
    pin: dict[str, int]
    symbol: str
    member: bool
    decided_at: str
    session: str
    inputs: Inputs
    features: tuple[Feature, ...]
    forecast: Forecasted | None
    held_before: float
    stages: tuple[StageWeight, ...]
    order: Ordered | None
    fills: tuple[dict[str, Any], ...]
    costs: dict[str, float]
    events: tuple[dict[str, Any], ...]
    position: Held | None
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; instants are ISO text in UTC."""
        return asdict(self)


def number(value: float) -> float | None:
    """None where it is none."""
    return value if math.isfinite(value) else None
