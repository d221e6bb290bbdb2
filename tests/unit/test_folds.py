"""Folds on a plain weekday calendar: periods, strides, windows, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.signals.folds import WalkForward


def clock(first: str = "2000-01-03", sessions: int = 1500, slot: int = 7_001) -> Clock:
    days = np.busday_offset(first, np.arange(sessions))
    at = days.astype("datetime64[us]")
    return Clock("weekdays", days, at, at, at, np.arange(slot, slot + sessions), 252.0)


def folds_of(**changes: Any) -> WalkForward:
    return WalkForward(**{"kind": "expanding", "first_fit": "2002-01-01", "refit": "yearly", **changes})


def test_tests_partition_the_decisions_from_the_first_fit_on() -> None:
    for refit in ("weekly", "monthly", "quarterly", "yearly", "2years", "6 months"):
        dates = clock()
        folds = folds_of(refit=refit, every=5).split(dates)
        decisions = np.flatnonzero((dates.slots % 5 == 0) & (dates.sessions >= np.datetime64("2002-01-01")))
        np.testing.assert_array_equal(np.concatenate([fold.test for fold in folds]), decisions)
        assert [fold.number for fold in folds] == list(range(len(folds)))
        assert all(fold.fit_at == fold.test[0] and fold.train.max() < fold.fit_at for fold in folds)


@pytest.mark.parametrize(
    ("refit", "dates"),
    [
        ("yearly", ["2002-01-01", "2003-01-01", "2004-01-01", "2005-01-03"]),
        ("2years", ["2002-01-01", "2004-01-01"]),
        ("quarterly", ["2002-01-01", "2002-04-01", "2002-07-01", "2002-10-01"]),
        ("monthly", ["2002-01-01", "2002-02-01", "2002-03-01", "2002-04-01"]),
        ("weekly", ["2002-01-01", "2002-01-07", "2002-01-14", "2002-01-21"]),
    ],
)
def test_fits_fall_on_the_first_decision_of_their_period(refit: str, dates: list[str]) -> None:
    days = clock()
    fits = [str(days.sessions[fold.fit_at]) for fold in folds_of(refit=refit).split(days)]
    assert fits[: len(dates)] == dates


def test_a_number_of_sessions_is_a_minimum_of_history() -> None:
    assert folds_of(first_fit=300).split(clock())[0].fit_at == 300
    assert (
        folds_of(first_fit=300, every=5).split(clock())[0].fit_at == 304
    )  # slot 7305, the first multiple of 5


def test_a_rolling_window_holds_the_last_sessions_only() -> None:
    for fold in folds_of(kind="rolling", train_sessions=250, every=5).split(clock()):
        assert fold.train[0] >= fold.fit_at - 250 and len(fold.train) == 50


def test_training_may_use_every_session() -> None:
    fold = folds_of(every=5, train_every=1).split(clock())[0]
    np.testing.assert_array_equal(fold.train, np.arange(fold.fit_at))


def test_truncation_moves_no_fold() -> None:
    days, recipe = clock(), folds_of(refit="quarterly", every=5)
    whole = recipe.split(days)
    for sessions in (700, 903, 1204):
        for short, full in zip(recipe.split(days.slice(0, sessions)), whole):
            assert short.fit_at == full.fit_at
            np.testing.assert_array_equal(short.train, full.train)
            np.testing.assert_array_equal(short.test, full.test[full.test < sessions])


def test_a_fold_at_a_session_of_choice() -> None:
    fold = folds_of(every=5).fold_at(clock(), fit_at=1000, test_end=1020)
    assert fold.fit_at == 1000 and fold.test.tolist() == [1004, 1009, 1014, 1019] and fold.train.max() == 999
    with pytest.raises(InputError, match=r"folds\.every"):
        folds_of(every=500).fold_at(clock(), fit_at=1000, test_end=1003)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"kind": "sliding"}, "kind"),
        ({"kind": "rolling"}, "train_sessions"),
        ({"train_sessions": 100}, "train_sessions"),
        ({"kind": "rolling", "train_sessions": 0}, "train_sessions"),
        ({"first_fit": "soon"}, "first_fit"),
        ({"first_fit": "2002-13-01"}, "first_fit"),
        ({"first_fit": 0}, "first_fit"),
        ({"first_fit": True}, "first_fit"),
        ({"refit": "daily"}, "refit"),
        ({"refit": "0years"}, "refit"),
        ({"refit": 2}, "refit"),
        ({"embargo": -1}, "embargo"),
        ({"every": 0}, "every"),
        ({"train_every": 0}, "train_every"),
    ],
)
def test_a_wrong_parameter_is_named(changes: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InputError, match=rf"folds\.{parameter} ="):
        folds_of(**changes)


@pytest.mark.parametrize("first_fit", ["1990-01-01", "2000-01-03", "2040-01-01", 1500])
def test_a_first_fit_outside_the_data_is_refused(first_fit: str | int) -> None:
    with pytest.raises(InputError, match=r"folds\.first_fit"):
        folds_of(first_fit=first_fit).split(clock())


def test_no_decision_after_the_first_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"folds\.first_fit"):
        folds_of(first_fit=1498, every=1000).split(clock())
