"""What an order costs: one compiled formula, which the simulator charges and sizing estimates with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backcast.data.types import Floats
from backcast.signals.kernels.cache import compiled

ONE_TIER = np.zeros(1)


class Rates(NamedTuple):
    """A cost in plain numbers. Shares of the traded value unless said otherwise; a year = a rate a year.

    floors, fees (K,): the part of an order's value from floors[k] up to the next is charged fees[k]; floors[0] = 0.
    per_share, per_order, minimum in currency; maximum a share of the order's value (it wins over the minimum).
    half_spread + spread_volatility x volatility + spread_data x the plan's half-spread; impact: volatility x (impact_linear x
    + impact_power x ** exponent), x the order's value over the value traded a session. borrow + borrow_data x the
    plan's rate a year of what is short; cash and margin a year of what cash there is or is lacking.
    """

    floors: Floats = ONE_TIER
    fees: Floats = ONE_TIER
    per_share: float = 0.0
    per_order: float = 0.0
    minimum: float = 0.0
    maximum: float = np.inf
    half_spread: float = 0.0
    spread_volatility: float = 0.0
    spread_data: float = 0.0
    impact_linear: float = 0.0
    impact_power: float = 0.0
    exponent: float = 0.5
    borrow: float = 0.0
    borrow_data: float = 0.0
    cash: float = 0.0
    margin: float = 0.0

    def packed(self) -> tuple[Floats, Floats]:
        """The single numbers (R,) in the order of their names, and the tiers (2, K): floors and fees. What kernels take."""
        return np.array(self[2:], dtype=np.float64), np.stack([self.floors, self.fees])


(PER_SHARE, PER_ORDER, MINIMUM, MAXIMUM, HALF_SPREAD, SPREAD_VOLATILITY, SPREAD_DATA, IMPACT_LINEAR, IMPACT_POWER, EXPONENT,
 BORROW, BORROW_DATA, CASH, MARGIN) = range(14)  # fmt: skip
"""Where the single numbers of a packed cost are."""


@compiled
def charges(
    begin: int,
    end: int,
    quantity: Floats,
    price: Floats,
    volatility: Floats,
    traded: Floats,
    half_spread: Floats,
    rates: Floats,
    tiers: Floats,
    bill: Floats,
) -> None:
    """Puts into bill (4, S), for the orders (S,) from begin to end that are not 0: fee, spread and impact in currency, and 1
    where all that they need is known: what is not known costs nothing.

    Spread and impact worsen the price, of a sale to zero at most; the fee is taken of the worsened value. One loop, because
    Numba counts references at each call that passes an array.
    """
    by_volatility, by_data = rates[SPREAD_VOLATILITY] > 0.0, rates[SPREAD_DATA] > 0.0
    impact = rates[IMPACT_LINEAR] > 0.0 or rates[IMPACT_POWER] > 0.0
    root, capped = rates[EXPONENT] == 0.5, rates[MAXIMUM] < np.inf
    for s in range(begin, end):
        if quantity[s] == 0.0:
            continue
        shares, sigma, known = abs(quantity[s]), volatility[s], 1.0
        value, apart, moved = shares * price[s], rates[HALF_SPREAD], 0.0
        if (impact or by_volatility) and not sigma >= 0.0:
            sigma, known = 0.0, 0.0
        if by_volatility:
            apart += rates[SPREAD_VOLATILITY] * sigma
        if by_data:
            own = half_spread[s] >= 0.0
            apart += rates[SPREAD_DATA] * half_spread[s] if own else 0.0
            known = known if own else 0.0
        if impact:
            if traded[s] > 0.0:
                part = value / traded[s]
                power = np.sqrt(part) if root else part ** rates[EXPONENT]
                moved = sigma * (rates[IMPACT_LINEAR] * part + rates[IMPACT_POWER] * power)
            else:
                known = 0.0
        if apart + moved > 1.0 and quantity[s] < 0.0:
            apart = min(apart, 1.0)
            moved = 1.0 - apart
        worsened = value + np.copysign(value, quantity[s]) * (apart + moved)
        fee = worsened * tiers[1, 0]
        for k in range(1, tiers.shape[1]):
            if worsened > tiers[0, k]:
                fee += (worsened - tiers[0, k]) * (tiers[1, k] - tiers[1, k - 1])
        fee = max(fee + rates[PER_SHARE] * shares + rates[PER_ORDER], rates[MINIMUM])
        if capped:
            fee = min(fee, rates[MAXIMUM] * worsened)
        bill[0, s], bill[1, s], bill[2, s], bill[3, s] = fee, value * apart, value * moved, known
