"""The native simulator against vectorbt: the same plan, both warm, in one process, equity equal to 1e-10.

    python benchmarks/simulator_vectorbt.py [--small]

`log` is the simulation with the full fill log on both sides, `equity` adds vectorbt's equity curve (ours has it anyway).
`no_log` keeps the curve and the costs alone on our side, against vectorbt's simulation and against it with its curve.
`100x50x2520/curves` trades 100 sets of weights over the same 50 assets, with curves: each side in one call.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import vectorbt
from harness import alternate, record

from backcast.data.types import Clock, Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.many import simulate_many
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


def targets(shape: tuple[int, ...], seed: int) -> Floats:
    """(T, S) long-short weights of gross 1 for every session."""
    scores = np.random.default_rng(seed).normal(size=shape)
    scores -= scores.mean(axis=1, keepdims=True)
    return np.asarray(scores / np.abs(scores).sum(axis=1, keepdims=True))


def plan(prices: Floats, seed: int) -> Plan:
    """Targets for every session, filled and marked at the close."""
    sessions, assets = prices.shape
    at = (np.datetime64("2010-01-01") + np.arange(sessions)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 365.0)
    names = tuple(f"S{i}" for i in range(assets))
    whole, decided = np.ones(prices.shape, dtype=bool), np.arange(sessions) - 1
    weights = targets(prices.shape, seed)
    return Plan(clock, names, 0, weights, decided, prices, whole, prices, Events.empty(), False)


def one(assets: int, sessions: int, rounds: int) -> None:
    """Daily targets of one strategy."""
    traded = plan(market(assets, sessions), 1)
    ours = NativeSimulator()

    def simulate() -> Any:
        return ours.simulate(traded, COST, CAPITAL)

    def curve_alone() -> Any:
        return simulate_many(traded, [traded.weights], COST, CAPITAL, threads=1)

    def log() -> Any:
        return from_orders(traded, COST, CAPITAL)

    def equity() -> Any:
        portfolio = log()
        return portfolio, np.asarray(portfolio.value()).ravel()

    sides = {"ours": simulate, "no_log": curve_alone, "log": log, "equity": equity}
    taken = alternate(sides, rounds)
    account, (portfolio, curve) = taken["ours"].answer, taken["equity"].answer
    equal = bool(np.allclose(account.equity, curve, rtol=1e-10, atol=0.0))
    equal &= len(account.fills.quantity) == len(portfolio.orders.values)
    equal &= bool(np.allclose(taken["no_log"].answer.curves[0], curve, rtol=1e-10, atol=0.0))
    size = f"simulator/{assets}x{sessions}"
    for name, side, against, bar in (
        ("log", "ours", "log", 10), ("equity", "ours", "equity", 18), ("no_log", "no_log", "log", 13),
        ("no_log_equity", "no_log", "equity", 25),
    ):  # fmt: skip
        record(f"{size}/{name}", taken[side].seconds, taken[against].seconds, PEER, bar=bar, equal=equal)


def many(sets: int, assets: int, sessions: int, rounds: int) -> None:
    """Parameter sets over the same assets, with curves."""
    prices = market(assets, sessions)
    first = plan(prices, 0)
    weights = [targets(prices.shape, seed) for seed in range(sets)]
    wide, close = np.hstack(weights), np.tile(prices, sets)
    groups = np.repeat(np.arange(sets), assets)

    def ours() -> Floats:
        return np.asarray(simulate_many(first, weights, COST, CAPITAL).curves)

    def theirs() -> Floats:
        portfolio = vectorbt.Portfolio.from_orders(
            close=close, size=wide, size_type="targetpercent", fees=COST.fee_bps / 1e4, slippage=COST.half_spread_bps / 1e4,
            init_cash=CAPITAL, cash_sharing=True, group_by=groups, call_seq="auto", freq="1D",
        )  # fmt: skip
        return np.asarray(portfolio.value()).T

    taken = alternate({"ours": ours, "peer": theirs}, rounds)
    equal = bool(np.allclose(taken["ours"].answer, taken["peer"].answer, rtol=1e-10, atol=0.0))
    claim = f"simulator/{sets}x{assets}x{sessions}/curves"
    record(claim, taken["ours"].seconds, taken["peer"].seconds, PEER, bar=25, equal=equal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the sessions, one round")
    small = parser.parse_args().small
    one(500, 252 if small else 2520, 1 if small else 7)
    many(100, 50, 252 if small else 2520, 1 if small else 3)


if __name__ == "__main__":
    main()
