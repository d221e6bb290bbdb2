"""The truth of a synthetic market: prices, planted scores, lives and names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.calendar import clock
from backcast.data.types import Bools, Clock, Floats

VOLATILITY = 0.02
"""Standard deviation of a session's own log return; the market adds half of it."""


@dataclass(frozen=True)
class MarketPlan:
    """What a market is made from; push: what a score moves, in volatilities over sqrt(horizon)."""

    symbols: int
    sessions: int
    seed: int
    signal: float
    push: float
    horizon: int
    start: np.datetime64
    rates: dict[str, float]


@dataclass(frozen=True)
class SyntheticTruth:
    """What the market really was. S symbols, T sessions of `clock`.

    opens, closes (S, T): total-return prices from the first session on, without gaps or errors. alpha (S, T): the planted
    scores. information_coefficient: the correlation of a score with the symbol's own return from the next open over
    `horizon` sessions, by construction. listed (S, T): from listing to the last session. factor (S, T): what raw
    prices are multiplied by. ended: last session's index of each symbol that ends, and its proceeds
    in total-return units (None: no fact).
    """

    clock: Clock
    symbols: tuple[str, ...]
    opens: Floats
    closes: Floats
    alpha: Floats
    information_coefficient: float
    listed: Bools
    factor: Floats
    ended: dict[str, tuple[int, float | None]]
    renamed: dict[str, tuple[int, str]]
    corrected: Bools
    late: Bools


def truth_of(plan: MarketPlan) -> SyntheticTruth:
    """Prices, scores and lives."""
    generator = np.random.default_rng([plan.seed, 1])
    shape, h = (plan.symbols, plan.sessions), plan.horizon
    days = np.timedelta64(plan.sessions * 2 + 40, "D")
    whole = clock("XNYS", plan.start, plan.start + days, 30).slice(0, plan.sessions)
    alpha = generator.normal(size=shape)
    noise = generator.normal(size=shape) * np.sqrt(1 - plan.push**2)
    market = 0.5 * generator.normal(size=plan.sessions)
    lagged = np.concatenate([np.zeros((plan.symbols, h)), alpha], axis=1).cumsum(axis=1)
    recent = lagged[:, h:] - lagged[:, :-h]  # scores of the h sessions up to each
    pushed = np.concatenate([np.zeros((plan.symbols, 1)), recent[:, :-1]], axis=1) / np.sqrt(h)
    steps = VOLATILITY * (noise + plan.push * pushed + market)  # from this open to the next
    first = np.exp(generator.normal(np.log(50), 0.7, size=(plan.symbols, 1)))
    opens = first * np.exp(
        np.concatenate([np.zeros((plan.symbols, 1)), steps[:, :-1]], axis=1).cumsum(axis=1)
    )
    closes = opens * np.exp(0.8 * steps + 0.1 * VOLATILITY * generator.normal(size=shape))
    symbols = tuple(f"SYN{i:0{len(str(plan.symbols - 1))}d}" for i in range(plan.symbols))
    listed, ended = _lives(plan, symbols, generator)
    renamed = {
        symbol: (int(generator.integers(10, plan.sessions - 5)), f"{symbol}N")
        for symbol in symbols
        if generator.random() < plan.rates["renames"] * plan.sessions / 252
    }
    return SyntheticTruth(
        whole,
        symbols,
        opens,
        closes,
        alpha,
        plan.signal,
        listed,
        _factors(plan, closes, generator),
        {
            s: (last, None if got is None else got * float(closes[symbols.index(s), last]))
            for s, (last, got) in ended.items()
        },
        renamed,
        _some(plan, "corrections", generator) & listed,
        _some(plan, "late", generator) & listed,
    )


def _lives(
    plan: MarketPlan, symbols: tuple[str, ...], generator: np.random.Generator
) -> tuple[Bools, dict[str, tuple[int, float | None]]]:
    """Who is listed when, and of each symbol that ends its last session and the share of its last price that is paid."""
    at = np.arange(plan.sessions)
    listed = np.ones((plan.symbols, plan.sessions), dtype=bool)
    ended: dict[str, tuple[int, float | None]] = {}
    chance = min(0.9, plan.rates["delistings"] * plan.sessions / 252)
    for s, symbol in enumerate(symbols):
        if generator.random() < min(plan.rates["listings"], 1.0):
            listed[s, at < generator.integers(1, plan.sessions // 2)] = False
        if generator.random() < chance:
            last = int(generator.integers(plan.sessions // 2, plan.sessions - 10))
            listed[s, at > last] = False
            ended[symbol] = (last, float(generator.uniform(0, 1)) if generator.random() < 0.5 else None)
    return listed, ended


def _factors(plan: MarketPlan, closes: Floats, generator: np.random.Generator) -> Floats:
    """(S, T) what raw prices are multiplied by: 2-for-1 splits, and dividends of 0.5 % of the last close."""
    steps = np.ones(closes.shape)
    splits, dividends = (_some(plan, kind, generator) for kind in ("splits", "dividends"))
    steps[splits] *= 2.0
    steps[dividends & ~splits] *= 1 / (1 - 0.005)
    steps[:, 0] = 1.0
    return np.asarray(steps.cumprod(axis=1))


def _some(plan: MarketPlan, kind: str, generator: np.random.Generator) -> Bools:
    """(S, T) cells chosen at a rate a year."""
    return np.asarray(generator.random((plan.symbols, plan.sessions)) < plan.rates[kind] / 252)
