"""What happens at a session's open, before anything trades: interest, borrow fees, dividends, splits, exits."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.costs import charge
from backcast.engine.simulators.kernel.state import (
    BORROW,
    DROPPED,
    EXIT,
    HELD,
    INTEREST,
    LIEU,
    LOT,
    NOW,
    REST,
    UNKNOWN_COST,
    note,
)
from backcast.signals.kernels.cache import compiled_within

CASH_RATE, MARGIN_RATE = charge.CASH, charge.MARGIN
BORROW_PER_YEAR, BORROW_DATA = charge.BORROW, charge.BORROW_DATA


@compiled_within
def accrued(
    cash: float,
    years: float,
    marks: Floats,
    borrow_rate: Floats,
    sheet: Floats,
    terms: Floats,
    rates: Floats,
    rows: Floats,
    events: Floats,
    used: Ints,
) -> float:
    """Interest less borrow fees since the session before, at its marks."""
    t = int(terms[NOW])
    interest = cash * (rates[CASH_RATE] if cash > 0.0 else rates[MARGIN_RATE]) * years
    fee, by_data = 0.0, rates[BORROW_DATA] > 0.0
    if rates[BORROW_PER_YEAR] > 0.0 or rates[BORROW_DATA] > 0.0:
        for s in range(sheet.shape[1]):
            held, own = sheet[HELD, s], borrow_rate[s]
            known = own >= 0.0
            if by_data and not known and held < 0.0:
                note(terms[NOW], s, UNKNOWN_COST, held, 0.0, events, used)
            rate = rates[BORROW_PER_YEAR] + rates[BORROW_DATA] * (own if known else 0.0)
            due = held * marks[s] * rate * years
            fee -= due if held < 0.0 else 0.0
    rows[INTEREST, t] = interest
    rows[BORROW, t] = fee
    return interest - fee


@compiled_within
def split(ratios: Floats, marks: Floats, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> float:
    """New shares for old; gives the cash for parts of a share, at the last mark, where shares come in lots."""
    cash, unit = 0.0, min(terms[LOT], 1.0)
    for s in range(sheet.shape[1]):
        ratio = ratios[s]
        if ratio == 1.0 or not ratio > 0.0:
            continue
        sheet[REST, s] *= ratio
        sheet[HELD, s] *= ratio
        if unit > 0.0:
            held = sheet[HELD, s]
            whole = np.floor(abs(held) / unit + 1e-9) * unit
            whole = whole if held > 0.0 else -whole
            sheet[HELD, s] = whole
            if abs(held - whole) > 1e-9 * unit:
                price = marks[s] / ratio
                note(terms[NOW], s, LIEU, held - whole, price, events, used)
                cash += (held - whole) * price
    return cash


@compiled_within
def exits(prices: Floats, sheet: Floats, terms: Floats, events: Floats, used: Ints) -> float:
    """The cash for which all shares are taken away, at no cost."""
    cash = 0.0
    for s in range(sheet.shape[1]):
        price = prices[s]
        if price >= 0.0:
            if sheet[HELD, s] != 0.0:
                note(terms[NOW], s, EXIT, sheet[HELD, s], price, events, used)
                cash += sheet[HELD, s] * price
                sheet[HELD, s] = 0.0
            if sheet[REST, s] != 0.0:
                note(terms[NOW], s, DROPPED, sheet[REST, s], 0.0, events, used)
                sheet[REST, s] = 0.0
    return cash
