"""Proportional costs."""

from __future__ import annotations

import numpy as np

from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates


class LinearCost(Cost):
    """A fee and a half-spread, both in basis points of the traded value: at least 0 and below 10,000."""

    def __init__(self, fee_bps: float, half_spread_bps: float) -> None:
        self._fee = number("fee_bps", fee_bps, 10_000, "basis points")
        self._half_spread = number("half_spread_bps", half_spread_bps, 10_000, "basis points")

    def rates(self) -> Rates:
        return Rates(fees=np.array([self._fee / 1e4]), half_spread=self._half_spread / 1e4)

    def to_json(self) -> dict[str, object]:
        return {"fee_bps": self._fee, "half_spread_bps": self._half_spread}
