"""A session's orders with everything that can stand in their way."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.simulators.kernel.fills import (
    book,
    in_lots,
    price_order,
    within_cash,
    within_leverage,
)
from backcast.engine.simulators.kernel.plain import smallest_first
from backcast.engine.simulators.kernel.state import (
    ASKED,
    BELOW_LOT,
    BORROWABLE,
    CAPACITY,
    DECIDED,
    DONE,
    DROPPED,
    HAS_MARGIN,
    HELD,
    KIND,
    LOT,
    MAINTENANCE,
    MARGIN_CALL,
    MAX_LEVERAGE,
    NOT_BORROWABLE,
    NOT_TRADABLE,
    NOW,
    PATIENCE,
    PRICE,
    REST,
    REST_FROM,
    REST_LEFT,
    ROOM,
    ROUNDING,
    SHARES,
    SOURCE,
    TRADABLE,
    WEIGHT,
    WEIGHTS,
    exposure,
    note,
)
from backcast.signals.kernels.cache import compiled_within


@compiled_within
def trade_fully(
    cash: float, value: float, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats, tiers: Floats,
    fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after the session's orders."""
    symbols, limit, gross, margin = sheet.shape[1], np.inf, 0.0, terms[HAS_MARGIN] > 0.0
    if margin and terms[MAX_LEVERAGE] < np.inf:
        limit, gross = terms[MAX_LEVERAGE] * value, exposure(sheet[HELD], sheet[PRICE])
    sells, buys, left, more = _choose(cash, value, sheet, chosen, terms, rates, tiers, events, used)
    if gross + more > limit:
        smallest_first(chosen, 0, sells, sheet[ASKED], sheet[PRICE])
    if gross + more > limit or (left < 0.0 and not margin):
        smallest_first(chosen, symbols, symbols + buys, sheet[ASKED], sheet[PRICE])
    for k in range(sells + buys):
        s = chosen[k] if k < sells else chosen[symbols + k - sells]
        asked = sheet[ASKED, s]
        quantity = asked
        if limit < np.inf:
            quantity = within_leverage(s, asked, limit - gross, sheet, terms, events, used)
            if quantity != asked:
                price_order(s, quantity, sheet, rates, tiers)
        if quantity > 0.0 and not margin:
            quantity = within_cash(s, quantity, cash, sheet, terms, rates, tiers, events, used)
            if quantity != asked:
                price_order(s, quantity, sheet, rates, tiers)
        if quantity == 0.0:
            continue
        gross += (abs(sheet[HELD, s] + quantity) - abs(sheet[HELD, s])) * sheet[PRICE, s]
        before = cash
        cash = book(
            s, quantity, sheet[SOURCE, s], cash, sheet, terms, fills, figures, events, used, rows
        )
        if quantity > 0.0 and not margin and cash <= 1e-12 * before:
            cash = 0.0  # it was meant to be used up: what is left are the last digits
    return cash


@compiled_within
def _choose(
    cash: float, value: float, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats, tiers: Floats, events: Floats, used: Ints
) -> tuple[int, int, float, float]:
    """Puts quantities and their costs on the sheet, and who sells, and from S on who buys. Gives their numbers, what cash all of it
    would leave, and by how much what grows would add to gross exposure."""
    symbols, sells, buys, left, more = sheet.shape[1], 0, 0, cash, 0.0
    for s in range(symbols):
        quantity = _order(s, value, sheet, terms, events, used)
        if quantity == 0.0:
            continue
        sheet[ASKED, s] = quantity
        price, held = sheet[PRICE, s], sheet[HELD, s]
        left -= quantity * price + price_order(s, quantity, sheet, rates, tiers)
        more += max(abs(held + quantity) - abs(held), 0.0) * price
        chosen[sells if quantity < 0.0 else symbols + buys] = s
        sells += quantity < 0.0
        buys += quantity > 0.0
    return sells, buys, left, more


