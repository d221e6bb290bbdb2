"""The append-only store: one Delta table a table of a data set, read at a pinned version.

Order of an append: the Parquet file is written and synced, then the Delta commit that names it, then the commit file and
its folder are synced; only then is it acknowledged. (deltalake itself syncs nothing.) A batch id is recorded in the
commit as an application transaction, so that a batch that is repeated, or was cut off between tables, changes nothing twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backcast.data.durable import sync, write_text
from backcast.data.errors import InputError, StaleDataError
from backcast.data.schema import KEYS, TABLES, DatasetInfo, check_name, validate

FORMAT = 1


def home() -> Path:
    """Where state lives: `BACKCAST_HOME`, else the nearest `.backcast` folder upward, else `~/.backcast`."""
    named = os.environ.get("BACKCAST_HOME")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd()
    found = [p / ".backcast" for p in (here, *here.parents) if (p / ".backcast").is_dir()]
    return found[0] if found else Path.home() / ".backcast"


class Store:
    """The data sets under one home."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "store"

    def datasets(self) -> list[str]:
        """The names of the data sets that have rows."""
        return sorted(p.parent.name for p in self.folder.glob("*/dataset.json"))

    def create(self, info: DatasetInfo) -> None:
        """Makes the empty tables of a data set; where it is there already its facts must be the same."""
        folder = self.folder / info.name
        with _locked(folder):
            if (folder / "dataset.json").exists():
                held = self.info(info.name)
                if held != info:
                    changed = [k for k, v in info.to_json().items() if held.to_json()[k] != v]
                    raise InputError(
                        f"dataset.{changed[0]}",
                        info.to_json()[changed[0]],
                        f"{held.to_json()[changed[0]]!r}",
                        f"The data set {info.name} is in the store with it; choose another dataset.name.",
                    )
                return
            from deltalake import DeltaTable

            for name, schema in TABLES.items():
                DeltaTable.create(str(folder / name), schema, mode="ignore")
                _sync_tree(folder / name)
            content = {"format": FORMAT, "lineage": uuid.uuid4().hex, "info": info.to_json()}
            write_text(folder / "dataset.json", json.dumps(content, indent=1, sort_keys=True))

    def info(self, dataset: str) -> DatasetInfo:
        """What holds for the whole data set."""
        return DatasetInfo.from_json(self._facts(dataset)["info"])

    def lineage(self, dataset: str) -> str:
        """The identity of the data set, the same over all its versions: what the trial log belongs to."""
        return str(self._facts(dataset)["lineage"])

    def version(self, dataset: str) -> dict[str, int]:
        """The present version of each table: a pin."""
        self._facts(dataset)
        return {name: self._table(dataset, name).version() for name in TABLES}

    def append(self, dataset: str, table: str, rows: pa.Table, batch: str) -> int:
        """Appends the rows that are new, durably, and gives their number.

        A batch that was appended before changes nothing; neither does a row that is there already. Errors: InputError for
        rows that break the schema, or that differ from a stored row with the same key and known_at: a correction
        needs a later known_at.
        """
        validate(table, rows)
        with _locked(self.folder / dataset):
            delta = self._table(dataset, table)
            if delta.transaction_version(batch) is not None:
                return 0
            new = self._new_rows(dataset, table, rows, delta.version())
            if new.num_rows:
                _commit(delta, self.folder / dataset / table, new, batch)
            return int(new.num_rows)

    def read(
        self, dataset: str, table: str, pin: dict[str, int], until: np.datetime64 | None = None
    ) -> pa.Table:
        """The rows of a pinned version, with `until` only those known by then, in the order of key and known_at."""
        import duckdb

        files = [_path(uri) for uri in self._table(dataset, table, pin[table]).file_uris()]
        if not files:
            return TABLES[table].empty_table()
        bound = "" if until is None else "WHERE known_at <= $until"
        order = ", ".join((*KEYS[table], "known_at"))
        columns = ", ".join(TABLES[table].names)
        values: dict[str, Any] = {"files": files}
        if until is not None:
            values["until"] = _aware(until)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            query = f"SELECT {columns} FROM read_parquet($files) {bound} ORDER BY {order}"
            rows: pa.Table = connection.sql(query, params=values).to_arrow_table()
        return rows.cast(TABLES[table])

    def check(self, dataset: str, table: str, rows: pa.Table) -> None:
        """Nothing in the rows contradicts what is stored. Errors: InputError as in `append`, which writes besides."""
        validate(table, rows)
        self._new_rows(dataset, table, rows, self._table(dataset, table).version())

    def items(self, dataset: str, pin: dict[str, int]) -> tuple[str, ...]:
        """The items of a pinned version's facts, sorted: its columns, as it were, whatever was known when."""
        import duckdb

        files = [_path(uri) for uri in self._table(dataset, "facts", pin["facts"]).file_uris()]
        if not files:
            return ()
        with duckdb.connect() as connection:
            found = connection.execute(
                "SELECT DISTINCT item FROM read_parquet($files) ORDER BY item", {"files": files}
            )
            return tuple(row[0] for row in found.fetchall())

    def _new_rows(self, dataset: str, table: str, rows: pa.Table, version: int) -> pa.Table:
        """The rows that are not stored yet, sorted. Errors: InputError for one that contradicts a stored row."""
        import polars as pl

        keys = [*KEYS[table], "known_at"]
        values = [c for c in TABLES[table].names if c not in (*keys, "ingested_at", "batch", "known_basis")]
        given = pl.DataFrame(rows)
        held = pl.DataFrame(self.read(dataset, table, {table: version}))
        if held.height:
            both = given.join(held, on=keys, how="inner", suffix="_held")
            differs = both.filter(
                pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_held")) for c in values)
            )
            if differs.height:
                first = differs.row(0, named=True)
                raise InputError(
                    f"{table} row {[str(first[k]) for k in keys]}",
                    {c: first[c] for c in values},
                    f"the stored values { {c: first[f'{c}_held'] for c in values} }",
                    "A correction needs a later known_at.",
                )
            given = given.join(held, on=keys, how="anti")
        return given.sort(keys).to_arrow().cast(TABLES[table])

    def _facts(self, dataset: str) -> dict[str, Any]:
        path = self.folder / check_name(dataset) / "dataset.json"
        if not path.exists():
            raise StaleDataError(
                f"The data set {dataset} is not in the store. Run `backcast ingest dataset={dataset}`."
            )
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(
                str(path), str(error), "the data set's facts", "Restore the file from a backup."
            ) from error
        if facts.get("format") != FORMAT:
            raise InputError(
                f"{path} format", facts.get("format"), f"{FORMAT}", "It was written by another version."
            )
        return facts

    def _table(self, dataset: str, table: str, version: int | None = None) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        path = self.folder / dataset / table
        try:
            return DeltaTable(str(path), version=version)
        except (DeltaError, OSError) as error:
            raise InputError(str(path), version, "a readable version of the table", str(error)) from error


def _commit(delta: Any, folder: Path, rows: pa.Table, batch: str) -> None:
    from deltalake import CommitProperties, Transaction
    from deltalake.transaction import AddAction

    name = f"part-{uuid.uuid4().hex}.parquet"
    pq.write_table(rows, folder / name, compression="zstd")
    sync(folder / name)
    sync(folder)
    size = (folder / name).stat().st_size
    stats = json.dumps({"numRecords": rows.num_rows})
    action = AddAction(name, size, {}, int(time.time() * 1000), True, stats)
    properties = CommitProperties(app_transactions=[Transaction(batch, 1)])
    delta.create_write_transaction([action], "append", rows.schema, commit_properties=properties)
    log = folder / "_delta_log"
    for path in sorted(log.iterdir())[-2:]:
        sync(path)
    sync(log)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time for each data set; readers need no lock."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError("BACKCAST_HOME", str(folder), "a folder that can be written", str(error)) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _path(uri: str) -> str:
    return uri.removeprefix("file://")


def _aware(instant: np.datetime64) -> datetime:
    return instant.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)


def _sync_tree(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        sync(path)
