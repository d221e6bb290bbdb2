"""What an order costs, what cash and leverage allow of it, and its entry in the books.

Functions that take arrays are called once a session or in rare cases, those that are called for each order take numbers: Numba
counts references, atomically, at each call that passes an array.
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.costs import charge as costs
from backcast.engine.costs.charge import charges
from backcast.engine.simulators.kernel.plain import proportional
from backcast.engine.simulators.kernel.state import (
    ASKED,
    COST_FEE,
    COST_IMPACT,
    COST_KNOWN,
    COST_SPREAD,
    FEE,
    HALF_SPREAD,
    HAS_MARGIN,
    HELD,
    IMPACT,
    LEVERAGE,
    LOT,
    NOW,
    OFFSET,
    PARTIAL,
    PRICE,
    ROUNDING,
    SOURCE,
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
    return np.copysign(np.floor(abs(quantity) / lot + ROUNDING) * lot, quantity)


@compiled_within
def price_orders(begin: int, end: int, sheet: Floats, rates: Floats, tiers: Floats) -> None:
    """Puts the costs of what is asked for on the sheet."""
    charges(
        begin,
        end,
        sheet[ASKED],
        sheet[PRICE],
        sheet[VOLATILITY],
        sheet[VALUE_TRADED],
        sheet[HALF_SPREAD],
        rates,
        tiers,
        sheet,
    )


@compiled_within
def settle(
    sells: int, buys: int, cash: float, limit: float, gross: float, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats,
    tiers: Floats, fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after the orders of the sheet, one after the other. limit: the gross exposure that may be, gross: what there is."""
    t, symbols, margin, lot = int(terms[NOW]), sheet.shape[1], terms[HAS_MARGIN] > 0.0, terms[LOT]
    session, n, impacts = t + int(terms[OFFSET]), used[0], figures.shape[0] > 4
    fees, spreads, moved, traded = 0.0, 0.0, 0.0, 0.0
    for k in range(sells + buys):
        s = chosen[k] if k < sells else chosen[symbols + k - sells]
        asked, price, held = sheet[ASKED, s], sheet[PRICE, s], sheet[HELD, s]
        if limit < np.inf:
            allowed = within_leverage(asked, held, price, limit - gross, lot)
            if allowed != asked:
                note(terms[NOW], s, LEVERAGE, asked, allowed, events, used)
                _reprice(s, allowed, sheet, rates, tiers)
                asked = allowed
        cost = sheet[COST_FEE, s] + sheet[COST_SPREAD, s] + sheet[COST_IMPACT, s]
        bought = asked > 0.0 and not margin
        if bought and asked * price + cost > cash * (1.0 + ROUNDING):
            allowed = in_lots(_affordable(s, cash, sheet, rates, tiers), lot)
            note(terms[NOW], s, PARTIAL, asked, allowed, events, used)
            _reprice(s, allowed, sheet, rates, tiers)
            asked = allowed
        if asked == 0.0:
            continue
        if sheet[COST_KNOWN, s] == 0.0:
            note(terms[NOW], s, UNKNOWN_COST, asked, 0.0, events, used)
        fee, spread, impact = sheet[COST_FEE, s], sheet[COST_SPREAD, s], sheet[COST_IMPACT, s]
        value, before = asked * price, cash
        cash -= value + fee + spread + impact
        if bought and cash <= 1e-12 * before:
            cash = 0.0  # it was meant to be used up: what is left are the last digits
        gross += (abs(held + asked) - abs(held)) * price
        sheet[HELD, s] = held + asked
        fills[0, n], fills[1, n], fills[2, n] = int(sheet[SOURCE, s]), session, s
        figures[0, n], figures[1, n], figures[2, n], figures[3, n] = asked, price, fee, spread
        if impacts:
            figures[4, n] = impact
        fees, spreads, moved, traded, n = (
            fees + fee,
            spreads + spread,
            moved + impact,
            traded + abs(value),
            n + 1,
        )
    used[0] = n
    rows[FEE, t] += fees
    rows[SPREAD, t] += spreads
    rows[IMPACT, t] += moved
    rows[TRADED, t] += traded
    return cash


@compiled_within
def within_leverage(quantity: float, held: float, price: float, room: float, lot: float) -> float:
    """What of an order keeps gross exposure from growing by more than `room`, in currency."""
    more = (abs(held + quantity) - abs(held)) * price
    if more <= 0.0 or more <= room + ROUNDING * more:
        return quantity
    most = abs(held) + max(room, 0.0) / price  # shares on the order's side
    allowed = in_lots(most - held if quantity > 0.0 else -most - held, lot)
    return allowed if allowed * quantity > 0.0 else 0.0


@compiled_within
def _reprice(s: int, quantity: float, sheet: Floats, rates: Floats, tiers: Floats) -> None:
    """An order that is cut costs less."""
    sheet[ASKED, s] = quantity
    price_orders(s, s + 1, sheet, rates, tiers)


@compiled_within
def _affordable(s: int, cash: float, sheet: Floats, rates: Floats, tiers: Floats) -> float:
    """The most shares of what is asked for that cash pays for: what a buy costs grows with it."""
    if not cash > 0.0:
        return 0.0
    price = sheet[PRICE, s]
    if proportional(rates, tiers):
        return cash / (price * (1.0 + rates[HALF_SPREAD_RATE]) * (1.0 + tiers[1, 0]))
    low, high = 0.0, min(sheet[ASKED, s], cash / price)
    for _ in range(100):
        middle = 0.5 * (low + high)
        if high - low <= 1e-15 * high:
            break
        _reprice(s, middle, sheet, rates, tiers)
        if middle * price + sheet[COST_FEE, s] + sheet[COST_SPREAD, s] + sheet[COST_IMPACT, s] <= cash:
            low = middle
        else:
            high = middle
    return low
