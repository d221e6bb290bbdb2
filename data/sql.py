"""SQL over the store as it was known at an instant: DuckDB views that cannot see past it.

Each data set is a schema with its tables and, of each, `_first` (as first known) and `_versions` (every version known by
then, with `superseded_at`); `symbols` says which permanent symbol had which ticker. A query is one SELECT over these: it can
read no file, set nothing and write nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from backcast.data.catalog import Pin
from backcast.data.errors import BackcastError, InputError
from backcast.data.history import views
from backcast.data.query import connected, first, quoted, text
from backcast.data.store import Store
from backcast.data.views import symbols

if TYPE_CHECKING:
    import duckdb

CATALOGUES = ("duckdb_", "pragma_", "sqlite_", "pg_")
"""What DuckDB's own views, which name files, begin with."""

FUNCTIONS = ("range", "generate_series", "unnest")
"""Table functions that read nothing."""


def select(
    store: Store, sql: str, asked: np.datetime64 | None, dataset: str | None = None, pin: Pin | None = None
) -> pl.DataFrame:
    """The answer of a SELECT as of the instant that was asked for (None: the newest). Names without a schema are those of
    `dataset`, or of the only data set.

    Errors: InputError for anything but one SELECT over the views, and for what DuckDB says of it.
    """
    with ExitStack() as leases, connected() as connection:
        statement = parsed(connection, sql)
        read = mentioned(statement)
        schemas = {schema for schema, _ in read}
        names = [dataset] if dataset else _readable(store, schemas)
        files: list[Path] = []
        for name in names:
            at_version, told = pin or store.version(name), len(names) == 1 or name in schemas
            at = store.moment(name, asked) if told else np.datetime64("now", "us")
            files += _define(connection, leases, store, name, at_version, at)
            if any(table == "symbols" for _, table in read) and store.info(name).bar_fields:
                _tickers(connection, store, name, at_version, at)
        if len(names) == 1:
            connection.execute(f"SET search_path = {text(names[0])}")
        return answer(connection, sql, statement, set(names), files)


def answer(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    statement: dict[str, Any],
    schemas: set[str],
    files: Sequence[Path] = (),
) -> pl.DataFrame:
    """The answer of a parsed SELECT (`parsed`) over what a connection has in these schemas, which reads no other file.

    The connection is locked for good. Errors: InputError, also for what DuckDB says of it.
    """
    import duckdb
    import polars.exceptions as plx

    connection.execute(f"SET allowed_paths = [{', '.join(text(str(path)) for path in files)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET lock_configuration = true")
    _refuse_files(statement, schemas)
    try:
        return connection.sql(sql).pl()
    except (duckdb.Error, plx.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("sql", sql, "a SELECT over the views", reason) from error


def _readable(store: Store, mentioned: set[str]) -> list[str]:
    """The data sets that have rows; a damaged one that is not asked for hides no other."""
    found = []
    for name in store.names():
        try:
            if any(store.version(name).values()):
                found.append(name)
        except BackcastError:
            if name in mentioned:
                raise
    return found


def _define(
    connection: duckdb.DuckDBPyConnection,
    leases: ExitStack,
    store: Store,
    dataset: str,
    pin: Pin,
    at: np.datetime64,
) -> list[Path]:
    """Makes the views of a data set; gives the files that they read."""
    connection.execute(f"CREATE SCHEMA {quoted(dataset)}")
    read: list[Path] = []
    for table in store.info(dataset).tables:
        files = leases.enter_context(store.reading(dataset, table, pin))
        read += [*files.current, *files.superseded, *files.tail]
        for suffix, view in views(files, at).items():
            connection.execute(f"CREATE VIEW {quoted(dataset)}.{quoted(table + suffix)} AS {view}")
    return read


def _tickers(
    connection: duckdb.DuckDBPyConnection, store: Store, dataset: str, pin: Pin, at: np.datetime64
) -> None:
    """The table `symbols`: which permanent symbol had which ticker, and when."""
    connection.register("given", symbols(store, dataset, at, pin).to_arrow())
    connection.execute(f"CREATE TABLE {quoted(dataset)}.symbols AS SELECT * FROM given")
    connection.unregister("given")


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The parsed statement. Errors: InputError for anything but one SELECT."""
    try:
        found = json.loads(first(connection, f"SELECT json_serialize_sql({text(sql)}::VARCHAR)")[0])
    except (RuntimeError, ValueError) as error:  # text that is no Unicode
        raise InputError("sql", sql, "one SELECT", str(error).splitlines()[0]) from error
    if found["error"] or len(found["statements"]) != 1:
        raise InputError("sql", sql, "one SELECT", str(found.get("error_message", "")))
    statement: dict[str, Any] = found["statements"][0]
    return statement


def mentioned(statement: dict[str, Any]) -> set[tuple[str, str]]:
    """Schema and name, in small letters, of every table that a parsed statement names."""
    return {
        (str(n["schema_name"]), str(n["table_name"]).lower()) for n in _nodes(statement) if "table_name" in n
    }


def _refuse_files(statement: dict[str, Any], names: set[str]) -> None:
    """No name in the statement is a file, or a function that reads one."""
    for node in _nodes(statement):
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"] not in FUNCTIONS:
            name = node["function"]["function_name"]
            raise InputError("sql", name, f"a view, or one of {', '.join(FUNCTIONS)}")
        if node.get("type") == "BASE_TABLE":
            parts = [str(node.get(key) or "") for key in ("catalog_name", "schema_name", "table_name")]
            foreign = parts[0] or parts[1] not in {"", *names} or parts[2].lower().startswith(CATALOGUES)
            if foreign or not (parts[2].isidentifier() or not parts[2]):
                raise InputError("sql", ".".join(filter(None, parts)), "the name of a view, not of a file")


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a parsed statement."""
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _nodes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes(value)
