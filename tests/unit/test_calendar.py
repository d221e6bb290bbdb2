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


def test_minute_bars_of_a_half_day_and_a_winter_day() -> None:
    got = clock("XNYS", day("2019-11-27"), day("2019-11-29"), 1, "1min")
    assert len(got) == 390 + 210  # a whole session, and one that ends at 13:00
    assert [str(got.opens_at[0]), str(got.closes_at[0])] == [
        "2019-11-27T14:30:00.000000",
        "2019-11-27T14:31:00.000000",
    ]
    assert str(got.closes_at[-1]) == "2019-11-29T18:00:00.000000"
    assert got.sessions[389:391].astype(str).tolist() == ["2019-11-27", "2019-11-29"]
    assert (got.decides_at - got.closes_at == np.timedelta64(1, "m")).all()


def test_a_last_bar_that_does_not_fill_its_minutes_ends_with_the_session() -> None:
    got = clock("XNYS", day("2020-01-02"), day("2020-01-02"), 0, "60min")
    lengths = (got.closes_at - got.opens_at).astype("timedelta64[m]").astype(int).tolist()
    assert lengths == [60] * 6 + [30]


def test_bars_do_not_span_a_lunch_break() -> None:
    got = clock("XHKG", day("2020-01-03"), day("2020-01-03"), 0, "60min")  # 9:30 to 12:00 and 13:00 to 16:00
    starts = [str(at)[11:16] for at in got.opens_at]
    assert starts == ["01:30", "02:30", "03:30", "05:00", "06:00", "07:00"]
    assert str(got.closes_at[2])[11:16] == "04:00"


def test_slots_of_intraday_bars_are_consecutive_and_keep_their_place() -> None:
    long, short = (clock("XNYS", day(d), day("2019-12-02"), 0, "30min") for d in ("2019-06-03", "2019-11-27"))
    assert (np.diff(long.slots) == 1).all()
    assert long.slots[-len(short) :].tolist() == short.slots.tolist()


@pytest.mark.parametrize("frequency", ["0min", "1h", "1min ", 5, None, "1000min"])
def test_a_frequency_that_is_none(frequency: object) -> None:
    with pytest.raises(InputError, match=r"dataset\.frequency"):
        clock("XNYS", day("2019-01-02"), day("2019-01-03"), 0, frequency)  # type: ignore[arg-type]


def test_an_exchange_whose_history_begins_late_counts_its_slots_from_there() -> None:
    got = clock("XTKS", day("2012-01-04"), day("2012-01-06"), 0)
    assert got.sessions.astype(str).tolist() == ["2012-01-04", "2012-01-05", "2012-01-06"]
    longer = clock("XTKS", day("2011-01-04"), day("2012-01-06"), 0)
    assert longer.slots[-3:].tolist() == got.slots.tolist()


def test_years_whose_holidays_are_not_recorded_are_refused() -> None:
    with pytest.raises(InputError, match=r"dataset\.calendar = 'XSHG': expected sessions up to 20"):
        clock("XSHG", day("2090-01-04"), day("2090-01-06"), 0)
