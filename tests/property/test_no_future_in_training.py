"""Whatever happens after a fit, the fitted files do not change by one bit (laws 1 and 3)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.signals.dataset import training_set
from backcast.signals.labels import ForwardReturn
from backcast.signals.models.base import ForecastModel
from backcast.signals.models.baseline import Mean
from backcast.signals.models.gbm import LightGBM
from backcast.signals.models.linear import Ridge
from backcast.signals.models.tft import TFT
from backcast.signals.types import Features, FillTable, Fold, Labels

SYMBOLS, SESSIONS, FIT_AT, HORIZON, EMBARGO = 5, 160, 110, 4, 2
NAMES, TICKERS = ("f", "g"), ("A", "B", "C", "D", "E")
FOLD = Fold(0, FIT_AT, np.arange(20, FIT_AT, 2), np.arange(FIT_AT, SESSIONS), EMBARGO)
TINY = TFT(encoder_length=4, hidden_size=4, hidden_continuous_size=2, epochs=1, batch_size=64, device="cpu")


def world() -> tuple[np.ndarray, np.ndarray]:
    """Features (F, S, T) and prices (S, T)."""
    generator = np.random.default_rng(0)
    price = np.exp(np.cumsum(generator.normal(0, 0.02, size=(SYMBOLS, SESSIONS)), axis=1))
    return generator.normal(size=(2, SYMBOLS, SESSIONS)), price


def labels_of(price: np.ndarray) -> Labels:
    """A decision at t fills at t + 1, so its price is known there."""
    return ForwardReturn(HORIZON).build(FillTable(price, np.minimum(np.arange(SESSIONS) + 1, SESSIONS)))


def fitted_files(model: ForecastModel, features: np.ndarray, labels: Labels) -> dict[str, bytes]:
    member = np.ones((SYMBOLS, SESSIONS), dtype=bool)
    train, _ = training_set(Features(NAMES, TICKERS, features), labels, FOLD, member, model.lookback)
    with tempfile.TemporaryDirectory() as name:
        model.fit(train, 1).save(Path(name))
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


def corrupt_after_the_fit(seed: int, scale: float) -> tuple[np.ndarray, Labels]:
    """Another future: features after the fit instant, and every label not known in time."""
    generator = np.random.default_rng(seed)
    features, price = world()
    labels = labels_of(price)
    features[:, :, FIT_AT + 1 :] = generator.choice([np.nan, np.inf, scale, -scale], SESSIONS - FIT_AT - 1)
    late = labels.known > FIT_AT - EMBARGO
    values = np.where(late, generator.choice([np.nan, np.inf, scale], late.shape), labels.values)
    return features, Labels(values, labels.known)


def assert_blind(model: ForecastModel, seed: int, scale: float) -> None:
    features, price = world()
    expected = fitted_files(model, features, labels_of(price))
    assert fitted_files(model, *corrupt_after_the_fit(seed, scale)) == expected


@pytest.mark.parametrize(
    "model",
    [
        Mean(),
        Ridge(),
        LightGBM(rounds=8, min_data_in_leaf=10),
        LightGBM(rounds=8, min_data_in_leaf=10, patience=2),
    ],
    ids=["mean", "ridge", "lightgbm", "lightgbm-stopped"],
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1e30))
def test_the_future_changes_no_bit_of_a_fit(model: ForecastModel, seed: int, scale: float) -> None:
    assert_blind(model, seed, scale)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1e30))
def test_the_future_changes_no_bit_of_a_tft(seed: int, scale: float) -> None:
    assert_blind(TINY, seed, scale)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_prices_filled_after_the_fit_change_no_training_label(seed: int) -> None:
    """From prices, not labels: the fill of the decision at FIT_AT - 1 is the last that the fit knows."""
    features, price = world()
    future = price.copy()
    future[:, FIT_AT:] = np.exp(np.random.default_rng(seed).normal(size=(SYMBOLS, SESSIONS - FIT_AT)))
    sets = [
        training_set(
            Features(NAMES, TICKERS, features), labels_of(p), FOLD, np.ones(price.shape, dtype=bool)
        )[0]
        for p in (price, future)
    ]
    np.testing.assert_array_equal(sets[0].rows, sets[1].rows)
    np.testing.assert_array_equal(sets[0].labels, sets[1].labels)


def test_the_past_does_change_a_fit() -> None:
    """The property above is not empty: one cell of a training window is enough."""
    features, price = world()
    before = {m.name: fitted_files(m, features, labels_of(price)) for m in (Ridge(), TINY)}
    features[0, 0, FOLD.train[10]] += 1.0
    assert all(fitted_files(m, features, labels_of(price)) != before[m.name] for m in (Ridge(), TINY))
