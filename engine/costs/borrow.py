"""What it costs to be short."""

from __future__ import annotations

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates


class BorrowFee(Cost):
    """A rate a year of what is short at the last marks, and the data's own rate where `from_data`, accrued at each open."""

    def __init__(self, per_year: float = 0.0, from_data: bool = False) -> None:
        self._per_year = number("borrow.per_year", per_year, 100, "a rate a year (0.01: 1 %)")
        if not isinstance(from_data, bool):
            raise InputError("costs.borrow.from_data", from_data, "true or false")
        self._from_data = from_data

    def rates(self) -> Rates:
        return Rates(borrow=self._per_year, borrow_data=float(self._from_data))

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {"borrow_per_year": self._per_year}
        return {**found, "borrow_from_data": True} if self._from_data else found
