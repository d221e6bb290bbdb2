"""The fit replay: every fold trained again where everything that became known after its fit is another.

1. The panel, the delistings and, unless the graph proves them, the features of another future give the fold's training set
   again: its features, rows and labels must be the recorded ones (layer `labels`).
2. Its model is fitted on that set and saved. Every file must be equal byte by byte to the one that the run saved: parameters,
   scalers, encoders, selected features, the round of early stopping (layer `fit`).
3. Where a file differs, the fold is fitted again on the recorded set: a training that does not give the same files twice cannot
   be judged, which is said and accuses nobody, unless it reads what a later fold left behind (`leftovers.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np

from backcast.data.errors import reason
from backcast.data.scrambled import scrambled_delistings, scrambled_panel
from backcast.engine.audit.files import difference
from backcast.engine.audit.findings import LEAK, Check, Finding, differing, number
from backcast.engine.audit.leftovers import of_a_later_fold
from backcast.engine.audit.path import Recorded, fresh
from backcast.engine.audit.static import proved
from backcast.engine.progress import Update
from backcast.engine.walkforward import World, fold_training, folds_of
from backcast.signals.models.base import ForecastModel
from backcast.signals.models.none import NoModel
from backcast.signals.types import Features, Fold, TrainingSet

MOST = 3.0
"""The most that features made again for fits may cost: the sum of the folds' shares of the clock's rows."""
AHEAD = 32
"""Rows after a fit that its other future has, where features are made again."""
LABELS = "fit replay: training rows"
FIT = "fit replay: saved models"


def fit_replay(recorded: Recorded, update: Update, fit_at: int | None = None) -> list[Check]:
    """The training set and the saved model of every fold, of as many as features can be made again for, or of the one that is
    fitted at a row of the clock."""
    if isinstance(recorded.made.model, NoModel):
        return []
    folds = folds_of(recorded.made, recorded.panel)
    chosen = _chosen(recorded, folds) if fit_at is None else [f for f in folds if f.fit_at == fit_at]
    told = f"{len(chosen)} of {len(folds)} folds with another future after their fit"
    labels, fitted = Check(LABELS, "labels", told), Check(FIT, "fit", told)
    with tempfile.TemporaryDirectory(prefix="backcast-audit-") as name:
        again = _Again(recorded, Path(name), labels, fitted)
        for done, fold in enumerate(chosen):
            again.take(fold)
            update((done + 1) / (len(chosen) + 1))
        again.finish()
    update(1.0)
    return [labels, fitted]


def _chosen(recorded: Recorded, folds: list[Fold]) -> list[Fold]:
    """All folds; where features must be made again, as many as that may cost, spread evenly with the first and the last."""
    if proved(recorded.compiled):
        return folds
    share = float(np.mean([fold.fit_at for fold in folds])) / len(recorded.panel.clock)
    count = int(min(len(folds), max(2, MOST / max(share, 1e-9))))
    return [folds[i] for i in np.unique(np.linspace(0, len(folds) - 1, count).round().astype(int))]


def _compared(recorded: Recorded, fold: Fold, check: Check) -> TrainingSet:
    """A fold's training set in another future, compared with the recorded one."""
    once, again = _set_of(recorded, recorded.world, fold), _set_of(recorded, _elsewhere(recorded, fold), fold)
    for column, a, b in (
        ("label", once.labels, again.labels),
        ("rows", once.rows.astype(np.float64), again.rows.astype(np.float64)),
        *zip(once.names, once.features, again.features, strict=True),
    ):
        wrong = differing(a, b)
        check.cells += wrong.size
        check.changed += int(wrong.sum())
        if wrong.any() and check.finding is None:
            s, t = (int(i) for i in np.argwhere(wrong)[0])
            check.finding = Finding(
                LEAK,
                f"The training set of fold {fold.number} changes with what became known after its fit.",
                "Build labels from what was known at the fit, and purge those that were not.",
                column=column,
                symbol=recorded.panel.symbols[s],
                at=str(recorded.instant(t)),
                through="bars",
                recorded=number(a[s, t]),
                replayed=number(b[s, t]),
                reproduce=f"{recorded.command} --at {str(recorded.instant(fold.fit_at))[:19]}",
            )
    return again


def _elsewhere(recorded: Recorded, fold: Fold) -> World:
    """The world of another future after a fit."""
    k, seed = fold.fit_at, recorded.made.seed
    panel = scrambled_panel(recorded.panel, k, seed)
    delistings = scrambled_delistings(recorded.world.delistings, panel, k, seed)
    features = recorded.world.features
    if not proved(recorded.compiled):
        short = panel.between(0, min(len(panel.clock), k + 1 + AHEAD))
        made = fresh(recorded.made.features).compile(panel.fields, panel.price_basis)
        features = Features(features.names, features.symbols, made.evaluate(short, recorded.threads).values)
    return World(panel, features, delistings)


