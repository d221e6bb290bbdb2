"""The Numba simulator: one pass over time, cash shared by all symbols."""

from __future__ import annotations

from typing import ClassVar

from backcast.engine.costs.base import Cost
from backcast.engine.simulators.arrays import checked, given_of, log_of, terms_of
from backcast.engine.simulators.base import Simulator, account, free
from backcast.engine.simulators.events import Row, merged
from backcast.engine.simulators.kernel.run import trade
from backcast.engine.simulators.kernel.state import Log
from backcast.engine.types import Account, Fills, Plan


class NativeSimulator(Simulator):
    """A plan through one compiled loop."""

    name: ClassVar[str] = "native"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        rates = cost.rates()
        checked(plan, rates, capital)
        terms, empty = terms_of(plan, capital, keep=True), log_of(plan, rates, keep=True)
        numbers, tiers = rates.packed()
        rows, fills, figures, events, used = trade(given_of(plan), terms, numbers, tiers, empty)
        log = Log(fills, figures, events, used)
        return account(plan, capital, rows, fills_of(log), merged(plan, event_rows(log)))


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
