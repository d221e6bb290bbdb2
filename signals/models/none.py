"""No model: for runs whose targets are given, where nothing is forecast."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from backcast.data.errors import InputError
from backcast.signals.models.base import FittedModel, ForecastModel, Progress
from backcast.signals.types import TrainingSet


class NoModel(ForecastModel):
    """It stands where a model would, under the name of what is traded in its place. Errors: InputError for any use of it."""

    name: ClassVar[str] = "given"

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedModel:
        raise InputError("model", "none", "a model that forecasts")

    def load(self, folder: Path) -> FittedModel:
        raise InputError("model", "none", "a model that forecasts")
