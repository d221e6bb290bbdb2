"""What a researcher's notebook keeps in memory: the last prices and features that were computed, for everybody to use.

A module's variable is how most leaks between layers happen: features are computed for all of time at first, and whatever comes
later finds more there than it was handed. The classes here are honest; `run_fits` and `run_forecasts` misuse them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from backcast.data.types import Floats, Panel
from backcast.signals.models.base import (
    FittedModel,
    ForecastModel,
    Progress,
    Samples,
    Scaler,
    around,
    read_json,
    residual_quantiles,
    samples,
    split_by_time,
    write_json,
)
from backcast.signals.types import Features, TrainingSet
from zoo.run_features import Columns, lag

HORIZON = 5


class Notebook:
    """panel, features: of the newest evaluation, whatever it was for."""

    panel: ClassVar[Panel | None] = None
    features: ClassVar[Features | None] = None

    @classmethod
    def labels(cls) -> Floats:
        """(S, T) the return from the next open over `HORIZON` sessions, of all rows that there are."""
        assert cls.panel is not None
        price = cls.panel.field("open")
        return np.asarray(lag(price, -1 - HORIZON) / lag(price, -1) - 1)

    @classmethod
    def rows(cls) -> Samples:
        """Every row that has features and a label, ordered by session."""
        assert cls.features is not None
        values, labels = cls.features.values, cls.labels()
        there = np.isfinite(values).all(axis=0) & np.isfinite(labels)
        at, symbol = np.nonzero(there.T)
        return Samples(np.ascontiguousarray(values[:, symbol, at]), labels[symbol, at], at.astype(np.int64))


class Noted(Columns):
    """Ordinary features, of which the notebook keeps what was computed last."""

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close")
        return np.asarray(close / lag(close, 20) - 1)

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        found = super().evaluate(panel, threads)
        Notebook.panel, Notebook.features = panel, found
        return found


class Linear(ForecastModel):
    """A ridge with what comes before a fit in practice: a scaler, a choice of features, of a penalty and of a seed."""

    name: ClassVar[str] = "own"

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedLinear:
        data, fit_at = samples(train), train.rows.shape[1] - 1
        prepared = self.prepare(train, data, fit_at)
        line = prepared.solved(data)
        offsets = residual_quantiles(data, fit_at, lambda part: prepared.solved(part).at, line.at)
        return self.fitted(replace(line, names=train.names, offsets=tuple(offsets)))

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        """A line without coefficients yet: scaler, features, penalty."""
        return Line(Scaler.fit(data.x), (1.0,) * len(data.x))

    def fitted(self, line: Line) -> FittedLinear:
        return FittedLinear(line)

    def load(self, folder: Path) -> FittedLinear:
        return self.fitted(Line.load(folder))


@dataclass(frozen=True)
class Line:
    """kept (F,): 1 for a feature that counts, else 0; penalty in rows; coefficients of scaled features."""

    scaler: Scaler
    kept: tuple[float, ...]
    penalty: float = 10.0
    coefficients: tuple[float, ...] = ()
    intercept: float = 0.0
    names: tuple[str, ...] = ()
    offsets: tuple[float, ...] = ()

    def solved(self, data: Samples) -> Line:
        z = self.scaler.apply(data.x) * np.asarray(self.kept)[:, None]
        y = data.y - data.y.mean()
        gram = np.array([[(a * b).sum() for b in z] for a in z]) + self.penalty * np.eye(len(z))
        right = np.array([(row * y).sum() for row in z])
        return replace(
            self, coefficients=tuple(np.linalg.solve(gram, right).tolist()), intercept=float(data.y.mean())
        )

    def at(self, x: Floats) -> Floats:
        """Forecasts (N,) of x (F, N), a feature at a time."""
        total = np.full(x.shape[1], self.intercept)
        parts = zip(x, self.scaler.mean, self.scaler.std, self.kept, self.coefficients, strict=True)
        for row, mean, std, kept, weight in parts:
            total += (row - mean) / std * kept * weight
        return total

    def save(self, folder: Path) -> None:
        write_json(folder, "own", {name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, folder: Path) -> Self:
        found: dict[str, Any] = read_json(folder, "own")
        found.pop("kind")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        return cls(**{**values, "scaler": Scaler(**found["scaler"])})


class FittedLinear(FittedModel):
    """A line on the decision's own row."""

    kind: ClassVar[str] = "own"

    def __init__(self, line: Line) -> None:
        self.line, self.names = line, line.names

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        mean = self.line.at(window[:, :, 0])
        return mean, around(mean, list(self.line.offsets))

    def save(self, folder: Path) -> None:
        self.line.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(Line.load(folder))


def held_out(data: Samples, fit_at: int) -> tuple[Samples, Samples]:
    """The early four fifths of training time and, purged, the rest of it."""
    early, late = (data.part(rows) for rows in split_by_time(data.at, fit_at, 0.2))
    return early, late


def after(rows: Samples, fit_at: int) -> Samples:
    """The rows whose decision comes after a fit: its test period, and all that follows."""
    return rows.part(slice(int(np.searchsorted(rows.at, fit_at, side="right")), len(rows.y)))
