"""What cash earns, and what lacking it costs."""

from __future__ import annotations

from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates


class Interest(Cost):
    """Rates a year, simple, accrued at each open: `cash_per_year` on cash above zero (the proceeds of short sales among it),
    `margin_per_year` on what is borrowed."""

    def __init__(self, cash_per_year: float = 0.0, margin_per_year: float = 0.0) -> None:
        self._cash = number("interest.cash_per_year", cash_per_year, 100, "a rate a year (0.01: 1 %)")
        self._margin = number("interest.margin_per_year", margin_per_year, 100, "a rate a year (0.01: 1 %)")

    def rates(self) -> Rates:
        return Rates(cash=self._cash, margin=self._margin)

    def to_json(self) -> dict[str, object]:
        return {"cash_per_year": self._cash, "margin_per_year": self._margin}
