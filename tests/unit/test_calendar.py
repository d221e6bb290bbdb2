"""Clocks against known facts of the New York exchange."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.calendar import clock
from backcast.data.errors import InputError


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def test_half_days_holidays_and_summer_time() -> None:
    got = clock("XNYS", day("2019-11-27"), day("2019-12-02"), 30)
    assert got.sessions.astype(str).tolist() == ["2019-11-27", "2019-11-29", "2019-12-02"]  # no Thanksgiving
    assert str(got.closes_at[1]) == "2019-11-29T18:00:00.000000"  # 13:00 in New York
    assert str(got.opens_at[0]) == "2019-11-27T14:30:00.000000"
    assert (got.decides_at - got.closes_at == np.timedelta64(30, "m")).all()
    summer = clock("XNYS", day("2019-07-01"), day("2019-07-01"), 0)
    assert str(summer.closes_at[0]) == "2019-07-01T20:00:00.000000"


def test_slots_do_not_depend_on_where_the_clock_starts() -> None:
    long, short = (
        clock("XNYS", day("2000-01-03"), day("2020-01-03"), 0),
        clock("XNYS", day("2019-01-02"), day("2020-01-03"), 0),
    )
    assert long.slots[-len(short) :].tolist() == short.slots.tolist()
    assert (np.diff(long.slots) == 1).all()


def test_periods_per_year() -> None:
    assert clock("XNYS", day("2019-01-02"), day("2022-12-30"), 0).periods_per_year == pytest.approx(251.75)
    assert clock("24/7", day("2019-01-02"), day("2022-12-30"), 0).periods_per_year == pytest.approx(365.25)


def test_an_unknown_calendar_names_close_ones() -> None:
    with pytest.raises(InputError, match="XNYS"):
        clock("XNY", day("2019-01-02"), day("2019-01-03"), 0)
