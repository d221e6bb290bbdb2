"""What a forecasting model is: fitted on a training set, then one prediction batch a decision (law 5)."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints
from backcast.signals.types import QUANTILES, TrainingSet

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and what is going on."""


def whole(name: str, value: object, least: int, most: int) -> int:
    """A model's parameter that must be a whole number in [least, most]; InputError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"model.{name}", value, f"a whole number from {least} to {most}")
    return value


def number(name: str, value: object, least: float, most: float) -> float:
    """A model's parameter that must be a number in [least, most]; InputError otherwise."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"model.{name}", value, f"a number from {least:g} to {most:g}")
    return float(value)


class FittedModel(ABC):
    """A fitted model: names (F,) of its features; lookback: rows of history that one forecast reads."""

    kind: ClassVar[str]
    names: tuple[str, ...]
    lookback: int = 1

    def predict(self, window: Floats, eligible: Bools) -> tuple[Floats, Floats]:
        """Mean (S,) and quantiles (S, Q) at `QUANTILES` of one decision, in units of the label.

        window (F, S, L): the last L = lookback rows of features, the decision's own last. All eligible (S,)
        symbols with a complete window make one batch, in symbol order; the others get NaN.
        """
        if window.shape[0] != len(self.names) or window.shape[2] != self.lookback:
            raise InputError(
                "window",
                window.shape,
                f"{len(self.names)} features, symbols, {self.lookback} rows",
                f"The model was fitted on the features {', '.join(self.names)}.",
            )
        chosen = eligible & np.isfinite(window).all(axis=(0, 2))
        if chosen.size and chosen.all():  # as mostly: nothing is to be taken apart
            mean, quantiles = self.forecast(np.ascontiguousarray(window))
            return np.asarray(mean, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
        mean = np.full(window.shape[1], np.nan)
        quantiles = np.full((window.shape[1], len(QUANTILES)), np.nan)
        if chosen.any():
            mean[chosen], quantiles[chosen] = self.forecast(np.ascontiguousarray(window[:, chosen]))
        return mean, quantiles

    @abstractmethod
    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        """Mean (N,) and quantiles (N, Q) of a batch of complete windows (F, N, L)."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes `model.json` and what else `load` needs into an existing folder; never a pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote: its forecasts are equal to the last bit."""


class ForecastModel(ABC):
    """A recipe, configured. parallel: worth a process per fold; lookback: rows that one sample reads."""

    name: ClassVar[str]
    parallel: ClassVar[bool] = False
    lookback: int = 1

    @abstractmethod
    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedModel:
        """Fits on one thread, on `train.rows` alone; the same training set and seed give the same bits."""

    @abstractmethod
    def load(self, folder: Path) -> FittedModel:
        """A model of this recipe from the folder that its `save` filled; the files name no code."""


@dataclass(frozen=True)
class Samples:
    """Training rows: x (F, N), y (N,), at (N,) the decision index; ordered by decision, then symbol."""

    x: Floats
    y: Floats
    at: Ints

    def part(self, rows: slice) -> Samples:
        """Some consecutive rows, without a copy."""
        return Samples(self.x[:, rows], self.y[rows], self.at[rows])


def samples(train: TrainingSet) -> Samples:
    """The training rows, each feature contiguous."""
    decisions = np.flatnonzero(train.rows.any(axis=0))
    begin, end = (int(decisions[0]), int(decisions[-1]) + 1) if len(decisions) else (0, 0)
    rows = np.ascontiguousarray(train.rows[:, begin:end].T)

    def chosen(cells: Floats) -> Floats:  # turned first: reading along rows is what takes the time
        return np.ascontiguousarray(cells[:, begin:end].T)[rows]

    x = np.stack([chosen(feature) for feature in train.features])
    return Samples(x, chosen(train.labels), np.repeat(np.arange(begin, end), rows.sum(axis=1)))


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature over training rows; a constant one becomes 0."""

    mean: list[float]
    std: list[float]

    @classmethod
    def fit(cls, x: Floats) -> Self:
        """Of x (F, N)."""
        mean, std = x.mean(axis=1), x.std(axis=1)
        varies = std > 1e-12 * np.abs(mean)
        return cls(np.where(varies, mean, x[:, 0]).tolist(), np.where(varies, std, 1.0).tolist())

    def apply(self, x: Floats) -> Floats:
        """x (F, ...) in standard deviations from the mean."""
        shape = (-1,) + (1,) * (x.ndim - 1)
        scaled: Floats = x - np.reshape(self.mean, shape)
        scaled /= np.reshape(self.std, shape)
        return scaled


def split_by_time(at: Ints, fit_at: int, share: float) -> tuple[slice, slice]:
    """Splits ascending training rows (N,) into an early part and the last `share` of decisions, a purge between.

    An early label must be known before the late part begins. The set itself bounds the span of a label: that
    of the last row was known by the fit, so a label of fixed span takes at most from the last row to the fit.
    """
    decisions = at[np.flatnonzero(np.diff(at, prepend=-1))]
    begin = decisions[min(int(len(decisions) * (1.0 - share)), len(decisions) - 1)]
    span = fit_at - int(decisions[-1])
    early, late = np.searchsorted(at, begin - span, side="right"), np.searchsorted(at, begin)
    return slice(0, int(early)), slice(int(late), len(at))


def residual_quantiles(
    data: Samples,
    fit_at: int,
    fit: Callable[[Samples], Callable[[Floats], Floats]],
    fitted: Callable[[Floats], Floats],
) -> list[float]:
    """Empirical quantiles (Q,) of a point forecast's errors: what to add to its mean.

    Errors are out of sample: `fit` on the first three quarters of training time, errors on the last quarter,
    purged. With fewer than 100 rows on either side: the errors of `fitted` on its own training rows, which
    are too narrow.
    """
    early, late = (data.part(rows) for rows in split_by_time(data.at, fit_at, 0.25))
    few = min(len(early.y), len(late.y)) < 100
    errors = data.y - fitted(data.x) if few else late.y - fit(early)(late.x)
    quantiles: list[float] = np.quantile(errors, QUANTILES).tolist()
    return quantiles


def around(mean: Floats, offsets: list[float]) -> Floats:
    """Quantiles (N, Q) of point forecasts (N,)."""
    quantiles: Floats = mean[:, None] + np.asarray(offsets)
    return quantiles


def write_json(folder: Path, kind: str, content: dict[str, Any]) -> None:
    """`model.json`: the kind first, then everything else; floats round-trip to the last bit."""
    plain = {key: asdict(value) if isinstance(value, Scaler) else value for key, value in content.items()}
    text = json.dumps({"kind": kind, **plain}, indent=1, allow_nan=False)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")


def read_json(folder: Path, kind: str) -> dict[str, Any]:
    """The content of a folder's `model.json`; InputError where it is no saved model of this kind."""
    path = folder / "model.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("model", str(path), "a saved model", f"{type(error).__name__}: {error}") from None
    if content.get("kind") != kind:
        raise InputError("model.kind", content.get("kind"), kind, f"Read from {path}.")
    return content
