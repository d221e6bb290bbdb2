"""A session's orders with everything that can stand in their way."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.simulators.kernel.fills import in_lots, price_orders, settle
from backcast.engine.simulators.kernel.plain import smallest_first
from backcast.engine.simulators.kernel.state import (
    ASKED,
    BELOW_LOT,
    BORROWABLE,
    CAPACITY,
    COST_FEE,
    COST_IMPACT,
    COST_KNOWN,
    COST_SPREAD,
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
    VANISHED,
    WEIGHT,
    WEIGHTS,
    asks,
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
    choose(value, sheet, terms, events, used)
    price_orders(0, symbols, sheet, rates, tiers)
    sells, buys, left, more = _sides(cash, sheet, chosen)
    if gross + more <= limit:
        limit = np.inf  # no order can be cut
    else:
        smallest_first(chosen, 0, sells, sheet[ASKED], sheet[PRICE])
    if limit < np.inf or (left < 0.0 and not margin):
        smallest_first(chosen, symbols, symbols + buys, sheet[ASKED], sheet[PRICE])
    return settle(
        sells,
        buys,
        cash,
        limit,
        gross,
        sheet,
        chosen,
        terms,
        rates,
        tiers,
        fills,
        figures,
        events,
        used,
        rows,
    )


@compiled_within
def _sides(cash: float, sheet: Floats, chosen: Ints) -> tuple[int, int, float, float]:
    """Who sells, and from S on who buys. Gives their numbers, what cash all of it would leave, and by how much what grows would
    add to gross exposure."""
    symbols, sells, buys, left, more = sheet.shape[1], 0, 0, cash, 0.0
    for s in range(symbols):
        quantity = sheet[ASKED, s]
        if quantity != 0.0:
            price, held = sheet[PRICE, s], sheet[HELD, s]
            left -= quantity * price + sheet[COST_FEE, s] + sheet[COST_SPREAD, s] + sheet[COST_IMPACT, s]
            more += max(abs(held + quantity) - abs(held), 0.0) * price
            chosen[sells], chosen[symbols + buys] = s, s  # one of them counts
            sells += quantity < 0.0
            buys += quantity > 0.0
    return sells, buys, left, more


@compiled_within
def choose(value: float, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> None:
    """Puts on the sheet what is asked for of each symbol, by its target or by what is left of an earlier order, cut to what
    may be short and to volume; 0 = nothing."""
    t, kind, lot = terms[NOW], terms[KIND], terms[LOT]
    for s in range(sheet.shape[1]):
        weight, held, quantity = sheet[WEIGHT, s], sheet[HELD, s], 0.0
        new = sheet[TRADABLE, s] > 0.0 and weight == weight
        if sheet[TRADABLE, s] == 0.0 and asks(weight, held, kind):
            note(t, s, NOT_TRADABLE, weight, 0.0, events, used)
        if sheet[REST, s] != 0.0:
            quantity = _resumed(s, new, sheet, terms, events, used)
        if new:
            quantity = _target(kind, weight, value, sheet[PRICE, s], held)
            sheet[SOURCE, s] = terms[DECIDED]
            if lot > 0.0 and quantity != -held:  # closing closes all of it, odd lots too
                whole = in_lots(quantity, lot)
                if whole == 0.0 and abs(quantity) > ROUNDING * max(abs(held), lot):
                    note(t, s, BELOW_LOT, quantity, lot, events, used)
                quantity = whole
        if sheet[BORROWABLE, s] == 0.0 and quantity < min(0.0, -held):
            allowed = min(0.0, -held)
            note(t, s, NOT_BORROWABLE, quantity, allowed, events, used)
            quantity, sheet[REST, s] = allowed, 0.0
        room = sheet[ROOM, s] - sheet[DONE, s]
        if abs(quantity) <= room * (1.0 + ROUNDING):
            sheet[REST, s] = 0.0 if quantity != 0.0 or new else sheet[REST, s]
        elif quantity != 0.0:
            quantity = _within_volume(s, quantity, room, new, sheet, terms, events, used)
        sheet[ASKED, s] = quantity


@compiled_within
def _target(kind: float, weight: float, value: float, price: float, held: float) -> float:
    """The quantity that a target asks for."""
    if kind == WEIGHTS:
        return weight * value / price - held if weight != 0.0 else -held
    return weight - held if kind == SHARES else weight


@compiled_within
def _resumed(s: int, new: bool, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> float:
    """What is left of an earlier order, unless a new one takes its place; 0 where it cannot trade."""
    if new:
        drop(s, sheet, terms, events, used)
        return 0.0
    sheet[REST_LEFT, s] -= 1.0
    sheet[SOURCE, s] = sheet[REST_FROM, s]
    if sheet[TRADABLE, s] > 0.0:
        return sheet[REST, s]
    if sheet[REST_LEFT, s] == 0.0:
        drop(s, sheet, terms, events, used)
    return 0.0


@compiled_within
def _within_volume(
    s: int, quantity: float, room: float, new: bool, sheet: Floats, terms: Floats, events: Floats, used: Ints
) -> float:
    """What the session's volume takes of an order; the rest is worked on, or dropped once patience is at its end."""
    room = room if room > 0.0 else 0.0  # volume that is not known is none
    got = in_lots(room if quantity > 0.0 else -room, terms[LOT])
    sheet[REST, s] = 0.0
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
    cash: float, value: float, called: float, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats, tiers: Floats,
    fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cuts every position in proportion, sales first; cash after it. Buying back what is short may overdraw. called: equity
    over gross exposure at the close before."""
    gross, symbols, t = exposure(sheet[HELD], sheet[PRICE]), sheet.shape[1], terms[NOW]
    target = value * min(terms[MAX_LEVERAGE], 1.0 / terms[MAINTENANCE])
    kept = target / gross if gross > target else 1.0
    note(t, -1, MARGIN_CALL, called, kept, events, used)
    for s in range(symbols):
        quantity, room = in_lots((kept - 1.0) * sheet[HELD, s], terms[LOT]), sheet[ROOM, s]
        if quantity != 0.0 and sheet[TRADABLE, s] == 0.0:
            note(t, s, NOT_TRADABLE, quantity, 0.0, events, used)
            quantity = 0.0
        if quantity != 0.0 and not abs(quantity) <= room * (1.0 + ROUNDING):
            room = room if room > 0.0 else 0.0
            got = in_lots(room if quantity > 0.0 else -room, terms[LOT])
            note(t, s, CAPACITY, quantity, got, events, used)
            quantity = got
        sheet[ASKED, s], sheet[SOURCE, s], sheet[DONE, s] = quantity, -1.0, abs(quantity)
    price_orders(0, symbols, sheet, rates, tiers)
    return _unasked(cash, sheet, chosen, terms, rates, tiers, fills, figures, events, used, rows)


@compiled_within
def given_up(haircuts: Floats, sheet: Floats) -> float:
    """What closing what is held costs by the haircuts."""
    total = 0.0
    for s in range(sheet.shape[1]):
        if haircuts[s] >= 0.0 and sheet[HELD, s] != 0.0:
            total += abs(sheet[HELD, s]) * sheet[PRICE, s] * haircuts[s]
    return total


@compiled_within
def close_forced(
    cash: float, haircuts: Floats, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats, tiers: Floats, fills: Ints,
    figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Closes what is held of symbols that vanished, sales first, each at a price that the haircut makes worse for the side
    that is held; cash after it. Nothing sells at 0, so what goes for that pays no costs."""
    symbols, found = sheet.shape[1], False
    for s in range(symbols):
        held, haircut = sheet[HELD, s], haircuts[s]
        sheet[ASKED, s] = 0.0
        if not haircut >= 0.0:
            continue
        drop(s, sheet, terms, events, used)
        if held != 0.0:
            sheet[PRICE, s] *= 1.0 - haircut if held > 0.0 else 1.0 + haircut
            sheet[ASKED, s], sheet[SOURCE, s], found = -held, -1.0, True
            note(terms[NOW], s, VANISHED, held, sheet[PRICE, s], events, used)
    if not found:
        return cash
    price_orders(0, symbols, sheet, rates, tiers)
    for s in range(symbols):
        if sheet[ASKED, s] != 0.0 and sheet[PRICE, s] == 0.0:
            sheet[COST_FEE, s], sheet[COST_SPREAD, s], sheet[COST_IMPACT, s], sheet[COST_KNOWN, s] = (
                0.0,
                0.0,
                0.0,
                1.0,
            )
    return _unasked(cash, sheet, chosen, terms, rates, tiers, fills, figures, events, used, rows)


@compiled_within
def _unasked(
    cash: float, sheet: Floats, chosen: Ints, terms: Floats, rates: Floats, tiers: Floats, fills: Ints, figures: Floats,
    events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after what nobody ordered, whatever cash and leverage allow."""
    sells, buys, _, _ = _sides(cash, sheet, chosen)
    margin, terms[HAS_MARGIN] = terms[HAS_MARGIN], 1.0
    cash = settle(
        sells, buys, cash, np.inf, 0.0, sheet, chosen, terms, rates, tiers, fills, figures, events, used, rows
    )
    terms[HAS_MARGIN] = margin
    return cash
