"""What sizing asks of a cost: the same object that charges the account estimates what a change of weights would cost."""

from __future__ import annotations

from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats


@runtime_checkable
class Costing(Protocol):
    """change (N,): of weights, in shares of equity; volatility (N,): of a session's return; traded (N,): mean value traded a
    session, in currency; capital: in currency. NaN where not known. The answer (N,) is the cost as a share of equity, >= 0."""

    def cost_of(self, change: Floats, volatility: Floats, traded: Floats, capital: float) -> Floats:
        """(N,) the cost of each change, as a share of equity."""


class Proportional:
    """The estimate of a cost in basis points of the traded value, whatever the size."""

    def __init__(self, bps: float) -> None:
        self.rate = bps / 10_000

    def cost_of(self, change: Floats, volatility: Floats, traded: Floats, capital: float) -> Floats:
        return np.abs(change) * self.rate


def costing(parameter: str, cost: object) -> Costing:
    """What estimates a cost: the object itself if it can, else its fee and half-spread.

    Errors: InputError for what is no cost.
    """
    if isinstance(cost, Costing):
        return cost
    linear = cast(Any, cost)
    if hasattr(cost, "fee_bps") and hasattr(cost, "half_spread_bps"):
        return Proportional(linear.fee_bps + linear.half_spread_bps)
    raise InputError(parameter, cost, "a cost, such as ${costs}")