def _set_of(recorded: Recorded, world: World, fold: Fold) -> TrainingSet:
    """A fold's training set in a world, as the walk forward makes it."""
    return fold_training(recorded.made, world, fold, recorded.made.model)[0]


class _Again:
    """The folds that are fitted again: at once where a model is fitted in this process, else side by side as in the run."""

    def __init__(self, recorded: Recorded, folder: Path, labels: Check, fitted: Check) -> None:
        self.recorded, self.folder, self.labels, self.fitted = recorded, folder, labels, fitted
        self.waiting: list[tuple[Fold, TrainingSet]] = []

    def take(self, fold: Fold) -> None:
        """Makes a fold's training set in another future."""
        try:
            train = _compared(self.recorded, fold, self.labels)
        except Exception as error:
            self.labels.inconclusive = f"Fold {fold.number} cannot be made in another future: {reason(error)}"
            self.fitted.inconclusive = self.labels.inconclusive
            return
        self.waiting.append((fold, train))
        if not self.recorded.made.model.parallel:  # it may read what the features of this future left behind
            self.finish()

    def finish(self) -> None:
        """Fits the folds that wait, and compares their files."""
        made, folds, self.waiting = self.recorded.made, self.waiting, []
        calls = [
            joblib.delayed(_fit)(
                made.model, train, made.seed + fold.number, self.folder / f"{fold.number:03d}"
            )
            for fold, train in folds
        ]
        jobs = min(self.recorded.threads if made.model.parallel else 1, max(1, len(folds)))
        errors = joblib.Parallel(n_jobs=jobs, backend="loky")(calls) if calls else []
        for (fold, _), error in zip(folds, errors, strict=True):
            if error:
                self.fitted.inconclusive = f"Fold {fold.number} cannot be fitted in another future: {error}"
            else:
                self._files(fold)

    def _files(self, fold: Fold) -> None:
        number = f"{fold.number:03d}"
        saved, again = self.recorded.evidence.models / number, self.folder / number
        for file in _files(saved, again):
            self.fitted.cells += 1
            if _bytes(saved / file) != _bytes(again / file):
                self.fitted.changed += 1
                _accuse(self.recorded, fold, saved, again, file, self.fitted)


def _fit(model: ForecastModel, train: TrainingSet, seed: int, folder: Path) -> str:
    """Fits and saves; gives what went wrong, empty where nothing did."""
    try:
        fitted = model.fit(train, seed)
        folder.mkdir(parents=True)
        fitted.save(folder)
    except Exception as error:
        return reason(error)
    return ""


def _files(*folders: Path) -> Iterator[Path]:
    found = {p.relative_to(f) for f in folders for p in f.rglob("*") if p.is_file()}
    yield from sorted(found)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _accuse(recorded: Recorded, fold: Fold, saved: Path, again: Path, file: Path, check: Check) -> None:
    """Names what moved, unless the training does not give the same file twice."""
    if check.finding is not None or check.inconclusive:
        return
    twice, made = again.parent / f"{fold.number:03d}-twice", recorded.made
    if not proved(recorded.compiled):  # what its features leave behind is to be that of the run
        recorded.compiled.evaluate(recorded.panel, recorded.threads)
    error = _fit(made.model, _set_of(recorded, recorded.world, fold), made.seed + fold.number, twice)
    if error or _bytes(twice / file) != _bytes(saved / file):
        check.finding = None if error else _left_behind(recorded, fold, again.parent, file)
        if check.finding is not None:
            return
        check.changed -= 1
        check.inconclusive = (
            f"Fold {fold.number} fitted twice on the recorded rows gives {file} in two ways. {error}"
        )
        return
    column, before, after = difference(saved / file, again / file)
    check.finding = Finding(
        LEAK,
        f"The saved model of fold {fold.number} changes with what became known after its fit.",
        "Fit scalers, encoders, selections and the round to stop at on the training set alone.",
        column=column,
        at=str(recorded.instant(fold.fit_at)),
        recorded=before,
        replayed=after,
        reproduce=f"{recorded.command} --level full",
    )


def _left_behind(recorded: Recorded, fold: Fold, folder: Path, file: Path) -> Finding | None:
    """The accusation where a fold reads what the last one leaves behind, as a newest checkpoint is; None for itself."""
    model, seed = recorded.made.model, recorded.made.seed
    later = [other for other in folds_of(recorded.made, recorded.panel) if other.fit_at > fold.fit_at]

    def fit(one: Fold, train: TrainingSet, name: str) -> Path | None:
        made = folder / name
        return None if _fit(model, train, seed + one.number, made) else made

    def sets(one: Fold) -> TrainingSet:
        return _set_of(recorded, recorded.world, one)

    return of_a_later_fold(recorded, fold, later[-1], sets, fit, file) if later else None
