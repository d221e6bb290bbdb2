"""SQL over the files of a table at a pinned version: all its versions of rows, or the newest of each key known by an instant.

A table is read from its read copy where there is one (`readcopy.py`) and from the log's files that the copy does not
hold yet, the tail. The answers are the same with a copy, without one, and half way.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from backcast.data.errors import InputError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Files:
    """The files of one table at one version: rows that nothing has superseded yet, rows that something has (both with
    `superseded_at`), and the tail of the log, which knows nothing of it."""

    schema: pa.Schema
    keys: tuple[str, ...]
    current: tuple[Path, ...]
    superseded: tuple[Path, ...]
    tail: tuple[Path, ...]
    last_superseded_at: np.datetime64 | None = None

    @property
    def columns(self) -> str:
        return ", ".join(quoted(name) for name in self.schema.names)


@contextmanager
def connected(memory: str | None = None, scratch: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own, in UTC; beyond `memory` it spills into `scratch` (default: the system's folder of such)."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = {text(memory)}")
            spill = scratch or Path(tempfile.gettempdir()) / f"backcast-spill-{os.getpid()}"
            connection.execute(f"SET temp_directory = {text(str(spill))}")
        try:
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            hint = "See `backcast store check`." if isinstance(error, duckdb.IOException) else ""
            raise InputError(
                "store", str(error), "files that can be read, and room on the disk", hint
            ) from error


def first(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The first row of an answer, None where it has none; the answer is read to its end, as DuckDB 2 asks for."""
    found = connection.execute(sql).fetchall()
    return found[0] if found else None


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def instant(at: np.datetime64) -> str:
    """An instant as an SQL literal."""
    return f"TIMESTAMPTZ {text(str(at.astype('datetime64[us]')) + '+00')}"


def scan(files: Sequence[Path]) -> str:
    """A source of rows: exactly these files, never a pattern."""
    return f"read_parquet([{', '.join(text(str(f)) for f in files)}])"


def rows(files: Files, until: np.datetime64 | None = None) -> str:
    """Every version of every row, with `until` only those known by then."""
    every = (*files.current, *files.superseded, *files.tail)
    if not every:
        return _nothing(files)
    bound = "" if until is None else f" WHERE known_at <= {instant(until)}"
    return f"SELECT {files.columns} FROM {scan(every)}{bound}"


def as_of(files: Files, at: np.datetime64) -> str:
    """Of each key the newest version known by an instant."""
    tail, copy = _newest(files, at), _copied(files, at)
    if tail is None or copy is None:
        return tail or copy or _nothing(files)
    same = " AND ".join(f"c.{quoted(k)} = t.{quoted(k)}" for k in files.keys)
    # Keys and known_at together are unique, so that one of the two is newer.
    return (
        f"SELECT {files.columns} FROM ({copy}) c "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({tail}) t WHERE {same} AND t.known_at > c.known_at) "
        f"UNION ALL SELECT {files.columns} FROM ({tail}) t "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({copy}) c WHERE {same} AND c.known_at > t.known_at)"
    )


def versions(files: Files, until: np.datetime64 | None = None) -> str:
    """Every version of every row known by an instant, with `superseded_at` as it was known then."""
    keys = ", ".join(quoted(k) for k in files.keys)
    known = rows(files, until)
    return f"SELECT *, lead(known_at) OVER (PARTITION BY {keys} ORDER BY known_at) AS superseded_at FROM ({known})"


def first_known(files: Files, until: np.datetime64) -> str:
    """Of each key the first version ever known."""
    keys = ", ".join(quoted(k) for k in files.keys)
    return f"{rows(files, until)} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY known_at) = 1"


def _newest(files: Files, at: np.datetime64) -> str | None:
    """The tail's newest version of each key."""
    if not files.tail:
        return None
    keys = ", ".join(quoted(k) for k in files.keys)
    return (
        f"SELECT {files.columns} FROM {scan(files.tail)} WHERE known_at <= {instant(at)} "
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY known_at DESC) = 1"
    )


def _copied(files: Files, at: np.datetime64) -> str | None:
    """The read copy as of an instant: one range predicate."""
    known = f"known_at <= {instant(at)}"
    parts = [f"SELECT {files.columns} FROM {scan(files.current)} WHERE {known}"] if files.current else []
    if files.superseded and (files.last_superseded_at is None or at < files.last_superseded_at):
        bound = f"{known} AND superseded_at > {instant(at)}"
        parts.append(f"SELECT {files.columns} FROM {scan(files.superseded)} WHERE {bound}")
    if not parts and files.superseded:  # a copy whose every row is superseded by the tail, by then
        return None
    return " UNION ALL ".join(parts) or None


def _nothing(files: Files) -> str:
    """No rows, with the columns' types."""
    kinds = {"timestamp": "TIMESTAMPTZ", "string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN"}
    columns = ", ".join(
        f"NULL::{next(v for k, v in kinds.items() if str(f.type).startswith(k))} AS {quoted(f.name)}"
        for f in files.schema
    )
    return f"SELECT {columns} WHERE false"
