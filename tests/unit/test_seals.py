"""Seals: one a lineage, the first that is put; opened once, by one run; noticed where they were changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data.calendar import clock
from backcast.data.durable import read_sealed, write_sealed
from backcast.data.errors import InputError
from backcast.data.seals import Opening, Seal, Seals
from backcast.engine.configure import digest, trial_config
from backcast.engine.given.table import table_of
from backcast.engine.holdout import refuse_varied, seen_before
from backcast.engine.reports.holdout import holdout_warnings, holdout_words
from backcast.signals.folds import folds_from
from backcast.signals.types import Fold


def seal(date: str = "2021-01-01", by: str = "a/b") -> Seal:
    return Seal("f00", "us20", date, "2026-01-01T00:00:00Z", by, 3)


def opening(run: str = "a/b", trial: str = "t", **pin: int) -> Opening:
    return Opening("2026-02-01T00:00:00Z", run, trial, pin or {"bars": 1}, {"version": "1"}, 4)


def test_of_many_that_seal_at_once_the_first_holds(tmp_path: Path) -> None:
    dates = [f"2021-01-{day:02d}" for day in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda date: Seals(tmp_path).put(seal(date)).holdout_from, dates))
    assert len(set(held)) == 1
    assert Seals(tmp_path).of("f00") == seal(held[0])
    assert Seals(tmp_path).of("another") is None


def test_it_is_opened_once_and_the_same_run_may_repeat(tmp_path: Path) -> None:
    seals = Seals(tmp_path)
    seals.put(seal())
    assert seals.of("f00").sealed  # type: ignore[union-attr]
    first = seals.open("f00", opening())
    assert not first.sealed and Seals(tmp_path).of("f00") == first
    again = Opening(**{**opening().__dict__, "at": "2027-01-01T00:00:00Z"})
    assert seals.open("f00", again) == first, "the first opening stays"
    assert seals.put(seal("2022-01-01")) == first
    for other in (opening("a/c"), opening(trial="u"), opening(bars=2)):
        with pytest.raises(
            InputError, match=r"a/b, for which .* was opened at 2026-02-01T00:00:00Z.*opened once"
        ):
            seals.open("f00", other)
    with pytest.raises(InputError, match="a sealed holdout"):
        seals.open("none", opening())


def test_a_seal_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    Seals(tmp_path).put(seal())
    path = tmp_path / "f00.json"
    path.write_text(path.read_text().replace("2021-01-01", "2031-01-01"))
    with pytest.raises(InputError, match="its content is not what was written"):
        Seals(tmp_path).of("f00")


def test_a_seal_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Seals(tmp_path).put(seal())
    path = tmp_path / "f00.json"
    write_sealed(path, {**read_sealed(path, ""), "format": 2, "more": 1})
    with pytest.raises(InputError, match=r"format of .*f00\.json = 2: expected 1. Update backcast"):
        Seals(tmp_path).of("f00")


def test_a_data_set_that_was_made_anew_has_left_its_seal_behind(tmp_path: Path) -> None:
    seals = Seals(tmp_path)
    name = seals.put(seal()).dataset
    assert seals.lost(name, "anew") == seal() and seals.lost(name, "f00") is None
    assert seals.lost("another", "anew") is None
    seals.open("f00", opening())
    assert seals.lost(name, "anew") is None


def record(trial: str, outcome: str, last: str | None = None) -> dict[str, Any]:
    return {"trial": trial, "outcome": outcome} | ({"period": ["2019-01-01", last]} if last else {})


def test_trials_that_saw_the_sessions_before_are_counted() -> None:
    records = [
        record("before", "started"), record("before", "done", "2020-12-31"),
        record("inside", "started"), record("inside", "done", "2021-01-04"),
        record("both", "done", "2022-01-03"), record("both", "started"), record("both", "done", "2020-12-31"),
        record("failed", "started"), record("failed", "failed"),
        record("running", "started"),
        record("undated", "started"), record("undated", "done"),
    ]  # fmt: skip
    assert seen_before(records, np.datetime64("2021-01-01")) == 4
    assert seen_before([], np.datetime64("2021-01-01")) == 0


@pytest.mark.parametrize(
    ("held", "seen"), [("2021-01-01", 0), ("2019-01-01", 0), ("2021-01-02", 1), (None, 1)]
)
def test_a_trial_that_was_killed_saw_nothing_beyond_its_own_holdout(held: str | None, seen: int) -> None:
    killed = {**record("killed", "started"), "config": {"folds": {"holdout_from": held}}}
    assert seen_before([killed], np.datetime64("2021-01-01")) == seen


def test_a_configuration_without_a_holdout_is_the_trial_that_it_was() -> None:
    old = {"folds": {"_target_": "x", "every": 5}, "model": {"a": 1}, "challengers": {}, "seed": 0}
    unset = {**old, "folds": {"holdout_from": None, "test_from": None, **old["folds"]}}  # type: ignore[dict-item]
    held = {**old, "folds": {**old["folds"], "holdout_from": "2021-01-01"}}  # type: ignore[dict-item]
    assert digest(trial_config(old)) == digest(trial_config(unset))
    assert digest(trial_config(old)) != digest(trial_config(held))


def test_a_grid_has_one_holdout() -> None:
    config = {"folds": {"holdout_from": None}}
    refuse_varied(config, [{"folds": {}}, {"folds": {"holdout_from": None, "every": 3}}])
    with pytest.raises(
        InputError, match=r"grid\.folds\.holdout_from = \['2021-01-01'\]: expected one value for all"
    ):
        refuse_varied(config, [{"folds": {"holdout_from": "2021-01-01"}}])


def test_given_targets_are_those_before_the_holdout() -> None:
    frame = pl.DataFrame({"session": ["2021-01-04", "2021-01-05"], "A": ["0.5", ""], "B": ["", "0.5"]})
    table = table_of(frame, "weights.csv").before(np.datetime64("2021-01-05"))
    assert table.symbols == ("A",) and len(table.times) == 1
    assert table.widened(("A",), "the data").tolist() == [[0.5]]
    with pytest.raises(InputError, match="held out"):
        table.before(np.datetime64("2021-01-04"))


def test_tests_from_a_date_on_keep_their_fits() -> None:
    bars = clock("XNYS", np.datetime64("2021-01-04"), np.datetime64("2021-01-29"), 30)
    train = np.arange(2)
    folds = [
        Fold(n, int(test[0]), train, test, 1) for n, test in enumerate(np.split(np.arange(3, 18), [5, 10]))
    ]
    found = folds_from(folds, bars, bars.sessions[10])
    assert [(f.number, f.fit_at, f.test.tolist()) for f in found] == [
        (1, 8, [10, 11, 12]),
        (2, 13, [13, 14, 15, 16, 17]),
    ]
    with pytest.raises(InputError, match=r"folds\.test_from"):
        folds_from(folds, bars, np.datetime64("2022-01-01"))


@pytest.mark.parametrize(
    ("told", "words", "warnings"),
    [
        (None, "", 0),
        ({"sees": False, "opened_at": None}, "sealed: nothing here has seen it", 0),
        ({"sees": True, "opened_at": None, "seen_before": 1}, "seen here while it was sealed", 1),
        ({"sees": True, "opened_at": "NOW", "own": True}, "opened once, at NOW, by this run", 0),
        (
            {"sees": True, "opened_at": "NOW", "own": True, "seen_before": 2},
            "opened once, at NOW, by this run",
            1,
        ),
        ({"sees": True, "opened_at": "NOW"}, "opened once, at NOW, by a/b", 1),
        ({"sees": False, "opened_at": "NOW"}, "not in this run; opened once, at NOW, by a/b", 0),
    ],
)
def test_pages_say_what_became_of_it(told: dict[str, Any] | None, words: str, warnings: int) -> None:
    held = (
        None
        if told is None
        else {"from": "2021-01-01", "seen_before": 0, "opened_by": "a/b", "own": False, **told}
    )
    assert holdout_words(held) == (f"Holdout from 2021-01-01, {words}" if held else "")
    assert len(holdout_warnings(held)) == warnings
