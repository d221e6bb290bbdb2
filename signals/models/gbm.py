"""Gradient-boosted trees (LightGBM)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.signals.models.base import (
    FittedModel,
    ForecastModel,
    Progress,
    Samples,
    around,
    number,
    read_json,
    residual_quantiles,
    samples,
    split_by_time,
    whole,
    write_json,
)
from backcast.signals.types import TrainingSet

if TYPE_CHECKING:
    import lightgbm


class LightGBM(ForecastModel):
    """Trees boosted on squared error; quantiles are the mean plus out-of-sample residual quantiles.

    Ke et al. 2017, NeurIPS. Parameters as LightGBM names them; `rounds` trees. With `patience` above 0 the
    last fifth of training time (purged) is held out, and the trees are those of its best round.
    Raises: InputError for a value out of range.
    """

    name: ClassVar[str] = "lightgbm"

    def __init__(
        self,
        num_leaves: int = 15,
        learning_rate: float = 0.05,
        rounds: int = 100,
        min_data_in_leaf: int = 100,
        feature_fraction: float = 1.0,
        lambda_l2: float = 0.0,
        patience: int = 0,
    ) -> None:
        self.rounds = whole("rounds", rounds, 1, 100_000)
        self.patience = whole("patience", patience, 0, rounds)
        self.parameters: dict[str, Any] = {
            "num_leaves": whole("num_leaves", num_leaves, 2, 100_000),
            "learning_rate": number("learning_rate", learning_rate, 1e-6, 1.0),
            "min_data_in_leaf": whole("min_data_in_leaf", min_data_in_leaf, 1, 10**9),
            "feature_fraction": number("feature_fraction", feature_fraction, 1e-3, 1.0),
            "lambda_l2": number("lambda_l2", lambda_l2, 0.0, 1e12),
        }

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedLightGBM:
        """Boosts on one thread, in LightGBM's deterministic mode."""
        data, fit_at = samples(train), train.rows.shape[1] - 1
        rounds = self._best_rounds(data, fit_at, seed) if self.patience else self.rounds
        booster = self._boost(data, seed, rounds, progress)

        def fit_part(part: Samples) -> Any:
            early = self._boost(part, seed, rounds)
            return lambda x: _predict(early, x)

        offsets = residual_quantiles(data, fit_at, fit_part, lambda x: _predict(booster, x))
        return FittedLightGBM(train.names, booster.model_to_string(), offsets)

    def load(self, folder: Path) -> FittedLightGBM:
        return FittedLightGBM.load(folder)

    def _boost(
        self, data: Samples, seed: int, rounds: int, progress: Progress | None = None
    ) -> lightgbm.Booster:
        import lightgbm

        def report(state: Any) -> None:
            if progress is not None:
                progress((state.iteration + 1) / rounds, f"tree {state.iteration + 1} of {rounds}")

        return lightgbm.train(self._settings(seed), _dataset(data), rounds, callbacks=[report])

    def _best_rounds(self, data: Samples, fit_at: int, seed: int) -> int:
        """The round with the least squared error on the held-out end of training time."""
        import lightgbm

        early, late = (data.part(rows) for rows in split_by_time(data.at, fit_at, 0.2))
        if not len(early.y):
            raise InputError(
                "model.patience", self.patience, "0", "Training time is too short to hold a part out."
            )
        held_out = _dataset(late)
        stop = lightgbm.early_stopping(self.patience, verbose=False)
        booster = lightgbm.train(
            self._settings(seed), _dataset(early), self.rounds, [held_out], callbacks=[stop]
        )
        return max(1, int(booster.best_iteration))

    def _settings(self, seed: int) -> dict[str, Any]:
        """`force_row_wise` because the choice between row and column is otherwise timed on the spot."""
        fixed = {
            "objective": "l2",
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        return {**self.parameters, **fixed, "seed": seed}


class FittedLightGBM(FittedModel):
    """Trees as LightGBM's own text, and the residual quantiles (Q,) around them."""

    kind: ClassVar[str] = "lightgbm"

    def __init__(self, names: tuple[str, ...], trees: str, residuals: list[float]) -> None:
        import lightgbm

        self.names, self.trees, self.residuals = names, trees, residuals
        self._booster = lightgbm.Booster(model_str=trees)

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        mean = _predict(self._booster, window[:, :, 0])
        return mean, around(mean, self.residuals)

    def save(self, folder: Path) -> None:
        (folder / "trees.txt").write_text(self.trees, encoding="utf-8", newline="\n")
        write_json(folder, self.kind, {"names": self.names, "residual_quantiles": self.residuals})

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = read_json(folder, cls.kind)
        trees = (folder / "trees.txt").read_text(encoding="utf-8")
        return cls(tuple(found["names"]), trees, found["residual_quantiles"])


def _dataset(data: Samples) -> lightgbm.Dataset:
    import lightgbm

    return lightgbm.Dataset(np.ascontiguousarray(data.x.T), data.y, params={"verbose": -1})


def _predict(booster: lightgbm.Booster, x: Floats) -> Floats:
    """Forecasts (N,) of x (F, N); a row passes the trees alone, so that no batch changes its bits."""
    forecast: Floats = np.asarray(booster.predict(np.ascontiguousarray(x.T), num_threads=1))
    return forecast
