"""Labels that forecasts of a grid share are those that each would build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backcast.engine import grid_labels, walkforward
from backcast.engine.cli import compose
from backcast.engine.configure import Experiment, experiment
from backcast.engine.grid_labels import SharedLabels
from backcast.engine.pinned import pin
from backcast.engine.walkforward import World, labels_as_known
from backcast.signals.labels import ForwardReturn
from backcast.signals.types import Labels

Known = tuple[Experiment, World]


@pytest.fixture
def known(home: Path) -> Known:
    config = compose(["dataset=synthetic", "dataset.symbols=5", "dataset.sessions=80", "study=s", "job=j"])
    pinned = pin(experiment(config), config)
    return pinned.made, walkforward.observe(pinned.made, pinned.store, pinned.pin, 1)


def same(found: Labels, wanted: Labels) -> bool:
    values = np.array_equal(found.values, wanted.values, equal_nan=True)
    return values and np.array_equal(found.known, wanted.known)


def test_labels_of_a_key_are_built_once_for_a_panel(known: Known) -> None:
    made, world = known
    labels_at = SharedLabels().of("one")
    first = labels_at(made, world, 60)
    assert same(first, labels_as_known(made, world, 60))
    assert labels_at(made, replace(world), 60) is first
    assert same(labels_at(made, world, 40), labels_as_known(made, world, 40))
    with pytest.raises(ValueError, match="read-only"):
        first.values[0, 0] = 1.0


def test_other_labels_and_other_panels_have_their_own(known: Known) -> None:
    made, world = known
    shared, longer = SharedLabels(), replace(made, label=ForwardReturn(3))
    first = shared.of("one")(made, world, 60)
    assert same(shared.of("three")(longer, world, 60), labels_as_known(longer, world, 60))
    moved = replace(world, panel=replace(world.panel, values=world.panel.values[:, ::-1].copy()))
    again = shared.of("one")(made, moved, 60)
    assert same(again, labels_as_known(made, moved, 60)) and not same(again, first)


def test_what_has_no_room_is_built_anew(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    made, world = known
    monkeypatch.setattr(grid_labels, "LARGEST", 0)
    labels_at = SharedLabels().of("one")
    first, second = labels_at(made, world, 60), labels_at(made, world, 60)
    assert first is not second and same(first, second)
