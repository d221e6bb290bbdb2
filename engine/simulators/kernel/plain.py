"""A session's orders where nothing but cash can stand in the way and costs are proportional: the fast path."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.costs.charge import (
    HALF_SPREAD,
    IMPACT_LINEAR,
    IMPACT_POWER,
    MAXIMUM,
    MINIMUM,
    PER_ORDER,
    PER_SHARE,
    SPREAD_DATA,
    SPREAD_VOLATILITY,
)
from backcast.engine.simulators.kernel.state import (
    DECIDED,
    FEE,
    HAS_MARGIN,
    KEEP,
    KIND,
    NOT_TRADABLE,
    NOW,
    OFFSET,
    PARTIAL,
    ROUNDING,
    SHARES,
    SPREAD,
    TRADED,
    WEIGHTS,
    asks,
    note,
)
from backcast.signals.kernels.cache import compiled_within


@compiled_within
def proportional(rates: Floats, tiers: Floats) -> bool:
    """Whether an order costs a constant share of its value."""
    return (
        tiers.shape[1] == 1
        and rates[PER_SHARE] == 0.0
        and rates[PER_ORDER] == 0.0
        and rates[MINIMUM] == 0.0
        and not rates[MAXIMUM] < np.inf
        and rates[HALF_SPREAD] <= 1.0
        and rates[SPREAD_VOLATILITY] == 0.0
        and rates[SPREAD_DATA] == 0.0
        and rates[IMPACT_LINEAR] == 0.0
        and rates[IMPACT_POWER] == 0.0
    )


@compiled_within
def ask(value: float, weights: Floats, prices: Floats, held: Floats, kind: float, asked: Floats) -> None:
    """The quantity that is asked for of every symbol; NaN where nothing is. Nothing chooses here, so that many are done at
    once: what trades has a price, and what nobody wants is asked for 0 - held."""
    if kind == WEIGHTS:
        for s in range(len(weights)):
            asked[s] = weights[s] * value / prices[s] - held[s]
    elif kind == SHARES:
        for s in range(len(weights)):
            asked[s] = weights[s] - held[s]
    else:
        for s in range(len(weights)):
            asked[s] = weights[s]


@compiled_within
def concerned(asked: Floats, tradable: Bools, names: Ints) -> int:
    """Puts first among `names`, ascending, the symbols of which something is asked for, or which do not trade; gives their
    number."""
    count = 0
    for s in range(len(asked)):
        names[count] = s  # written first, counted after: a branch that depends on the data would cost more
        count += (asked[s] != 0.0) | (not tradable[s])
    return count


@compiled_within
def sides(
    cash: float,
    tradable: Bools,
    prices: Floats,
    names: Ints,
    up: float,
    down: float,
    asked: Floats,
    chosen: Ints,
) -> tuple[int, int, float, int]:
    """Of `names`, who sells, and from S on who buys; gives their numbers, what cash it would leave, and how many do not
    trade."""
    symbols, sells, buys, left, missed = len(prices), 0, 0, cash, 0
    for k in range(len(names)):
        s = names[k]
        quantity = asked[s]
        sale, purchase = tradable[s] & (quantity < 0.0), tradable[s] & (quantity > 0.0)
        chosen[sells] = s
        chosen[symbols + buys] = s
        sells += sale
        buys += purchase
        missed += not tradable[s]
        paid = quantity * prices[s] * (up if quantity > 0.0 else down)
        left -= paid if sale | purchase else 0.0
    return sells, buys, left, missed


@compiled_within
def sell_plainly(
    cash: float, sells: int, chosen: Ints, asked: Floats, prices: Floats, held: Floats, terms: Floats, spread: float,
    fee: float,
    fills: Ints, figures: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after the sales."""
    decided, t, n = int(terms[DECIDED]), int(terms[NOW]), used[0]
    session, kept, fees, crossings, values = t + int(terms[OFFSET]), terms[KEEP] > 0.0, 0.0, 0.0, 0.0
    for k in range(sells):
        s = chosen[k]
        quantity, price = asked[s], prices[s]
        worth = -quantity * price
        crossed = worth * spread
        charged = (worth - crossed) * fee
        cash += worth - crossed - charged
        held[s] += quantity
        if kept:
            fills[0, n], fills[1, n], fills[2, n] = decided, session, s
            figures[0, n], figures[1, n], figures[2, n], figures[3, n] = quantity, price, charged, crossed
        fees, crossings, values, n = fees + charged, crossings + crossed, values + worth, n + 1
    used[0] = n
    rows[FEE, t] += fees
    rows[SPREAD, t] += crossings
    rows[TRADED, t] += values
    return cash


