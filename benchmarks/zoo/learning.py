"""What is learned or chosen on rows that a forecast is then judged on: encoders, scalers, parameters, seeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from zoo.panel import (
    EVERY,
    FIRST,
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
from zoo.weights import long_short, moves, pair


def encoded_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """Target encoding over all rows.

    Each symbol gets the mean of its labels as a feature, the usual encoding of a category, made once before the split.
    """
    y = labels(prices, HORIZON)
    return _encoded(prices, prices * 0 + y.mean())


def encoded_on_the_past(prices: pd.DataFrame) -> dict[str, Any]:
    """The mean of the labels that are known."""
    y = labels(prices, HORIZON)
    return _encoded(prices, y.expanding().mean().shift(HORIZON).where(prices.notna()))


def _encoded(prices: pd.DataFrame, encoded: pd.DataFrame) -> dict[str, Any]:
    frames = {**features(prices), "encoded": encoded}
    return ridge(prices, frames)


def scaled_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """A scaler fitted before the split.

    `StandardScaler().fit_transform(X)`, then the split: the first cell of most tutorials.
    """
    return _scaled(prices, len(prices))


def scaled_on_train(prices: pd.DataFrame) -> dict[str, Any]:
    """Fitted on the first training period."""
    return _scaled(prices, FIRST)


def _scaled(prices: pd.DataFrame, until: int) -> dict[str, Any]:
    return ridge(prices, _transformed(prices, StandardScaler(), until))


def imputed_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """Holes filled with the median of all rows.

    An imputer in front of the split. Features are missing over warm-ups and after every halt.
    """
    return ridge(prices, _transformed(prices, SimpleImputer(strategy="median"), len(prices)))


def imputed_on_train(prices: pd.DataFrame) -> dict[str, Any]:
    """The median of the first training period."""
    return ridge(prices, _transformed(prices, SimpleImputer(strategy="median"), FIRST))


def _transformed(prices: pd.DataFrame, transformer: Any, until: int) -> dict[str, pd.DataFrame]:
    """Each feature after a transformer that was fitted to its rows before `until`; warm once the longest feature is."""
    frames = features(prices)
    x = cube(frames)
    late = x[:until].reshape(-1, x.shape[2])
    if not np.isfinite(late).any(axis=0).all():
        return {name: frame * np.nan for name, frame in frames.items()}
    made = transformer.fit(late).transform(x.reshape(-1, x.shape[2])).reshape(x.shape)
    made[:FIRST] = np.nan
    return {name: shown(prices, made[:, :, i]) for i, name in enumerate(frames)}


def selected_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """Features selected by their correlation with all labels.

    `SelectKBest` on the whole table, and only then an impeccable walk forward. With enough candidates it wins on noise.
    """
    frames, x, y = _candidates(prices)
    best = _best(x, y)
    return traded(
        frames, walked(prices, x[..., best], lambda b: fitted(x[: b - HORIZON][..., best], y[: b - HORIZON]))
    )


def selected_on_train(prices: pd.DataFrame) -> dict[str, Any]:
    """Selected anew at each fit, on its rows."""
    frames, x, y = _candidates(prices)

    def fit(begin: int) -> Array:
        best = _best(x[: begin - HORIZON], y[: begin - HORIZON])
        chosen = fitted(x[: begin - HORIZON][..., best], y[: begin - HORIZON])
        coefficients = np.zeros(x.shape[2] + 1)
        coefficients[[*best, -1]] = chosen
        return coefficients

    return traded(frames, walked(prices, x, fit))


def _candidates(prices: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], Array, Array]:
    """The returns of the last ten days, each a candidate."""
    steps = moves(prices).clip(-0.3, 0.3).fillna(0.0).where(prices.notna())
    frames = {f"lag_{n}": steps.shift(n) for n in range(10)}
    return frames, cube(frames), labels(prices, HORIZON).to_numpy()


def _best(x: Array, y: Array) -> Array:
    strength = [abs(score(x[..., i], y)) for i in range(x.shape[2])]
    return np.sort(np.argsort(strength)[-3:])


def stopped_on_test(prices: pd.DataFrame) -> dict[str, Any]:
    """Early stopping by the loss of the test period.

    The block that will be reported is handed over as `eval_set`. The number of epochs is then the best for it.
    """
    return _stopped(prices, lambda begin: slice(begin, begin + EVERY))


def stopped_on_validation(prices: pd.DataFrame) -> dict[str, Any]:
    """By the loss of the last rows whose labels are known, which are not trained on."""
    return _stopped(prices, lambda begin: slice(begin - 40 - HORIZON, begin - HORIZON))


def _stopped(prices: pd.DataFrame, judged: Any) -> dict[str, Any]:
    frames = features(prices)
    x, y = cube(frames), labels(prices, HORIZON).to_numpy()

    def fit(begin: int) -> Array:
        train, test = slice(0, begin - 40 - 2 * HORIZON), judged(begin)
        steps = list(_descent(x[train], y[train]))
        return max(steps, key=lambda c: score(predicted(x[test], c), y[test]) - 1e-9 * float(c @ c))

    return traded(frames, walked(prices, x, fit))


def _descent(x: Array, y: Array) -> Iterable[Array]:
    """Coefficients after each of thirty epochs of gradient descent on scaled features."""
    known = np.isfinite(x).all(axis=-1) & np.isfinite(y)
    rows, answers = x[known], y[known]
    spread = rows.std(axis=0) if len(rows) else np.ones(x.shape[-1])
    scaled = rows / spread
    slope = np.zeros(x.shape[-1])
    for _ in range(30):
        slope = slope + 0.05 * scaled.T @ (answers - scaled @ slope) / max(len(rows), 1)
        yield np.r_[slope / spread, 0.0]


def window_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """The best of twenty windows, by the result of the whole period.

    A parameter scan, and the report of its winner over the same years.
    """
    made, results = _windows(prices)
    best = int(np.argmax(results.mean().to_numpy()))
    return {"forecasts": made[best], "weights": long_short(made[best])}


def window_on_the_past(prices: pd.DataFrame) -> dict[str, Any]:
    """The best window so far, chosen anew every eighty rows."""
    made, results = _windows(prices)
    forecasts = prices * np.nan
    for begin in range(FIRST, len(prices), EVERY):
        best = int(np.argmax(results.iloc[:begin].mean().to_numpy()))
        forecasts.iloc[begin : begin + EVERY] = made[best].iloc[begin : begin + EVERY]
    return {"forecasts": forecasts, "weights": long_short(forecasts)}


def _windows(prices: pd.DataFrame) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """Momentum over each window, and the return of each row by each window."""
    steps = moves(prices).clip(-0.3, 0.3)
    made = [steps.rolling(n).sum() for n in range(2, 62, 3)]
    results = {i: (long_short(frame).shift(1) * steps).sum(axis=1) for i, frame in enumerate(made)}
    return made, pd.DataFrame(results)


def seed_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """The seed with the best backtest.

    Thirty networks that differ in their seed alone, and the best of them is reported: here random features, of which one fits.
    """
    frames, drawn, y = _seeds(prices)
    best = max(range(len(drawn)), key=lambda i: score(drawn[i], y))
    return traded(frames, shown(prices, drawn[best]))


def seed_on_train(prices: pd.DataFrame) -> dict[str, Any]:
    """The seed with the best training period, used after it."""
    frames, drawn, y = _seeds(prices)
    known = 3 * EVERY
    best = max(range(len(drawn)), key=lambda i: score(drawn[i][:known], y[:known]))
    made = drawn[best].copy()
    made[: known + HORIZON] = np.nan
    return traded(frames, shown(prices, made))


def _seeds(prices: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], list[Array], Array]:
    """The answers of thirty random networks of one layer."""
    frames = features(prices)
    x, y = 10 * cube(frames), labels(prices, HORIZON).to_numpy()
    drawn = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        drawn.append(np.tanh(x @ draw.normal(size=(x.shape[2], 4))) @ draw.normal(size=4))
    return frames, drawn, y


def threshold_on_all(prices: pd.DataFrame) -> dict[str, Any]:
    """The threshold of a trade by the result of the whole period.

    Forecasts are honest. How strong one must be to be traded is tuned on the backtest that is shown.
    """
    made, kept, results = _thresholds(prices)
    best = int(np.argmax(results.sum().to_numpy()))
    return {**made, "weights": kept[best]}


def threshold_on_the_past(prices: pd.DataFrame) -> dict[str, Any]:
    """Tuned on the rows before, anew every eighty."""
    made, kept, results = _thresholds(prices)
    weights = kept[0].copy()
    for begin in range(FIRST, len(prices), EVERY):
        best = int(np.argmax(results.iloc[:begin].sum().to_numpy()))
        weights.iloc[begin : begin + EVERY] = kept[best].iloc[begin : begin + EVERY]
    return {**made, "weights": weights}


def _thresholds(prices: pd.DataFrame) -> tuple[dict[str, Any], list[pd.DataFrame], pd.DataFrame]:
    """Forecasts, the weights at each of fifteen thresholds, and the return of each row by each."""
    steps = moves(prices).clip(-0.3, 0.3)
    forecasts = -steps.rolling(3).sum() / steps.rolling(60, min_periods=20).std()
    kept = [long_short(forecasts.where(forecasts.abs() > q)) for q in np.linspace(0, 2.8, 15)]
    results = {i: (w.shift(1) * steps).sum(axis=1) for i, w in enumerate(kept)}
    return {"forecasts": forecasts}, kept, pd.DataFrame(results)


CHOICE = "a choice among few: it shows only where another future would have been chosen for"

PAIRS = (
    pair(encoded_on_all, encoded_on_the_past, "features"),
    pair(scaled_on_all, scaled_on_train, "features"),
    pair(imputed_on_all, imputed_on_train, "features"),
    pair(selected_on_all, selected_on_train, "forecasts", hides=CHOICE),
    pair(stopped_on_test, stopped_on_validation, "forecasts", hides=CHOICE),
    pair(window_on_all, window_on_the_past, "forecasts", hides=CHOICE),
    pair(seed_on_all, seed_on_train, "forecasts", hides=CHOICE),
    pair(threshold_on_all, threshold_on_the_past, "targets", hides=CHOICE),
)
