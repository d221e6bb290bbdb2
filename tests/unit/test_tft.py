"""The Temporal Fusion Transformer, tiny: bits, files, what it learns, and what it must not see."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backcast.data.errors import InputError
from backcast.signals.models.tft import MEAN_WEIGHTS, TFT
from backcast.signals.models.tft_network import build_network, forward, seeded
from backcast.signals.types import QUANTILES, TrainingSet

L, SYMBOLS, SESSIONS = 5, 8, 260


def tiny(**changes: Any) -> TFT:
    shape = {
        "encoder_length": L,
        "hidden_size": 8,
        "hidden_continuous_size": 4,
        "epochs": 1,
        "batch_size": 128,
    }
    return TFT(**{**shape, "device": "cpu", **changes})


def training(sessions: int = SESSIONS, features: int = 2) -> TrainingSet:
    """Labels that are the first feature times 0.01, plus half as much noise; spans of two sessions."""
    generator = np.random.default_rng(0)
    x = generator.normal(2.0, 3.0, size=(features, SYMBOLS, sessions))
    y = 0.01 * (x[0] - 2.0) / 3.0 + 0.005 * generator.normal(size=(SYMBOLS, sessions))
    rows = np.ones((SYMBOLS, sessions), dtype=bool)
    rows[:, -2:] = False
    names = tuple(f"ref(close, {i}) / close" for i in range(features))
    return TrainingSet(x, np.where(rows, y, np.nan), rows, names, tuple("ABCDEFGH"))


def window(seed: int = 1, symbols: int = SYMBOLS, features: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(2.0, 3.0, size=(features, symbols, L))


def files(folder: Path, model: TFT, train: TrainingSet, seed: int) -> dict[str, bytes]:
    folder.mkdir()
    model.fit(train, seed).save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_seed_fixes_every_bit_whatever_the_thread_setting(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    state = torch.get_rng_state()
    first = files(tmp_path / "a", tiny(), training(), 7)
    torch.set_num_threads(before + 1)
    try:
        second = files(tmp_path / "b", tiny(), training(), 7)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert first == second != files(tmp_path / "c", tiny(), training(), 8)
    assert torch.equal(state, torch.get_rng_state())


def test_saved_and_loaded_forecasts_are_equal_to_the_last_bit(tmp_path: Path) -> None:
    fitted = tiny().fit(training(), 0)
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    loaded, everyone = tiny().load(tmp_path), np.ones(SYMBOLS, bool)
    assert loaded.lookback == L
    for ours, theirs in zip(fitted.predict(window(), everyone), loaded.predict(window(), everyone)):
        np.testing.assert_array_equal(ours, theirs)


def test_a_decision_is_one_batch_of_the_eligible_with_a_complete_window() -> None:
    """Symbols without a forecast change no bit of the others, wherever they stand."""
    fitted, x = tiny().fit(training(), 0), window()
    x[0, 3, 1] = np.nan
    eligible = np.arange(SYMBOLS) != 6
    mean, quantiles = fitted.predict(x, eligible)
    keep = np.array([0, 1, 2, 4, 5, 7])
    assert np.flatnonzero(np.isfinite(mean)).tolist() == keep.tolist()
    alone, alone_quantiles = fitted.predict(np.ascontiguousarray(x[:, keep]), np.ones(6, bool))
    np.testing.assert_array_equal(mean[keep], alone)
    np.testing.assert_array_equal(quantiles[keep], alone_quantiles)


def test_it_learns_a_planted_signal() -> None:
    fitted = tiny(epochs=8, learning_rate=0.01, dropout=0.0).fit(training(1000), 0)
    fresh = window(5, 400)
    mean, quantiles = fitted.predict(fresh, np.ones(400, bool))
    truth = 0.01 * (fresh[0, :, -1] - 2.0) / 3.0
    assert np.mean((mean - truth) ** 2) < 0.2 * np.var(truth)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    # noise has a standard deviation of 0.005; the normal's quartiles stand 1.349 deviations apart
    np.testing.assert_allclose(np.mean(quantiles[:, 3] - quantiles[:, 1]), 1.349 * 0.005, rtol=0.3)


def test_early_stopping_keeps_the_best_epoch_of_held_out_training_time() -> None:
    seen: list[float] = []
    noise = training()
    labels = np.where(noise.rows, np.random.default_rng(3).normal(size=noise.labels.shape), np.nan)
    noise = TrainingSet(noise.features, labels, noise.rows, noise.names, noise.symbols)
    model = tiny(epochs=40, learning_rate=0.03, patience=1)
    model.fit(noise, 0, lambda share, _: seen.append(share))
    assert seen == sorted(seen) and 0.0 < seen[-1] < 1.0


def test_progress_ends_at_one_and_an_epoch_draws_no_more_than_its_samples() -> None:
    seen: list[float] = []
    tiny(epochs=2, max_samples_per_epoch=300).fit(training(), 0, lambda share, _: seen.append(share))
    assert len(seen) == 2 * 3 and seen[-1] == 1.0


def test_rows_without_a_complete_window_do_not_train(tmp_path: Path) -> None:
    """What lies before an incomplete window changes nothing, as its rows are not samples."""
    train = training()
    features, rows = train.features.copy(), train.rows.copy()
    features[1, :, 100] = np.nan
    rows[:, 100] = False
    holed = TrainingSet(features, train.labels, rows, train.names, train.symbols)
    narrowed = rows.copy()
    narrowed[:, 101 : 100 + L] = False
    narrowed[:, : L - 1] = False
    by_hand = TrainingSet(features, train.labels, narrowed, train.names, train.symbols)
    assert files(tmp_path / "a", tiny(), holed, 0) == files(tmp_path / "b", tiny(), by_hand, 0)


def test_one_feature_is_enough() -> None:
    mean, _ = tiny().fit(training(features=1), 0).predict(window(features=1), np.ones(SYMBOLS, bool))
    assert np.isfinite(mean).all()


def test_the_forecast_reads_every_row_of_its_window_and_starts_from_the_networks_own_forward() -> None:
    with seeded(0, "cpu"):
        network = build_network({"hidden_size": 8, "attention_head_size": 2}, 2, L).eval()
        x = torch.randn(3, L, 2, requires_grad=True)
    forward(network, x).sum().backward()
    assert x.grad is not None and (x.grad.abs().sum(dim=(0, 2)) > 0).all()


def test_mean_weights_are_the_trapezoid_rule() -> None:
    edges = np.concatenate([[0.0], QUANTILES, [1.0]])
    widths = np.diff(edges)
    by_hand = (widths[:-1] + widths[1:]) / 2
    by_hand[0] += widths[0] / 2
    by_hand[-1] += widths[-1] / 2
    np.testing.assert_allclose(MEAN_WEIGHTS, by_hand)
    assert sum(MEAN_WEIGHTS) == pytest.approx(1.0)


def test_model_and_training_set_travel_to_another_process() -> None:
    model, train = pickle.loads(pickle.dumps((tiny(), training())))
    assert model.parallel and model.lookback == L and train.rows.any()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    tiny().fit(training(), 0).save(tmp_path)
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"ref(close, 1) / close"', '"a",\n"b"'))
    with pytest.raises(InputError, match="weights of this network"):
        tiny().load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"encoder_length": 1}, "encoder_length"),
        ({"attention_head_size": 3}, "attention_head_size"),
        ({"dropout": 1.0}, "dropout"),
        ({"epochs": 0}, "epochs"),
        ({"device": "tpu"}, "device"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ],
)
def test_a_wrong_parameter_is_named(changes: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InputError, match=rf"model\.{parameter} ="):
        tiny(**changes)


def test_a_training_set_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(InputError, match="encoder_length"):
        tiny(encoder_length=300).fit(training(), 0)
