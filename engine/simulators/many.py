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
from backcast.engine.simulators.base import bases
from backcast.engine.simulators.events import KINDS
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.native import run
from backcast.engine.types import Plan

Weights = Floats | Callable[[], Floats]
"""Weights (T, S) of a set, or what makes them when their turn comes, on the thread that trades them."""

COSTS = ("fee", "spread", "impact", "borrow", "dividend", "interest")
ROWS = (state.FEE, state.SPREAD, state.IMPACT, state.BORROW, state.DIVIDEND, state.INTEREST)


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
    rates = cost.rates()
    checked(plan, rates, capital)
    given = given_of(plan)
    deposit = np.zeros(len(plan.weights)) if plan.deposit is None else plan.deposit

    def one(number: int, weights: Weights) -> _One:
        array = _weights(plan, number, weights() if callable(weights) else weights)
        terms, log = terms_of(plan, capital, keep=False), log_of(plan, rates, keep=False)
        rows, log = run(given._replace(weights=array), terms, rates, log)
        return _summary(rows, log.used, deposit, capital, curves)

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


def _summary(rows: Floats, used: Ints, deposit: Floats, capital: float, curves: bool) -> _One:
    equity = rows[state.EQUITY]
    base = bases(equity, deposit, capital)
    solvent = base > 0
    over = np.flatnonzero(equity <= 0)
    if len(over):
        solvent[over[0] + 1 :] = False
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(solvent, equity / base - 1, 0.0)
        turnover = np.where(solvent, rows[state.TRADED] / base, 0.0)
    growth = np.concatenate([[1.0], np.cumprod(1 + net)])
    drawdown = float((growth / np.maximum.accumulate(growth) - 1).min())
    deviation = float(net.std(ddof=1)) if len(net) > 1 else 0.0
    summary = (float(equity[-1]), float(net.mean()), deviation, drawdown, float(turnover.mean()))
    flows = rows[list(ROWS)].sum(axis=1)
    return _One(summary, flows, used[2:].copy(), equity.copy() if curves else None)
