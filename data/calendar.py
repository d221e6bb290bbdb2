"""Exchange calendars: from session dates to the instants of bars and decisions."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError
from backcast.data.types import Clock, Instants, Ints

EPOCH = "1970-01-01"
"""Slots are counted from here, or from where a calendar begins, so that they do not depend on where a data set starts."""

YEARS = 20
"""periods_per_year is the mean number of bars over this many calendar years before the clock's end."""


@lru_cache(maxsize=8)
def _calendar(name: str, end_year: int) -> Any:
    import exchange_calendars  # 0.6 s: only where a clock is made

    bounds = type(_any_years(name))
    latest, earliest = bounds.bound_max(), bounds.bound_min()
    if latest is not None and latest.year < end_year:
        hint = "A newer exchange_calendars may know more; or let the data end earlier."
        raise InputError(
            "dataset.calendar", name, f"sessions up to {latest.year}, where its holidays end", hint
        )
    if earliest is not None and earliest.year > end_year:
        raise InputError("dataset.calendar", name, f"sessions from {earliest.year} on, where it begins")
    start = EPOCH if earliest is None else max(EPOCH, str(earliest.date()))
    return exchange_calendars.get_calendar(name, start=start, end=f"{end_year}-12-31")


def _any_years(name: str) -> Any:
    """A calendar over whichever years. Errors: InputError for a name that is none."""
    import exchange_calendars

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"Close: {', '.join(close)}." if close else "Such as XNYS, XLON or 24/7."
        raise InputError("dataset.calendar", name, "a calendar of exchange_calendars", hint)
    return exchange_calendars.get_calendar(name)


DAILY = "1d"
_FREQUENCY = re.compile(r"([1-9]\d{0,2})min")


def bar_minutes(frequency: object) -> int | None:
    """The minutes of a bar of `1min`, `30min` and the like; None for `1d`, one bar a session."""
    if frequency == DAILY:
        return None
    found = _FREQUENCY.fullmatch(frequency) if isinstance(frequency, str) else None
    if found is None:
        raise InputError("dataset.frequency", frequency, "1d, or minutes such as 1min or 30min (at most 999)")
    return int(found[1])


def clock(
    name: str, first: np.datetime64, last: np.datetime64, decision_delay: int, frequency: str = DAILY
) -> Clock:
    """Every bar of the sessions from `first` to `last` (dates, inclusive); decisions fall `decision_delay` minutes after it.

    Intraday bars count from the session's open, and anew from the end of its break where it has one; the last one before
    a break or a close is shorter where the minutes do not divide the session.
    """
    end_year = _year(last)
    spans, sessions = _spans(name, end_year)
    days = np.array([first, last]).astype("datetime64[D]") + np.array([0, 1])
    begin, end = np.searchsorted(sessions, days)
    minutes = bar_minutes(frequency)
    counts = (
        np.ones(len(sessions), dtype=np.int64) if minutes is None else _counts(spans, minutes).sum(axis=1)
    )
    if minutes is None:
        opens, closes = spans[begin:end, 0, 0], spans[begin:end, -1, 1]
    else:
        opens, closes = _bars(spans[begin:end], minutes)
    recent = sessions >= np.datetime64(f"{end_year - YEARS + 1}-01-01")
    before = int(counts[:begin].sum())
    return Clock(
        name,
        np.repeat(sessions[begin:end], counts[begin:end]),
        opens,
        closes,
        closes + np.timedelta64(decision_delay, "m"),
        np.arange(before, before + len(closes), dtype=np.int64),
        counts[recent].sum() / YEARS,
    )


def session_hours(name: str, sessions: npt.NDArray[Any]) -> tuple[Instants, Instants]:
    """(N,) when each session (dates) opens and closes; NaT for a date that is none."""
    if not len(sessions):
        return sessions.astype("datetime64[us]"), sessions.astype("datetime64[us]")
    spans, known = _spans(name, int(sessions.max().astype("datetime64[Y]").astype(np.int64)) + 1970)
    at = np.minimum(np.searchsorted(known, sessions), len(known) - 1)
    none = known[at] != sessions
    opens, closes = spans[at, 0, 0], spans[at, -1, 1]
    opens[none], closes[none] = np.datetime64("NaT"), np.datetime64("NaT")
    return opens, closes


def zone_of_calendar(name: str) -> str:
    """The time zone of an exchange."""
    return str(_any_years(name).tz)


def following(bars: Clock) -> npt.NDArray[Any]:
    """(T,) the session after each bar's own, by the exchange's published schedule and never by where the data end. (A closure
    that nobody announced counts as if it had been.) Errors: InputError where the schedule ends with the clock."""
    last, year = bars.sessions[-1], _year(bars.sessions[-1])
    _, sessions = _spans(bars.calendar, year)
    if last >= sessions[-1]:
        _, sessions = _spans(bars.calendar, year + 1)
    return np.asarray(sessions[np.searchsorted(sessions, bars.sessions, side="right")])


def closings(bars: Clock) -> Instants:
    """(T,) when the session of each bar closes, by the exchange's published schedule: half days close early."""
    spans, sessions = _spans(bars.calendar, _year(bars.sessions[-1]))
    return np.asarray(spans[np.searchsorted(sessions, bars.sessions), -1, 1])


def minutes_of_day(bars: Clock) -> Ints:
    """(T,) the end of each bar in minutes after midnight of the exchange's own day."""
    import pandas as pd  # exchange_calendars brings it

    ends = pd.DatetimeIndex(bars.closes_at, tz="UTC").tz_convert(zone_of_calendar(bars.calendar))
    return np.asarray(ends.hour * 60 + ends.minute, dtype=np.int64)


def sessions_per_year(bars: Clock) -> float:
    """`periods_per_year` of the daily clock that ends where this one does."""
    last = bars.sessions[-1]
    return clock(bars.calendar, last, last, 0).periods_per_year


def _year(session: Any) -> int:
    return int(session.astype("datetime64[Y]").astype(np.int64)) + 1970


def _spans(name: str, end_year: int) -> tuple[Instants, Instants]:
    """(N, 2, 2) start and end of each session's halves before and after its break, and the sessions (N,). Without a break
    the first half is the whole session and the second is empty, at its end."""
    calendar = _calendar(name, end_year)
    sessions = calendar.sessions.to_numpy().astype("datetime64[D]")
    opens, pause, again, closes = (
        calendar.schedule[c].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        for c in ("open", "break_start", "break_end", "close")
    )
    pause, again = (np.where(np.isnat(part), closes, part) for part in (pause, again))
    return np.stack([np.stack([opens, pause], axis=1), np.stack([again, closes], axis=1)], axis=1), sessions


def _counts(spans: Instants, minutes: int) -> Ints:
    """(N, 2) bars in each half of each session."""
    length = (spans[..., 1] - spans[..., 0]) / np.timedelta64(minutes, "m")
    return np.asarray(np.ceil(length), dtype=np.int64)


def _bars(spans: Instants, minutes: int) -> tuple[Instants, Instants]:
    """(T,) when each bar begins and ends."""
    counts, halves = _counts(spans, minutes).ravel(), spans.reshape(-1, 2)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    opens = np.repeat(halves[:, 0], counts) + within * np.timedelta64(minutes, "m")
    return opens, np.minimum(opens + np.timedelta64(minutes, "m"), np.repeat(halves[:, 1], counts))
