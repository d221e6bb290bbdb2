"""The Numba simulator: one pass over time, cash shared by all symbols."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from backcast.data.types import Floats
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates
from backcast.engine.simulators.arrays import checked, given_of, log_of, terms_of
from backcast.engine.simulators.base import Simulator, account, free
from backcast.engine.simulators.events import Row, merged
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.kernel.bare import trade_bare
from backcast.engine.simulators.kernel.run import trade
from backcast.engine.simulators.kernel.state import Given, Log
from backcast.engine.types import Account, Fills, Plan


class NativeSimulator(Simulator):
    """A plan through one compiled loop."""

    name: ClassVar[str] = "native"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        rates = cost.rates()
        checked(plan, rates, capital)
        terms, log = terms_of(plan, capital, keep=True), log_of(plan, rates, keep=True)
        rows, log = run(given_of(plan), terms, rates, log)
        return account(plan, capital, rows, fills_of(log), merged(plan, event_rows(log)))


def run(given: Given, terms: Floats, rates: Rates, log: Log) -> tuple[Floats, Log]:
    """The rows of the account and the filled log, by the quicker of the two loops that can trade the plan."""
    if is_bare(given, terms, rates):
        rows, events = trade_bare(
            given.decided,
            given.weights,
            given.fill_price,
            given.tradable,
            given.mark_price,
            terms,
            rates.half_spread,
            float(rates.fees[0]),
            log.fills,
            log.figures,
            log.events,
            log.used,
        )
        return rows, log._replace(events=events)
    numbers, tiers = rates.packed()
    rows, fills, figures, events, used = trade(given, terms, numbers, tiers, log)
    return rows, Log(fills, figures, events, used)


def is_bare(given: Given, terms: Floats, rates: Rates) -> bool:
    """Whether only cash can stand in the way of an order, nothing happens but orders, and their costs are proportional."""
    arrays = (
        given.exits,
        given.forced,
        given.split,
        given.capacity,
        given.borrowable,
        given.deposit,
        given.ex,
    )
    accrues = rates.borrow or rates.borrow_data or rates.cash or rates.margin
    levered = terms[state.HAS_MARGIN] and terms[state.MAX_LEVERAGE] < np.inf
    limited = levered or terms[state.LOT] or terms[state.MAINTENANCE]
    plain = Rates(fees=rates.fees, half_spread=rates.half_spread, exponent=rates.exponent)
    proportional = len(rates.fees) == 1 and rates.half_spread <= 1 and rates[2:] == plain[2:]
    return proportional and not accrues and not limited and not any(len(x) for x in arrays)


def fills_of(log: Log) -> Fills:
    """The fills of a log."""
    count = int(log.used[0])
    decided, session, symbol = log.fills[:, :count]
    quantity, price, fee, spread = log.figures[:4, :count]
    impact = log.figures[4, :count] if len(log.figures) > 4 else free(count)
    return Fills(decided, session, symbol, quantity, price, fee, spread, impact)


def event_rows(log: Log) -> list[Row]:
    """The events of a log."""
    columns = log.events[:, : int(log.used[1])]
    session, symbol, kind = (column.astype(int).tolist() for column in columns[:3])
    first, second = (column.tolist() for column in columns[3:])
    return list(zip(session, symbol, kind, first, second))
