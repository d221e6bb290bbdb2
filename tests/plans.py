"""Plans for simulators: made of arrays, or at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backcast.data.types import Clock, Floats
from backcast.engine.types import Events, Plan


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
