"""Combinatorial purged cross-validation against skfolio's, where labels span the same number of rows everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.types import Clock
from backcast.signals.types import Labels
from backcast.signals.validation import CombinatorialPurged, Split

ROWS, HORIZON, EMBARGO = 240, 3, 4


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (8, 3), (10, 2), (5, 4)])
def test_splits_paths_and_rows_are_those_of_skfolio(groups: int, tested: int) -> None:
    """Its purge counts rows. Labels that span (t, t + 3] share a bar with those of two rows on either side of a test; the row
    after these is where its last label is known, with which the embargo begins."""
    selection = pytest.importorskip("skfolio.model_selection")
    peer = selection.CombinatorialPurgedCV(groups, tested, purged_size=HORIZON - 1, embargo_size=EMBARGO)
    ours = CombinatorialPurged(groups, tested, embargo=EMBARGO)
    days = np.busday_offset("2000-01-03", np.arange(ROWS))
    at = days.astype("datetime64[us]")
    folds = ours.split(Clock("weekdays", days, at, at, at, np.arange(ROWS), 252.0))
    assert (len(folds), ours.paths) == (peer.n_splits, peer.n_test_paths)
    known = np.arange(ROWS) + HORIZON
    labels = Labels(np.where(known < ROWS, 1.0, np.nan)[None], np.minimum(known, ROWS)[None])
    routes, ids = ours.routes(folds), peer.get_path_ids()
    for split, (train, tests) in zip(folds, peer.split(np.zeros((ROWS, 1))), strict=True):
        assert isinstance(split, Split)
        np.testing.assert_array_equal(split.test, np.concatenate(tests))
        for path, test in zip(ids[split.number], tests, strict=True):
            assert (routes[path, test] == split.number).all()
        out = split.kept_out(labels, np.ones((1, ROWS), dtype=bool))
        kept_out = (out["purged"] | out["embargoed"])[0]
        ours_train = split.train[~kept_out[split.train]]
        labelled = ROWS - HORIZON  # the last rows have no label yet
        np.testing.assert_array_equal(ours_train[ours_train < labelled], train[train < labelled])
