"""What an order costs, once more: plainly, in any kind of number, for the reference simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backcast.engine.costs.charge import Rates
from backcast.engine.types import Plan

Number = Any


@dataclass(frozen=True)
class Bill:
    """The parts of an order's cost, in currency, and whether all that they need was known."""

    fee: Number
    spread: Number
    impact: Number
    known: bool

    @property
    def total(self) -> Number:
        return self.fee + self.spread + self.impact


def bill(
    rates: Rates,
    number: Callable[[float], Number],
    plan: Plan,
    t: int,
    s: int,
    quantity: Number,
    price: Number,
) -> Bill:
    """What an order costs: spread and impact first, then the fee of the worsened value; nothing of what goes for 0."""
    value = abs(quantity) * price
    if not value:
        return Bill(number(0.0), number(0.0), number(0.0), True)
    volatility, traded, own = (_known(x, t, s) for x in (plan.volatility, plan.traded, plan.half_spread))
    wanted = []
    half_spread = number(rates.half_spread)
    if rates.spread_volatility > 0:
        wanted.append(volatility)
        half_spread += number(rates.spread_volatility) * number(volatility or 0.0)
    if rates.spread_data > 0:
        wanted.append(own)
        half_spread += number(rates.spread_data) * number(own or 0.0)
    impact = number(0.0)
    if rates.impact_linear > 0 or rates.impact_power > 0:
        wanted += [volatility, traded or None]
        if volatility is not None and traded:
            part = value / number(traded)
            curved = number(float(part) ** rates.exponent)
            moved = number(rates.impact_linear) * part + number(rates.impact_power) * curved
            impact = number(volatility) * moved
    if quantity < 0:
        half_spread = min(half_spread, number(1.0))
        impact = min(impact, number(1.0) - half_spread)
    side = 1 if quantity > 0 else -1
    worsened = value * (1 + side * (half_spread + impact))
    fee = _fee(rates, number, abs(quantity), worsened)
    return Bill(fee, value * half_spread, value * impact, all(x is not None for x in wanted))


def _known(array: Any, t: int, s: int) -> float | None:
    value = None if array is None else float(array[t, s])
    return value if value is not None and value >= 0 else None


def _fee(rates: Rates, number: Callable[[float], Number], shares: Number, value: Number) -> Number:
    fee = number(rates.per_order) + number(rates.per_share) * shares
    floors = [*(number(float(x)) for x in rates.floors), None]
    for share, low, high in zip(rates.fees, floors, floors[1:]):
        top = value if high is None else min(value, high)
        if top > low:
            fee += (top - low) * number(float(share))
    fee = max(fee, number(rates.minimum))
    return fee if rates.maximum == np.inf else min(fee, number(rates.maximum) * value)
