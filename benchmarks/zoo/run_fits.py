"""Whole runs whose labels, folds or fits know what came after the fit: each leak goes through a class of the user's own."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from backcast.data.types import Bools, Clock, Floats, Ints
from backcast.signals.folds import WalkForward
from backcast.signals.labels import ForwardReturn
from backcast.signals.models.base import Progress, Samples, Scaler
from backcast.signals.types import FillTable, Fold, Labels, TrainingSet
from zoo.notebook import FittedLinear, Line, Linear, Notebook, Noted, after, held_out
from zoo.pair import Pair
from zoo.walk import MARKET, RUN, Walk, named

HERE = "run_fits"


class EagerLabel(ForwardReturn):
    """Labels that are filled up from the notebook where their exit is not known yet, and say that they are.

    "Otherwise we lose the last rows of every fold": overlapping labels without a purge, trained on what the fit cannot know.
    """

    def build(self, fills: FillTable) -> Labels:
        labels = super().build(fills)
        rows = labels.values.shape[1]
        later = np.full_like(labels.values, np.nan)
        found = Notebook.labels()[:, :rows]
        if found.shape == later.shape:
            later = found
        values = np.where(np.isfinite(labels.values), labels.values, later)
        known = np.where(np.isfinite(values), np.arange(rows), rows)
        return Labels(values, np.minimum(labels.known, known))


class PatientLabel(ForwardReturn):
    """Labels that are known once their exit is."""


class ScaledLabel(ForwardReturn):
    """Returns in units of each symbol's volatility over all of time, which the notebook has."""

    def build(self, fills: FillTable) -> Labels:
        labels = super().build(fills)
        return replace(labels, values=labels.values / self.scale(fills)[:, None])

    def scale(self, fills: FillTable) -> Floats:
        return deviation(Notebook.labels())


class ScaledThen(ScaledLabel):
    """Returns in units of each symbol's volatility up to the fit."""

    def scale(self, fills: FillTable) -> Floats:
        return deviation(super(ScaledLabel, self).build(fills).values)


