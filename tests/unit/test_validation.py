"""Designs of cross-validation on plain clocks: closed forms, blocks as KFold cuts them, spans by hand, and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.signals.dataset import training_set
from backcast.signals.types import Features, Labels
from backcast.signals.validation import CombinatorialPurged, PurgedKFold, Split


def clock(sessions: int = 60) -> Clock:
    days = np.busday_offset("2000-01-03", np.arange(sessions))
    at = days.astype("datetime64[us]")
    return Clock("weekdays", days, at, at, at, np.arange(sessions), 252.0)


def splits(design: CombinatorialPurged, dates: Clock) -> list[Split]:
    found = design.split(dates)
    assert all(isinstance(split, Split) for split in found)
    return found  # type: ignore[return-value]


def labels_of(horizon: int, sessions: int = 60, symbols: int = 1) -> Labels:
    """Known `horizon` bars after the fill, which comes a bar after the decision."""
    known = np.minimum(np.arange(sessions) + 1 + horizon, sessions)
    values = np.where(known < sessions, 0.01, np.nan)
    return Labels(np.tile(values, (symbols, 1)), np.tile(known, (symbols, 1)))


@pytest.mark.parametrize(
    ("n", "k", "fits", "paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36), (4, 1, 4, 1)]
)
def test_splits_and_paths_are_those_of_the_book(n: int, k: int, fits: int, paths: int) -> None:
    """C(N, k) splits and C(N, k) k / N paths; 15 and 5 are its example (section 12.4)."""
    design = CombinatorialPurged(n, k)
    assert (design.fits, design.paths) == (fits, paths)
    folds = design.split(clock())
    assert len(folds) == fits == math.comb(n, k) and [fold.number for fold in folds] == list(range(fits))
    assert design.routes(folds).shape == (paths, 60) and paths == fits * k // n


def test_the_paths_of_the_book() -> None:
    """Figure 12.2: group G1 is tested in the splits S1 to S5, and G2 in S1 and S6 to S9; path j takes the j-th of each."""
    design = CombinatorialPurged(6, 2)
    routes = design.routes(design.split(clock()))[:, ::10]  # the first decision of each group
    assert routes.T.tolist() == [
        [0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [1, 5, 9, 10, 11], [2, 6, 9, 12, 13], [3, 7, 10, 12, 14], [4, 8, 11, 13, 14]
    ]  # fmt: skip


@pytest.mark.parametrize(("groups", "every", "begin"), [(5, 1, 0), (7, 1, 0), (4, 3, 10), (20, 2, 0)])
def test_one_test_group_gives_the_blocks_of_k_fold(groups: int, every: int, begin: int) -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    dates = clock()
    decisions = np.flatnonzero((dates.slots % every == 0) & (dates.slots >= begin))
    found = splits(PurgedKFold(groups, every=every, begin=begin), dates)
    expected = selection.KFold(groups).split(decisions)
    for split, (train, test) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(split.test, decisions[test])
        np.testing.assert_array_equal(split.train, decisions[train])
    np.testing.assert_array_equal(
        PurgedKFold(groups).routes(found)[0], np.concatenate([split.group for split in found])
    )


def test_a_fit_ends_where_the_last_tested_groups_begin() -> None:
    """Nothing later may train, so that such a fit is that of a walk forward; all others may see the whole of the data."""
    found = {
        tuple(np.unique(s.group).tolist()): s for s in splits(CombinatorialPurged(6, 2, every=3), clock())
    }
    assert found[(0, 1)].fit_at == found[(2, 4)].fit_at == 59
    assert found[(1, 5)].fit_at == 51 == found[(1, 5)].test[-3:].min()  # the first multiple of 3 in [50, 60)
    assert found[(4, 5)].fit_at == 42 and found[(4, 5)].train.max() < 40


def test_spans_before_and_after_a_test_group_by_hand() -> None:
    """Decisions 20 to 29 are tested, labels of horizon 4: that of t spans (t, t + 5]."""
    split = splits(PurgedKFold(6, embargo=3), clock())[2]
    out = split.kept_out(labels_of(4), np.ones((1, 60), dtype=bool))
    purged, embargoed = np.flatnonzero(out["purged"][0]), np.flatnonzero(out["embargoed"][0])
    np.testing.assert_array_equal(purged, np.arange(16, 34))  # not 15, which spans (15, 20], nor 34
    np.testing.assert_array_equal(embargoed, [34, 35, 36])  # the last test label is known at 34


def test_a_label_that_waits_for_a_delisting_is_purged_by_its_own_span() -> None:
    """A holding that was halted at 12 was paid out at 26: its label of decision 12 reaches into the test, and is purged, while
    those of other symbols' decision 12 train. A row count of the horizon would have kept it."""
    labels = labels_of(4, symbols=2)
    labels.known[1, 8:13] = 26
    split = splits(PurgedKFold(6), clock())[2]
    out = split.kept_out(labels, np.ones((2, 60), dtype=bool))["purged"]
    assert not out[0, :16].any() and not out[1, :8].any() and out[1, 8:13].all() and not out[1, 13:16].any()


def test_a_test_label_that_is_known_late_purges_what_it_spans() -> None:
    """Of a symbol that is a member alone: what is not forecast has no label to be kept apart from."""
    labels = labels_of(4, symbols=2)
    labels.known[1, 29] = 50
    split = splits(PurgedKFold(6, embargo=2), clock())[2]
    member = np.ones((2, 60), dtype=bool)
    out = split.kept_out(labels, member)
    assert out["purged"][:, 34:50].all() and not out["purged"][:, 50:55].any()
    assert np.flatnonzero(out["embargoed"][0]).tolist() == [50, 51]
    member[1, 29] = False
    assert not split.kept_out(labels, member)["purged"][:, 34:55].any()


