"""What a simulator is: it trades a plan and keeps the account."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from backcast.data.types import Floats
from backcast.engine.costs.base import Cost
from backcast.engine.simulators.kernel import state
from backcast.engine.types import Account, Events, Fills, Plan


class Simulator(ABC):
    """Trades a plan, one account for all symbols. In the order of a session:

    1. Its open. Who takes out all that there was at the last close, or more, gets that, and the account ends. Interest on
       cash, or on what is borrowed, and fees on what is short at the last marks accrue. Dividends past ex become owed by the
       shares of the session before; those payable are paid. Splits multiply shares and what is left of orders; where shares
       come in lots, a part of a share (or of a smaller lot) is paid in cash at its last mark. Deposits come. Exits take all
       shares for cash.
    2. Its fill point. The account is valued once at the fill prices. What is held of a symbol that vanished is closed, at a
       price that the haircut makes worse for its side. One worth nothing or less does not trade. A margin call of the last
       close comes first: every position is cut in proportion, to max_leverage or to what maintenance allows, whichever is
       less. Then orders: quantities are rounded toward zero to lots (but closing closes all), short sales are cut at what is
       held where nothing can be borrowed, and at the session's volume; what volume cut is worked in the sessions after it,
       until a new order of the symbol or the end of patience. Sells come first, then buys; the smallest first where cash, or
       max_leverage with margin, does not suffice for all. Without margin a buy gets what cash there is. Spread and impact
       worsen the price, the fee is taken of the worsened value.
    3. Its close. Positions at their marks. An account worth nothing or less ends there: it stays what it is.

    Whatever is cut, dropped or done unasked is an event.
    """

    name: ClassVar[str]

    @abstractmethod
    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        """The account from the plan's first fill session to its last. Errors: InputError for a plan or costs that cannot be."""


def account(plan: Plan, capital: float, rows: Floats, fills: Fills, events: Events) -> Account:
    """The account of its rows (10, T) by session, as `kernel.state` names them."""
    equity = rows[state.EQUITY]
    deposit = np.zeros(len(equity)) if plan.deposit is None else np.array(plan.deposit, dtype=np.float64)
    deposit = np.maximum(deposit, -np.append(capital, equity[:-1]))  # no more than there is can be taken out
    over = np.flatnonzero(equity <= 0)
    if len(over):
        deposit[over[0] + 1 :] = 0.0  # nobody deposits with what is bankrupt
    base = bases(equity, deposit, capital)
    solvent = base > 0
    spent = rows[state.FEE] + rows[state.SPREAD] + rows[state.IMPACT] + rows[state.BORROW]
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(solvent, equity / base - 1, 0.0)
        gross = np.where(solvent, net + spent / base, 0.0)
        turnover = np.where(solvent, rows[state.TRADED] / base, 0.0)
    return Account(
        sessions=np.arange(plan.offset, plan.offset + len(equity)),
        symbols=plan.symbols,
        capital=capital,
        equity=equity,
        cash=rows[state.CASH],
        owed=rows[state.OWED],
        gross_return=gross,
        net_return=net,
        turnover=turnover,
        fee=rows[state.FEE],
        spread=rows[state.SPREAD],
        impact=rows[state.IMPACT],
        borrow=rows[state.BORROW],
        dividend=rows[state.DIVIDEND],
        interest=rows[state.INTEREST],
        deposit=deposit,
        fills=fills,
        events=events,
    )


def bases(equity: Floats, deposit: Floats, capital: float) -> Floats:
    """(T,) what each session's returns are measured against: the equity before it and what was deposited; at least 0."""
    base = np.empty(len(equity))
    base[0], base[1:] = capital, equity[:-1]
    return np.maximum(base + deposit, 0.0)


def free(count: int) -> Floats:
    """(N,) zeros that take no memory."""
    return np.broadcast_to(np.zeros(1), (count,))


def spent_by_session(plan: Plan, fills: Fills) -> Floats:
    """(4, T) fees, spreads, impacts and traded value of a fill log."""
    at, value = fills.session - plan.offset, np.abs(fills.quantity) * fills.price
    parts = (fills.fee, fills.spread, fills.impact, value)
    return np.stack([np.bincount(at, weights=part, minlength=len(plan.weights)) for part in parts])
