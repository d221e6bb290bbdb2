"""Times as vendors write them, to UTC instants; a time without an offset says nothing until its zone is stated."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.sources.cells import dates, refuse

EXPECTED = "an instant with its offset, such as 2024-01-31T16:15:00-05:00"
HINT = "Or state dataset.time_zone for times without an offset."


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of that name. Errors: InputError for one that the system does not know."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError) as error:
        raise InputError("dataset.time_zone", name, "a time zone such as America/New_York or UTC") from error


def instants(parameter: str, column: pl.Series, zone: ZoneInfo | None, form: str | None = None) -> pl.Series:
    """UTC instants, null for what is none. Times without an offset are of `zone`: an hour that comes twice is its later
    one, so that nothing is known too early, and one that never was is none. form: of strptime, for text that is not ISO."""
    if column.dtype == pl.String and form:
        try:
            column = column.str.strip_chars().str.to_datetime(form, time_unit="us", strict=False)
        except pl.exceptions.PolarsError as error:
            raise InputError("dataset.date_format", form, "a format of strptime", str(error)) from error
    kind = column.dtype
    if kind == pl.String:
        parsed = {text: _instant(text, zone) for text in column.unique().drop_nulls().to_list()}
        return column.replace_strict(parsed, default=None, return_dtype=pl.Datetime("us", "UTC"))
    if not isinstance(kind, pl.Datetime) or (kind.time_zone is None and zone is None):
        raise InputError(parameter, str(kind), EXPECTED, HINT)
    if kind.time_zone is None and zone is not None:
        column = column.dt.replace_time_zone(zone.key, ambiguous="latest", non_existent="null")
    return column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))


def moments(parameter: str, column: pl.Series, zone: ZoneInfo | None, form: str | None) -> pl.Series:
    """Instants, or dates, which stand for their midnight in UTC: what a row is about may be either, such as a quarter's end."""
    kind = column.dtype
    timed = (
        "%H" in form
        if form
        else kind == pl.String and bool((column.str.strip_chars().str.len_chars() > 10).any())
    )
    if isinstance(kind, pl.Datetime):
        timed = kind.time_zone is not None or bool((column.dt.time() != time(0)).any())
    if not timed:
        return dates(parameter, column, form).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    found = instants(parameter, column, zone, form)
    refuse(parameter, column, found.is_null(), EXPECTED, HINT)
    return found


def _instant(text: str, zone: ZoneInfo | None) -> datetime | None:
    """An instant from text with a time of day: a bare date would mean midnight, before that day's close."""
    try:
        found = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= 10 or (found.tzinfo is None and zone is None):
            return None
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        exact = found.replace(tzinfo=zone, fold=1).astimezone(UTC)
        return exact if exact.astimezone(zone).replace(tzinfo=None) == found else None
    except (ValueError, OverflowError):
        return None


def instant_of(text: str | None, parameter: str = "--as-of") -> np.datetime64:
    """The instant that a flag such as `--as-of` names, in UTC; now where it names none."""
    if text is None:
        return np.datetime64("now", "us")
    try:
        given = datetime.fromisoformat(text)
        if given.tzinfo is not None:
            given = given.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise InputError(parameter, text, "an ISO date or instant such as 2022-12-23T22:00:00") from error
    return np.datetime64(given, "us")
