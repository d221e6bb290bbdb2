"""The simulator that is easy to believe: plain Python, one order at a time, dictionaries and loops, in any kind of number.

Written from the words of `Simulator`, not from the kernel: tests run it in fractions, `backcast verify` in floats where
vectorbt cannot express a plan. It takes seconds where the native one takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from backcast.engine.costs.base import Cost
from backcast.engine.simulators.arrays import checked
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.reference_books import Books, Number, Rest
from backcast.engine.types import ORDERS, SHARES, Account, Plan


class ReferenceSimulator(Simulator):
    """Plain Python; number: the type to calculate in, made of floats."""

    name: ClassVar[str] = "reference"

    def __init__(self, number: Callable[[float], Number] = float) -> None:
        self._number = number

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        checked(plan, cost.rates(), capital)
        trader = _Trader(plan, cost, self._number, self._number(float(capital)))
        for t in range(len(plan.weights)):
            if trader.emptied(t):
                break
            trader.session(t)
            if trader.bankrupt:
                break
        return trader.account(float(capital))


class _Trader(Books):
    """Trades on the books, in the order of a session."""

    # The day ------------------------------------------------------------------------------------------------

    def emptied(self, t: int) -> bool:
        """Whether all that there was at the last close, or more, is taken out: then the account has ended."""
        there = float(self.rows[state.EQUITY, t - 1] if t else self.cash)
        if self.plan.deposit is None or -self.plan.deposit[t] < there:
            return False
        for s in sorted(self.rests):
            self.drop(t, s)
        self.note(t, -1, state.WITHDRAWN, there, -self.plan.deposit[t])
        return True

    def session(self, t: int) -> None:
        """A session from its open to its close."""
        before = self.cash
        self.open(t)
        self.done = {}
        value = self.worth(self.plan.fill_price[t])
        if self.plan.forced is not None:
            closing = np.flatnonzero(self.plan.forced[t] >= 0).tolist()
            value += sum(self.held(s) * (self.price(t, s) - self.fill_price(t, s)) for s in closing)
            self.close_forced(t, closing)
        if value > 0:
            if self.called is not None:
                self.margin_call(t, value)
            self.trade(t, value)
        self.close(t, before)

    def open(self, t: int) -> None:
        """Interest and borrow fees, dividends, splits, deposits, exits."""
        plan, marks = self.plan, self.plan.mark_price[t - 1] if t else None
        if plan.years is not None and plan.years[t] > 0:
            self.accrue(t, self.number(float(plan.years[t])), marks)
        self.pay_dividends(t)
        if plan.split is not None:
            for s in range(len(plan.symbols)):
                ratio = plan.split[t, s]
                if ratio > 0 and ratio != 1:
                    self.split(t, s, self.number(float(ratio)))
        if plan.deposit is not None:
            self.cash += self.number(float(plan.deposit[t]))
        if plan.exits is not None:
            for s in np.flatnonzero(plan.exits[t] >= 0).tolist():
                self.exit(t, s)

    def close(self, t: int, before: Number) -> None:
        """Values the account, and sees whether it calls or ends."""
        equity, marks = self.worth(self.plan.mark_price[t]), self.plan.mark_price[t]
        self.rows[[state.EQUITY, state.CASH, state.OWED], t] = (
            float(equity),
            float(self.cash),
            float(self.owed()),
        )
        slack = -self.tolerance * abs(equity)
        if not self.plan.margin and self.cash < slack <= before:
            self.note(t, -1, state.OVERDRAWN, self.cash)
        gross, least = self.exposure(marks), self.plan.rules.maintenance
        self.called = equity / gross if least and gross > 0 and equity < self.number(least) * gross else None
        self.bankrupt = equity <= 0
        if self.bankrupt or t == len(self.plan.weights) - 1:
            for s in sorted(self.rests):
                self.drop(t, s)
        if self.bankrupt:
            self.note(t, -1, state.BANKRUPT, equity)
            self.rows[state.EQUITY, t + 1 :] = self.rows[state.CASH, t + 1 :] = float(equity)

    # The open -----------------------------------------------------------------------------------------------

    def accrue(self, t: int, years: Number, marks: Any) -> None:
        rate = self.rates.cash if self.cash > 0 else self.rates.margin
        interest, fee = self.cash * self.number(rate) * years, self.number(0.0)
        for s, held in sorted(self.shares.items()):
            if held < 0 and (self.rates.borrow > 0 or self.rates.borrow_data > 0):
                per_year = self.number(self.rates.borrow)
                if self.rates.borrow_data > 0:
                    own = np.nan if self.plan.borrow_rate is None else float(self.plan.borrow_rate[t, s])
                    if own >= 0:
                        per_year += self.number(self.rates.borrow_data) * self.number(own)
                    else:
                        self.note(t, s, state.UNKNOWN_COST, held)
                fee += -held * self.number(float(marks[s])) * per_year * years
        self.rows[state.INTEREST, t], self.rows[state.BORROW, t] = float(interest), float(fee)
        self.cash += interest - fee

    def pay_dividends(self, t: int) -> None:
        facts = self.dividends
        for i in np.flatnonzero(facts.ex == t).tolist():
            amount = self.held(int(facts.symbol[i])) * self.number(float(facts.amount[i]))
            self.due[i] = amount
            self.rows[state.DIVIDEND, t] += float(amount)
        for i in [i for i in self.due if facts.pay[i] <= t]:
            self.cash += self.due.pop(i)

    def split(self, t: int, s: int, ratio: Number) -> None:
        if s in self.rests:
            self.rests[s].shares *= ratio
        if s not in self.shares:
            return
        held = self.shares[s] * ratio
        unit = min(self.lot, self.number(1.0))
        if unit > 0:
            whole = int(abs(held) / unit + self.tolerance) * unit * (1 if held > 0 else -1)
            part = held - whole
            if abs(part) > self.tolerance * unit:
                price = self.number(float(self.plan.mark_price[t - 1, s])) / ratio
                self.note(t, s, state.LIEU, part, price)
                self.cash += part * price
            held = whole
        self.hold(s, held)

    def exit(self, t: int, s: int) -> None:
        price = self.number(float(self.plan.exits[t, s]))  # type: ignore[index]
        if s in self.shares:
            self.note(t, s, state.EXIT, self.shares[s], price)
            self.cash += self.shares.pop(s) * price
        self.drop(t, s)

    # The fill point -----------------------------------------------------------------------------------------

    def close_forced(self, t: int, closing: list[int]) -> None:
        """Closes what is held of symbols that vanished, sales first."""
        for s in closing:
            self.drop(t, s)
            if s in self.shares:
                self.note(t, s, state.VANISHED, self.held(s), self.price(t, s))
        for s in sorted(closing, key=lambda s: self.held(s) < 0):
            self.fill(t, s, -self.held(s), -1)

    def margin_call(self, t: int, value: Number) -> None:
        rules = self.plan.rules
        gross = self.exposure(self.plan.fill_price[t])
        target = value / self.number(rules.maintenance)
        if rules.max_leverage < np.inf:
            target = min(target, value * self.number(rules.max_leverage))
        kept = target / gross if gross > target else self.number(1.0)
        self.note(t, -1, state.MARGIN_CALL, self.called, kept)
        cuts = {s: self.in_lots((kept - 1) * held) for s, held in sorted(self.shares.items())}
        for s, quantity in sorted(cuts.items(), key=lambda cut: cut[1] > 0):
            if quantity and not self.plan.tradable[t, s]:
                self.note(t, s, state.NOT_TRADABLE, quantity)
            elif quantity:
                asked, quantity = quantity, self.within_volume(t, s, quantity)
                if quantity != asked:
                    self.note(t, s, state.CAPACITY, asked, quantity)
                self.fill(t, s, quantity, -1)

    def trade(self, t: int, value: Number) -> None:
        """All orders: sells first, then buys; the smallest first (which matters only where not all can be whole)."""
        asked = {}
        for s in range(len(self.plan.symbols)):
            order = self.order(t, s, value)
            if order is not None and order[0]:
                asked[s] = order
        price = self.plan.fill_price[t]
        size = {s: abs(quantity) * self.number(float(price[s])) for s, (quantity, _) in asked.items()}
        for s in sorted(asked, key=lambda s: (asked[s][0] > 0, size[s], s)):
            quantity, decided = asked[s]
            if self.plan.margin:
                quantity = self.within_leverage(t, s, quantity, value)
            elif quantity > 0:
                quantity = self.within_cash(t, s, quantity)
            before = self.cash
            self.fill(t, s, quantity, decided)
            if quantity > 0 and not self.plan.margin and self.cash <= self.number(1e-12) * before:
                self.cash = self.number(0.0)  # used up: what is left are the last digits

    def order(self, t: int, s: int, value: Number) -> tuple[Number, int] | None:
        """What is asked for of a symbol, and the decision behind it."""
        weight, trades = self.plan.weights[t, s], bool(self.plan.tradable[t, s])
        if not trades and (
            weight < 0 or weight > 0 or (weight == 0 and self.plan.kind != ORDERS and self.held(s))
        ):
            self.note(t, s, state.NOT_TRADABLE, weight)
        if trades and not np.isnan(weight):
            self.drop(t, s)
            quantity = self.wanted(t, s, self.number(float(weight)), value)
            decided, rest = int(self.plan.decided[t]), None
        elif s in self.rests:
            rest = self.rests[s]
            rest.left -= 1
            quantity, decided = rest.shares, rest.decided
            if not trades:
                if rest.left == 0:
                    self.drop(t, s)
                return None
        else:
            return None
        quantity = self.within_borrow(t, s, quantity)
        return self.worked(t, s, quantity, decided, rest), decided

    def wanted(self, t: int, s: int, weight: Number, value: Number) -> Number:
        held = self.held(s)
        if self.plan.kind == ORDERS:
            quantity = weight
        elif self.plan.kind == SHARES:
            quantity = weight - held
        else:
            quantity = weight * value / self.price(t, s) - held if weight else -held
        if quantity == -held:  # closing
            return quantity
        whole = self.in_lots(quantity)
        if not whole and abs(quantity) > self.tolerance * max(abs(held), self.lot):
            self.note(t, s, state.BELOW_LOT, quantity, self.lot)
        return whole

    def within_borrow(self, t: int, s: int, quantity: Number) -> Number:
        held, allowed = self.held(s), self.plan.borrowable
        if allowed is None or allowed[t, s] or quantity >= 0 or held + quantity >= 0:
            return quantity
        least = -held if held > 0 else self.number(0.0)
        self.note(t, s, state.NOT_BORROWABLE, quantity, least)
        return least

    def worked(self, t: int, s: int, quantity: Number, decided: int, rest: Rest | None) -> Number:
        """What volume takes of an order; what it does not is worked later."""
        got = self.within_volume(t, s, quantity)
        if got == quantity:
            self.rests.pop(s, None)
        elif rest is None:
            self.note(t, s, state.CAPACITY, quantity, got)
            if self.plan.patience:
                self.rests[s] = Rest(quantity - got, self.plan.patience, decided)
        else:
            rest.shares = quantity - got
            if rest.left == 0:
                self.drop(t, s)
        return got

    def within_volume(self, t: int, s: int, quantity: Number) -> Number:
        capacity = np.inf if self.plan.capacity is None else float(self.plan.capacity[t, s])
        if capacity == np.inf:
            return quantity
        room = self.number(max(capacity, 0.0) if capacity == capacity else 0.0) - self.done.get(s, 0)
        room = max(room, self.number(0.0))
        if abs(quantity) <= room * (1 + self.tolerance):
            return quantity
        return self.in_lots(room if quantity > 0 else -room)

    def within_leverage(self, t: int, s: int, quantity: Number, value: Number) -> Number:
        most = self.plan.rules.max_leverage
        if most == np.inf:
            return quantity
        held, price = self.held(s), self.price(t, s)
        room = self.number(most) * value - self.exposure(self.plan.fill_price[t])
        more = (abs(held + quantity) - abs(held)) * price
        if more <= 0 or more <= room + self.tolerance * more:
            return quantity
        side = 1 if quantity > 0 else -1
        goal = side * (abs(held) + max(room, self.number(0.0)) / price)
        allowed = self.in_lots(goal - held)
        allowed = allowed if allowed * side > 0 else self.number(0.0)
        self.note(t, s, state.LEVERAGE, quantity, allowed)
        return allowed

    def within_cash(self, t: int, s: int, quantity: Number) -> Number:
        if self.paid(t, s, quantity) <= self.cash * (1 + self.tolerance):
            return quantity
        bought = self.number(0.0)
        if self.cash > 0:
            bought = self.in_lots(self.affordable(t, s, quantity))
        self.note(t, s, state.PARTIAL, quantity, bought)
        return bought

    def affordable(self, t: int, s: int, quantity: Number) -> Number:
        """The most that cash pays for, by halving."""
        low, high = 0.0, float(min(quantity, self.cash / self.price(t, s)))
        for _ in range(70):
            middle = (low + high) / 2
            if self.paid(t, s, self.number(middle)) <= self.cash:
                low = middle
            else:
                high = middle
        return self.number(low)

    def fill(self, t: int, s: int, quantity: Number, decided: int) -> None:
        if not quantity:
            return
        charged, price = self.bill(t, s, quantity), self.price(t, s)
        if not charged.known:
            self.note(t, s, state.UNKNOWN_COST, quantity)
        self.cash -= quantity * price + charged.total
        self.hold(s, self.held(s) + quantity)
        self.done[s] = self.done.get(s, 0) + abs(quantity)
        costs = (float(charged.fee), float(charged.spread), float(charged.impact))
        self.fills.append((decided, t + self.plan.offset, s, float(quantity), float(price), *costs))
        for row, part in zip((state.FEE, state.SPREAD, state.IMPACT), costs):
            self.rows[row, t] += part
        self.rows[state.TRADED, t] += float(abs(quantity) * price)
