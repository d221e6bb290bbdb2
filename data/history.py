"""What changed between two knowledge times, every version of a cell, and the batches that brought them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from backcast.data import query
from backcast.data.errors import InputError
from backcast.data.query import Files, connected, quoted, text
from backcast.data.store import Pin, Store

TIMES = ("known_at", "known_basis", "ingested_at", "batch")


def changes(
    store: Store, dataset: str, table: str, after: np.datetime64, until: np.datetime64, pin: Pin | None = None
) -> pl.DataFrame:
    """Every cell whose value became another between two knowledge times: (keys, column, old, new, known_at, batch).

    A cell is a value of a key; old is null where nothing was known. Values are shown as text, since columns differ in type.
    """
    if not after <= until:
        raise InputError("until", str(until), f"an instant at or after {after}")
    files = store.files(dataset, table, pin or store.version(dataset))
    keys = ", ".join(quoted(k) for k in files.keys)
    same = " AND ".join(f"n.{quoted(k)} = o.{quoted(k)}" for k in files.keys)
    own = ", ".join(f"n.{quoted(k)}" for k in files.keys)
    values = [c for c in files.schema.names if c not in (*files.keys, *TIMES)]
    touched = (
        f"SELECT DISTINCT {keys} FROM ({query.rows(files, until)}) WHERE known_at > {query.instant(after)}"
    )
    parts = [
        f'SELECT {own}, {text(v)} AS "column", o.{quoted(v)}::VARCHAR AS old, n.{quoted(v)}::VARCHAR AS new, '
        "n.known_at, n.batch "
        f"FROM now n JOIN touched USING ({keys}) LEFT JOIN before o ON {same} "
        f"WHERE n.known_at > {query.instant(after)} AND n.{quoted(v)} IS DISTINCT FROM o.{quoted(v)}"
        for v in values
    ]
    sql = (
        f"WITH touched AS ({touched}), now AS ({query.as_of(files, until)}), before AS ({query.as_of(files, after)}) "
        f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY ALL"
    )
    with connected() as connection:
        return connection.sql(sql).pl()


def cell(
    store: Store, dataset: str, table: str, key: Mapping[str, Any], pin: Pin | None = None
) -> pl.DataFrame:
    """Every version of the rows with these keys, oldest first, each with when it was known, until when (superseded_at, null
    for the newest), how (known_basis), and the batch and source that brought it."""
    pin = pin or store.version(dataset)
    files = store.files(dataset, table, pin)
    unknown = [k for k in key if k not in files.keys]
    if unknown or not key:
        raise InputError("key", dict(key), f"some of {', '.join(files.keys)}")
    chosen = " AND ".join(f"{quoted(k)} = ${k}" for k in key)
    with connected() as connection:
        found = connection.sql(
            f"SELECT * FROM ({query.versions(files)}) WHERE {chosen} ORDER BY {', '.join((*files.keys, 'known_at'))}",
            params=dict(key),
        ).pl()
    origin = {b["batch"]: b["source"] for b in batches(store, dataset, pin)}
    sources = pl.Series("source", [origin.get(b, "") for b in found["batch"]], dtype=pl.String)
    return found.with_columns(sources)


def batches(store: Store, dataset: str, pin: Pin | None = None) -> list[dict[str, Any]]:
    """The batches of a version, in the order in which they came: batch, source, files with their SHA-256, and rows."""
    found: dict[str, dict[str, Any]] = {}
    for table, entry in store.entries(dataset, pin or store.version(dataset)):
        facts = found.setdefault(entry.batch, {"batch": entry.batch, "tables": []})
        facts |= {"source": entry.facts.get("source", ""), "files": entry.facts.get("files", {})}
        facts["tables"].append(table)
    return list(found.values())


def views(files: Files, at: np.datetime64) -> dict[str, str]:
    """The views of one table that cannot see past an instant: as known then, first known, and every version."""
    return {
        "": query.as_of(files, at),
        "_first": query.first_known(files, at),
        "_versions": query.versions(files, at),
    }
