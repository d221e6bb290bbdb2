"""A small learning problem: features and labels of a price panel, a ridge regression, and refits that walk forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from zoo.weights import long_short, moves

FIRST, EVERY = 120, 80
"""The row of the first fit, and the rows from one to the next."""

HORIZON = 5
"""The rows over which a label runs."""

Array = np.ndarray


def features(prices: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Momentum over three spans and volatility, each of the rows up to now."""
    steps = moves(prices).clip(-0.3, 0.3)
    made = {f"momentum_{n}": steps.rolling(n).sum() for n in (5, 20, 60)}
    return {**made, "volatility": steps.rolling(20).std()}


def labels(prices: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The return over the next rows: known `horizon` rows later."""
    return moves(prices, horizon).shift(-horizon).clip(-0.3, 0.3)


def cube(frames: dict[str, pd.DataFrame]) -> Array:
    """(times x symbols x features)."""
    return np.stack([frame.to_numpy(dtype=float) for frame in frames.values()], axis=2)


def fitted(x: Array, y: Array, alpha: float = 1.0) -> Array:
    """Coefficients of a ridge regression on the cells that are known; the last is the intercept."""
    known = np.isfinite(x).all(axis=-1) & np.isfinite(y)
    rows, answers = with_one(x[known]), y[known]
    return np.linalg.solve(rows.T @ rows + alpha * np.eye(rows.shape[1]), rows.T @ answers)


def with_one(x: Array) -> Array:
    return np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)


def predicted(x: Array, coefficients: Array) -> Array:
    return (with_one(x) * coefficients).sum(axis=-1)


def walked(prices: pd.DataFrame, x: Array, fit: Callable[[int], Array]) -> pd.DataFrame:
    """Forecasts of every block by the coefficients that `fit` gives for its first row."""
    made = np.full(x.shape[:2], np.nan)
    for begin in range(FIRST, len(x), EVERY):
        made[begin : begin + EVERY] = predicted(x[begin : begin + EVERY], fit(begin))
    return shown(prices, made)


def shown(prices: pd.DataFrame, made: Array) -> pd.DataFrame:
    """Forecasts of the symbols that have a price."""
    return pd.DataFrame(made, prices.index, prices.columns).where(prices.notna())


def traded(features: dict[str, pd.DataFrame], forecasts: pd.DataFrame) -> dict[str, Any]:
    """What a strategy gives: its features, its forecasts, and the best third against the worst."""
    return {"features": features, "forecasts": forecasts, "weights": long_short(forecasts)}


def score(forecasts: Array, y: Array) -> float:
    """The correlation over the cells that both have; 0 where it is not defined."""
    known = np.isfinite(forecasts) & np.isfinite(y)
    if known.sum() < 10:
        return 0.0
    a, b = forecasts[known], y[known]
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def ridge(prices: pd.DataFrame, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """An honest walk forward over the features given: only rows whose labels are known at a fit train it."""
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    return traded(frames, walked(prices, x, lambda b: fitted(x[: b - HORIZON], y[: b - HORIZON])))
