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

from backcast.data.calendar import clock, zone_of_calendar
from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo, Finding, Table
from backcast.data.types import Instants, Ints

_RULE = re.compile(r"(?:([a-z][a-z0-9_]*) ?: ?)?(event_at|declared_on)(?: ?\+ ?(\d{1,5}) ?(min|h|d))?")
_RECYCLED = re.compile(r".*#\d+", re.DOTALL)
FIRST, LAST = np.datetime64("1970-01-01"), np.datetime64("2100-01-01")
"""Calendars are known from the first to before the last."""

RULED = ("bars", "actions", "membership")
"""The tables that follow a rule for all."""

LONGEST_BREAK = 31
"""Days without a session that the next one is looked for."""

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


@dataclass(frozen=True)
class Rule:
    """When a row could have been read: so long after its event_at, or after the day on which it was declared began."""

    after: str
    delay: timedelta


def rules(text: str | None) -> dict[str, Rule]:
    """The rule of each table that a text states, under "" that of all others; none where there is no text.

    `event_at + 15min`, or one for each table: `bars: event_at + 15min; actions: declared_on + 1d`; min, h or d after a
    number. Days of declaration are the exchange's; an action without one follows the rule of all others. Declared tables
    need a rule of their own: what a period's end says of one is not what a bar's end says. Errors: InputError.
    """
    found: dict[str, Rule] = {}
    for part in text.split(";") if isinstance(text, str) else [] if text is None else [None]:
        match = None if part is None else _RULE.fullmatch(part.strip())
        if (
            match is None
            or (match[2] == "declared_on" and match[1] != "actions")
            or (match[1] or "") in found
        ):
            expected = "'event_at' or 'event_at + N' with min, h or d after N, or one for each table"
            hint = "Such as 'event_at + 15min; actions: declared_on + 1d'."
            raise InputError("dataset.known_rule", text, expected, hint)
        found[match[1] or ""] = Rule(match[2], int(match[3] or 0) * _UNITS[match[4] or "min"])
    return found


@dataclass(frozen=True)
class Placed:
    """Rows on a calendar: event_at (N,), inside (N,) whether a session or a bar has the row, and the first that none has."""

    event_at: pl.Series
    inside: pl.Series
    first_outside: str
    row: int

    def refuse_outside(self, parameter: str, calendar: str) -> None:
        """Errors: InputError for the first row that no session has."""
        if not self.inside.all():
            raise InputError(
                parameter,
                f"{self.first_outside} in row {self.row + 1}",
                f"a session of the calendar {calendar}, or a bar of it",
                f"{int((~self.inside).sum())} of {len(self.inside)} rows are none. Choose another dataset.calendar, or set "
                "dataset.off_session=adjust.",
            )


def on_sessions(calendar: str, days: pl.Series, parameter: str) -> Placed:
    """The close of the session of each date; of a date without one, that of the next session."""
    if not len(days) or days.null_count():
        raise InputError(parameter, f"{days.null_count()} of {len(days)} missing", "a date in every row")
    dates = days.cast(pl.Date).to_numpy().astype("datetime64[D]")
    _refuse_years(parameter, dates)
    sessions = clock(calendar, dates.min(), dates.max() + np.timedelta64(LONGEST_BREAK, "D"), 0)
    at = np.searchsorted(sessions.sessions, dates)
    return _placed(sessions.closes_at, at, sessions.sessions, dates)


def on_bars(calendar: str, frequency: str, from_start: bool, stamps: pl.Series, parameter: str) -> Placed:
    """The end of the bar of each instant, which is one end of it, as the exchange's calendar has them."""
    at = stamps.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    _refuse_years(parameter, at)
    day = np.timedelta64(1, "D")
    bars = clock(
        calendar, at.min().astype("datetime64[D]") - day, at.max().astype("datetime64[D]") + day, 0, frequency
    )
    ends = bars.opens_at if from_start else bars.closes_at
    return _placed(bars.closes_at, np.searchsorted(ends, at), ends, at)


def _placed(event_at: Instants, at: Ints, axis: Instants, given: Instants) -> Placed:
    """Rows that lie where the axis says, or not; beyond the end of the axis they lie nowhere."""
    within = np.minimum(at, max(len(axis) - 1, 0))
    inside = (axis[within] == given) if len(axis) else np.zeros(len(given), dtype=bool)
    row = int((~inside).argmax())
    found = event_at[within] if len(axis) else np.full(len(given), np.datetime64("NaT", "us"))
    found = np.where(at < len(axis), found, np.datetime64("NaT", "us"))
    events = pl.Series("event_at", found).dt.replace_time_zone("UTC")
    return Placed(events, pl.Series(inside), "" if inside.all() else str(given[row])[:16], row)