@compiled_within
def buy_plainly(
    cash: float, buys: int, short: bool, chosen: Ints, asked: Floats, prices: Floats, held: Floats, terms: Floats,
    spread: float, fee: float, fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after the buys. short: whether it may not suffice for all."""
    decided, t, n = int(terms[DECIDED]), int(terms[NOW]), used[0]
    session, kept, fees, crossings, values = t + int(terms[OFFSET]), terms[KEEP] > 0.0, 0.0, 0.0, 0.0
    up, symbols = (1.0 + spread) * (1.0 + fee), len(prices)
    for k in range(symbols, symbols + buys):
        s = chosen[k]
        quantity, price, before = asked[s], prices[s], cash
        if short and quantity * price * up > cash * (1.0 + ROUNDING):
            quantity = max(cash, 0.0) / (price * up)
            note(terms[NOW], s, PARTIAL, asked[s], quantity, events, used)
            if quantity == 0.0:
                continue
        worth = quantity * price
        crossed = worth * spread
        charged = (worth + crossed) * fee
        cash -= worth + crossed + charged
        held[s] += quantity
        if kept:
            fills[0, n], fills[1, n], fills[2, n] = decided, session, s
            figures[0, n], figures[1, n], figures[2, n], figures[3, n] = quantity, price, charged, crossed
        fees, crossings, values, n = fees + charged, crossings + crossed, values + worth, n + 1
        if short and cash <= 1e-12 * before:
            cash = 0.0  # it was meant to be used up: what is left are the last digits
    used[0] = n
    rows[FEE, t] += fees
    rows[SPREAD, t] += crossings
    rows[TRADED, t] += values
    return cash


@compiled_within
def smallest_first(chosen: Ints, begin: int, end: int, asked: Floats, prices: Floats) -> None:
    """Sorts orders by their value, so that as many as can be are whole. Shell's sort with Knuth's gaps: short to compile."""
    orders, count, gap = chosen[begin:end], end - begin, 1
    sizes = np.empty(count)
    for i in range(count):
        sizes[i] = abs(asked[orders[i]]) * prices[orders[i]]
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            s, size, k = orders[i], sizes[i], i
            while k >= gap:
                other, larger = orders[k - gap], sizes[k - gap]
                if larger < size or (larger == size and other < s):
                    break
                orders[k], sizes[k] = other, larger
                k -= gap
            orders[k], sizes[k] = s, size
        gap //= 3


@compiled_within
def trade_plainly(
    cash: float, weights: Floats, tradable: Bools, prices: Floats, held: Floats, names: Ints, asked: Floats, chosen: Ints,
    terms: Floats, spread: float, fee: float, fills: Ints, figures: Floats, events: Floats, used: Ints, rows: Floats,
) -> float:  # fmt: skip
    """Cash after the session's orders. names: the symbols that it concerns."""
    up, down = (1.0 + spread) * (1.0 + fee), (1.0 - spread) * (1.0 - fee)
    sells, buys, left, missed = sides(cash, tradable, prices, names, up, down, asked, chosen)
    if missed > 0:
        for k in range(len(names)):
            s = names[k]
            if not tradable[s] and asks(weights[s], held[s], terms[KIND]):
                note(terms[NOW], s, NOT_TRADABLE, weights[s], 0.0, events, used)
    short = left < 0.0 and terms[HAS_MARGIN] == 0.0
    if short:
        smallest_first(chosen, len(prices), len(prices) + buys, asked, prices)
    cash = sell_plainly(
        cash, sells, chosen, asked, prices, held, terms, spread, fee, fills, figures, used, rows
    )
    return buy_plainly(
        cash, buys, short, chosen, asked, prices, held, terms, spread, fee, fills, figures, events, used, rows
    )
