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
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from backcast.data.errors import InputError

FORMAT = 2
"""Of a segment. 1: a JSON file a record, without sessions, code and who told it. It is read as it is; what merges small
segments (`segments.py`) brings it forward."""

STARTED, DONE, FAILED = "started", "done", "failed"

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "trial": pa.string(),
        "outcome": pa.string(),
        "at": pa.timestamp("us", "UTC"),
        "config": pa.large_string(),
        "pin": pa.string(),
        "sharpe_per_session": pa.float64(),
        "first_session": pa.date32(),
        "last_session": pa.date32(),
        "sessions": pa.large_list(pa.date32()),
        "returns": pa.large_list(pa.float64()),
        "error": pa.string(),
        "code": pa.string(),
        "host": pa.string(),
        "process": pa.int64(),
        "launched": pa.string(),
    }
)
LISTS = ("sessions", "returns")
PERIOD = ("first_session", "last_session")
COLUMNS = tuple(SCHEMA.names)
PLAIN = tuple(name for name in COLUMNS if name not in LISTS)
"""All columns but the long ones."""

Row = dict[str, Any]
"""A record by column; what is absent is null. sessions and returns are arrays."""


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as a table of `SCHEMA`."""
    columns = [
        _lists([row.get(field.name) for row in rows], field.type)
        if field.name in LISTS
        else pa.array([row.get(field.name) for row in rows], field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _lists(values: Sequence[npt.NDArray[Any] | None], kind: Any) -> Any:
    """Arrays as a column of lists, without a Python object for each of their items."""
    none = np.array([value is None for value in values])
    offsets = np.r_[0, np.cumsum([0 if value is None else len(value) for value in values])]
    kept = [value for value in values if value is not None]
    items = np.concatenate(kept) if kept else np.empty(0, dtype=np.float64)
    flat = pa.array(items).cast(kind.value_type) if len(items) else pa.array([], kind.value_type)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat, mask=pa.array(none))


def row_of_json(path: Path) -> Row:
    """The record that a log of format 1 keeps in a file. Errors: InputError for a file that is torn; FileNotFoundError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        first, last = found.get("period") or (None, None)
        row = {
            "id": str(found["id"]),
            "trial": str(found["trial"]),
            "outcome": str(found["outcome"]),
            "at": datetime.fromtimestamp(int(found["id"].partition("-")[0]) / 1e9, UTC),
            "config": _json(found.get("config")),
            "pin": _json(found.get("pin")),
            "sharpe_per_session": found.get("sharpe_per_session"),
            "first_session": first and date.fromisoformat(first),
            "last_session": last and date.fromisoformat(last),
            "returns": np.array(found["returns"], dtype=np.float64) if "returns" in found else None,
            "error": found.get("error"),
        }
        table_of([row])
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise torn(path, error) from error
    return row


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


def empty(columns: Sequence[str]) -> pl.DataFrame:
    """No records."""
    return pl.DataFrame(pl.from_arrow(SCHEMA.empty_table().select(list(columns))))