def _refuse_years(parameter: str, given: Instants) -> None:
    for end in (given.min(), given.max()):
        if not FIRST <= end < LAST:
            raise InputError(parameter, str(end), f"a date from {FIRST} to {LAST}")


def closes(calendar: str, days: pl.Series, parameter: str) -> pl.Series:
    """The close of the session of each date. Errors: InputError for a date that is no session."""
    placed = on_sessions(calendar, days, parameter)
    placed.refuse_outside(parameter, calendar)
    return placed.event_at


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
    whole = {name: _completed(info, name, frame) for name, frame in frames.items() if frame.height}
    identity = identity or _content(whole)
    now = pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC"))
    tables = {
        name: frame.with_columns(now.alias("ingested_at"), pl.lit(identity).alias("batch"))
        .select(info.table(name).schema.names)
        .to_arrow()
        .cast(info.table(name).schema)
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


def _completed(info: DatasetInfo, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with every column of its table but ingested_at and batch, sorted by key and known_at."""
    table = info.table(name)
    if "known_at" not in frame.columns:
        frame = frame.with_columns(_by_rule(info, name, frame), pl.lit("rule").alias("known_basis"))
    elif "known_basis" not in frame.columns:
        frame = frame.with_columns(pl.lit("vendor").alias("known_basis"))
    types = dict(pl.from_arrow(table.schema.empty_table()).schema)  # type: ignore[union-attr]  # a table gives a frame
    kept = [c for c in table.schema.names if c not in ("ingested_at", "batch")]
    missing = [c for c in kept if c not in frame.columns]
    filled = frame.with_columns(pl.lit(None, dtype=types[c]).alias(c) for c in missing)
    rows = filled.select(pl.col(c).cast(types[c]) for c in kept).sort(table.versioned)
    if "symbol" in kept:
        _symbols(f"{name}.symbol", rows["symbol"])
    if name == "actions":
        _symbols("actions.text", rows.filter(pl.col("kind") == "rename")["text"])
    _unique(name, table, rows)
    return rows


def _by_rule(info: DatasetInfo, name: str, frame: pl.DataFrame) -> pl.Series:
    """known_at as the data set's rules have it. Errors: InputError where none applies to a row."""
    stated = rules(info.known_rule)
    common = ("",) if name in RULED else ()
    wanted = [stated[key] for key in (name, *common) if key in stated]
    known = [pl.lit(None, dtype=pl.Datetime("us", "UTC"))]
    for rule in reversed(wanted):
        if rule.after == "event_at":
            known.insert(0, pl.col("event_at") + rule.delay)
        elif "declared_on" in frame.columns:
            day = (
                pl.col("declared_on")
                .cast(pl.Datetime("us"))
                .dt.replace_time_zone(zone_of_calendar(info.calendar))
            )
            known.insert(0, day.dt.convert_time_zone("UTC") + rule.delay)
    found = frame.select(pl.coalesce(known).alias("known_at"))["known_at"]
    if found.null_count():
        raise InputError(
            "dataset.known_rule",
            info.known_rule,
            f"a rule for all rows of the {name}: {found.null_count()} have no known_at",
            f"State when a row could have been read, for example '{'' if name in RULED else name + ': '}event_at + 15min'.",
        )
    return found


def _symbols(parameter: str, column: pl.Series) -> None:
    """Symbols are shown in terminals and pages: printable, without blanks around them, and not endless. `#2` at the end is what
    another company under a ticker that comes again is called."""
    for symbol in column.unique().sort().to_list():
        shown = symbol and symbol.isprintable() and symbol == symbol.strip() and len(symbol) <= 64
        if not shown or _RECYCLED.fullmatch(symbol):
            expected = (
                "printable text of 1 to 64 characters without blanks around it, nor # and a number at its end"
            )
            raise InputError(parameter, symbol, expected)


def _unique(name: str, table: Table, rows: pl.DataFrame) -> None:
    """No two rows say when they were known about the same thing at the same time."""
    keys = list(table.versioned)
    double = rows.filter(rows.select(keys).is_duplicated())
    if double.height:
        first = {k: str(v) for k, v in double.select(keys).row(0, named=True).items()}
        raise InputError(
            f"{name}: duplicate rows",
            first,
            f"one row a {', '.join(table.keys)} and known_at",
            f"{double.height} rows are not alone. A correction needs a later known_at.",
        )
