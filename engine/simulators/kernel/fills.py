"""One order against what stands in its way: lots, leverage, cash; and its entry in the books."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.costs import charge as costs
from backcast.engine.costs.charge import charge
from backcast.engine.simulators.kernel.plain import proportional
from backcast.engine.simulators.kernel.state import (
    COST_FEE,
    COST_IMPACT,
    COST_KNOWN,
    COST_SPREAD,
    DONE,
    FEE,
    HALF_SPREAD,
    HELD,
    IMPACT,
    LEVERAGE,
    LOT,
    NOW,
    OFFSET,
    PARTIAL,
    PRICE,
    ROUNDING,
    SPREAD,
    TRADED,
    UNKNOWN_COST,
    VALUE_TRADED,
    VOLATILITY,
    note,
)
from backcast.signals.kernels.cache import compiled_within

HALF_SPREAD_RATE = costs.HALF_SPREAD


@compiled_within
def in_lots(quantity: float, lot: float) -> float:
    """A quantity rounded toward zero to lots; a lot of 0 is any fraction."""
    if lot == 0.0:
        return quantity
    whole = np.floor(abs(quantity) / lot + ROUNDING) * lot
    return whole if quantity > 0.0 else -whole


@compiled_within
def price_order(s: int, quantity: float, sheet: Floats, rates: Floats, tiers: Floats) -> float:
    """Puts the costs of an order on the sheet; gives their sum."""
    fee, spread, impact, known = charge(
        quantity,
        sheet[PRICE, s],
        sheet[VOLATILITY, s],
        sheet[VALUE_TRADED, s],
        sheet[HALF_SPREAD, s],
        rates,
        tiers,
    )
    sheet[COST_FEE, s] = fee
    sheet[COST_SPREAD, s] = spread
    sheet[COST_IMPACT, s] = impact
    sheet[COST_KNOWN, s] = known
    return fee + spread + impact


@compiled_within
def book(
    s: int, quantity: float, decided: float, cash: float, sheet: Floats, terms: Floats,
    fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Enters a fill whose costs are on the sheet; gives the cash after it."""
    t, price, n = int(terms[NOW]), sheet[PRICE, s], used[0]
    fee, spread, impact = sheet[COST_FEE, s], sheet[COST_SPREAD, s], sheet[COST_IMPACT, s]
    if sheet[COST_KNOWN, s] == 0.0:
        note(terms[NOW], s, UNKNOWN_COST, quantity, 0.0, events, used)
    sheet[HELD, s] += quantity
    sheet[DONE, s] += abs(quantity)
    fills[0, n], fills[1, n], fills[2, n] = int(decided), t + int(terms[OFFSET]), s
    figures[0, n], figures[1, n], figures[2, n], figures[3, n] = quantity, price, fee, spread
    if figures.shape[0] > 4:
        figures[4, n] = impact
    used[0] = n + 1
    rows[FEE, t] += fee
    rows[SPREAD, t] += spread
    rows[IMPACT, t] += impact
    rows[TRADED, t] += abs(quantity) * price
    return cash - (quantity * price + fee + spread + impact)


@compiled_within
def within_leverage(
    s: int, quantity: float, room: float, sheet: Floats, terms: Floats, events: Floats, used: Ints
) -> float:
    """What of an order keeps gross exposure from growing by more than `room`, in currency."""
    held, price = sheet[HELD, s], sheet[PRICE, s]
    more = (abs(held + quantity) - abs(held)) * price
    if more <= 0.0 or more <= room + ROUNDING * more:
        return quantity
    most = abs(held) + max(room, 0.0) / price  # shares on the order's side
    allowed = in_lots(most - held if quantity > 0.0 else -most - held, terms[LOT])
    if allowed * quantity < 0.0:
        allowed = 0.0
    note(terms[NOW], s, LEVERAGE, quantity, allowed, events, used)
    return allowed


@compiled_within
def within_cash(
    s: int, quantity: float, cash: float, sheet: Floats, terms: Floats, rates: Floats, tiers: Floats, events: Floats, used: Ints
) -> float:
    """What of a buy whose costs are on the sheet the cash pays for."""
    pay = quantity * sheet[PRICE, s] + sheet[COST_FEE, s] + sheet[COST_SPREAD, s] + sheet[COST_IMPACT, s]
    if pay <= cash * (1.0 + ROUNDING):
        return quantity
    bought = 0.0
    if cash > 0.0:
        bought = in_lots(_affordable(s, quantity, cash, sheet, rates, tiers), terms[LOT])
    note(terms[NOW], s, PARTIAL, quantity, bought, events, used)
    return bought


@compiled_within
def _affordable(s: int, quantity: float, cash: float, sheet: Floats, rates: Floats, tiers: Floats) -> float:
    """The most shares that cash pays for: what a buy costs grows with it."""
    price = sheet[PRICE, s]
    if proportional(rates, tiers):
        return cash / (price * (1.0 + rates[HALF_SPREAD_RATE]) * (1.0 + tiers[1, 0]))
    low, high = 0.0, min(quantity, cash / price)
    for _ in range(100):
        middle = 0.5 * (low + high)
        if high - low <= 1e-15 * high:
            break
        if middle * price + price_order(s, middle, sheet, rates, tiers) <= cash:
            low = middle
        else:
            high = middle
    return low
