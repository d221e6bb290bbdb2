"""The loop over sessions of plans that are targets and prices alone, at proportional costs: the first run of most users."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.simulators.kernel.plain import ask, concerned, trade_plainly
from backcast.engine.simulators.kernel.state import (
    BANKRUPT,
    CAPITAL,
    CASH,
    DECIDED,
    EQUITY,
    GONE,
    KEEP,
    KIND,
    NOW,
    note,
    wider,
    worth,
)
from backcast.signals.kernels.cache import compiled


@compiled
def trade_bare(
    decided: Ints, weights: Floats, fill_price: Floats, tradable: Bools, mark_price: Floats, terms: Floats, spread: float,
    fee: float, fills: Ints, figures: Floats, events: Floats, used: Ints,
) -> tuple[Floats, Floats]:  # fmt: skip
    """As `trade`, of a plan that has nothing else. fills and figures have room for every order.

    Gives the rows (10, T) of the account and the events; the rest of the log is written in place.
    """
    sessions, symbols = weights.shape
    rows, held, asked = np.zeros((10, sessions)), np.zeros(symbols), np.zeros(symbols)
    chosen, cash = np.zeros(2 * symbols, dtype=np.int64), terms[CAPITAL]
    names = np.zeros(symbols, dtype=np.int64)
    for t in range(sessions):
        if terms[KEEP] == 0.0:
            used[GONE] += used[0]
            used[0], used[1] = 0, 0
        if used[1] + symbols + 1 > events.shape[1]:
            events = wider(events, used[1], 2 * events.shape[1] + symbols + 1)
        terms[NOW], terms[DECIDED] = t, decided[t]
        value = worth(cash, held, fill_price[t])
        if value > 0.0:
            ask(value, weights[t], fill_price[t], held, terms[KIND], asked)
            count = concerned(asked, tradable[t], names)
            cash = trade_plainly(
                cash, weights[t], tradable[t], fill_price[t], held, names[:count], asked, chosen, terms, spread, fee, fills,
                figures, events, used, rows,
            )  # fmt: skip
        equity = worth(cash, held, mark_price[t])
        rows[EQUITY, t], rows[CASH, t] = equity, cash
        if equity <= 0.0:
            note(terms[NOW], -1, BANKRUPT, equity, 0.0, events, used)
            for later in range(t + 1, sessions):
                rows[EQUITY, later], rows[CASH, later] = equity, equity
            break
    return rows, events
