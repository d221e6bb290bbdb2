"""When decisions fall: weeks and months by the exchange's schedule, half days, times of day, and never by where data end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.calendar import clock, sessions_per_year
from backcast.data.errors import InputError
from backcast.data.types import Clock
from backcast.signals.decisions import Every, checked, falls, in_words
from backcast.signals.folds import WalkForward

CADENCES: list[Every] = [1, 3, "session", "daily", "weekly", "monthly", ("11:00", "15:30")]


def days(first: str, last: str, calendar: str = "XNYS") -> Clock:
    return clock(calendar, np.datetime64(first), np.datetime64(last), 30)


def half_hours(first: str, last: str, frequency: str = "30min") -> Clock:
    return clock("XNYS", np.datetime64(first), np.datetime64(last), 0, frequency)


def fallen(bars: Clock, every: Every) -> list[str]:
    return [str(day) for day in bars.sessions[falls(bars, every)]]


def test_weeks_end_on_thursday_before_a_good_friday_and_where_the_year_turns() -> None:
    assert fallen(days("2024-03-18", "2024-04-05"), "weekly") == ["2024-03-22", "2024-03-28", "2024-04-05"]
    # Independence Day 2025 was a Friday, after a half day.
    assert fallen(days("2025-06-30", "2025-07-11"), "weekly") == ["2025-07-03", "2025-07-11"]
    # 2025-12-31 and 2026-01-02 are in one ISO week, 2026-W01.
    assert fallen(days("2025-12-22", "2026-01-09"), "weekly") == ["2025-12-26", "2026-01-02", "2026-01-09"]


def test_months_end_on_their_last_session() -> None:
    found = fallen(days("2024-03-01", "2024-08-31"), "monthly")
    assert found == ["2024-03-28", "2024-04-30", "2024-05-31", "2024-06-28", "2024-07-31", "2024-08-30"]


@pytest.mark.parametrize(
    ("last", "every", "ends"),
    [
        ("2024-03-27", "weekly", False),  # the Wednesday before Thursday and Good Friday
        ("2024-03-28", "weekly", True),
        ("2024-03-27", "monthly", False),
        ("2024-03-28", "monthly", True),
        ("2025-12-31", "weekly", False),
        ("2025-12-31", "monthly", True),
    ],
)
def test_the_last_day_of_the_data_is_judged_by_the_calendar(last: str, every: str, ends: bool) -> None:
    assert bool(falls(days("2024-01-02", last), every)[-1]) is ends


def test_a_calendar_that_ends_with_the_data_is_refused_where_it_matters() -> None:
    from exchange_calendars import get_calendar

    end = type(get_calendar("XSHG")).bound_max()
    assert end is not None, "an exchange whose holidays are known for a few years only"
    last = get_calendar("XSHG", end=end).sessions[-2:]
    assert len(falls(days(f"{end.year}-12-01", str(last[0].date()), "XSHG"), "weekly"))
    with pytest.raises(InputError, match=r"dataset\.calendar = 'XSHG': expected sessions up to"):
        falls(days(f"{end.year}-12-01", str(last[1].date()), "XSHG"), "weekly")


def test_a_session_ends_with_its_last_bar_half_days_too() -> None:
    bars = half_hours("2024-07-02", "2024-07-05")
    ends = bars.closes_at[falls(bars, "session")]
    assert ends.astype(str).tolist() == [
        "2024-07-02T20:00:00.000000",
        "2024-07-03T17:00:00.000000",
        "2024-07-05T20:00:00.000000",
    ]
    np.testing.assert_array_equal(falls(bars, "daily"), falls(bars, "session"))
    assert fallen(bars, "weekly") == ["2024-07-05"]
    assert falls(bars, "weekly").sum() == 1


def test_a_bar_shorter_than_the_others_ends_a_session() -> None:
    bars = half_hours("2024-07-02", "2024-07-02", "60min")
    assert falls(bars, "session").tolist() == [False] * 6 + [True]  # 15:30 to 16:00


def test_times_are_those_of_the_exchange_in_summer_and_winter_and_half_days_lack_late_ones() -> None:
    bars = half_hours("2024-03-07", "2024-03-12")  # the clocks went forward on the tenth
    at = bars.closes_at[falls(bars, ("10:30",))]
    assert [str(x)[11:16] for x in at] == ["15:30", "15:30", "14:30", "14:30"]
    eve = half_hours("2024-07-03", "2024-07-05")
    assert fallen(eve, ("11:00", "15:30")) == ["2024-07-03", "2024-07-05", "2024-07-05"]


def test_a_time_at_which_no_bar_ends_is_named_with_those_near_it() -> None:
    bars = half_hours("2024-07-02", "2024-07-05")
    with pytest.raises(InputError, match=r"folds\.every = '10:45'.*10:00, 10:30, 11:00, 11:30"):
        falls(bars, ("10:30", "10:45"))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 3000),
    st.integers(40, 120),
    st.integers(1, 100),
    st.sampled_from(CADENCES[:-1]),
    st.sampled_from(["XNYS", "XLON", "XTKS", "24/7"]),
)
def test_cutting_the_future_changes_no_decision(
    start: int, length: int, cut: int, every: Every, calendar: str
) -> None:
    first = np.datetime64("2012-01-01") + start
    whole = clock(calendar, first, first + length, 30)
    n = max(1, len(whole) * cut // 100)
    np.testing.assert_array_equal(falls(whole.slice(0, n), every), falls(whole, every)[:n])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 900), st.integers(3, 25), st.integers(5, 100), st.sampled_from(CADENCES[:-1]))
def test_cutting_the_future_of_bars_changes_no_decision(
    start: int, length: int, cut: int, every: Every
) -> None:
    first = np.datetime64("2022-01-03") + start
    whole = half_hours(str(first), str(first + length))
    n = max(1, len(whole) * cut // 100)
    np.testing.assert_array_equal(falls(whole.slice(0, n), every), falls(whole, every)[:n])


def test_every_week_has_one_decision_on_its_last_session() -> None:
    bars = days("2000-01-03", "2020-12-31")
    weeks = [day.isocalendar()[:2] for day in bars.sessions.astype(object)]
    last = dict(zip(weeks, bars.sessions.astype(str)))
    assert fallen(bars, "weekly") == list(last.values())  # 2021-01-01 was a holiday


def test_a_number_counts_slots_of_the_calendar_itself() -> None:
    bars = days("2024-01-02", "2024-12-31")
    np.testing.assert_array_equal(falls(bars, 5), bars.slots % 5 == 0)


@pytest.mark.parametrize(
    "value", [0, True, 1.5, "yearly", "10:30", [], ["25:00"], ["10:30", 3], ["10:30", "10:30"], None]
)
def test_what_is_no_cadence_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"folds\.every"):
        checked("folds.every", value)
    if value is not None:
        with pytest.raises(InputError, match=r"folds\.train_every"):
            WalkForward("expanding", 5, "monthly", train_every=value)


def test_words_for_the_page() -> None:
    assert in_words(1) == "a decision every session"
    assert in_words(5) == "a decision every 5 sessions"
    assert in_words(2, intraday=True) == "a decision every 2 bars"
    assert in_words("weekly") == "a decision at the end of each week"
    assert in_words(("10:30", "15:30")) == "decisions at 10:30, 15:30 of the exchange's day"


def test_folds_on_bars_count_sessions_where_they_say_sessions() -> None:
    bars = half_hours("2024-05-01", "2024-07-31")
    named = np.unique(bars.sessions)
    recipe = WalkForward(
        "rolling", 20, "monthly", train_sessions=10, embargo=2, every="session", train_every=1
    )
    folds = recipe.split(bars)
    assert str(bars.sessions[folds[0].fit_at]) == str(named[20])
    for fold in folds:
        k = int(np.searchsorted(named, bars.sessions[fold.fit_at]))
        begin, purge = (int(np.searchsorted(bars.sessions, named[k - n])) for n in (10, 2))
        np.testing.assert_array_equal(fold.train, np.arange(begin, fold.fit_at))
        assert (fold.embargo, fold.labels_until) == (2, purge)
        assert (
            bars.closes_at[fold.test]
            == bars.closes_at[falls(bars, "session")][
                np.isin(np.flatnonzero(falls(bars, "session")), fold.test)
            ]
        ).all()
    joined = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(joined, np.flatnonzero(falls(bars, "session"))[20:])
    with pytest.raises(InputError, match=r"folds\.first_fit = 70: expected fewer sessions"):
        WalkForward("expanding", 70, "monthly", every="session").split(bars)


def test_on_a_daily_clock_a_session_before_is_an_index_before() -> None:
    bars = days("2024-01-02", "2024-12-31")
    assert [bars.before(100, n) for n in (0, 1, 7, 100, 500)] == [100, 99, 93, 0, 0]
    assert sessions_per_year(bars) == bars.periods_per_year
