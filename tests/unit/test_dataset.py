"""Training rows on a small hand-made case: which cells train, and why the others do not."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.signals.dataset import training_set
from backcast.signals.types import Features, Fold, Labels

SESSIONS, FIT_AT = 12, 8


def case(embargo: int = 0) -> tuple[Features, Labels, Fold, np.ndarray]:
    """Two symbols: A is complete but for t = 4; B warms up for three rows, leaves the universe at t = 5."""
    values = np.arange(2 * 2 * SESSIONS, dtype=float).reshape(2, 2, SESSIONS)
    values[1, 0, 4] = np.nan
    values[0, 1, :3] = np.nan
    labels = np.arange(2 * SESSIONS, dtype=float).reshape(2, SESSIONS) / 100
    labels[0, 2] = np.nan
    known = np.minimum(np.arange(SESSIONS) + 3, SESSIONS)
    member = np.ones((2, SESSIONS), dtype=bool)
    member[1, 5:] = False
    fold = Fold(0, FIT_AT, np.arange(FIT_AT), np.arange(FIT_AT, SESSIONS), embargo)
    return Features(("f", "g"), ("A", "B"), values), Labels(labels, np.tile(known, (2, 1))), fold, member


def test_rows_and_counts_by_hand() -> None:
    train, counts = training_set(*case())
    assert [np.flatnonzero(row).tolist() for row in train.rows] == [[0, 1, 3, 5], [3, 4]]
    # A: incomplete 4, unlabelled 2, purged 6 and 7. B: warm-up 0 to 2.
    assert counts == {"warmup": 3, "incomplete": 1, "purged": 2, "unlabelled": 1, "rows": 6}


def test_an_embargo_purges_labels_known_shortly_before_the_fit() -> None:
    train, counts = training_set(*case(embargo=2))
    assert [np.flatnonzero(row).tolist() for row in train.rows] == [[0, 1, 3], [3]]
    assert counts["purged"] == 4 and counts["rows"] == 4


def test_a_lookback_needs_a_complete_window() -> None:
    train, counts = training_set(*case(), lookback=2)
    assert [np.flatnonzero(row).tolist() for row in train.rows] == [[1, 3], [4]]
    assert counts == {"warmup": 5, "incomplete": 2, "purged": 2, "unlabelled": 1, "rows": 3}


def test_nothing_after_the_fit_is_in_the_set() -> None:
    features, labels, fold, member = case()
    train, _ = training_set(features, labels, fold, member)
    assert train.features.shape == (2, 2, FIT_AT + 1) and train.labels.shape == (2, FIT_AT + 1)
    late = labels.known[:, : FIT_AT + 1] > FIT_AT
    assert np.isnan(train.labels[late]).all()


def test_only_candidate_decisions_train() -> None:
    features, labels, fold, member = case()
    strided = Fold(0, FIT_AT, np.array([1, 3]), fold.test, 0)
    train, counts = training_set(features, labels, strided, member)
    assert [np.flatnonzero(row).tolist() for row in train.rows] == [[1, 3], [3]] and counts["warmup"] == 1


def test_a_fold_without_rows_is_refused_with_its_counts() -> None:
    features, labels, fold, member = case()
    with pytest.raises(InputError, match="'purged': 6"):
        training_set(
            features,
            labels,
            Fold(0, FIT_AT, fold.train, fold.test, FIT_AT),
            member & (features.values[0] > 2),
        )
