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
from backcast.data.schema import INSTANT, Table

if TYPE_CHECKING:
    import duckdb


SQL_TYPES = {INSTANT: "TIMESTAMPTZ", pa.string(): "VARCHAR", pa.float64(): "DOUBLE", pa.int64(): "BIGINT",
             pa.bool_(): "BOOLEAN", pa.date32(): "DATE"}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The files of one table at one version: rows that nothing has superseded yet, rows that something has (both with
    `superseded_at`), and the tail of the log, which knows nothing of it. complete: whether the tail's files all have every
    column. end: no question about them sees a row that was known later; None for no such bound. columns, keys and order are
    lists for SQL."""

    table: Table
    current: tuple[Path, ...]
    superseded: tuple[Path, ...]
    tail: tuple[Path, ...]
    last_superseded_at: np.datetime64 | None = None
    complete: bool = True
    end: np.datetime64 | None = None

    def bounded(self, until: np.datetime64 | None) -> np.datetime64 | None:
        """The earlier of an instant and the end."""
        return min((at for at in (until, self.end) if at is not None), default=None)

    @property
    def columns(self) -> str:
        return ", ".join(quoted(name) for name in self.table.schema.names)

    @property
    def keys(self) -> str:
        return ", ".join(quoted(name) for name in self.table.keys)

    @property
    def order(self) -> str:
        """The order of key and known_at, in which no two rows are equal."""
        return ", ".join(quoted(name) for name in self.table.versioned)


@contextmanager
def connected(memory: str | None = None, scratch: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own, in UTC; beyond `memory` it spills into `scratch` (default: the system's folder of such)."""
    import duckdb

    with duckdb.connect(config=_pool()) as connection, _named_errors():
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = {text(memory)}")
            spill = scratch or Path(tempfile.gettempdir()) / f"backcast-spill-{os.getpid()}"
            connection.execute(f"SET temp_directory = {text(str(spill))}")
        yield connection


def _pool() -> dict[str, str | bool | int | float | list[str]]:
    """How many threads DuckDB has where the environment says so: it reads no variable of its own, so it follows OpenMP's, which
    a sweep sets in the processes of its jobs."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return {"threads": int(asked)} if asked.isascii() and asked.isdigit() and int(asked) else {}


_BASES: dict[int, duckdb.DuckDBPyConnection] = {}
"""The DuckDB of each process; one that a fork took along is dead, and must not be touched."""


@contextmanager
def shared() -> Iterator[duckdb.DuckDBPyConnection]:
    """`connected` for a question that sets and makes nothing: on this process's DuckDB, whose start is paid for once."""
    import duckdb

    base = _BASES.get(os.getpid())
    if base is None:
        base = _BASES[os.getpid()] = duckdb.connect(config=_pool())
        base.execute("SET preserve_insertion_order = false")
        base.execute("SET enable_progress_bar = false")
        base.execute(
            "SET enable_external_file_cache = false"
        )  # a file that is damaged meanwhile must not look whole
    with base.cursor() as connection, _named_errors():
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@contextmanager
def _named_errors() -> Iterator[None]:
    """Files that cannot be read, and a full disk, are errors of the user's."""
    import duckdb

    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        hint = "See `backcast store check`." if isinstance(error, duckdb.IOException) else ""
        raise InputError("store", str(error), "files that can be read, and room on the disk", hint) from error


def first(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The first row of an answer, None where it has none; the answer is read to its end, as DuckDB 2 asks for."""
    found = connection.execute(sql).fetchall()
    return found[0] if found else None


def ranges(connection: duckdb.DuckDBPyConnection, source: str, column: str, least: int) -> list[str]:
    """Conditions that split a source's rows into ranges of a column's values, each with at least so many rows but the last.

    Ranges, not hashes: files keep the least and the greatest value of each row group, so that each row is read about once.
    """
    name = quoted(column)
    counted = connection.execute(
        f"SELECT {name}::VARCHAR, count(*) FROM {source} GROUP BY {name} ORDER BY {name}"
    ).fetchall()
    ends, held = [], 0
    for value, count in counted[:-1]:
        held += count
        if held >= least:
            ends.append(value)
            held = 0
    bounds = [f"{name} <= {text(end)}" for end in ends] + (["true"] if counted else [])
    begins = ["true", *(f"{name} > {text(end)}" for end in ends)]
    return [f"{begin} AND {bound}" for begin, bound in zip(begins, bounds, strict=False)]


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
    return f"read_parquet({_listed(files)})"


def _listed(files: Sequence[Path]) -> str:
    return f"[{', '.join(text(str(f)) for f in files)}]"


def rows(files: Files, until: np.datetime64 | None = None) -> str:
    """Every version of every row, with `until` only those known by then."""
    until = files.bounded(until)
    copied = (*files.current, *files.superseded)
    bound = "" if until is None else f" WHERE known_at <= {instant(until)}"
    sources = [scan(copied)] if copied else []
    sources += [_tail(files)] if files.tail else []
    return " UNION ALL ".join(f"SELECT {files.columns} FROM {s}{bound}" for s in sources) or _nothing(
        files.table
    )


def _tail(files: Files) -> str:
    """The tail as a source of rows, with every column."""
    if files.complete:
        return scan(files.tail)
    return f"(FROM read_parquet({_listed(files.tail)}, union_by_name = true) UNION ALL BY NAME {_nothing(files.table)})"


def as_of(files: Files, at: np.datetime64) -> str:
    """Of each key the newest version known by an instant."""
    at = files.bounded(at) or at
    tail, copy = _newest(files, at), _copied(files, at)
    if tail is None or copy is None:
        return tail or copy or _nothing(files.table)
    same = matching("c", "t", files.table.keys)
    # Keys and known_at together are unique, so that one of the two is newer.
    return (
        f"SELECT {files.columns} FROM ({copy}) c "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({tail}) t WHERE {same} AND t.known_at > c.known_at) "
        f"UNION ALL SELECT {files.columns} FROM ({tail}) t "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({copy}) c WHERE {same} AND c.known_at > t.known_at)"
    )


def versions(files: Files, until: np.datetime64 | None = None, chosen: str = "true") -> str:
    """Every version of every row known by an instant, with `superseded_at` as it was known then; chosen: of some keys."""
    known = f"SELECT * FROM ({rows(files, until)}) WHERE {chosen}"
    return f"SELECT *, lead(known_at) OVER (PARTITION BY {files.keys} ORDER BY known_at) AS superseded_at FROM ({known})"


def first_known(files: Files, until: np.datetime64) -> str:
    """Of each key the first version ever known."""
    known = rows(files, until)
    return (
        f"SELECT * FROM ({known}) QUALIFY row_number() OVER (PARTITION BY {files.keys} ORDER BY known_at) = 1"
    )


def _newest(files: Files, at: np.datetime64) -> str | None:
    """The tail's newest version of each key."""
    if not files.tail:
        return None
    return (
        f"SELECT {files.columns} FROM {_tail(files)} WHERE known_at <= {instant(at)} "
        f"QUALIFY row_number() OVER (PARTITION BY {files.keys} ORDER BY known_at DESC) = 1"
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


def matching(left: str, right: str, names: Sequence[str]) -> str:
    """The condition that two rows agree in these columns."""
    return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in names)


def _nothing(table: Table) -> str:
    """No rows, with the columns' types."""
    columns = ", ".join(f"NULL::{SQL_TYPES[f.type]} AS {quoted(f.name)}" for f in table.schema)
    return f"SELECT {columns} WHERE false"