@compiled_within
def _order(s: int, value: float, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> float:
    """What is asked for of a symbol, by its target or by what is left of an earlier order, cut to what may be short and to volume."""
    new = sheet[TRADABLE, s] > 0.0 and sheet[WEIGHT, s] == sheet[WEIGHT, s]
    if not new and sheet[REST, s] == 0.0:
        return 0.0
    if new:
        drop(s, sheet, terms, events, used)
        quantity = _asked(s, value, sheet, terms, events, used)
        sheet[SOURCE, s] = terms[DECIDED]
    else:
        sheet[REST_LEFT, s] -= 1.0
        quantity, sheet[SOURCE, s] = sheet[REST, s], sheet[REST_FROM, s]
        if sheet[TRADABLE, s] == 0.0:
            if sheet[REST_LEFT, s] == 0.0:
                drop(s, sheet, terms, events, used)
            return 0.0
    held = sheet[HELD, s]
    if quantity < 0.0 and held + quantity < 0.0 and sheet[BORROWABLE, s] == 0.0:
        allowed = min(0.0, -held)
        note(terms[NOW], s, NOT_BORROWABLE, quantity, allowed, events, used)
        quantity = allowed
    return _within_volume(s, quantity, new, sheet, terms, events, used)


@compiled_within
def _asked(s: int, value: float, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> float:
    """The quantity that a target asks for, in lots; closing a position closes all of it, odd lots too."""
    held, weight = sheet[HELD, s], sheet[WEIGHT, s]
    quantity = weight
    if terms[KIND] == WEIGHTS:
        quantity = weight * value / sheet[PRICE, s] - held if weight != 0.0 else -held
    elif terms[KIND] == SHARES:
        quantity = weight - held
    if quantity == -held:
        return quantity
    whole = in_lots(quantity, terms[LOT])
    if whole == 0.0 and held == 0.0:
        note(terms[NOW], s, BELOW_LOT, quantity, terms[LOT], events, used)
    return whole


@compiled_within
def _within_volume(
    s: int, quantity: float, new: bool, sheet: Floats, terms: Floats, events: Floats, used: Ints
) -> float:
    """What of an order the session's volume takes; the rest is worked on, or dropped once patience is at its end."""
    room = sheet[ROOM, s] - sheet[DONE, s]
    room = room if room > 0.0 else 0.0  # volume that is not known is none
    sheet[REST, s] = 0.0
    if abs(quantity) <= room * (1.0 + ROUNDING):
        return quantity
    got = in_lots(room if quantity > 0.0 else -room, terms[LOT])
    if new:
        note(terms[NOW], s, CAPACITY, quantity, got, events, used)
        if terms[PATIENCE] > 0.0:
            sheet[REST, s] = quantity - got
            sheet[REST_LEFT, s] = terms[PATIENCE]
            sheet[REST_FROM, s] = sheet[SOURCE, s]
    else:
        sheet[REST, s] = quantity - got
        if sheet[REST_LEFT, s] == 0.0:
            drop(s, sheet, terms, events, used)
    return got


@compiled_within
def drop(s: int, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> None:
    """What was left of an order is given up."""
    if sheet[REST, s] != 0.0:
        note(terms[NOW], s, DROPPED, sheet[REST, s], 0.0, events, used)
        sheet[REST, s] = 0.0


@compiled_within
def margin_call(
    cash: float, value: float, called: float, sheet: Floats, terms: Floats, rates: Floats, tiers: Floats,
    fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cuts every position in proportion, sales first; cash after it. Buying back what is short may overdraw. called: equity over
    gross exposure at the close before."""
    gross = exposure(sheet[HELD], sheet[PRICE])
    target = value * min(terms[MAX_LEVERAGE], 1.0 / terms[MAINTENANCE])
    kept = target / gross if gross > target else 1.0
    note(terms[NOW], -1, MARGIN_CALL, called, kept, events, used)
    symbols = sheet.shape[1]
    for k in range(2 * symbols):
        side, s = (-1.0, k) if k < symbols else (1.0, k - symbols)
        quantity = in_lots((kept - 1.0) * sheet[HELD, s], terms[LOT])
        if quantity * side <= 0.0:
            continue
        if sheet[TRADABLE, s] == 0.0:
            note(terms[NOW], s, NOT_TRADABLE, quantity, 0.0, events, used)
            continue
        if not abs(quantity) <= sheet[ROOM, s] * (1.0 + ROUNDING):
            room = sheet[ROOM, s] if sheet[ROOM, s] > 0.0 else 0.0
            got = in_lots(room * side, terms[LOT])
            note(terms[NOW], s, CAPACITY, quantity, got, events, used)
            quantity = got
        if quantity != 0.0:
            price_order(s, quantity, sheet, rates, tiers)
            cash = book(s, quantity, -1.0, cash, sheet, terms, fills, figures, events, used, rows)
    return cash
