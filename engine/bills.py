"""What many orders cost, all at once: the plain formula in NumPy, beside the kernel that charges a simulation."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.costs.charge import Rates
from backcast.engine.types import Plan


def bills(rates: Rates, plan: Plan, t: Ints, s: Ints, quantity: Floats, price: Floats) -> Floats:
    """(3, N) fee, spread and impact in currency of orders (N,), of a plan's rows t and symbols s.

    Spread and impact worsen the price, of a sale to zero at most; the fee is of the worsened value. What is not known costs
    nothing, and so does what goes for 0.
    """
    value = np.abs(quantity) * price
    volatility, traded, own = (_known(x, t, s) for x in (plan.volatility, plan.traded, plan.half_spread))
    spread = rates.half_spread + rates.spread_volatility * volatility + rates.spread_data * own
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(traded > 0, value / traded, 0.0)
    impact = volatility * (rates.impact_linear * part + rates.impact_power * part**rates.exponent)
    sells = quantity < 0
    spread = np.where(sells, np.minimum(spread, 1.0), spread)
    impact = np.where(sells, np.minimum(impact, 1.0 - spread), impact)
    fee = _fees(rates, np.abs(quantity), value * (1 + np.sign(quantity) * (spread + impact)))
    return np.where(value == 0, 0.0, np.stack([fee, value * spread, value * impact]))


def _known(array: Floats | None, t: Ints, s: Ints) -> Floats:
    """(N,) cells of an array (T, S); 0 where it does not say."""
    values = np.zeros(len(t)) if array is None else array[t, s]
    return np.where(values >= 0, values, 0.0)


def _fees(rates: Rates, shares: Floats, value: Floats) -> Floats:
    """(N,) each tier's share of the part of the value that lies in it, and what is charged by share and order."""
    fee = rates.per_order + rates.per_share * shares
    for share, low, high in zip(rates.fees, rates.floors, [*rates.floors[1:], np.inf], strict=True):
        fee = fee + share * np.maximum(np.minimum(value, high) - low, 0.0)
    fee = np.maximum(fee, rates.minimum)
    return fee if rates.maximum == np.inf else np.minimum(fee, rates.maximum * value)
