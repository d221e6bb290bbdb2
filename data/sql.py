"""SQL over the store as it was known at an instant: DuckDB views that cannot see past it.

Each data set is a schema with its tables and, of each, `_first` (as first known) and `_versions` (every version known by
then, with `superseded_at`); `symbols` says which permanent symbol had which ticker. A query is one SELECT over these: it can
read no file, set nothing and write nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from backcast.data.catalog import Pin
from backcast.data.errors import InputError
from backcast.data.history import views
from backcast.data.query import connected, first, quoted, text
from backcast.data.store import Store
from backcast.data.views import symbols

if TYPE_CHECKING:
    import duckdb

FUNCTIONS = ("range", "generate_series", "unnest")
"""Table functions that read nothing."""


def select(
    store: Store, sql: str, at: np.datetime64, dataset: str | None = None, pin: Pin | None = None
) -> pl.DataFrame:
    """The answer of a SELECT as of an instant. Names without a schema are those of `dataset`, or of the only data set.

    Errors: InputError for anything but one SELECT over the views, and for what DuckDB says of it.
    """
    import duckdb

    names = [dataset] if dataset else store.datasets()
    with ExitStack() as leases, connected() as connection:
        for name in names:
            _define(connection, leases, store, name, pin or store.version(name), at)
            if "symbols" in sql and store.info(name).bar_fields:  # it costs a reading of all bars
                _tickers(connection, store, name, pin or store.version(name), at)
        if len(names) == 1:
            connection.execute(f"SET search_path = {text(names[0])}")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET lock_configuration = true")
        _refuse_all_but_select(connection, sql)
        try:
            return connection.sql(sql).pl()
        except duckdb.Error as error:
            raise InputError("sql", sql, "a SELECT over the views", str(error)) from error


def _define(
    connection: duckdb.DuckDBPyConnection,
    leases: ExitStack,
    store: Store,
    dataset: str,
    pin: Pin,
    at: np.datetime64,
) -> None:
    connection.execute(f"CREATE SCHEMA {quoted(dataset)}")
    for table in store.info(dataset).tables:
        files = leases.enter_context(store.reading(dataset, table, pin))
        for suffix, view in views(files, at).items():
            connection.execute(f"CREATE VIEW {quoted(dataset)}.{quoted(table + suffix)} AS {view}")


def _tickers(
    connection: duckdb.DuckDBPyConnection, store: Store, dataset: str, pin: Pin, at: np.datetime64
) -> None:
    """The table `symbols`: which permanent symbol had which ticker, and when."""
    connection.register("given", symbols(store, dataset, at, pin).to_arrow())
    connection.execute(f"CREATE TABLE {quoted(dataset)}.symbols AS SELECT * FROM given")
    connection.unregister("given")


def _refuse_all_but_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """One SELECT, and no name in it that is a file or a function that reads one."""
    parsed = json.loads(first(connection, f"SELECT json_serialize_sql({text(sql)}::VARCHAR)")[0])
    if parsed["error"] or len(parsed["statements"]) != 1:
        raise InputError("sql", sql, "one SELECT", str(parsed.get("error_message", "")))
    for node in _nodes(parsed["statements"][0]):
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"] not in FUNCTIONS:
            name = node["function"]["function_name"]
            raise InputError("sql", name, f"a view, or one of {', '.join(FUNCTIONS)}")
        table = node.get("table_name", "") if node.get("type") == "BASE_TABLE" else ""
        if not table.isidentifier() and table:
            raise InputError("sql", table, "the name of a view, not of a file")


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a parsed statement."""
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _nodes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes(value)
