"""The read copy of a table: derived, rebuildable, sorted by key and known_at, with `superseded_at`.

Rows that nothing supersedes lie apart from superseded ones, each in files by ranges of keys, so that "as known at K" is one
range predicate (known_at <= K < superseded_at) and "as known now" reads the first alone. A copy holds one version of the
log, and says which; a pin before that version is answered from the log.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data.durable import digest, lease, read_sealed, sync, unused, write_sealed
from backcast.data.log import ROW_GROUP
from backcast.data.query import Files, connected, first, ranges, rows, text, versions

REBUILD = "Run `backcast store rebuild`."

RANGE = 4_000_000
"""Rows that are sorted in memory at a time."""

MEMORY = "1GB"
"""What building a copy takes at most before it spills to the disk."""


@dataclass(frozen=True)
class Copy:
    """A finished copy: the version of the log it holds, its files with their SHA-256, its rows and the last superseded_at."""

    version: int
    folder: Path
    digests: dict[str, str]
    rows: int
    last_superseded_at: np.datetime64 | None

    def files(self, kind: str) -> tuple[Path, ...]:
        """The files of current or of superseded rows, in the order of their keys."""
        return tuple(self.folder / name for name in sorted(self.digests) if name.startswith(f"{kind}-"))


class ReadCopies:
    """The copies of one table, in `.read/<table>` of its data set: the one named by `copy.json` and what was before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self) -> Copy | None:
        """The copy that readers use."""
        path = self.folder / "copy.json"
        if not path.exists():
            return None
        facts = read_sealed(path, REBUILD)
        last = facts["last_superseded_at"]
        return Copy(
            facts["version"], self.folder / facts["folder"], facts["digests"], facts["rows"],
            None if last is None else np.datetime64(last, "us"),
        )  # fmt: skip

    @contextmanager
    def leased(self) -> Iterator[Copy | None]:
        """The copy that readers use; as long as this lasts nobody removes it."""
        before = None
        while (copy := self.newest()) is not None and copy != before:
            before = copy
            with ExitStack() as held:
                try:
                    held.enter_context(lease(copy.folder))
                except FileNotFoundError:  # replaced and removed meanwhile; the same one again is damage
                    continue
                if copy.folder.is_dir():
                    yield copy
                    return
        yield copy

    def remove(self, folder: Path) -> bool:
        """Removes a copy that readers no longer use, unless one still does."""
        with unused(folder) as free:
            if free:
                shutil.rmtree(folder)
        return free

    def build(self, log: Files, version: int) -> Copy:
        """Makes the copy of a version from the log's files, in bounded memory; readers see the old one until it is whole."""
        folder = self.folder / f"{version}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        with connected(MEMORY, folder / "spill") as connection:
            count, last = _write(connection, log, folder)
        shutil.rmtree(folder / "spill", ignore_errors=True)
        files = sorted(folder.iterdir())
        for path in (*files, folder, self.folder):
            sync(path)
        facts = {
            "version": version,
            "folder": folder.name,
            "digests": {path.name: digest(path) for path in files},
            "rows": count,
            "last_superseded_at": None if last is None else str(last.replace(tzinfo=None).isoformat()),
        }
        write_sealed(self.folder / "copy.json", facts)
        made = self.newest()
        assert made is not None  # it was written just now
        return made

    def stale(self) -> list[Path]:
        """Copies that no reader has a lease of and none will, and what killed builders left."""
        newest, found = self.newest(), []
        for path in sorted(p for p in self.folder.glob("*") if p.is_dir()):
            with unused(path) as free:
                if free and (newest is None or path != newest.folder):
                    found.append(path)
        return found

    def damage(self, log: Files) -> list[str]:
        """What is wrong with the newest copy: hashes, order, or rows that are not those of the log's same version."""
        copy = self.newest()
        if copy is None:
            return []
        found = [
            f"{copy.folder / name}: its content is not what was written. {REBUILD}"
            for name, known in copy.digests.items()
            if not (copy.folder / name).is_file() or digest(copy.folder / name) != known
        ]
        if found or not copy.digests:
            return found
        with connected(MEMORY) as connection:
            both = " UNION ALL ".join(
                f"SELECT * FROM {text(str(copy.folder / name))}" for name in copy.digests
            )
            different = first(
                connection,
                f"SELECT (SELECT count(*) FROM ({both} EXCEPT ALL {versions(log)})) + "
                f"(SELECT count(*) FROM ({versions(log)} EXCEPT ALL ({both})))",
            )
        if different[0]:
            found.append(f"{copy.folder}: {different[0]} rows are not those of the log. {REBUILD}")
        return found


def _write(connection: Any, log: Files, folder: Path) -> tuple[int, datetime | None]:
    """Writes a copy's files, two for each range of keys; gives the number of rows and the last superseded_at.

    Sorting everything at once would spill all of it to the disk, twice over.
    """
    count, latest = 0, list[datetime]()
    for k, chosen in enumerate(ranges(connection, f"({rows(log)})", log.table.keys[0], RANGE)):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE part AS {versions(log, chosen=chosen)}")
        for kind, which in (("current", "IS NULL"), ("superseded", "IS NOT NULL")):
            own = f"FROM part WHERE superseded_at {which}"
            held, last = first(connection, f"SELECT count(*), max(superseded_at) {own}")
            count, latest = count + held, [*latest, *([last] if last else [])]
            if held:
                connection.execute(
                    f"COPY ({own} ORDER BY {log.order}) TO {text(str(folder / f'{kind}-{k:04d}.parquet'))} "
                    f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
                )
    return count, max(latest, default=None)
