"""Features of the clock alone: each row from its own session and bar, so nothing later can be in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backcast.data.calendar import session_hours
from backcast.data.types import Clock, Floats, Instants

_MINUTE = np.timedelta64(60_000_000, "us")


def _month(clock: Clock) -> Instants:
    return clock.sessions.astype("datetime64[M]")


def _days(later: Instants, earlier: Instants) -> Floats:
    return (later.astype("datetime64[D]") - earlier.astype("datetime64[D]")).astype(np.float64)


def _day_of_week(clock: Clock) -> Floats:
    days = clock.sessions.astype("datetime64[D]").astype(np.int64)
    return ((days + 3) % 7).astype(np.float64)  # 1970-01-01 was a Thursday


def _minute_of_day(clock: Clock) -> Floats:
    return (clock.closes_at - clock.closes_at.astype("datetime64[D]")) / _MINUTE


def _since_open(clock: Clock) -> Floats:
    return (clock.closes_at - session_hours(clock.calendar, clock.sessions)[0]) / _MINUTE


def _to_close(clock: Clock) -> Floats:
    return (session_hours(clock.calendar, clock.sessions)[1] - clock.closes_at) / _MINUTE


CALENDAR: dict[str, Callable[[Clock], Floats]] = {
    "day_of_week": _day_of_week,
    "day_of_month": lambda clock: _days(clock.sessions, _month(clock)) + 1.0,
    "month": lambda clock: (_month(clock).astype(np.int64) % 12 + 1).astype(np.float64),
    "days_to_month_end": lambda clock: _days(_month(clock) + 1, clock.sessions) - 1.0,
    "bar_minutes": lambda clock: (clock.closes_at - clock.opens_at) / _MINUTE,
    "minute_of_day": _minute_of_day,
    "minutes_since_open": _since_open,
    "minutes_to_close": _to_close,
}
"""By function, from a clock to (T,) values."""
