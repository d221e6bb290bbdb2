"""What a trading cost is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.costs.charge import Rates, charges


class Cost(ABC):
    """What trading and holding cost; the same object is estimated with by sizing and charged by simulators.

    A kind of cost sets its own part of `Rates` and leaves the rest; `TotalCost` puts kinds together.
    """

    @abstractmethod
    def rates(self) -> Rates:
        """The cost in plain numbers."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """The figures of the manifest; every key that ends in `_bps` is a cost per unit traded."""

    @property
    def fee_bps(self) -> float:
        """The fee of a small order, in basis points of its value."""
        return float(self.rates().fees[0] * 1e4)

    @property
    def half_spread_bps(self) -> float:
        """The constant part of the half-spread, in basis points of the traded value."""
        return self.rates().half_spread * 1e4

    def estimate(
        self,
        change: Floats,
        capital: float,
        price: Floats | None = None,
        volatility: Floats | None = None,
        traded: Floats | None = None,
        half_spread: Floats | None = None,
    ) -> Floats:
        """(S,) the cost of moving weights by `change` (S,), as shares of equity `capital`: what a simulator would charge.

        price, volatility, traded and half_spread (S,) as in a Plan, as known at the decision; NaN where one that the cost
        needs is NaN. Errors: InputError where one that the cost needs is not given.
        """
        rates = self.rates()
        given = {"volatility": volatility, "traded": traded, "half_spread": half_spread}
        for name in needs(rates) & set(given):
            if given[name] is None:
                raise InputError(f"estimate.{name}", None, f"an array, since the cost depends on {name}")
        if rates.per_share > 0 and price is None:
            raise InputError("estimate.price", None, "an array, since the cost is by share")
        price, volatility, traded, half_spread = (
            np.full(len(change), otherwise) if x is None else np.ascontiguousarray(x, dtype=np.float64)
            for x, otherwise in ((price, 1.0), (volatility, np.nan), (traded, np.nan), (half_spread, np.nan))
        )
        shares = np.ascontiguousarray(change, dtype=np.float64) * capital / price
        bill = np.zeros((4, len(change)))
        bill[3] = 1.0
        numbers, tiers = rates.packed()
        charges(0, len(change), shares, price, volatility, traded, half_spread, numbers, tiers, bill)
        return np.where(bill[3] > 0, bill[:3].sum(axis=0), np.nan) / capital


def needs(rates: Rates) -> set[str]:
    """The arrays of a plan without which a cost cannot be charged."""
    found = set()
    if rates.spread_volatility > 0 or rates.impact_linear > 0 or rates.impact_power > 0:
        found.add("volatility")
    if rates.impact_linear > 0 or rates.impact_power > 0:
        found.add("traded")
    if rates.spread_data > 0:
        found.add("half_spread")
    if rates.borrow_data > 0:
        found.add("borrow_rate")
    if rates.borrow > 0 or rates.borrow_data > 0 or rates.cash != 0 or rates.margin != 0:
        found.add("years")
    return found


def number(name: str, value: object, below: float, what: str) -> float:
    """A figure of a cost. Errors: InputError naming costs.`name` for another kind, NaN, a wrong sign or one not below
    `below`."""
    wrong = isinstance(value, bool) or not isinstance(value, int | float)
    if wrong or not 0 <= value < below:  # type: ignore[operator]  # NaN is neither
        raise InputError(f"costs.{name}", value, f"{what}, at least 0 and below {below:g}")
    return float(value)  # type: ignore[arg-type]
