"""When decisions fall on a clock: every n-th bar, at the end of sessions, weeks or months, or at times of day.

Whether a session is the last of its week or month is what the exchange's published schedule says, so that no decision depends
on the sessions that the data have after it: the clock cut anywhere has the same decisions up to the cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.calendar import closings, following, minutes_of_day
from backcast.data.errors import InputError
from backcast.data.types import Bools, Clock

Every = int | str | tuple[str, ...]
"""A cadence of decisions, as `checked` gives it back."""

WORDS = ("session", "daily", "weekly", "monthly")
_EXPECTED = (
    "a whole number of bars, at least 1; session or daily (the last bar of each session), weekly or monthly (the last of each "
    "ISO week or month); or times of day such as ['10:30', '15:30']"
)


def checked(parameter: str, value: object) -> Every:
    """A cadence that is one. Errors: InputError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str) and value in WORDS:
        return value
    if isinstance(value, list | tuple) and value and all(_is_time(text) for text in value):
        times = tuple(sorted(set(value)))
        if len(times) == len(value):
            return times
    raise InputError(parameter, value, _EXPECTED)


def falls(clock: Clock, every: Every, parameter: str = "folds.every") -> Bools:
    """(T,) whether a decision follows each bar.

    A number counts the slots of the exchange's whole history (`slots % every == 0`), a phase that no start of the data moves.
    A time of day is the end of a bar, in the exchange's own zone; a half day that closes before it has no such decision.
    Errors: InputError for a time at which no bar of the clock ends.
    """
    if isinstance(every, int):
        return np.asarray(clock.slots % every == 0)
    if not len(clock):
        return np.zeros(0, dtype=bool)
    if not isinstance(every, str):
        return _at_times(clock, every, parameter)
    last_bar = np.asarray(clock.closes_at == closings(clock))
    if every in ("session", "daily"):
        return last_bar
    period = _weeks if every == "weekly" else _months
    return last_bar & (period(clock.sessions) != period(following(clock)))


def in_words(every: Every | Sequence[str], intraday: bool = False) -> str:
    """A cadence as the page says it."""
    if isinstance(every, int):
        unit = "bar" if intraday else "session"
        return f"a decision every {unit}" if every == 1 else f"a decision every {every} {unit}s"
    if every == "given":
        return "decisions as given"
    if isinstance(every, str):
        unit = {"weekly": "week", "monthly": "month"}.get(every, "session")
        return (
            f"a decision at the end of each {unit}"
            if unit != "session" or intraday
            else "a decision every session"
        )
    return f"decisions at {', '.join(every)} of the exchange's day"


def _at_times(clock: Clock, times: tuple[str, ...], parameter: str) -> Bools:
    ends = minutes_of_day(clock)
    for text in times:
        if not (ends == _minutes(text)).any():
            there = np.unique(ends)
            near = there[np.argsort(np.abs(there - _minutes(text)), kind="stable")[:4]]
            shown = ", ".join(f"{m // 60:02d}:{m % 60:02d}" for m in sorted(near.tolist()))
            raise InputError(
                parameter, text, "a time at which a bar ends", f"Near it: {shown} (exchange time)."
            )
    return np.isin(ends, [_minutes(text) for text in times])


def _weeks(sessions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    days = sessions.astype("datetime64[D]").astype(np.int64)
    return np.asarray((days + 3) // 7)  # 1970-01-01 was a Thursday; ISO weeks begin on Monday


def _months(sessions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.asarray(sessions.astype("datetime64[M]").astype(np.int64))


def _is_time(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) is not None


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
