"""The native simulator against vectorbt: the same plan, both warm, in one process, equity equal to 1e-10.

    python benchmarks/simulator_vectorbt.py [--small]

`log` is the simulation with the full fill log on both sides, `equity` adds the equity curve (ours has it anyway), and
`100x50x2520/curves` trades 100 sets of weights over the same 50 assets: vectorbt in one call of 100 groups, ours in a loop.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import vectorbt
from harness import alternate, peak, record

from backcast.data.types import Clock, Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import from_orders
from backcast.engine.types import Events, Plan

COST = LinearCost(fee_bps=5.0, half_spread_bps=5.0)
CAPITAL = 1e6
PEER = f"vectorbt {vectorbt.__version__}"


def market(assets: int, sessions: int) -> Floats:
    """(T, S) closes."""
    generator = np.random.default_rng(7)
    return np.asarray(100 * np.exp(generator.normal(0, 0.015, (sessions, assets)).cumsum(axis=0)))


def plan(prices: Floats, seed: int) -> Plan:
    """Long-short target weights of gross 1 on every session, filled and marked at the close."""
    sessions, assets = prices.shape
    scores = np.random.default_rng(seed).normal(size=prices.shape)
    scores -= scores.mean(axis=1, keepdims=True)
    weights = scores / np.abs(scores).sum(axis=1, keepdims=True)
    at = (np.datetime64("2010-01-01") + np.arange(sessions)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 365.0)
    names = tuple(f"S{i}" for i in range(assets))
    whole = np.ones(prices.shape, dtype=bool)
    return Plan(
        clock, names, 0, weights, np.arange(sessions) - 1, prices, whole, prices, Events.empty(), False
    )


def one(assets: int, sessions: int, rounds: int) -> None:
    """Daily targets of one strategy."""
    traded = plan(market(assets, sessions), 1)
    ours = NativeSimulator()

    def simulate() -> Any:
        return ours.simulate(traded, COST, CAPITAL)

    def log() -> Any:
        return from_orders(traded, COST, CAPITAL)

    def equity() -> Any:
        portfolio = log()
        return portfolio, np.asarray(portfolio.value()).ravel()

    taken = alternate({"ours": simulate, "log": log, "equity": equity}, rounds)
    account, (portfolio, curve) = taken["ours"].answer, taken["equity"].answer
    equal = bool(np.allclose(account.equity, curve, rtol=1e-10, atol=0.0))
    equal &= len(account.fills.quantity) == len(portfolio.orders.values)
    size = f"simulator/{assets}x{sessions}"
    record(f"{size}/log", taken["ours"].seconds, taken["log"].seconds, PEER, bar=10, equal=equal)
    record(f"{size}/equity", taken["ours"].seconds, taken["equity"].seconds, PEER, bar=18, equal=equal)
    memory = [peak(simulate), peak(equity)]
    record(f"{size}/memory", memory[0], memory[1], PEER, unit="MiB", bar=5, equal=equal)


def many(sets: int, assets: int, sessions: int, rounds: int) -> None:
    """Parameter sets over the same assets, with curves."""
    prices = market(assets, sessions)
    plans = [plan(prices, seed) for seed in range(sets)]
    wide = Plan(
        plans[0].clock,
        tuple(f"{k}.{s}" for k in range(sets) for s in plans[0].symbols),
        0,
        np.hstack([p.weights for p in plans]),
        plans[0].decided,
        np.tile(prices, sets),
        np.ones((sessions, sets * assets), dtype=bool),
        np.tile(prices, sets),
        Events.empty(),
        False,
    )
    groups = np.repeat(np.arange(sets), assets)
    ours = NativeSimulator()

    def simulate() -> Floats:
        return np.stack([ours.simulate(p, COST, CAPITAL).equity for p in plans])

    def theirs() -> Floats:
        portfolio = vectorbt.Portfolio.from_orders(
            close=wide.mark_price, size=wide.weights, size_type="targetpercent", fees=COST.fee_bps / 1e4,
            slippage=COST.half_spread_bps / 1e4, init_cash=CAPITAL, cash_sharing=True, group_by=groups,
            call_seq="auto", freq="1D",
        )  # fmt: skip
        return np.asarray(portfolio.value()).T

    taken = alternate({"ours": simulate, "peer": theirs}, rounds)
    equal = bool(np.allclose(taken["ours"].answer, taken["peer"].answer, rtol=1e-10, atol=0.0))
    claim = f"simulator/{sets}x{assets}x{sessions}/curves"
    record(claim, taken["ours"].seconds, taken["peer"].seconds, PEER, bar=25, equal=equal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the sessions, one round")
    small = parser.parse_args().small
    one(500, 252 if small else 2520, 1 if small else 5)
    many(100, 50, 252 if small else 2520, 1 if small else 3)


if __name__ == "__main__":
    main()
