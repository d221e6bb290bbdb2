"""What changed between two knowledge times, every version of a cell, and the batches that brought them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from backcast.data import query
from backcast.data.catalog import Pin
from backcast.data.errors import InputError
from backcast.data.query import Files, quoted, shared, text
from backcast.data.store import Store


def changes(
    store: Store, dataset: str, table: str, after: np.datetime64, until: np.datetime64, pin: Pin | None = None
) -> pl.DataFrame:
    """Every cell whose value became another between two knowledge times: (keys, column, old, new, known_at, batch).

    A cell is a value of a key; old is null where nothing was known. Values are shown as text, since columns differ in type.
    """
    if not after <= until:
        raise InputError("until", str(until), f"an instant at or after {after}")
    with store.reading(dataset, table, pin or store.version(dataset)) as files, shared() as connection:
        return connection.sql(_changes(files, after, until)).pl()


def _changes(files: Files, after: np.datetime64, until: np.datetime64) -> str:
    own = ", ".join(f"n.{quoted(k)}" for k in files.table.keys)
    same, late = query.matching("n", "o", files.table.keys), f"known_at > {query.instant(after)}"
    touched = f"SELECT DISTINCT {files.keys} FROM ({query.rows(files, until)}) WHERE {late}"
    parts = [
        f'SELECT {own}, {text(v)} AS "column", o.{quoted(v)}::VARCHAR AS old, n.{quoted(v)}::VARCHAR AS new, '
        "n.known_at, n.batch "
        f"FROM now n JOIN touched USING ({files.keys}) LEFT JOIN before o ON {same} "
        f"WHERE n.{late} AND n.{quoted(v)} IS DISTINCT FROM o.{quoted(v)}"
        for v in files.table.values
    ]
    return (
        f"WITH touched AS ({touched}), now AS ({query.as_of(files, until)}), before AS ({query.as_of(files, after)}) "
        f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY ALL"
    )


def cell(
    store: Store,
    dataset: str,
    table: str,
    key: Mapping[str, Any],
    at: np.datetime64 | None = None,
    pin: Pin | None = None,
) -> pl.DataFrame:
    """Every version of the rows with these keys, oldest first, each with when it was known, until when (superseded_at, null
    for the newest), how (known_basis), and the batch and source that brought it.

    view: which of them is the `first` known, the one `as known` at an instant (default: now), and the `last`.
    """
    pin = pin or store.version(dataset)
    keys = store.info(dataset).table(table).keys
    if not key or not set(key) <= set(keys):
        raise InputError("key", dict(key), f"some of {', '.join(keys)}")
    chosen = " AND ".join(f"{quoted(k)} = ${k}" for k in key)
    with store.reading(dataset, table, pin) as files, shared() as connection:
        found = connection.sql(
            f"SELECT * FROM ({query.versions(files)}) WHERE {chosen} ORDER BY {files.order}", params=dict(key)
        ).pl()
    origin = {b["batch"]: b["source"] for b in batches(store, dataset, pin)}
    sources = pl.Series("source", [origin.get(b, "") for b in found["batch"]], dtype=pl.String)
    first = pl.col("known_at") == pl.col("known_at").min().over(keys)
    now = pl.lit(at or np.datetime64("now", "us")).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    current = (pl.col("known_at") <= now) & (
        pl.col("superseded_at").is_null() | (pl.col("superseded_at") > now)
    )
    last = pl.col("superseded_at").is_null()
    names = [pl.when(c).then(pl.lit(n)) for c, n in ((first, "first"), (current, "as known"), (last, "last"))]
    return found.with_columns(sources, pl.concat_str(names, separator=", ", ignore_nulls=True).alias("view"))


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
