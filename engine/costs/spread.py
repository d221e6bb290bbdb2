"""Half the difference between bid and ask, which an order crosses."""

from __future__ import annotations

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates


class HalfSpread(Cost):
    """A half-spread: constant basis points, a multiple of a session's volatility, and the data's own, added up.

    volatility: 0.05 makes 5 bp of a volatility of 1 % a session. from_data: whether the plan's half-spread is charged.
    """

    def __init__(self, bps: float = 0.0, volatility: float = 0.0, from_data: bool = False) -> None:
        self._bps = number("spread.bps", bps, 10_000, "basis points")
        self._volatility = number(
            "spread.volatility", volatility, 100, "a multiple of a session's volatility"
        )
        if not isinstance(from_data, bool):
            raise InputError("costs.spread.from_data", from_data, "true or false")
        self._from_data = from_data

    def rates(self) -> Rates:
        return Rates(
            half_spread=self._bps / 1e4,
            spread_volatility=self._volatility,
            spread_data=float(self._from_data),
        )

    def to_json(self) -> dict[str, object]:
        rest = {"spread_volatility": self._volatility, "spread_from_data": self._from_data}
        return {"half_spread_bps": self._bps, **{name: value for name, value in rest.items() if value}}
