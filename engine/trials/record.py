"""What a record of the trial log holds, and how it is laid out: Parquet now (format 2), a JSON object in older logs (format 1).

id                  instant at which it landed, in ns since 1970, and a random part: unique, and in order
trial               hash of the configuration
outcome             started, done or failed
at                  when it was told, UTC
config, pin         of a start: the redacted configuration, and the pinned version of each table, as JSON
sharpe_per_session  of an end: null where undefined
first_session, last_session   that it covers
sessions, returns   each session and its net return
error               why it failed
code                package version and git commit
host, process       who told it
launched            run, sweep, grid or python
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Floats

FORMAT = 2
"""Of a segment. 1: a JSON file a record, without sessions, code and who told it. It is read as it is; what merges small
segments (`segments.py`) brings it forward."""

STARTED, DONE, FAILED = "started", "done", "failed"

SCHEMA = {
    "id": pl.String(),
    "trial": pl.String(),
    "outcome": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "config": pl.String(),
    "pin": pl.String(),
    "sharpe_per_session": pl.Float64(),
    "first_session": pl.Date(),
    "last_session": pl.Date(),
    "sessions": pl.List(pl.Date()),
    "returns": pl.List(pl.Float64()),
    "error": pl.String(),
    "code": pl.String(),
    "host": pl.String(),
    "process": pl.Int64(),
    "launched": pl.String(),
}
LISTS = ("sessions", "returns")
PERIOD = ("first_session", "last_session")
COLUMNS = tuple(SCHEMA)
PLAIN = tuple(name for name in COLUMNS if name not in LISTS)
"""All columns but the long ones."""

Row = dict[str, Any]
"""A record by column; what is absent is null. sessions and returns are arrays."""


def table_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as a table of `SCHEMA`. Errors: polars' and TypeError, for values of another kind."""
    return pl.DataFrame([_column([row.get(name) for row in rows], name) for name in SCHEMA])


def _column(values: list[Any], name: str) -> pl.Series:
    if name not in LISTS:
        return pl.Series(name, values, SCHEMA[name])
    # Series without a type given, and cast as one: polars looks at each item otherwise.
    return pl.Series(name, [None if v is None else pl.Series(v) for v in values]).cast(SCHEMA[name])


def row_of_json(path: Path) -> Row:
    """The record that a log of format 1 keeps in a file. Errors: InputError for a file that is torn; FileNotFoundError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        first, last = found.get("period") or (None, None)
        sharpe, error = found.get("sharpe_per_session"), found.get("error")
        row = {
            "id": str(found["id"]),
            "trial": str(found["trial"]),
            "outcome": str(found["outcome"]),
            "at": datetime.fromtimestamp(int(found["id"].partition("-")[0]) / 1e9, UTC),
            "config": _json(found.get("config")),
            "pin": _json(found.get("pin")),
            "sharpe_per_session": None if sharpe is None else float(sharpe),
            "first_session": first and date.fromisoformat(first),
            "last_session": last and date.fromisoformat(last),
            "returns": _numbers(found["returns"]) if "returns" in found else None,
            "error": None if error is None else str(error),
        }
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise torn(path, cause) from cause
    return row


def _numbers(values: Any) -> Floats:
    made: Floats = np.array(values, dtype=np.float64)
    if made.ndim != 1:
        raise ValueError("returns that are no list of numbers")
    return made


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def torn(path: Path, error: object) -> InputError:
    """The one error for a file of the log that cannot be read: without it the number of trials is not known."""
    return InputError(
        str(path),
        str(error),
        "a whole record of the trial log",
        "Restore the file from a backup: without it the number of trials is not known.",
    )


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A record as `TrialLog.records` gives it: configuration and pin parsed, the period a pair of ISO dates."""
    made = {name: value for name, value in row.items() if name not in PERIOD}
    for name in ("config", "pin"):
        if made.get(name) is not None:
            made[name] = json.loads(made[name])
    if PERIOD[0] in row:
        ends = [row[name] for name in PERIOD]
        made["period"] = None if None in ends else [str(end) for end in ends]
    return made
