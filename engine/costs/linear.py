"""Proportional costs."""

from __future__ import annotations

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost


class LinearCost(Cost):
    """A fee and a half-spread, both in basis points of the traded value: at least 0 and below 10,000."""

    def __init__(self, fee_bps: float, half_spread_bps: float) -> None:
        self.fee_bps = _bps("costs.fee_bps", fee_bps)
        self.half_spread_bps = _bps("costs.half_spread_bps", half_spread_bps)

    def to_json(self) -> dict[str, float]:
        return {"fee_bps": self.fee_bps, "half_spread_bps": self.half_spread_bps}


def _bps(name: str, value: object) -> float:
    if (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10_000
    ):  # NaN is neither
        raise InputError(name, value, "basis points, at least 0 and below 10000")
    return float(value)
