"""Kinds of cost put together."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates

PARTS = {
    "fee": ("floors", "fees", "per_share", "per_order", "minimum", "maximum"),
    "spread": ("half_spread", "spread_volatility", "spread_data"),
    "impact": ("impact_linear", "impact_power", "exponent"),
    "borrow": ("borrow", "borrow_data"),
    "interest": ("cash", "margin"),
}
"""The part of `Rates` that each kind sets."""


class TotalCost(Cost):
    """A fee, a spread, an impact, a borrow fee and interest, each of its own kind; what is left out is free."""

    def __init__(
        self,
        fee: Cost | None = None,
        spread: Cost | None = None,
        impact: Cost | None = None,
        borrow: Cost | None = None,
        interest: Cost | None = None,
    ) -> None:
        given = zip(PARTS, (fee, spread, impact, borrow, interest))
        self._parts = {name: part for name, part in given if part is not None}
        for name, part in self._parts.items():
            if not isinstance(part, Cost):
                raise InputError(f"costs.{name}", part, "a cost", "Its `_target_` names one.")
            if _elsewhere(part.rates(), name):
                raise InputError(
                    f"costs.{name}",
                    part.to_json(),
                    f"{_article(name)} alone",
                    "Put its other parts beside it.",
                )

    def rates(self) -> Rates:
        found = Rates()
        for name, part in self._parts.items():
            own = part.rates()
            found = found._replace(**{field: getattr(own, field) for field in PARTS[name]})
        return found

    def to_json(self) -> dict[str, object]:
        return {name: value for part in self._parts.values() for name, value in part.to_json().items()}


def _elsewhere(rates: Rates, name: str) -> bool:
    """Whether a part sets what belongs to another."""
    own, free = rates._asdict(), Rates()._asdict()
    return any(
        not np.array_equal(own[field], free[field])
        for other, fields in PARTS.items()
        if other != name
        for field in fields
    )


def _article(name: str) -> str:
    return ("an " if name[0] in "aeiou" else "a ") + name
