"""The loop over sessions, of plans with whatever a plan can carry. `bare.py` has one that is sooner compiled and faster."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.costs import charge
from backcast.engine.simulators.kernel.opening import accrued, exits, split
from backcast.engine.simulators.kernel.orders import close_forced, drop, given_up, margin_call, trade_fully
from backcast.engine.simulators.kernel.state import (
    BANKRUPT,
    BORROWABLE,
    CAPITAL,
    CASH,
    DECIDED,
    DIVIDEND,
    DONE,
    EQUITY,
    GONE,
    HALF_SPREAD,
    HAS_MARGIN,
    HELD,
    KEEP,
    MAINTENANCE,
    NOW,
    OVERDRAWN,
    OWED,
    PRICE,
    ROOM,
    ROUNDING,
    ROWS,
    TRADABLE,
    VALUE_TRADED,
    VOLATILITY,
    WEIGHT,
    WITHDRAWN,
    Given,
    Log,
    exposure,
    note,
    wider,
    wider_ints,
    worth,
)
from backcast.signals.kernels.cache import compiled, compiled_within

BORROW_PER_YEAR, BORROW_DATA, CASH_RATE, MARGIN_RATE = (
    charge.BORROW,
    charge.BORROW_DATA,
    charge.CASH,
    charge.MARGIN,
)


@compiled
def trade(
    given: Given, terms: Floats, rates: Floats, tiers: Floats, log: Log
) -> tuple[Floats, Ints, Floats, Floats, Ints]:
    """Trades a plan as `Simulator` says. log: an empty one, with room or without.

    Gives the rows (10, T) of the account by session, and the arrays of the log: all of it, or the last session's where not
    KEEP.
    """
    fills, figures, events, used = log.fills, log.figures, log.events, log.used
    sessions, symbols = given.weights.shape
    rows, sheet, chosen = np.zeros((10, sessions)), _sheet(symbols), np.zeros(2 * symbols, dtype=np.int64)
    held, due, cursor = sheet[HELD], np.zeros(len(given.ex)), np.zeros(2, dtype=np.int64)
    accrues = len(given.years) > 0 and _accrues(rates)
    unknown = np.full(symbols, np.nan)
    cash, owed, called = terms[CAPITAL], 0.0, np.nan
    for t in range(sessions):
        if terms[KEEP] == 0.0:
            used[GONE] += used[0]
            used[0], used[1] = 0, 0
        if used[0] + 2 * symbols > fills.shape[1]:
            room = 2 * fills.shape[1] + 2 * symbols
            fills, figures = wider_ints(fills, used[0], room), wider(figures, used[0], room)
        if used[1] + 14 * symbols + 8 > events.shape[1]:
            events = wider(events, used[1], 2 * events.shape[1] + 14 * symbols + 8)
        terms[NOW], terms[DECIDED] = t, given.decided[t]
        if len(given.deposit) > 0:
            there = rows[EQUITY, t - 1] if t > 0 else terms[CAPITAL]
            if -given.deposit[t] >= there:  # nothing is left to trade with: the rows stay at zero
                for s in range(symbols):
                    drop(s, sheet, terms, events, used)
                note(terms[NOW], -1, WITHDRAWN, there, -given.deposit[t], events, used)
                break
        before = cash
        marks = given.mark_price[max(t - 1, 0)]  # nothing is held before the first session
        if accrues and given.years[t] > 0.0:
            borrow_rate = given.borrow_rate[t] if len(given.borrow_rate) > 0 else unknown
            cash += accrued(cash, given.years[t], marks, borrow_rate, sheet, terms, rates, rows, events, used)
        if cursor[0] < len(given.ex) or cursor[1] < len(given.ex):
            cash, owed = _dividends(
                t,
                cash,
                owed,
                given.ex,
                given.pay,
                given.pay_order,
                given.symbol,
                given.amount,
                held,
                due,
                cursor,
                rows,
            )
        if len(given.split) > 0:
            cash += split(given.split[t], marks, sheet, terms, events, used)
        if len(given.deposit) > 0:
            cash += given.deposit[t]
        if len(given.exits) > 0:
            cash += exits(given.exits[t], sheet, terms, events, used)
        _copy(sheet[WEIGHT], given.weights, t)
        _copy(sheet[PRICE], given.fill_price, t)
        _copy(sheet[ROOM], given.capacity, t)
        _copy(sheet[VOLATILITY], given.volatility, t)
        _copy(sheet[VALUE_TRADED], given.traded, t)
        _copy(sheet[HALF_SPREAD], given.half_spread, t)
        _copy_flags(sheet[TRADABLE], given.tradable, t)
        _copy_flags(sheet[BORROWABLE], given.borrowable, t)
        value = worth(cash + owed, held, given.fill_price[t])
        if len(given.forced) > 0:
            value -= given_up(given.forced[t], sheet)
            cash = close_forced(
                cash,
                given.forced[t],
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
        if value > 0.0:
            for s in range(symbols):
                sheet[DONE, s] = 0.0
            if called == called:
                cash = margin_call(
                    cash,
                    value,
                    called,
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
            cash = trade_fully(
                cash, value, sheet, chosen, terms, rates, tiers, fills, figures, events, used, rows
            )
        equity = worth(cash + owed, held, given.mark_price[t])
        rows[EQUITY, t], rows[CASH, t], rows[OWED, t] = equity, cash, owed
        if terms[HAS_MARGIN] == 0.0 and cash < -ROUNDING * abs(equity) and before >= -ROUNDING * abs(equity):
            note(terms[NOW], -1, OVERDRAWN, cash, 0.0, events, used)
        called = np.nan
        if terms[MAINTENANCE] > 0.0:
            gross = exposure(held, given.mark_price[t])
            if gross > 0.0 and equity < terms[MAINTENANCE] * gross:
                called = equity / gross
        if equity <= 0.0 or t == sessions - 1:
            for s in range(symbols):
                drop(s, sheet, terms, events, used)
        if equity <= 0.0:
            note(terms[NOW], -1, BANKRUPT, equity, 0.0, events, used)
            for later in range(t + 1, sessions):
                rows[EQUITY, later], rows[CASH, later] = equity, equity
            break
    return rows, fills, figures, events, used


@compiled_within
def _sheet(symbols: int) -> Floats:
    """Nothing held, and nothing that stands in the way."""
    sheet = np.zeros((ROWS, symbols))
    for s in range(symbols):
        sheet[ROOM, s], sheet[BORROWABLE, s] = np.inf, 1.0
        sheet[VOLATILITY, s], sheet[VALUE_TRADED, s], sheet[HALF_SPREAD, s] = np.nan, np.nan, np.nan
    return sheet


@compiled_within
def _copy(row: Floats, array: Floats, t: int) -> None:
    """A session's row of an array of the plan, where there is one."""
    if len(array) > 0:
        for s in range(len(row)):
            row[s] = array[t, s]


