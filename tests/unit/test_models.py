"""Tabular models against independent truths: the closed form, scikit-learn, LightGBM called directly."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import Ridge as PeerRidge

from backcast.data.errors import InputError
from backcast.signals.models.base import ForecastModel, Scaler, samples, split_by_time
from backcast.signals.models.baseline import Mean
from backcast.signals.models.gbm import LightGBM
from backcast.signals.models.linear import Ridge
from backcast.signals.types import QUANTILES, TrainingSet

MODELS: list[ForecastModel] = [Mean(), Ridge(alpha=3.0), LightGBM(rounds=20, min_data_in_leaf=20)]
NAMES = ("momentum", "vol", "size")


def training(seed: int = 0, symbols: int = 6, sessions: int = 400, strength: float = 0.01) -> TrainingSet:
    """Labels of span 2 with a planted linear signal in the first feature; the last rows are not known."""
    generator = np.random.default_rng(seed)
    features = generator.normal(3.0, 5.0, size=(3, symbols, sessions))
    labels = strength * (features[0] - 3.0) + generator.normal(0.001, 0.02, size=(symbols, sessions))
    rows = generator.random((symbols, sessions)) < 0.8
    rows[:, -2:] = False
    return TrainingSet(features, np.where(rows, labels, np.nan), rows, NAMES, tuple("ABCDEF"[:symbols]))


def window(seed: int = 1, symbols: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 5.0, size=(3, symbols, 1))


def test_ridge_equals_scikit_learn_and_the_normal_equations() -> None:
    train = training()
    data = samples(train)
    mean, _ = Ridge(alpha=50.0).fit(train, 0).predict(window(), np.ones(6, bool))
    scaler = Scaler.fit(data.x)
    peer = PeerRidge(alpha=50.0).fit(scaler.apply(data.x).T, data.y)
    np.testing.assert_allclose(mean, peer.predict(scaler.apply(window()[:, :, 0]).T), rtol=1e-10)
    z = (data.x - data.x.mean(axis=1, keepdims=True)) / data.x.std(axis=1, keepdims=True)
    closed = np.linalg.solve(z @ z.T + 50.0 * np.eye(3), z @ (data.y - data.y.mean()))
    np.testing.assert_allclose(Ridge(alpha=50.0).fit(train, 0).line.coefficients, closed, rtol=1e-10)


def test_ridge_survives_constant_and_repeated_features() -> None:
    train = training()
    features = np.stack([train.features[0], train.features[0], np.full_like(train.features[0], 7.7)])
    fitted = Ridge().fit(TrainingSet(features, train.labels, train.rows, NAMES, train.symbols), 0)
    coefficients = fitted.line.coefficients
    assert coefficients[0] == pytest.approx(coefficients[1], rel=1e-6) and coefficients[2] == 0.0


def test_lightgbm_equals_lightgbm_called_directly() -> None:
    train = training()
    data = samples(train)
    settings = {"objective": "l2", "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 30, "seed": 5,
                "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}  # fmt: skip
    peer = lightgbm.train(settings, lightgbm.Dataset(data.x.T, data.y), 30)
    own = LightGBM(num_leaves=7, learning_rate=0.1, rounds=30, min_data_in_leaf=30).fit(train, 5)
    mean, _ = own.predict(window(), np.ones(6, bool))
    np.testing.assert_array_equal(mean, peer.predict(window()[:, :, 0].T))


def test_lightgbm_stops_early_on_noise_within_training_time() -> None:
    noise = training(strength=0.0)
    fixed = LightGBM(rounds=200, min_data_in_leaf=20).fit(noise, 0)
    stopped = LightGBM(rounds=200, min_data_in_leaf=20, patience=5).fit(noise, 0)
    assert stopped.trees.count("Tree=") < 50 < fixed.trees.count("Tree=")


def test_mean_is_the_training_distribution() -> None:
    train = training()
    mean, quantiles = Mean().fit(train, 0).predict(window(), np.ones(6, bool))
    np.testing.assert_allclose(mean, np.nanmean(train.labels[train.rows]))
    np.testing.assert_allclose(quantiles[3], np.quantile(train.labels[train.rows], QUANTILES))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_saved_and_loaded_forecasts_are_equal_to_the_last_bit(model: ForecastModel, tmp_path: Path) -> None:
    fitted = model.fit(training(), 0)
    fitted.save(tmp_path)
    for ours, theirs in zip(
        fitted.predict(window(), np.ones(6, bool)), model.load(tmp_path).predict(window(), np.ones(6, bool))
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert json.loads((tmp_path / "model.json").read_text())["names"] == list(NAMES)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_the_same_seed_gives_the_same_files(model: ForecastModel, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        model.fit(training(), 3).save(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_no_forecast_where_not_eligible_or_a_feature_is_missing(model: ForecastModel) -> None:
    x, eligible = window(), np.ones(6, bool)
    fitted = model.fit(training(), 0)
    whole, _ = fitted.predict(x, eligible)
    x[1, 2, 0], eligible[4] = np.nan, False
    mean, quantiles = fitted.predict(x, eligible)
    missing = np.array([False, False, True, False, True, False])
    np.testing.assert_array_equal(np.isnan(mean), missing)
    np.testing.assert_array_equal(np.isnan(quantiles).all(axis=1), missing)
    np.testing.assert_array_equal(mean[~missing], whole[~missing])
    assert np.isnan(fitted.predict(x, np.zeros(6, bool))[0]).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_quantiles_cover_fresh_data_as_their_levels_say(model: ForecastModel) -> None:
    fitted, fresh = model.fit(training(0), 0), training(9)
    data = samples(fresh)
    _, quantiles = fitted.predict(data.x[:, :, None], np.ones(len(data.y), bool))
    assert (np.diff(quantiles, axis=1) > 0).all()
    np.testing.assert_allclose((data.y[:, None] <= quantiles).mean(axis=0), QUANTILES, atol=0.05)


def test_the_late_part_begins_only_when_early_labels_are_known() -> None:
    at = np.repeat(np.arange(0, 100, 5), 3)
    early, late = split_by_time(
        at, fit_at=106, share=0.25
    )  # the last row, 95, was known by 106: a span of 11 at most
    assert at[late].min() == 75 and at[early].max() + 11 <= 75 and at[early].max() == 60


def test_a_window_of_other_features_is_refused() -> None:
    with pytest.raises(InputError, match="momentum, vol, size"):
        Ridge().fit(training(), 0).predict(window()[:2], np.ones(6, bool))


def test_a_folder_without_a_model_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="saved model"):
        Ridge().load(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "os.system"}')
    with pytest.raises(InputError, match=r"model\.kind"):
        Ridge().load(tmp_path)


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: Ridge(alpha=0.0), "alpha"),
        (lambda: Ridge(alpha=float("nan")), "alpha"),
        (lambda: Ridge(alpha="big"), "alpha"),
        (lambda: LightGBM(num_leaves=1), "num_leaves"),
        (lambda: LightGBM(rounds=10.5), "rounds"),
        (lambda: LightGBM(learning_rate=0.0), "learning_rate"),
        (lambda: LightGBM(rounds=5, patience=6), "patience"),
    ],
)
def test_a_wrong_parameter_is_named(make: object, parameter: str) -> None:
    with pytest.raises(InputError, match=rf"model\.{parameter} ="):
        make()
