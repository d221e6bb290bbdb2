"""The Numba simulator: one pass over time, cash shared by all symbols."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numba import njit

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.costs.base import Cost
from backcast.engine.simulators.base import Simulator, account, merged
from backcast.engine.types import Account, Fills, Plan
from backcast.signals.kernels.cache import use_kernel_cache

use_kernel_cache()

ROUNDING = 1e-9
"""A buy may exceed the cash by this share of it and still count as whole: the last digits of sums differ."""


class NativeSimulator(Simulator):
    """A plan through one compiled loop."""

    name: ClassVar[str] = "native"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        equity, cash, spent, session, symbol, log, wanted = trade(
            plan.weights, plan.tradable, plan.fill_price, plan.mark_price, capital,
            (cost.fee_bps / 1e4, cost.half_spread_bps / 1e4), plan.margin,
        )  # fmt: skip
        short = np.flatnonzero(np.isfinite(wanted))
        events = merged(
            plan, session[short] + plan.offset, symbol[short], wanted[short], log[0, short], equity
        )
        if len(short):  # an order for which there was no cash at all is an event, but no fill
            some = log[0] != 0.0
            session, symbol, log = session[some], symbol[some], log[:, some]
        fills = Fills(plan.decided[session], session + plan.offset, symbol, *log, np.zeros(len(session)))
        return account(plan, capital, equity, cash, spent, fills, events)


@njit(cache=True, nogil=True)
def trade(
    weights: Floats,
    tradable: Bools,
    fill_price: Floats,
    mark_price: Floats,
    capital: float,
    rates: tuple[float, float],
    margin: bool,
) -> Any:
    """Trades weights (T, S) as `Simulator` says; rates are the fee and the half-spread, as shares of the traded value.

    Gives equity (T,), cash (T,), spent (3, T) fees, spreads and traded value, and of each fill its session and symbol, log
    (4, N) quantity, price, fee and spread, and wanted (N,), the quantity asked for where cash fell short, else NaN.
    """
    sessions, symbols = weights.shape
    equity, cash_at, spent = np.empty(sessions), np.empty(sessions), np.zeros((3, sessions))
    room = _count(weights, tradable)
    at, of = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    log, wanted = np.empty((4, room)), np.full(room, np.nan)
    shares, asked, chosen = np.zeros(symbols), np.empty(symbols), np.empty(symbols, dtype=np.int64)
    cash, n = capital, 0
    for t in range(sessions):
        value = _worth(cash, shares, fill_price[t])
        orders = (
            _orders(weights[t], tradable[t], value, fill_price[t], shares, asked, chosen)
            if value > 0.0
            else 0
        )
        if orders and not margin:
            _smallest_buys_first(orders, cash, asked, chosen, fill_price[t], rates)
        for k in range(orders):
            s, quantity = chosen[k], asked[chosen[k]]
            price = fill_price[t, s]
            paid = price * (1.0 + rates[1]) * (1.0 + rates[0])  # by a buyer, a share
            if quantity > 0.0 and not margin and quantity * paid > cash * (1.0 + ROUNDING):
                wanted[n] = quantity
                quantity = max(cash, 0.0) / paid
            worth = abs(quantity) * price
            crossed = worth * rates[1]
            fee = (worth + crossed if quantity > 0.0 else worth - crossed) * rates[0]
            cash -= quantity * price + crossed + fee
            if cash < 0.0 and not margin:  # by the last digits only
                cash = 0.0
            shares[s] += quantity
            at[n], of[n] = t, s
            log[0, n], log[1, n], log[2, n], log[3, n] = quantity, price, fee, crossed
            spent[0, t] += fee
            spent[1, t] += crossed
            spent[2, t] += worth
            n += 1
        equity[t], cash_at[t] = _worth(cash, shares, mark_price[t]), cash
    return equity, cash_at, spent, at[:n], of[:n], log[:, :n], wanted[:n]


@njit(cache=True, nogil=True)
def _count(weights: Floats, tradable: Bools) -> int:
    """How many orders there are: the most that can fill."""
    count = 0
    for t in range(weights.shape[0]):
        for s in range(weights.shape[1]):
            count += tradable[t, s] and np.isfinite(weights[t, s])
    return count


@njit(cache=True, nogil=True)
def _worth(cash: float, shares: Floats, prices: Floats) -> float:
    """Cash and positions; a price that nobody holds may be missing."""
    total = cash
    for s in range(len(shares)):
        if shares[s] != 0.0:
            total += shares[s] * prices[s]
    return total


@njit(cache=True, nogil=True)
def _orders(
    weights: Floats,
    tradable: Bools,
    value: float,
    prices: Floats,
    shares: Floats,
    asked: Floats,
    chosen: Ints,
) -> int:
    """Quantities asked for by symbol, and the symbols in the order of trading: sells first. Gives their number."""
    orders = 0
    for s in range(len(weights)):
        asked[s] = np.nan
        if tradable[s] and np.isfinite(weights[s]):
            asked[s] = weights[s] * value / prices[s] - shares[s]
            if asked[s] < 0.0:
                chosen[orders] = s
                orders += 1
    for s in range(len(weights)):
        if asked[s] > 0.0:
            chosen[orders] = s
            orders += 1
    return orders


@njit(cache=True, nogil=True)
def _smallest_buys_first(
    orders: int, cash: float, asked: Floats, chosen: Ints, prices: Floats, rates: tuple[float, float]
) -> None:
    """Sorts the buys by value where cash does not suffice for all, so that as many as can be are whole."""
    left, first = cash, orders
    for k in range(orders):
        s = chosen[k]
        side = 1.0 if asked[s] > 0.0 else -1.0
        left -= asked[s] * prices[s] * (1.0 + side * rates[1]) * (1.0 + side * rates[0])
        if side > 0.0 and first == orders:
            first = k
    if left < 0.0 and first < orders:
        size = np.empty(orders - first)
        for k in range(first, orders):
            size[k - first] = asked[chosen[k]] * prices[chosen[k]]
        chosen[first:orders] = chosen[first:orders][np.argsort(size, kind="mergesort")]
