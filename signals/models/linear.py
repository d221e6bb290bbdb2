"""Ridge regression in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from backcast.data.types import Floats
from backcast.signals.models.base import (
    FittedModel,
    ForecastModel,
    Progress,
    Samples,
    Scaler,
    around,
    number,
    read_json,
    residual_quantiles,
    samples,
    write_json,
)
from backcast.signals.types import TrainingSet


class Ridge(ForecastModel):
    """Minimises |y - a - Z b|^2 + alpha |b|^2 over training rows; Z standardised features, `a` not penalised.

    Quantiles are the mean plus out-of-sample residual quantiles. Hoerl and Kennard 1970, Technometrics 12(1).
    Parameters: alpha from 1e-12 to 1e12, in rows: 1 weighs as much as one row of standardised features.
    """

    name: ClassVar[str] = "ridge"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number("alpha", alpha, 1e-12, 1e12)

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedRidge:
        """The closed form; `seed` has no effect."""
        data = samples(train)
        line = _solve(data, self.alpha)
        fit_at = train.rows.shape[1] - 1
        offsets = residual_quantiles(data, fit_at, lambda part: _solve(part, self.alpha).at, line.at)
        return FittedRidge(train.names, self.alpha, line, offsets)

    def load(self, folder: Path) -> FittedRidge:
        return FittedRidge.load(folder)


@dataclass(frozen=True)
class Line:
    """intercept + coefficients (F,) on standardised features."""

    scaler: Scaler
    coefficients: list[float]
    intercept: float

    def at(self, x: Floats) -> Floats:
        """Forecasts (N,) of x (F, N), a feature at a time, so that bits do not depend on the batch."""
        total, part = np.full(x.shape[1], self.intercept), np.empty(x.shape[1])
        for row, mean, std, weight in zip(
            x, self.scaler.mean, self.scaler.std, self.coefficients, strict=True
        ):
            np.subtract(row, mean, out=part)
            part /= std
            part *= weight
            total += part
        return total


def _solve(data: Samples, alpha: float) -> Line:
    """The ridge line by Cholesky. Sums are NumPy's own: BLAS threads could change their bits."""
    from scipy.linalg import cho_factor, cho_solve

    scaler = Scaler.fit(data.x)
    z = scaler.apply(data.x)
    intercept = float(data.y.mean())
    y = data.y - intercept
    count = len(z)
    gram, product = (
        np.empty((count, count)),
        np.empty_like(y),
    )  # one array for all products: new memory costs more
    for i in range(count):
        for j in range(i + 1):
            gram[i, j] = gram[j, i] = np.multiply(z[i], z[j], out=product).sum()
    gram[np.diag_indices(count)] += alpha
    right = np.array([np.multiply(row, y, out=product).sum() for row in z])
    return Line(scaler, cho_solve(cho_factor(gram, lower=True), right).tolist(), intercept)


@dataclass(frozen=True)
class FittedRidge(FittedModel):
    """A ridge line, and the residual quantiles (Q,) around it."""

    kind: ClassVar[str] = "ridge"
    names: tuple[str, ...]
    alpha: float
    line: Line
    residuals: list[float]

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        mean = self.line.at(window[:, :, 0])
        return mean, around(mean, self.residuals)

    def save(self, folder: Path) -> None:
        write_json(
            folder,
            self.kind,
            {
                "names": self.names,
                "alpha": self.alpha,
                "scaler": self.line.scaler,
                "intercept": self.line.intercept,
                "coefficients": self.line.coefficients,
                "residual_quantiles": self.residuals,
            },
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = read_json(folder, cls.kind)
        line = Line(Scaler(**found["scaler"]), found["coefficients"], found["intercept"])
        return cls(tuple(found["names"]), found["alpha"], line, found["residual_quantiles"])
