"""What a source is: it reads somebody's data and gives tables that the store takes."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.quality import Finding
from backcast.data.schema import KEYS, TABLES, DatasetInfo

_RULE = re.compile(r"event_at(?: ?\+ ?(\d{1,5}) ?(min|h|d))?")
FIRST, LAST = np.datetime64("1970-01-01"), np.datetime64("2100-01-01")
"""Calendars are known from the first to before the last."""

_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Batch:
    """What a source gave: the facts of the data set, a table for each of the store's that has rows, and what was noticed.

    batch: SHA-256 of the rows, so that the same content is the same batch however often it is read.
    """

    info: DatasetInfo
    tables: dict[str, pa.Table]
    batch: str
    findings: tuple[Finding, ...] = ()


class Source(ABC):
    """One vendor's data. name: the data set that it fills."""

    name: str

    @abstractmethod
    def read(self) -> Batch:
        """Everything that the source holds. Errors: InputError for what cannot be read or cannot be true."""

    def parts(self) -> Iterator[Batch]:
        """The same in parts that fit into memory each, all of one batch; the first says what holds for the data set."""
        yield self.read()

    def origin(self) -> dict[str, Any]:
        """Where the rows come from; it is kept with the batch."""
        return {"source": type(self).__name__}


def rule(text: str | None) -> timedelta | None:
    """The delay that a rule such as `event_at + 15min` states; None where there is no rule."""
    if text is None:
        return None
    found = _RULE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise InputError("dataset.known_rule", text, "'event_at' or 'event_at + N' with min, h or d after N")
    return int(found[1] or 0) * _UNITS[found[2] or "min"]


def closes(calendar: str, days: pl.Series, parameter: str) -> pl.Series:
    """The close of the session of each date. Errors: InputError for a date that is no session."""
    if not len(days) or days.null_count():
        raise InputError(parameter, f"{days.null_count()} of {len(days)} missing", "a date in every row")
    dates = days.cast(pl.Date).to_numpy().astype("datetime64[D]")
    for end in (dates.min(), dates.max()):
        if not FIRST <= end < LAST:
            raise InputError(parameter, str(end), f"a date from {FIRST} to {LAST}")
    sessions = clock(calendar, dates.min(), dates.max(), 0)
    at = np.searchsorted(sessions.sessions, dates)
    wrong = (
        sessions.sessions[np.minimum(at, len(sessions) - 1)] != dates
        if len(sessions)
        else np.ones(len(dates), bool)
    )
    if wrong.any():
        first = int(wrong.argmax())
        raise InputError(
            parameter,
            f"{dates[first]} in row {first + 1}",
            f"a session of the calendar {calendar}",
            f"{int(wrong.sum())} of {len(dates)} rows are none. Choose another dataset.calendar, or drop those rows.",
        )
    return pl.Series("event_at", sessions.closes_at[at]).dt.replace_time_zone("UTC")


def batch(
    info: DatasetInfo,
    frames: Mapping[str, pl.DataFrame],
    findings: tuple[Finding, ...] = (),
    identity: str | None = None,
) -> Batch:
    """Completes frames to the store's tables: columns that the source lacks are null, known_at comes from the rule where
    the source gives none, ingested_at is now. identity: of the batch that this is a part of (default: of these rows).

    Frames need the table's key columns and event_at. Errors: InputError where known_at is missing and no rule states it.
    """
    if not any(frame.height for frame in frames.values()):
        raise InputError("dataset", "no rows", "at least one row")
    delay = rule(info.known_rule)
    whole = {name: _completed(name, frame, delay) for name, frame in frames.items() if frame.height}
    identity = identity or _content(whole)
    now = pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC"))
    tables = {
        name: frame.with_columns(now.alias("ingested_at"), pl.lit(identity).alias("batch"))
        .select(TABLES[name].names)
        .to_arrow()
        .cast(TABLES[name])
        for name, frame in whole.items()
    }
    return Batch(info, tables, identity, findings)


def _content(whole: Mapping[str, pl.DataFrame]) -> str:
    """SHA-256 of the rows."""
    content = hashlib.sha256()
    for name in sorted(whole):
        content.update(name.encode())
        content.update(whole[name].hash_rows(seed=0).to_numpy().tobytes())
    return content.hexdigest()


def _completed(name: str, frame: pl.DataFrame, delay: timedelta | None) -> pl.DataFrame:
    """A frame with every column of its table but ingested_at and batch, sorted by key and known_at."""
    if "known_at" not in frame.columns:
        if delay is None:
            raise InputError(
                "dataset.known_rule",
                None,
                f"a rule, since the {name} have no known_at",
                "State when a row could have been read, for example 'event_at + 15min'.",
            )
        late = pl.col("event_at") + delay
        frame = frame.with_columns(late.alias("known_at"), pl.lit("rule").alias("known_basis"))
    elif "known_basis" not in frame.columns:
        frame = frame.with_columns(pl.lit("vendor").alias("known_basis"))
    types = dict(pl.from_arrow(TABLES[name].empty_table()).schema)  # type: ignore[union-attr]  # a table gives a frame
    kept = [c for c in TABLES[name].names if c not in ("ingested_at", "batch")]
    missing = [c for c in kept if c not in frame.columns]
    filled = frame.with_columns(pl.lit(None, dtype=types[c]).alias(c) for c in missing)
    rows = filled.select(pl.col(c).cast(types[c]) for c in kept).sort(*KEYS[name], "known_at")
    _symbols(name, rows["symbol"])
    _unique(name, rows)
    return rows


def _symbols(name: str, column: pl.Series) -> None:
    """Symbols are shown in terminals and pages: printable, without blanks around them, and not endless."""
    for symbol in column.unique().sort().to_list():
        if not symbol or not symbol.isprintable() or symbol != symbol.strip() or len(symbol) > 64:
            expected = "printable text of 1 to 64 characters without blanks around it"
            raise InputError(f"{name}.symbol", symbol, expected)


def _unique(name: str, rows: pl.DataFrame) -> None:
    """No two rows say when they were known about the same thing at the same time."""
    keys = [*KEYS[name], "known_at"]
    double = rows.filter(rows.select(keys).is_duplicated())
    if double.height:
        first = {k: str(v) for k, v in double.select(keys).row(0, named=True).items()}
        raise InputError(
            f"{name}: duplicate rows",
            first,
            f"one row a {', '.join(KEYS[name])} and known_at",
            f"{double.height} rows are not alone. A correction needs a later known_at.",
        )
