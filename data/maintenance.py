"""Keeping a store: what is damaged, and what nothing needs any more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from backcast.data import query
from backcast.data.catalog import Pin
from backcast.data.errors import BackcastError, InputError
from backcast.data.query import connected
from backcast.data.readcopy import ReadCopies
from backcast.data.store import Store

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
    for table in store.info(dataset).logs:
        try:
            found += _table_damage(store, dataset, table, pin)
        except BackcastError as error:
            found.append(str(error))
    return found


def garbage(store: Store, dataset: str, older_than: float = HOUR) -> list[Garbage]:
    """What killed writers, rebuilt copies and removed runs left, if it is older than so many seconds and nobody reads it.

    No version of the logs is garbage: what a run, a model or a snapshot pins is a part of what came after it.
    """
    pin, folder = store.version(dataset), store.folder / dataset
    found: list[tuple[Path, str]] = []
    for table in store.info(dataset).logs:
        log = store.log(dataset, table)
        found += [(p, "no commit names it") for p in log.orphans(pin.get(table, 0))]
        found += [
            (p, "cut off before it was acknowledged")
            for p in (log.folder / "_delta_log").glob(".unfinished-*")
        ]
        found += [(p, "an older read copy") for p in store.copies(dataset, table).stale()]
    found += [(p, "left by a killed writer") for p in folder.rglob("*.partial")]
    found += [(p, f"the pin of {h.name}, which is gone") for p, h in store.holders(dataset) if not h.present]
    return _older(found, older_than)


def dropped(store: Store, older_than: float = HOUR) -> list[Garbage]:
    """The data sets that were dropped so many seconds ago."""
    return _older([(p, "a data set that was dropped") for p in store.dropped()], older_than)


def collect_garbage(store: Store, dataset: str, older_than: float = HOUR) -> list[Garbage]:
    """Removes it while no writer and no builder is at work; gives what was removed."""
    with store.exclusive(dataset):
        return [item for item in garbage(store, dataset, older_than) if _removed(item.path)]


def collect_dropped(store: Store, older_than: float = HOUR) -> list[Garbage]:
    """Removes data sets that were dropped; gives what was removed."""
    return [item for item in dropped(store, older_than) if _removed(item.path)]


def _older(found: list[tuple[Path, str]], seconds: float) -> list[Garbage]:
    now = time.time()
    return [
        Garbage(path, _size(path), reason) for path, reason in found if now - path.stat().st_ctime > seconds
    ]


def _removed(path: Path) -> bool:
    """Removes a file or a folder, unless a reader has a lease of it."""
    if path.is_dir():
        return ReadCopies(path.parent).remove(path)
    path.unlink(missing_ok=True)
    return True


def export(store: Store, dataset: str, table: str, target: Path, pin: Pin) -> int:
    """Writes every version of a table's rows to one Parquet file and gives their number."""
    if target.exists():
        raise InputError("FILE", str(target), "a name that is free")
    if not target.parent.is_dir():
        raise InputError("FILE", str(target), "a file in a folder that exists")
    partial = target.with_name(f".{target.name}.partial")
    with store.reading(dataset, table, pin) as files, connected("1GB") as connection:
        rows = query.versions(files)
        copied = query.first(
            connection,
            f"COPY (SELECT * FROM ({rows}) ORDER BY {files.order}) TO {query.text(str(partial))} "
            "(FORMAT parquet, COMPRESSION zstd)",
        )
    partial.rename(target)
    return int(copied[0])


def _table_damage(store: Store, dataset: str, table: str, pin: Pin) -> list[str]:
    log = store.log(dataset, table)
    found = log.damage(pin.get(table, 0), store.seals(dataset).get(table))
    if found or table not in store.info(dataset).tables or not pin.get(table):
        return found
    files = store.log_files(dataset, table, pin[table])
    with connected("1GB") as connection:
        twice = f"SELECT count(*) FROM (SELECT 1 FROM ({query.rows(files)}) GROUP BY {files.order} HAVING count(*) > 1)"
        double = query.first(connection, twice)[0]
    if double:
        found.append(f"{log.folder}: {double} keys are there twice at one known_at")
    copies = store.copies(dataset, table)
    copy = copies.newest()
    return found + (copies.damage(store.log_files(dataset, table, copy.version)) if copy else [])


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size
