"""Which cells train a fit: features of their own decision instant, and labels known by the fit."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools
from backcast.signals.types import Features, Fold, Labels, TrainingSet


def training_set(
    features: Features, labels: Labels, fold: Fold, member: Bools, lookback: int = 1
) -> tuple[TrainingSet, dict[str, int]]:
    """The training set of one fold, and how many of its members' cells are in it or left out, by reason.

    A cell trains if it is a candidate decision of the fold, a member then, its features are complete over the
    last `lookback` rows, and the fold does not keep its label out: a walk forward's must be known `embargo`
    sessions before the fit or earlier (law 3). Nothing after the fit instant is in the result: arrays end at
    fit_at, and labels that are kept out are NaN.

    Parameters: features (F, S, T), labels (S, T) as known at `fold.labels_at`, member (S, T), lookback in sessions.
    Counts, each cell once, first reason first: `warmup` (before the symbol's first complete row),
    `incomplete` (a feature missing later), `purged` (label not known in time, or of a span that a test decision
    shares), `embargoed` (cross-validation only), `unlabelled` (no fill at entry or exit), `rows` (trains).
    Raises: InputError where no row is left.
    """
    end = fold.fit_at + 1
    values = features.values[:, :, :end]
    finite = np.asarray(np.isfinite(values).all(axis=0))
    complete = complete_over(finite, lookback)
    begun: Bools = np.logical_or.accumulate(complete, axis=1)
    labelled = np.isfinite(labels.values[:, :end])

    candidate = np.zeros_like(complete)
    candidate[:, fold.train] = member[:, fold.train]
    counts = {"warmup": candidate & ~begun, "incomplete": candidate & begun & ~complete}
    rows, hidden = candidate & complete, np.zeros_like(complete)
    for reason, cells in fold.kept_out(labels, member).items():
        counts[reason] = rows & cells
        rows, hidden = rows & ~cells, hidden | cells
    counts["unlabelled"] = rows & ~labelled
    rows &= labelled
    counts["rows"] = rows
    numbers = {reason: int(cells.sum()) for reason, cells in counts.items()}
    if not numbers["rows"]:
        raise InputError(
            "folds",
            f"fold {fold.number}",
            "at least one training row",
            f"Its cells: {numbers}. Leave it more to train on (a later folds.first_fit, fewer folds.test_groups), or "
            "shorten the look-back of the features.",
        )
    known = np.where(hidden, np.nan, labels.values[:, :end])
    return TrainingSet(values, known, rows, features.names, features.symbols), numbers


def complete_over(cells: Bools, lookback: int) -> Bools:
    """True where a cell and the lookback - 1 before it are True (S, T)."""
    run = cells.copy()
    for lag in range(1, lookback):
        run[:, lag:] &= cells[:, :-lag]
        run[:, :lag] = False
    return run