def test_what_may_not_train_is_not_in_the_training_set() -> None:
    labels, dates = labels_of(4), clock()
    features = Features(("f",), ("A",), np.ones((1, 1, 60)))
    split = splits(PurgedKFold(6, embargo=3), dates)[2]
    train, counts = training_set(features, labels, split, np.ones((1, 60), dtype=bool))
    assert counts == {"warmup": 0, "incomplete": 0, "purged": 8, "embargoed": 3, "unlabelled": 5, "rows": 34}
    hidden = np.isnan(train.labels[0])
    assert hidden[16:37].all() and not hidden[:16].any() and not hidden[37:55].any()
    assert train.rows[0].nonzero()[0].tolist() == [*range(16), *range(37, 55)]


def test_an_embargo_that_leaves_nothing_is_refused() -> None:
    split = splits(PurgedKFold(3, embargo=60), clock())[0]
    features = Features(("f",), ("A",), np.ones((1, 1, 60)))
    with pytest.raises(InputError, match=r"at least one training row.*'embargoed': 36"):
        training_set(features, labels_of(4), split, np.ones((1, 60), dtype=bool))


def nearest_in_time(split: Split, labels: Labels, member: np.ndarray) -> np.ndarray:
    """(N, S) the label of the training decision next to each test decision, of the same symbol: a model that only remembers."""
    features = Features(("f",), tuple(f"s{i}" for i in range(len(member))), np.ones((1, *member.shape)))
    train, _ = training_set(features, labels, split, member)
    found = np.empty((len(split.test), len(member)))
    for s, rows in enumerate(train.rows):
        there = np.flatnonzero(rows)
        found[:, s] = train.labels[s, there[np.abs(there[None] - split.test[:, None]).argmin(axis=1)]]
    return found


class Unpurged(Split):
    def kept_out(self, labels: Labels, member: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "purged": np.isin(np.arange(self.fit_at + 1), self.test)
            & np.ones_like(member[:, : self.fit_at + 1])
        }


def test_a_model_that_remembers_knows_nothing_of_noise_once_its_rows_are_purged() -> None:
    """Labels are sums of independent increments over their span: without a bar in common they are independent, with some they
    are not. The correlation of forecast and outcome is zero where purged, and large where it is not."""
    bars, horizon, symbols = 600, 10, 40
    steps = np.random.default_rng(3).normal(size=(symbols, bars))
    known = np.minimum(np.arange(bars) + 1 + horizon, bars)
    sums = np.cumsum(steps, axis=1)
    values = np.full((symbols, bars), np.nan)
    values[:, : -1 - horizon] = sums[:, 1 + horizon :] - sums[:, : -1 - horizon]
    labels, member = Labels(values, np.tile(known, (symbols, 1))), np.ones((symbols, bars), dtype=bool)
    forecasts: dict[str, list[np.ndarray]] = {"purged": [], "not": []}
    outcomes = []
    for split in splits(PurgedKFold(60), clock(bars))[:-2]:
        forecasts["purged"].append(nearest_in_time(split, labels, member).ravel())
        loose = Unpurged(**{name: getattr(split, name) for name in split.__dataclass_fields__})
        forecasts["not"].append(nearest_in_time(loose, labels, member).ravel())
        outcomes.append(values[:, split.test].T.ravel())
    y = np.concatenate(outcomes)
    purged, loose = (float(np.corrcoef(np.concatenate(forecasts[k]), y)[0, 1]) for k in ("purged", "not"))
    assert abs(purged) < 3 / math.sqrt(symbols * bars / (1 + horizon))
    assert loose > 0.5


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"groups": 1}, "groups"),
        ({"groups": 101}, "groups"),
        ({"groups": 2.5}, "groups"),
        ({"groups": True}, "groups"),
        ({"test_groups": 0}, "test_groups"),
        ({"test_groups": 6}, "test_groups"),
        ({"test_groups": "2"}, "test_groups"),
        ({"groups": 20, "test_groups": 10}, "test_groups"),
        ({"groups": 14, "test_groups": 4}, "test_groups"),  # 1,001
        ({"embargo": -1}, "embargo"),
        ({"embargo": 1.5}, "embargo"),
        ({"begin": "soon"}, "begin"),
        ({"begin": -1}, "begin"),
        ({"every": 0}, "every"),
        ({"train_every": "never"}, "train_every"),
    ],
)
def test_a_wrong_parameter_is_named(changes: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InputError, match=rf"folds\.{parameter} ="):
        CombinatorialPurged(**{"groups": 6, "test_groups": 2, **changes})


@pytest.mark.parametrize("changes", [{"groups": 61}, {"groups": 21, "every": 3}, {"groups": 3, "begin": 58}])
def test_more_groups_than_sessions_with_decisions_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"folds\.groups = \d+: expected at most \d+"):
        CombinatorialPurged(**{"test_groups": 1, **changes}).split(clock())


@pytest.mark.parametrize("begin", [60, 999, "2030-01-01"])
def test_a_begin_after_the_data_is_refused(begin: str | int) -> None:
    with pytest.raises(InputError, match=r"folds\.begin"):
        PurgedKFold(3, begin=begin).split(clock())


def test_nothing_before_the_begin_is_used() -> None:
    for split in splits(CombinatorialPurged(4, 2, begin="2000-01-24", every=2, train_every=1), clock()):
        assert min(split.train.min(), split.test.min()) >= 15
