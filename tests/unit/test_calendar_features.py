"""Calendar features against Python's own dates, and half days of a real exchange calendar."""

from __future__ import annotations

import calendar as months
from dataclasses import replace
from datetime import date

import numpy as np
from language import compiled

from backcast.data.calendar import clock
from backcast.data.types import Clock, Panel, Revisions
from backcast.signals.calendar_features import CALENDAR


def _clock() -> Clock:
    return clock("XNYS", np.datetime64("2023-11-01"), np.datetime64("2024-03-29"), 30)


def test_dates() -> None:
    of = _clock()
    days = [date.fromisoformat(str(day)) for day in of.sessions]
    assert CALENDAR["day_of_week"](of).tolist() == [day.weekday() for day in days]
    assert CALENDAR["day_of_month"](of).tolist() == [day.day for day in days]
    assert CALENDAR["month"](of).tolist() == [day.month for day in days]
    left = [months.monthrange(day.year, day.month)[1] - day.day for day in days]
    assert CALENDAR["days_to_month_end"](of).tolist() == left
    assert 29 in CALENDAR["day_of_month"](of)[of.sessions.astype("datetime64[M]") == np.datetime64("2024-02")]


def test_half_days_and_the_hour() -> None:
    of = _clock()
    minutes = dict(zip(of.sessions.astype(str), CALENDAR["bar_minutes"](of)))
    assert minutes["2023-11-22"] == 390
    assert minutes["2023-11-24"] == 210  # the day after Thanksgiving closes at 13:00
    ends = dict(zip(of.sessions.astype(str), CALENDAR["minute_of_day"](of)))
    assert (ends["2024-03-08"], ends["2024-03-11"]) == (21 * 60, 20 * 60)  # summer time begins


def test_the_hours_of_a_session() -> None:
    of = clock("XNYS", np.datetime64("2024-07-02"), np.datetime64("2024-07-03"), 0, "30min")
    since, left = CALENDAR["minutes_since_open"](of), CALENDAR["minutes_to_close"](of)
    assert since.tolist() == [
        *range(30, 391, 30),
        *range(30, 211, 30),
    ]  # the eve of the fourth closes at 13:00
    assert left.tolist() == [*range(360, -1, -30), *range(180, -1, -30)]
    saturday = replace(_clock().slice(0, 1), sessions=np.array(["2023-11-04"], dtype="datetime64[D]"))
    assert np.isnan(CALENDAR["minutes_since_open"](saturday)).all()


def test_one_value_for_all_symbols() -> None:
    of, none = _clock(), np.zeros(0, dtype=np.int64)
    values = np.ones((1, 3, len(of)))
    values[0, 1] = np.nan
    nothing = Revisions(none, none, none, of.decides_at[:0], none, np.zeros(0))
    cells = Panel(("close",), ("A", "B", "C"), of, values, values[0] == 1, nothing, "raw", 0.0)
    answer = compiled("month()", "ts_mean(day_of_week(), 3)", fields=cells.fields).evaluate(cells).values
    assert (answer[0] == CALENDAR["month"](of)).all()
    assert (answer[1, :, 2:] == answer[1, 0, 2:]).all()


def test_a_row_knows_itself_alone() -> None:
    of = _clock()
    for feature in CALENDAR.values():
        parts = np.array([feature(of.slice(k, k + 1))[0] for k in range(len(of))])
        assert np.array_equal(parts, feature(of), equal_nan=True)
