"""Which rows train the model of a row: purge, embargo, shuffled folds, later folds, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zoo.panel import (
    EVERY,
    HORIZON,
    Array,
    cube,
    features,
    fitted,
    labels,
    predicted,
    ridge,
    score,
    shown,
    traded,
    walked,
)
from zoo.weights import pair

LONG = 20
"""The rows over which the labels of overlaps run."""


def labels_not_purged(prices: pd.DataFrame) -> dict[str, Any]:
    """Overlapping labels without a purge.

    The label of a row is the return over the next twenty. Trained is on all rows before the fit, the last of which have labels
    that end in the test period.
    """
    return _long_labels(prices, purged=0)


def labels_purged(prices: pd.DataFrame) -> dict[str, Any]:
    """Rows whose labels are not known by the fit are left out."""
    return _long_labels(prices, purged=LONG)


def _long_labels(prices: pd.DataFrame, purged: int) -> dict[str, Any]:
    frames = features(prices)
    x, y = cube(frames), labels(prices, LONG).to_numpy()
    return traded(frames, walked(prices, x, lambda b: fitted(x[: b - purged], y[: b - purged])))


def no_embargo(prices: pd.DataFrame) -> dict[str, Any]:
    """No embargo between validation and test.

    Two models are mixed by how well they did on the forty rows right before the test period; the labels of the last twenty lie
    in it.
    """
    return _mixed(prices, embargo=0)


def with_embargo(prices: pd.DataFrame) -> dict[str, Any]:
    """The validation ends twenty rows before the test."""
    return _mixed(prices, embargo=LONG)


def _mixed(prices: pd.DataFrame, embargo: int) -> dict[str, Any]:
    frames = features(prices)
    x, y = cube(frames), labels(prices, LONG).to_numpy()

    def fit(begin: int) -> Array:
        judged = slice(begin - 40 - embargo, begin - embargo)
        train = slice(0, begin - 40 - embargo - LONG)
        models = [fitted(x[train], y[train], alpha) for alpha in (0.1, 1000.0)]
        scores = np.exp([5 * score(predicted(x[judged], m), y[judged]) for m in models])
        return sum(m * s for m, s in zip(models, scores / scores.sum(), strict=True))

    return traded(frames, walked(prices, x, fit))


def shuffled_folds(prices: pd.DataFrame) -> dict[str, Any]:
    """Forecasts by shuffled k-fold.

    `cross_val_predict(model, X, y, cv=KFold(5, shuffle=True))`: out of fold, and yet trained on the days around it.
    """
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    fold = np.random.default_rng(0).permutation(len(x)) % 5
    made = np.full(y.shape, np.nan)
    for k in range(5):
        made[fold == k] = predicted(x[fold == k], fitted(x[fold != k], y[fold != k]))
    return traded(frames, shown(prices, made))


def forward_folds(prices: pd.DataFrame) -> dict[str, Any]:
    """Folds that follow each other, each trained on those before it."""
    return ridge(prices, features(prices))


def later_fold(prices: pd.DataFrame) -> dict[str, Any]:
    """Each block forecast by the model of the fold after it.

    Models are kept by the date of their fit and looked up by one; `searchsorted` on the wrong side gives the next.
    """
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    last = len(x)
    return traded(
        frames, walked(prices, x, lambda b: fitted(*(a[: min(b + EVERY, last) - HORIZON] for a in (x, y))))
    )


def fitted_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """A model trained on the years it is tested on.

    The production model is loaded, and "backtested".
    """
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    return traded(frames, shown(prices, predicted(x, fitted(x, y))))


def random_rows(prices: pd.DataFrame) -> dict[str, Any]:
    """Training rows drawn at random.

    `train_test_split(X, y)` shuffles unless told otherwise. Every test row has training rows on either side.
    """
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    chosen = np.random.default_rng(0).random(len(x)) < 0.75
    return traded(frames, shown(prices, predicted(x, fitted(x[chosen], y[chosen]))))


def first_rows(prices: pd.DataFrame) -> dict[str, Any]:
    """The first rows train, the others are tested."""
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()
    train = 3 * EVERY
    made = predicted(x, fitted(x[:train], y[:train]))
    made[: train + HORIZON] = np.nan
    return traded(frames, shown(prices, made))


def calibrated_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """Forecasts calibrated with all outcomes.

    A last regression of outcomes on forecasts "removes the bias"; it is fitted to the forecasts that are reported.
    """
    made = ridge(prices, features(prices))
    y = labels(prices, HORIZON)
    known = made["forecasts"].notna() & y.notna()
    off = float((y - made["forecasts"]).where(known).stack().mean()) if known.to_numpy().any() else 0.0
    return {**made, "forecasts": made["forecasts"] + off}


def calibrated_on_the_past(prices: pd.DataFrame) -> dict[str, Any]:
    """Calibrated with the outcomes known at the row."""
    made = ridge(prices, features(prices))
    error = labels(prices, HORIZON) - made["forecasts"]
    off = (error.sum(axis=1).cumsum() / error.count(axis=1).cumsum()).shift(HORIZON)
    return {**made, "forecasts": made["forecasts"].add(off.fillna(0.0), axis=0)}


AFTER_FITS = "only twenty rows after each fit look ahead"

PAIRS = (
    pair(labels_not_purged, labels_purged, "forecasts", depth=19, hides=AFTER_FITS),
    pair(no_embargo, with_embargo, "forecasts", depth=19, hides=AFTER_FITS),
    pair(shuffled_folds, forward_folds, "forecasts"),
    pair(later_fold, forward_folds, "forecasts"),
    pair(fitted_on_all, forward_folds, "forecasts"),
    pair(random_rows, first_rows, "forecasts"),
    pair(calibrated_on_all, calibrated_on_the_past, "forecasts"),
)
