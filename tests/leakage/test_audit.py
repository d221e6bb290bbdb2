"""The audit in the run: honest feature sets and models pass it, planted look-ahead does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backcast.conf
from backcast.data.types import Floats, Panel
from backcast.engine.cli import compose
from backcast.engine.research import run
from backcast.signals.graph import Graph
from backcast.signals.types import Features

MARKET = [
    "dataset=synthetic",
    "dataset.symbols=10",
    "dataset.sessions=420",
    "folds=monthly",
    "folds.first_fit=330",
    "study=s",
    "job=j",
]
CONF = Path(backcast.conf.__file__).parent
FEATURES = sorted(p.stem for p in (CONF / "features").glob("*.yaml"))
PLAIN = ("mean", "ridge", "lightgbm")


def audited(folder: Path, *overrides: str) -> dict[str, Any]:
    """What the audit of a small run found."""
    run(compose([*MARKET, *overrides]), folder)
    found: dict[str, Any] = json.loads((folder / "audit.json").read_text())
    return found


@pytest.mark.parametrize("features", FEATURES)
def test_every_feature_set_passes(features: str, tmp_path: Path) -> None:
    assert audited(tmp_path / "run", "model=ridge", f"features={features}")["passed"] is True


@pytest.mark.parametrize("model", PLAIN)
def test_every_plain_model_passes(model: str, tmp_path: Path) -> None:
    assert audited(tmp_path / "run", f"model={model}", "features=ohlcv")["passed"] is True


def test_the_transformer_passes_with_its_challengers(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small = ("model.encoder_length=5", "model.hidden_size=4", "model.epochs=1", "folds.refit=yearly")
    assert audited(folder, "model=tft", "features=ohlcv", *small)["passed"] is True
    assert sorted(p.name for p in (folder / "challengers").iterdir()) == ["lightgbm", "ridge"]
    assert list(folder.glob("models/*/weights.safetensors"))
    assert not [p for p in folder.rglob("*") if p.suffix in (".pkl", ".ckpt", ".pt")]


def test_audit_off_is_shown_as_off(tmp_path: Path) -> None:
    found = audited(tmp_path / "run", "model=ridge", "features=ohlcv", "audit=off")
    assert found == {"level": "off", "passed": None, "checks": []}
    assert "audit" in (tmp_path / "run" / "tearsheet.html").read_text().lower()


def next_row(values: Floats) -> Floats:
    """Each feature of the next decision."""
    return np.concatenate([values[:, :, 1:], np.full_like(values[:, :, :1], np.nan)], axis=2)


def whole_sample_score(values: Floats) -> Floats:
    """Scaled by the mean and deviation of all of time."""
    mean, std = np.nanmean(values, axis=2, keepdims=True), np.nanstd(values, axis=2, keepdims=True)
    return (values - mean) / std


def centred_mean(values: Floats) -> Floats:
    """The mean of the row before, the row and the row after."""
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1)), mode="edge")
    return (padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]) / 3


@pytest.mark.parametrize("leak", [next_row, whole_sample_score, centred_mean])
def test_a_planted_look_ahead_is_caught_and_named(
    leak: Callable[[Floats], Floats], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Graph.evaluate

    def leaking(self: Graph, panel: Panel, threads: int = 1, out: Floats | None = None) -> Features:
        features = honest(self, panel, threads)
        values = np.empty_like(features.values) if out is None else out
        values[:] = leak(features.values)
        return replace(features, values=values)

    monkeypatch.setattr(Graph, "evaluate", leaking)
    found = audited(tmp_path / "run", "model=ridge", "features=ohlcv")
    assert found["passed"] is False
    caught = {c["layer"] for c in found["checks"] if c["changed"]}
    assert "features" in caught
    page = (tmp_path / "run" / "tearsheet.html").read_text()
    assert "Do not use" in page


def test_a_label_known_late_does_not_train(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    found = audited(folder, "model=ridge", "features=ohlcv", "label.horizon=20")
    labels = next(c for c in found["checks"] if c["layer"] == "labels")
    assert labels["cells"] > 0 and labels["changed"] == 0
