"""The Numba simulator: one pass over time, cash shared by all symbols."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.costs.base import Cost
from backcast.engine.simulators.base import Simulator, account, merged
from backcast.engine.types import Account, Fills, Plan
from backcast.signals.kernels.cache import use_kernel_cache

use_kernel_cache()

ROUNDING = 1e-9
"""A buy may exceed the cash by this share of itself without counting as partial: the last digits of sums differ."""


class NativeSimulator(Simulator):
    """A plan through one compiled loop."""

    name: ClassVar[str] = "native"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        orders: Bools = np.isfinite(plan.weights) & plan.tradable
        log = _Log(int(orders.sum()))
        equity, cash = np.empty(len(orders)), np.empty(len(orders))
        rates = (cost.fee_bps / 1e4, cost.half_spread_bps / 1e4)
        n, short = trade(
            plan.weights,
            orders,
            np.asarray(orders.any(axis=1)),
            plan.fill_price,
            plan.mark_price,
            capital,
            *rates,
            plan.margin,
            equity,
            cash,
            log.session,
            log.symbol,
            log.quantity,
            log.wanted,
        )
        fills = log.fills(n, plan, *rates)
        partial = np.flatnonzero(log.wanted[:n] != log.quantity[:n]) if short else np.empty(0, dtype=np.int64)
        events = merged(
            plan,
            fills.session[partial],
            fills.symbol[partial],
            log.wanted[partial],
            log.quantity[partial],
            equity,
        )
        return account(plan, capital, equity, cash, fills, events)


class _Log:
    """Room for every order that could fill."""

    def __init__(self, capacity: int) -> None:
        self.session, self.symbol = np.empty(capacity, dtype=np.int64), np.empty(capacity, dtype=np.int64)
        self.quantity, self.wanted = np.empty(capacity), np.empty(capacity)

    def fills(self, n: int, plan: Plan, fee: float, spread: float) -> Fills:
        """The first n, with prices and costs."""
        t, s, quantity = self.session[:n], self.symbol[:n], self.quantity[:n]
        price = plan.fill_price[t, s]
        value = np.abs(quantity) * price
        paid = value * np.where(quantity > 0, 1 + spread, 1 - spread)
        return Fills(plan.decided[t], t + plan.offset, s, quantity, price, paid * fee, value * spread)


@njit(cache=True, nogil=True)
def trade(
    weights: Floats,
    orders: Bools,
    active: Bools,
    fill_price: Floats,
    mark_price: Floats,
    capital: float,
    fee: float,
    spread: float,
    margin: bool,
    equity: Floats,
    cash_at: Floats,
    log_session: Ints,
    log_symbol: Ints,
    log_quantity: Floats,
    log_wanted: Floats,
) -> tuple[int, bool]:
    """Trades weights (T, S) where `orders`, and writes equity and cash (T,) and the log. Gives the number of fills, and
    whether any was short of what was wanted. Numbered in the class docstring of `Simulator`."""
    sessions, symbols = weights.shape
    shares = np.zeros(symbols)
    delta = np.zeros(symbols)
    buys = np.empty(symbols, dtype=np.int64)
    cash, n, short = capital, 0, False
    for t in range(sessions):
        if active[t]:
            value = cash
            for s in range(symbols):
                if shares[s] != 0.0:
                    value += shares[s] * fill_price[t, s]
            bought, needed = 0, 0.0
            if value > 0.0:
                for s in range(symbols):
                    if orders[t, s]:
                        delta[s] = weights[t, s] * value / fill_price[t, s] - shares[s]
                        if delta[s] < 0.0:
                            cash -= delta[s] * fill_price[t, s] * (1 - spread) * (1 - fee)
                            shares[s] += delta[s]
                            log_session[n], log_symbol[n], log_quantity[n] = t, s, delta[s]
                            log_wanted[n] = delta[s]
                            n += 1
                        elif delta[s] > 0.0:
                            needed += delta[s] * fill_price[t, s] * (1 + spread) * (1 + fee)
                            buys[bought] = s
                            bought += 1
            if bought and not margin and needed > cash * (1 + ROUNDING):
                size = np.empty(bought)
                for k in range(bought):
                    size[k] = delta[buys[k]] * fill_price[t, buys[k]]
                buys[:bought] = buys[:bought][np.argsort(size, kind="mergesort")]
            for k in range(bought):
                s = buys[k]
                price = fill_price[t, s] * (1 + spread) * (1 + fee)
                wanted = delta[s]
                if not margin and delta[s] * price > cash * (1 + ROUNDING):
                    delta[s] = max(cash, 0.0) / price
                    short = True
                cash -= delta[s] * price
                if not margin and cash < 0.0:  # rounding only
                    cash = 0.0
                shares[s] += delta[s]
                log_session[n], log_symbol[n], log_quantity[n], log_wanted[n] = t, s, delta[s], wanted
                n += 1
        total = cash
        for s in range(symbols):
            if shares[s] != 0.0:
                total += shares[s] * mark_price[t, s]
        equity[t] = total
        cash_at[t] = cash
    return n, short
