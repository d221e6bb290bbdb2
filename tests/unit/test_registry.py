"""The registry: content addressing, one champion, one retraining at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backcast.data.errors import InputError, LockedError
from backcast.engine.registry import Registry
from backcast.signals.models.base import FittedModel
from backcast.signals.models.linear import Ridge
from backcast.signals.types import TrainingSet


def fitted(seed: int) -> FittedModel:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(2, 4, 50))
    rows = np.ones((4, 50), dtype=bool)
    train = TrainingSet(
        features, features[0] + generator.normal(size=(4, 50)), rows, ("a", "b"), tuple("wxyz")
    )
    return Ridge(alpha=1.0).fit(train, seed=0)


def test_the_same_content_is_registered_once(home: Path) -> None:
    registry = Registry("r")
    first = registry.register(fitted(0), {"week": "2026-W01"})
    assert registry.register(fitted(0), {"week": "2026-W01"}) == first
    assert registry.register(fitted(1), {"week": "2026-W01"}) != first
    assert len(list((home / "registry" / "r" / "models").iterdir())) == 2


def test_the_champion_is_read_back_and_predicts_the_same() -> None:
    registry, model = Registry("r"), fitted(0)
    content = registry.register(model, {})
    registry.promote(content, "2026-W01")
    window, everyone = np.random.default_rng(5).normal(size=(2, 4, 1)), np.ones(4, dtype=bool)
    again = registry.load(registry.champion() or "", Ridge()).predict(window, everyone)
    for ours, theirs in zip(model.predict(window, everyone), again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_changed_file_is_noticed(home: Path) -> None:
    registry = Registry("r")
    content = registry.register(fitted(0), {})
    card = home / "registry" / "r" / "models" / content / "card.json"
    card.write_text(json.dumps({"as_of": "never"}))
    with pytest.raises(InputError, match="the files that were registered"):
        registry.load(content, Ridge())


def test_one_at_a_time() -> None:
    code = (
        "from backcast.engine.registry import Registry\nfrom backcast.data.errors import LockedError\n"
        "try:\n    with Registry('r').locked(): print('in')\nexcept LockedError as e: print('out', e.exit_code)"
    )
    with Registry("r").locked():
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "out 75"
    with Registry("r").locked(), pytest.raises(LockedError), Registry("r").locked():
        pass
