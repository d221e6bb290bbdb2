"""The decision about luck: which trials can be compared, and that all of them count."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backcast.data.errors import InputError
from backcast.engine.stats.luck import MOST_DRAWS, Dated, aligned, by_trial, draws_for, luck_of
from backcast.engine.stats.multiple import step_m

DAYS = np.datetime64("2010-01-01") + np.arange(600)


def _sweep(trials: int, skill: float = 0.0) -> dict[str, Dated]:
    returns = np.random.default_rng(1).normal(0, 0.01, (600, trials))
    returns[:, 0] += skill
    return {f"t{k:03}": (DAYS, returns[:, k]) for k in range(trials)}


def test_it_is_step_m_where_all_trials_can_be_compared() -> None:
    trials = _sweep(20)
    found = luck_of(DAYS, trials, 20)
    np.testing.assert_array_equal(found.p, step_m(np.stack([r for _, r in trials.values()], axis=1)).p)
    assert (found.compared, found.counted, found.sessions) == (20, 20, 600)


def test_the_order_in_which_trials_were_logged_does_not_matter() -> None:
    trials = _sweep(20, skill=0.001)
    other = luck_of(DAYS, dict(reversed(trials.items())), 20)
    np.testing.assert_array_equal(other.p, luck_of(DAYS, trials, 20).p)


def test_trials_without_returns_count_like_the_others() -> None:
    trials = _sweep(20, skill=0.0018)
    all_there, half = luck_of(DAYS, trials, 20), luck_of(DAYS, trials, 40)
    np.testing.assert_allclose(half.p, np.minimum(2 * all_there.p, 1))
    assert all_there.survivors() == ("t000",)
    assert luck_of(DAYS, trials, 20 * 100).survivors() == ()


def test_many_that_cannot_be_compared_leave_a_p_value_possible() -> None:
    """A new session, and no older trial covers it: each still counts, and with 1,000 draws p could not fall below 0.1."""
    assert [draws_for(n, 5) for n in (5, 50, 51, 500)] == [1000, 1000, 2000, 10000] and draws_for(
        10**6, 1
    ) == MOST_DRAWS
    net = np.random.default_rng(2).normal(0.003, 0.01, 400)
    days = np.datetime64("2010-01-01") + np.arange(400)
    luck = luck_of(days, {"new": (days, net)}, counted=101)
    assert luck.draws == 11_000 and luck.of("new") == pytest.approx(
        step_m(net[:, None], draws=11_000).p[0] * 101
    )
    assert luck.survivors() == ("new",)


def test_a_trial_on_other_sessions_is_compared_on_those_of_the_page() -> None:
    long = np.datetime64("2009-06-01") + np.arange(1200)
    returns = np.random.default_rng(2).normal(0, 0.01, 1200)
    page = DAYS[100:500]
    holed = np.where(np.arange(600) == 300, np.nan, 0.01 * np.arange(600))
    trials = {
        "long": (long, returns),
        "late": (DAYS[101:], returns[:499]),
        "flat": (DAYS, np.zeros(600)),
        "holed": (DAYS, holed),
        "gone": (DAYS[:0], returns[:0]),
        "own": (DAYS, returns[:600]),
    }
    names, matrix = aligned(page, trials)
    assert names == ("long", "own")
    np.testing.assert_array_equal(matrix[:, 0], returns[np.searchsorted(long, page)])
    np.testing.assert_array_equal(matrix[:, 1], returns[100:500])
    found = luck_of(page, trials, 6)
    assert found.of("late") is None and found.of("own") is not None


def test_nothing_to_compare_is_no_discovery() -> None:
    assert luck_of(DAYS[:10], _sweep(3), 3).names == ()
    nobody = luck_of(DAYS, {}, 5)
    assert (nobody.compared, nobody.counted, nobody.survivors()) == (0, 5, ())


def test_fewer_counted_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="counted"):
        luck_of(DAYS, _sweep(3), 2)


def test_a_table_of_the_log_is_told_apart_by_trial() -> None:
    trials = _sweep(3)
    rows = [
        pl.DataFrame({"trial": name, "session": days, "net_return": returns})
        for name, (days, returns) in trials.items()
    ]
    older = rows[1].with_columns(net_return=0.5)
    found = by_trial(pl.concat([older, *rows]).sort("session", maintain_order=True))
    assert list(found) == list(trials)
    for name, (days, returns) in trials.items():
        np.testing.assert_array_equal(found[name][0], days)
        np.testing.assert_array_equal(found[name][1], returns)
    assert by_trial(rows[0].clear()) == {}
