"""The forecast that ignores every feature: what a model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from backcast.data.types import Floats
from backcast.signals.models.base import FittedModel, ForecastModel, Progress, read_json, samples, write_json
from backcast.signals.types import QUANTILES, TrainingSet


class Mean(ForecastModel):
    """Forecasts the mean and the quantiles of the training labels, for every symbol alike."""

    name: ClassVar[str] = "mean"

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedMean:
        """The statistics of the training labels; `seed` has no effect."""
        labels = samples(train).y
        return FittedMean(train.names, float(labels.mean()), np.quantile(labels, QUANTILES).tolist())

    def load(self, folder: Path) -> FittedMean:
        return FittedMean.load(folder)


@dataclass(frozen=True)
class FittedMean(FittedModel):
    """mean, and quantiles (Q,), in units of the label."""

    kind: ClassVar[str] = "mean"
    names: tuple[str, ...]
    mean: float
    quantiles: list[float]

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        count = window.shape[1]
        return np.full(count, self.mean), np.tile(self.quantiles, (count, 1))

    def save(self, folder: Path) -> None:
        write_json(folder, self.kind, {"names": self.names, "mean": self.mean, "quantiles": self.quantiles})

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = read_json(folder, cls.kind)
        return cls(tuple(found["names"]), found["mean"], found["quantiles"])
