"""Plans for simulators: made of arrays, or at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backcast.data.types import Clock, Floats
from backcast.engine.costs import (
    AlmgrenImpact,
    BorrowFee,
    Cost,
    Fee,
    HalfSpread,
    Interest,
    LinearCost,
    SquareRootImpact,
    TotalCost,
)
from backcast.engine.types import ORDERS, SHARES, Dividends, Events, Plan, Rules


def plan_of(weights: Floats, fill: Floats, mark: Floats, margin: bool = False) -> Plan:
    """A plan whose every cell with a weight and a price trades."""
    sessions, symbols = weights.shape
    at = (np.datetime64("2020-01-01") + np.arange(sessions + 1)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions + 1), 365.0)
    names = tuple(f"S{i}" for i in range(symbols))
    decided = np.arange(sessions, dtype=np.int64)
    return Plan(clock, names, 1, weights, decided, fill, np.isfinite(fill), mark, Events.empty(), margin)


def random_plan(seed: int, gross: float, long_only: bool, margin: bool = False) -> Plan:
    """Weights with holes, fills apart from marks, some cells that do not trade."""
    generator = np.random.default_rng(seed)
    sessions, symbols = 40, 6
    mark = 50 * np.exp(generator.normal(0, 0.03, (sessions, symbols)).cumsum(axis=0))
    fill = mark * np.exp(generator.normal(0, 0.01, mark.shape))
    weights = generator.normal(size=mark.shape)
    weights = np.abs(weights) if long_only else weights - weights.mean(axis=1, keepdims=True)
    weights *= gross / np.abs(weights).sum(axis=1, keepdims=True)
    weights[generator.random(mark.shape) < 0.1] = np.nan
    weights[generator.random(sessions) < 0.4] = np.nan
    made = plan_of(weights, fill, mark, margin)
    return replace(made, tradable=generator.random(mark.shape) > 0.1)


RATIONAL = TotalCost(
    fee=Fee(
        per_share=0.01,
        per_order=0.5,
        minimum=2.0,
        maximum=0.02,
        tiers=[[0, 8.0], [5_000, 4.0], [20_000, 1.0]],
    ),
    spread=HalfSpread(bps=3.0, volatility=0.1, from_data=True),
    borrow=BorrowFee(per_year=0.02, from_data=True),
    interest=Interest(cash_per_year=0.03, margin_per_year=0.07),
)
"""Every kind of cost that fractions can express."""

COSTS: dict[str, Cost] = {
    "free": LinearCost(0.0, 0.0),
    "linear": LinearCost(6.0, 9.0),
    "rational": RATIONAL,
    "square root": TotalCost(fee=Fee(bps=2.0), impact=SquareRootImpact(0.8), borrow=BorrowFee(0.05)),
    "almgren": TotalCost(fee=Fee(per_share=0.02), spread=HalfSpread(volatility=0.05), impact=AlmgrenImpact()),
}

FEATURES = (
    "exits", "forced", "split", "dividends", "capacity", "patience", "borrowable", "deposit", "lot", "max_leverage",
    "maintenance",
)  # fmt: skip
"""What a random plan can have beside weights and prices."""


def rich_plan(
    seed: int,
    features: tuple[str, ...] = FEATURES,
    gross: float = 1.2,
    margin: bool = False,
    kind: str = "weights",
) -> Plan:
    """A random plan with data for every cost and the features named, of modest sizes so that every one of them binds."""
    plan = random_plan(seed, gross, long_only=seed % 3 == 0, margin=margin)
    generator = np.random.default_rng(seed + 1000)
    shape, sessions = plan.weights.shape, len(plan.weights)
    scale = 1e6 / 50 / 6
    weights = {SHARES: scale, ORDERS: 0.2 * scale}.get(kind, 1.0) * plan.weights
    made = replace(
        plan,
        weights=weights,
        kind=kind,
        volatility=np.where(generator.random(shape) < 0.02, np.nan, generator.uniform(0.01, 0.03, shape)),
        traded=generator.uniform(1e5, 1e7, shape),
        half_spread=np.where(generator.random(shape) < 0.02, np.nan, generator.uniform(0, 0.002, shape)),
        borrow_rate=np.where(generator.random(shape) < 0.02, np.nan, generator.uniform(0, 0.1, shape)),
        years=generator.choice([1.0, 3.0], sessions) / 365,
    )
    return with_features(made, generator, features)


def with_features(plan: Plan, generator: np.random.Generator, features: tuple[str, ...]) -> Plan:
    """The plan with what is named, at random."""
    shape, sessions = plan.weights.shape, len(plan.weights)
    count = 8
    ex = np.sort(generator.integers(0, sessions, count))
    dividends = Dividends(
        ex,
        ex + generator.integers(0, 15, count),
        generator.integers(0, shape[1], count),
        generator.uniform(0.1, 2, count),
    )
    rare = generator.random(shape)
    haircut = np.where((rare > 0.2) & (rare < 0.215), np.minimum((rare - 0.2) / 0.012, 1.0), np.nan)
    values = {
        "forced": {"forced": haircut, "tradable": plan.tradable & np.isnan(haircut)},
        "exits": {"exits": np.where(rare < 0.01, 0.9 * plan.mark_price, np.nan)},
        "split": {
            "split": np.where(
                (rare > 0.5) & (rare < 0.53), generator.choice([0.5, 1.5, 2.0, 3.0], shape), 1.0
            )
        },
        "dividends": {"dividends": dividends},
        "capacity": {"capacity": np.where(rare > 0.97, np.nan, generator.uniform(500, 8000, shape))},
        "patience": {"patience": int(generator.integers(0, 4))},
        "borrowable": {"borrowable": generator.random(shape) > 0.2},
        "deposit": {
            "deposit": np.where(generator.random(sessions) < 0.1, generator.normal(0, 3e4, sessions), 0.0)
        },
    }
    changed = {
        name: value for feature, pair in values.items() if feature in features for name, value in pair.items()
    }
    rules = Rules(
        lot=float(generator.choice([0.01, 1.0, 100.0, 2000.0])) if "lot" in features else 0.0,
        max_leverage=1.1 if "max_leverage" in features else np.inf,
        maintenance=0.85 if "maintenance" in features else 0.0,
    )
    return replace(plan, **changed, rules=rules)