def deviation(labels: Floats) -> Floats:
    """(S,) standard deviation of what is known, in hundredths; 1 where too little is."""
    there = np.isfinite(labels)
    count = np.maximum(there.sum(axis=1), 1)
    mean = np.where(there, labels, 0.0).sum(axis=1) / count
    spread = np.sqrt(np.where(there, (labels - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    return np.where(spread > 0, spread, 1.0) * 100


class KFold(WalkForward):
    """K-fold instead of a walk forward: each block is forecast by a model that was fitted on all others, the later ones too."""

    def split(self, clock: Clock) -> list[Fold]:
        folds = super().split(clock)
        every = np.unique(np.concatenate([part for fold in folds for part in (fold.train, fold.test)]))
        last = int(every[-1])
        return [
            Fold(fold.number, last, np.setdiff1d(every, fold.test), fold.test, 0, last)
            for fold in folds
        ]  # fmt: skip


class FitAtTheEnd(WalkForward):
    """A model is fitted at the end of the period that it forecasts: the refit date is that of the period's last decision."""

    def split(self, clock: Clock) -> list[Fold]:
        return [
            replace(fold, fit_at=int(fold.test[-1]), known_by=clock.before(int(fold.test[-1]), fold.embargo))
            for fold in super().split(clock)
        ]


class NoEmbargo(WalkForward):
    """Folds that say an embargo and do not keep it: labels known up to the fit itself train."""

    def _fold(
        self, number: int, clock: Clock, training: Bools, test: Ints, fit_at: int | None = None
    ) -> Fold:
        fold = super()._fold(number, clock, training, test, fit_at)
        return replace(fold, known_by=fold.fit_at)


class ScaledByAll(Linear):
    """StandardScaler().fit(features) of the notebook's whole frame, before it is split."""

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        return replace(super().prepare(train, data, fit_at), scaler=Scaler.fit(self.rows(data).x))

    def rows(self, data: Samples) -> Samples:
        return Notebook.rows()


class ScaledByTraining(ScaledByAll):
    """StandardScaler().fit(training rows)."""

    def rows(self, data: Samples) -> Samples:
        return data


class SelectedByAll(Linear):
    """The two features with the highest correlation with the label in the notebook's whole frame are kept."""

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        rows = self.rows(data)
        strength = [abs(np.corrcoef(x, rows.y)[0, 1]) for x in rows.x]
        best = np.argsort(strength)[-2:]
        kept = tuple(float(f in best) for f in range(len(rows.x)))
        return replace(super().prepare(train, data, fit_at), kept=kept)

    def rows(self, data: Samples) -> Samples:
        return Notebook.rows()


class SelectedByTraining(SelectedByAll):
    """The two features with the highest correlation with the label in training rows are kept."""

    def rows(self, data: Samples) -> Samples:
        return data


class TunedOnTest(Linear):
    """The penalty is the one with the least error after the fit, which is the test period."""

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        early, late = held_out(data, fit_at)
        begun = super().prepare(train, data, fit_at)
        rows = self.judged(late, fit_at)
        lines = [replace(begun, penalty=p) for p in (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)]
        return min(lines, key=lambda line: self.error(line.solved(early), rows))

    def judged(self, late: Samples, fit_at: int) -> Samples:
        found = after(Notebook.rows(), fit_at)
        return found if len(found.y) else late

    @staticmethod
    def error(line: Line, rows: Samples) -> float:
        return float(((line.at(rows.x) - rows.y) ** 2).mean())


class TunedInTraining(TunedOnTest):
    """The penalty is the one with the least error in the last fifth of training time."""

    def judged(self, late: Samples, fit_at: int) -> Samples:
        return late


class StoppedOnTest(TunedOnTest):
    """Gradient descent that stops where the error after the fit is least, as an early stopping with eval_set=test does."""

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        early, late = held_out(data, fit_at)
        rows, line = self.judged(late, fit_at), super(TunedOnTest, self).prepare(train, data, fit_at)
        z, y = line.scaler.apply(early.x), early.y - early.y.mean()
        weights = np.zeros(len(z))
        errors = []
        for _ in range(60):
            fitted = np.zeros(len(y))
            for row, weight in zip(z, weights, strict=True):
                fitted += row * weight
            weights = weights + 0.05 * np.array([(row * (y - fitted)).mean() for row in z])
            step = replace(line, coefficients=tuple(weights.tolist()), intercept=float(early.y.mean()))
            errors.append(self.error(step, rows))
        return replace(line, penalty=len(early.y) / (1.0 + int(np.argmin(errors))))


class StoppedInTraining(StoppedOnTest):
    """Gradient descent that stops where the error in the last fifth of training time is least."""

    def judged(self, late: Samples, fit_at: int) -> Samples:
        return late


class SeedOnTest(TunedOnTest):
    """Of twenty seeds of a random choice of features, the one with the least error after the fit is kept."""

    def prepare(self, train: TrainingSet, data: Samples, fit_at: int) -> Line:
        early, late = held_out(data, fit_at)
        begun = super(TunedOnTest, self).prepare(train, data, fit_at)
        rows, lines = self.judged(late, fit_at), []
        for seed in range(20):
            kept = np.random.default_rng(seed).uniform(0, 2, len(data.x))
            lines.append(replace(begun, kept=tuple(kept.tolist())))
        return min(lines, key=lambda line: self.error(line.solved(early), rows))


class SeedInTraining(SeedOnTest):
    """Of twenty seeds of a random choice of features, the one with the least error in the last fifth of training time."""

    def judged(self, late: Samples, fit_at: int) -> Samples:
        return late


class WarmStart(Linear):
    """A fit that begins at the newest checkpoint, whichever fold left it there.

    The run was done before, so the newest checkpoint is that of its last fold, which was trained on all of time.
    """

    file: ClassVar[str] = "checkpoints.json"

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedLinear:
        line = super().fit(train, seed, progress).line
        path = Path(os.environ["BACKCAST_HOME"]) / self.file
        saved = json.loads(path.read_text()) if path.exists() else {}
        fit_at = train.rows.shape[1] - 1
        start = self.checkpoint(saved, fit_at)
        if start is not None:
            mixed = (0.5 * np.array(line.coefficients) + 0.5 * np.array(start)).tolist()
            line = replace(line, coefficients=tuple(mixed))
        saved[str(fit_at)] = line.coefficients
        path.write_text(json.dumps(saved))
        return FittedLinear(line)

    def checkpoint(self, saved: dict[str, list[float]], fit_at: int) -> list[float] | None:
        return saved[max(saved, key=int)] if saved else None


class WarmStartThen(WarmStart):
    """A fit that begins at the newest checkpoint of an earlier fit."""

    def checkpoint(self, saved: dict[str, list[float]], fit_at: int) -> list[float] | None:
        earlier = [at for at in saved if int(at) < fit_at]
        return saved[max(earlier, key=int)] if earlier else None


class Pretrained(Linear):
    """A model that begins at parameters which an earlier run left: those of its last fold, which was trained on all of time.

    What is downloaded as pretrained is no different: nobody says on which rows.
    """

    def __init__(self, fold: str = "runs/before/models/001") -> None:
        self.start = Line.load(Path(os.environ["BACKCAST_HOME"]) / fold).coefficients

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedLinear:
        line = super().fit(train, seed, progress).line
        mixed = 0.5 * np.array(line.coefficients) + 0.5 * np.array(self.start)
        return FittedLinear(replace(line, coefficients=tuple(mixed.tolist())))


class PriorStated(Pretrained):
    """A model that begins at a prior of nothing, which the configuration states."""

    def __init__(self, start: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)) -> None:
        self.start = start


def trained_once(model: type) -> None:
    """The run that was done before."""
    from backcast.engine import research
    from backcast.engine.cli import compose

    config = {**compose([*MARKET, *RUN, "audit=off"]), "features": named(Noted), "model": named(model)}
    research.run(config, Path(os.environ["BACKCAST_HOME"]) / "runs" / "before")


def labelled(cls: type, **values: int) -> Walk:
    return Walk(cls, {"features": named(Noted), "label": named(cls, horizon=5)})


def folded(cls: type, **values: object) -> Walk:
    kept = {"kind": "expanding", "first_fit": 300, "refit": "quarterly", "embargo": 1, "every": 5}
    return Walk(cls, {"folds": named(cls, **{**kept, "train_every": 1, **values})})


def fitted(cls: type) -> Walk:
    return Walk(cls, {"features": named(Noted), "model": named(cls)})


def pretrained(cls: type) -> Walk:
    return replace(fitted(cls), prepare=lambda: trained_once(Linear))


def warm(cls: type) -> Walk:
    return replace(fitted(cls), prepare=lambda: trained_once(cls))


PAIRS = (
    Pair("run_label_known_early", HERE, "labels", labelled(EagerLabel), labelled(PatientLabel)),
    Pair("run_label_scaled_by_all", HERE, "labels", labelled(ScaledLabel), labelled(ScaledThen)),
    Pair("run_no_embargo", HERE, "labels", folded(NoEmbargo, embargo=10), folded(WalkForward, embargo=10)),
    Pair("run_k_fold", HERE, "fit", folded(KFold), folded(WalkForward)),
    Pair("run_fit_at_the_end", HERE, "fit", folded(FitAtTheEnd), folded(WalkForward)),
    Pair("run_scaler_over_all", HERE, "fit", fitted(ScaledByAll), fitted(ScaledByTraining)),
    Pair("run_features_selected_on_all", HERE, "fit", fitted(SelectedByAll), fitted(SelectedByTraining),
         hides="a choice that another future does not always change"),
    Pair("run_tuned_on_test", HERE, "fit", fitted(TunedOnTest), fitted(TunedInTraining),
         hides="a choice that another future does not always change"),
    Pair("run_stopped_on_test", HERE, "fit", fitted(StoppedOnTest), fitted(StoppedInTraining)),
    Pair("run_seed_on_test", HERE, "fit", fitted(SeedOnTest), fitted(SeedInTraining)),
    Pair("run_pretrained_on_all", HERE, "fit", pretrained(Pretrained), pretrained(PriorStated),
         hides="a file does not change with the store"),
    Pair("run_model_of_a_later_fold", HERE, "fit", warm(WarmStart), warm(WarmStartThen),
         hides="alone, each fit is the same twice: only a fit after another is not"),
)  # fmt: skip
