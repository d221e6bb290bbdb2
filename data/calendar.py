"""Exchange calendars: from session dates to the instants of bars and decisions."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Clock

EPOCH = "1970-01-01"
"""Slots are counted from here, so that they do not depend on where a data set starts."""

YEARS = 20
"""periods_per_year is the mean number of sessions over this many calendar years before the clock's end."""


@lru_cache(maxsize=8)
def _calendar(name: str, end_year: int) -> Any:
    import exchange_calendars  # 0.6 s: only where a clock is made

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        raise InputError(
            "dataset.calendar", name, "a calendar of exchange_calendars", f"Close: {', '.join(close)}."
        )
    return exchange_calendars.get_calendar(name, start=EPOCH, end=f"{end_year}-12-31")


def clock(name: str, first: np.datetime64, last: np.datetime64, decision_delay: int) -> Clock:
    """Every session from `first` to `last` (dates, inclusive); decisions fall `decision_delay` minutes after it."""
    end_year = int(last.astype("datetime64[Y]").astype(np.int64)) + 1970
    calendar = _calendar(name, end_year)
    sessions = calendar.sessions.to_numpy().astype("datetime64[D]")
    days = np.array([first, last]).astype("datetime64[D]") + np.array([0, 1])
    begin, end = np.searchsorted(sessions, days)
    opens = calendar.schedule["open"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")[begin:end]
    closes = calendar.schedule["close"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")[begin:end]
    decides = closes + np.timedelta64(decision_delay, "m")
    recent = sessions[sessions >= np.datetime64(f"{end_year - YEARS + 1}-01-01")]
    return Clock(
        name,
        sessions[begin:end],
        opens,
        closes,
        decides,
        np.arange(begin, end, dtype=np.int64),
        len(recent) / YEARS,
    )
