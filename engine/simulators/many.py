"""Many sets of weights over one market: in parallel on threads, streaming, with curves or with summaries alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.costs.base import Cost
from backcast.engine.simulators.arrays import checked, given_of, log_of, terms_of
from backcast.engine.simulators.base import account
from backcast.engine.simulators.events import KINDS
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.native import run
from backcast.engine.types import Account, Events, Fills, Plan

Weights = Floats | Callable[[], Floats]
"""Weights (T, S) of a set, or what makes them when their turn comes, on the thread that trades them."""

COSTS = ("fee", "spread", "impact", "borrow", "dividend", "interest")
ROWS = (state.FEE, state.SPREAD, state.IMPACT, state.BORROW, state.DIVIDEND, state.INTEREST)

NO_FILLS = Fills(*(np.empty(0, dtype=np.int64),) * 3, *(np.empty(0),) * 5)


@dataclass(frozen=True)
class Many:
    """The sets' results, (K,) each in the order in which they came.

    final: equity at the end; mean and deviation (sample) of the net returns a session; drawdown: the largest fall from a peak
    of the growth of 1, <= 0; turnover: mean a session, of equity; flows (K, 6): fee, spread, impact, borrow, dividend and
    interest in currency; events (K, E) of each kind in `kinds`; curves (K, T): equity, where asked for.
    """

    final: Floats
    mean: Floats
    deviation: Floats
    drawdown: Floats
    turnover: Floats
    flows: Floats
    events: Ints
    kinds: tuple[str, ...]
    curves: Floats | None


class Desk:
    """One plan's market and terms, for any number of weights: whatever does not depend on them is checked and laid out once.

    Errors: InputError for a plan or costs that cannot be.
    """

    def __init__(self, plan: Plan, cost: Cost, capital: float) -> None:
        self.plan, self.capital, self.rates = plan, capital, cost.rates()
        checked(plan, self.rates, capital)
        self._given = given_of(plan)

    def trade(self, weights: Floats, decided: Ints) -> tuple[Floats, Ints]:
        """The rows (10, T) of the account of weights (T, S), finite or NaN, decided (T,) as in a plan; and how many fills and
        events there were, as `kernel.state.Log.used`. To the last bit what a simulation with its log gives."""
        terms, log = terms_of(self.plan, self.capital, keep=False), log_of(self.plan, self.rates, keep=False)
        given = self._given._replace(weights=np.ascontiguousarray(weights), decided=decided)
        rows, log = run(given, terms, self.rates, log)
        return rows, log.used

    def account(self, rows: Floats) -> Account:
        """The account of its rows; its fills and events were not kept."""
        return account(self.plan, self.capital, rows, NO_FILLS, Events.empty())


@dataclass(frozen=True)
class _One:
    summary: tuple[float, ...]
    flows: Floats
    events: Ints
    curve: Floats | None


def simulate_many(
    plan: Plan,
    sets: Iterable[Weights],
    cost: Cost,
    capital: float,
    curves: bool = True,
    threads: int | None = None,
) -> Many:
    """Trades each set's weights in place of the plan's, as `NativeSimulator` does, and keeps no log.

    Memory is that of `threads` sets and of what is returned; sets are taken from the iterable as they are needed. Errors:
    InputError for a plan, costs or weights that cannot be, naming the set.
    """
    desk = Desk(plan, cost, capital)

    def one(number: int, weights: Weights) -> _One:
        array = _weights(plan, number, weights() if callable(weights) else weights)
        return _summary(desk, *desk.trade(array, plan.decided), curves)

    found = list(_in_order(one, sets, threads or os.cpu_count() or 1))
    if not found:
        raise InputError("sets", 0, "at least one set of weights")
    final, mean, deviation, drawdown, turnover = np.ascontiguousarray(np.array([x.summary for x in found]).T)
    flows, events = np.array([x.flows for x in found]), np.array([x.events for x in found])
    kept = np.array([x.curve for x in found]) if curves else None
    return Many(final, mean, deviation, drawdown, turnover, flows, events, KINDS, kept)


def _in_order(one: Callable[[int, Weights], _One], sets: Iterable[Weights], threads: int) -> Iterator[_One]:
    """The results in the order of the sets; at most one more than there are threads is under way."""
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[_One]] = deque()
        for number, weights in enumerate(sets):
            under_way.append(pool.submit(one, number, weights))
            del weights
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _weights(plan: Plan, number: int, weights: Floats) -> Floats:
    array = np.ascontiguousarray(weights, dtype=np.float64)
    if array.shape != plan.weights.shape:
        raise InputError(f"weights of set {number}", array.shape, f"an array of shape {plan.weights.shape}")
    if np.isinf(array).any():
        raise InputError(f"weights of set {number}", np.inf, "finite, or NaN for no order")
    return array


def _summary(desk: Desk, rows: Floats, used: Ints, curves: bool) -> _One:
    made, flows = desk.account(rows), rows[list(ROWS)].sum(axis=1)
    growth = np.concatenate([[1.0], np.cumprod(1 + made.net_return)])
    drawdown = float((growth / np.maximum.accumulate(growth) - 1).min())
    net = made.net_return
    deviation = float(net.std(ddof=1)) if len(net) > 1 else 0.0
    summary = (float(made.equity[-1]), float(net.mean()), deviation, drawdown, float(made.turnover.mean()))
    return _One(summary, flows, used[2 : state.GONE].copy(), made.equity.copy() if curves else None)
