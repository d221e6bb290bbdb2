"""Labels that forecasts of a grid share: those of one label and execution are the same whatever the features."""

from __future__ import annotations

import threading
from functools import partial

from backcast.data.types import Panel
from backcast.engine.configure import Experiment
from backcast.engine.walkforward import LabelsAt, World, labels_as_known
from backcast.signals.types import Labels

LARGEST = 2**29
"""Bytes of labels that are kept; what comes after is built anew each time."""


class SharedLabels:
    """Labels as known at the fits of one panel. What it gives is shared, so it cannot be written into."""

    def __init__(self) -> None:
        self._lock, self._bytes = threading.Lock(), 0
        self._panel: Panel | None = None
        self._kept: dict[tuple[str, int], Labels] = {}

    def of(self, key: str) -> LabelsAt:
        """In place of `walkforward.labels_as_known`, for experiments of the label and execution that a key stands for."""
        return partial(self._at, key)

    def _at(self, key: str, made: Experiment, world: World, decision: int) -> Labels:
        with self._lock:
            if self._panel is not world.panel:
                self._panel, self._kept, self._bytes = world.panel, {}, 0
            found = self._kept.get((key, decision))
        if found is not None:
            return found
        labels = labels_as_known(made, world, decision)
        size = labels.values.nbytes + labels.known.nbytes
        with self._lock:
            if self._panel is world.panel and self._bytes + size <= LARGEST:
                labels.values.flags.writeable = labels.known.flags.writeable = False
                self._kept[key, decision] = labels
                self._bytes += size
        return labels