@compiled_within
def _copy_flags(row: Floats, array: Bools, t: int) -> None:
    """As `_copy`, of flags."""
    if len(array) > 0:
        for s in range(len(row)):
            row[s] = 1.0 if array[t, s] else 0.0


@compiled_within
def _accrues(rates: Floats) -> bool:
    """Whether time alone costs or brings anything."""
    borrows = rates[BORROW_PER_YEAR] > 0.0 or rates[BORROW_DATA] > 0.0
    return borrows or rates[CASH_RATE] != 0.0 or rates[MARGIN_RATE] != 0.0


@compiled_within
def _dividends(
    t: int, cash: float, owed: float, ex: Ints, pay: Ints, pay_order: Ints, symbol: Ints, amount: Floats, held: Floats,
    due: Floats, cursor: Ints, rows: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Dividends past ex become owed, by the shares of the session before; those payable are paid."""
    i, j = cursor[0], cursor[1]
    while i < len(ex) and ex[i] <= t:
        due[i] = held[symbol[i]] * amount[i]
        owed += due[i]
        rows[DIVIDEND, t] += due[i]
        i += 1
    while j < len(ex) and pay[pay_order[j]] <= t:
        cash += due[pay_order[j]]
        owed -= due[pay_order[j]]
        j += 1
    cursor[0], cursor[1] = i, j
    return cash, owed if i > j else 0.0  # nothing outstanding is nothing, to the last digit
