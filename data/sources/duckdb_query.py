"""The answer of a query to a DuckDB database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from backcast.data.errors import InputError
from backcast.data.sources.base import Batch
from backcast.data.sources.files import PART
from backcast.data.sources.tabular import FROM_ROW, Tabular


@dataclass(frozen=True, kw_only=True, eq=False)
class DuckDBQuery(Tabular):
    """database: a DuckDB file, opened read-only; query: gives the bars; actions, membership, facts, and the `query` of each
    declared table: give the other tables. The other keys are those of `Tabular`. It is the user's own database and query:
    what it can read, it reads."""

    database: str
    query: str | None = None
    actions: str | None = None
    membership: str | None = None
    facts: str | None = None

    rows_key: ClassVar[str] = "query"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.database, str) or not Path(self.database).expanduser().is_file():
            raise InputError("dataset.database", self.database, "a DuckDB file")
        for table, value in self._queries().items():
            if not isinstance(value, str) or not value.strip():
                raise InputError(_parameter(table), value, "an SQL query")
        if not self._queries():
            raise InputError("dataset.query", None, "an SQL query")

    def _queries(self) -> dict[str, str]:
        tables = {
            "bars": self.query,
            "actions": self.actions,
            "membership": self.membership,
            "facts": self.facts,
            **self._rows_of_tables(),
        }
        return {k: v for k, v in tables.items() if v is not None}

    def parts(self) -> Iterator[Batch]:
        """Part by part; the batch is the content of the answers, which are asked for twice."""
        content = hashlib.sha256()
        for table, _, part in self.frames():
            content.update(table.encode())
            content.update(int(part.hash_rows(seed=0).cast(pl.UInt64).sum() or 0).to_bytes(16, "little"))
        given = {f.name: str(getattr(self, f.name)) for f in fields_of(self)}
        content.update(json.dumps(given, sort_keys=True).encode())
        return self.streamed(content.hexdigest())

    def origin(self) -> dict[str, Any]:
        """The database and the queries."""
        return {**super().origin(), "database": self.database, "queries": self._queries()}

    def frames(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        import duckdb

        try:
            with duckdb.connect(str(Path(self.database).expanduser()), read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                for table, query in self._queries().items():
                    row = 0
                    for record in connection.sql(query).fetch_arrow_reader(PART):
                        part = pl.DataFrame(pl.from_arrow(record))
                        yield table, _parameter(table) + (f"{FROM_ROW}{row + 1}" if row else ""), part
                        row += part.height
        except duckdb.Error as error:
            raise InputError(
                "dataset.database", self.database, "a database that answers", str(error)
            ) from error


def _parameter(table: str) -> str:
    """The key of the configuration that holds a table's query."""
    return "dataset.query" if table == "bars" else f"dataset.{table}"
