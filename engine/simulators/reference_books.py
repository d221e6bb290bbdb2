"""The books of the reference simulator: what it has, what that is worth, and what it wrote down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backcast.engine.costs.base import Cost
from backcast.engine.simulators.base import account
from backcast.engine.simulators.events import Row, merged
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.reference_costs import Bill, bill
from backcast.engine.types import Account, Dividends, Fills, Plan

Number = Any
"""Whatever adds, multiplies and compares: float, Fraction, Decimal."""

TOLERANCE = 1e-9
"""As in the kernel's rules: a limit that is exceeded by this share of it counts as kept."""


@dataclass
class Rest:
    """What volume left of an order: shares, further sessions to try, and the decision behind it."""

    shares: Number
    left: int
    decided: int


@dataclass
class Books:
    """The account as it stands, and the books."""

    plan: Plan
    cost: Cost
    number: Callable[[float], Number]
    cash: Number
    shares: dict[int, Number] = field(default_factory=dict)
    rests: dict[int, Rest] = field(default_factory=dict)
    due: dict[int, Number] = field(default_factory=dict)
    done: dict[int, Number] = field(default_factory=dict)
    called: Number = None
    bankrupt: bool = False
    fills: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rates = self.cost.rates()
        self.dividends = self.plan.dividends or Dividends.none()
        self.rows = np.zeros((10, len(self.plan.weights)))
        self.tolerance, self.lot = self.number(TOLERANCE), self.number(float(self.plan.rules.lot))

    def held(self, s: int) -> Number:
        return self.shares.get(s, self.number(0.0))

    def hold(self, s: int, shares: Number) -> None:
        self.shares[s] = shares
        if not shares:
            del self.shares[s]

    def owed(self) -> Number:
        return sum(self.due.values(), self.number(0.0))

    def fill_price(self, t: int, s: int) -> Number:
        return self.number(float(self.plan.fill_price[t, s]))

    def price(self, t: int, s: int) -> Number:
        """The fill price; where what is held is closed by force, worse by the haircut."""
        price, held = self.fill_price(t, s), self.held(s)
        haircut = np.nan if self.plan.forced is None else float(self.plan.forced[t, s])
        if not haircut >= 0 or not held:
            return price
        return price * (1 - self.number(haircut) if held > 0 else 1 + self.number(haircut))

    def worth(self, prices: Any) -> Number:
        held = sum((q * self.number(float(prices[s])) for s, q in self.shares.items()), self.number(0.0))
        return self.cash + self.owed() + held

    def exposure(self, prices: Any) -> Number:
        return sum((abs(q) * self.number(float(prices[s])) for s, q in self.shares.items()), self.number(0.0))

    def in_lots(self, quantity: Number) -> Number:
        if not self.lot:
            return quantity
        return int(abs(quantity) / self.lot + self.tolerance) * self.lot * (1 if quantity > 0 else -1)

    def bill(self, t: int, s: int, quantity: Number) -> Bill:
        return bill(self.rates, self.number, self.plan, t, s, quantity, self.price(t, s))

    def paid(self, t: int, s: int, quantity: Number) -> Number:
        return quantity * self.price(t, s) + self.bill(t, s, quantity).total

    def drop(self, t: int, s: int) -> None:
        if s in self.rests:
            self.note(t, s, state.DROPPED, self.rests.pop(s).shares)

    def note(self, t: int, s: int, kind: float, first: Number, second: Number = 0.0) -> None:
        self.events.append((t, s, kind, float(first), float(second)))

    def account(self, capital: float) -> Account:
        """The account, as every simulator gives it."""
        columns = list(zip(*self.fills)) or [()] * 8
        decided, session, symbol = (np.array(column, dtype=np.int64) for column in columns[:3])
        quantity, price, fee, spread, impact = (np.array(x, dtype=np.float64) for x in columns[3:])
        fills = Fills(decided, session, symbol, quantity, price, fee, spread, impact)
        return account(self.plan, capital, self.rows, fills, merged(self.plan, self.events))
