"""Keeping a store: what is damaged, and what nothing needs any more."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from backcast.data import query
from backcast.data.errors import BackcastError, InputError
from backcast.data.query import Files, connected, quoted
from backcast.data.schema import KEYS, LOGS, TABLES
from backcast.data.store import Pin, Store

HOUR = 3600.0


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing names, its size in bytes and why it may go."""

    path: Path
    size: int
    reason: str


def damage(store: Store, dataset: str) -> list[str]:
    """Everything that is wrong with a data set, each with where and what: hashes, sizes, commits, keys, read copies."""
    try:
        pin = store.version(dataset)
        store.info(dataset)
        for name in store.snapshots(dataset):
            store.version(dataset, name)
    except BackcastError as error:
        return [str(error)]
    found: list[str] = []
    for table in LOGS:
        try:
            found += _table_damage(store, dataset, table, pin)
        except BackcastError as error:
            found.append(str(error))
    return found


def garbage(store: Store, dataset: str, older_than: float = HOUR) -> list[Garbage]:
    """What killed writers and rebuilt copies left, if it is older than so many seconds: a reader may still be at it."""
    pin, folder = store.version(dataset), store.folder / dataset
    found: list[tuple[Path, str]] = []
    for table in LOGS:
        log = store.log(dataset, table)
        found += [(p, "no commit names it") for p in log.orphans(pin.get(table, 0))]
        found += [
            (p, "cut off before it was acknowledged")
            for p in (log.folder / "_delta_log").glob(".unfinished-*")
        ]
        found += [(p, "an older read copy") for p in store.copies(dataset, table).stale()]
    found += [(p, "left by a killed writer") for p in folder.rglob("*.partial")]
    now = time.time()
    return [
        Garbage(path, _size(path), reason)
        for path, reason in found
        if now - path.stat().st_mtime > older_than
    ]


def collect_garbage(store: Store, dataset: str, older_than: float = HOUR) -> list[Garbage]:
    """Removes it while no writer and no builder is at work; gives what was removed."""
    with store.exclusive(dataset):
        found = garbage(store, dataset, older_than)
        for item in found:
            shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
    return found


def export(store: Store, dataset: str, table: str, target: Path, pin: Pin) -> int:
    """Writes every version of a table's rows to one Parquet file and gives their number."""
    if target.exists():
        raise InputError("FILE", str(target), "a name that is free")
    partial = target.with_name(f".{target.name}.partial")
    order = ", ".join(quoted(k) for k in (*KEYS[table], "known_at"))
    with connected("1GB") as connection:
        rows = query.versions(store.files(dataset, table, pin))
        copied = query.first(
            connection,
            f"COPY ({rows} ORDER BY {order}) TO {query.text(str(partial))} (FORMAT parquet, COMPRESSION zstd)",
        )
    partial.rename(target)
    return int(copied[0])


def _table_damage(store: Store, dataset: str, table: str, pin: Pin) -> list[str]:
    log = store.log(dataset, table)
    found = log.damage(pin.get(table, 0), store.seals(dataset).get(table))
    parts = log.parts(pin[table]) if pin.get(table) else []
    if found or table not in TABLES or not parts:
        return found
    files = Files(TABLES[table], KEYS[table], (), (), tuple(p.path for p in parts))
    keys = ", ".join(quoted(k) for k in (*KEYS[table], "known_at"))
    with connected("1GB") as connection:
        twice = (
            f"SELECT count(*) FROM (SELECT 1 FROM ({query.rows(files)}) GROUP BY {keys} HAVING count(*) > 1)"
        )
        double = query.first(connection, twice)[0]
    if double:
        found.append(f"{log.folder}: {double} keys are there twice at one known_at")
    return found + store.copies(dataset, table).damage(_at_copy(store, dataset, table, files))


def _at_copy(store: Store, dataset: str, table: str, files: Files) -> Files:
    """The log's files at the version that the read copy holds."""
    copy = store.copies(dataset, table).newest()
    if copy is None:
        return files
    held = tuple(p.path for p in store.log(dataset, table).parts(copy.version))
    return Files(files.schema, files.keys, (), (), held)


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size
