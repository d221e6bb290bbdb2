"""The append-only log of one table: Parquet files, committed through Delta Lake, nothing ever rewritten.

1. Rows are staged: written as Parquet files named after their own SHA-256, and synced. Nobody sees them yet.
2. A commit names staged files, with the batch that brought them and what is known of it, and is synced.
3. Whether a commit counts is not decided here: the data set's head (`store.py`) says up to which version it does. What
   lies beyond the head was never acknowledged, torn or whole, and is set aside before the next commit.

deltalake itself syncs nothing, and by default deletes log entries after 30 days: both are taken care of here.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backcast.data.durable import digest, sync
from backcast.data.errors import InputError

KEEP_FOR_EVER = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
CHECKPOINT_EVERY = 20
"""Commits between two checkpoints of Delta: what opening a table has to replay at most."""

ROW_GROUP = 131_072


@dataclass(frozen=True)
class Part:
    """One Parquet file: its rows, its size in bytes, and the first and last event_at in it (None where nobody noted them)."""

    path: Path
    rows: int
    size: int
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None

    def meets(self, other: Part) -> bool:
        """Whether both may hold the same event_at."""
        if self.first is None or self.last is None or other.first is None or other.last is None:
            return True
        return bool(self.first <= other.last and other.first <= self.last)


@dataclass(frozen=True)
class Entry:
    """One commit: the batch it brought, what was noted of that batch, and its files."""

    version: int
    batch: str
    facts: dict[str, Any]
    parts: tuple[Path, ...]


class Log:
    """The log of one table in its own folder. Version 0 is the empty table."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = folder, schema
        self._opened: dict[int, Any] = {}  # opening replays the log; a version never changes

    def create(self) -> None:
        """Makes the empty table; there already, it stays as it is."""
        from deltalake import DeltaTable

        DeltaTable.create(str(self.folder), self.schema, mode="ignore", configuration=KEEP_FOR_EVER)
        for path in [self.folder, *self.folder.rglob("*")]:
            sync(path)

    def fits(self) -> bool:
        """Whether the table on the disk has just the schema's columns."""
        held = pa.schema(self._open(self.latest()).schema().to_arrow())
        return [(f.name, str(f.type)) for f in held] == [(f.name, str(f.type)) for f in self.schema]

    def latest(self) -> int:
        """The newest version on the disk, acknowledged or not; -1 where there is no table."""
        return max((int(p.stem) for p in self._entries()), default=-1)

    def parts(self, version: int) -> list[Part]:
        """The files of a version. Errors: InputError where the log cannot be read up to it."""
        actions = pa.table(self._open(version).get_add_actions(flatten=True))
        columns = {name: actions[name].to_pylist() for name in actions.column_names}
        nothing = [None] * actions.num_rows
        first, last = (columns.get(f"{side}.event_at", nothing) for side in ("min", "max"))
        return [
            Part(self.folder / path, rows, size, _instant(early), _instant(late))
            for path, rows, size, early, late in zip(
                columns["path"], columns["num_records"], columns["size_bytes"], first, last, strict=True
            )
        ]

    def knows(self, version: int, batch: str) -> bool:
        """Whether a batch is part of a version."""
        return self._open(version).transaction_version(batch) is not None

    def stage(self, tables: Iterable[pa.Table]) -> list[Part]:
        """Writes each table that has rows to a synced file of its own, which no version names yet."""
        parts = [self._write(rows) for rows in tables if rows.num_rows]
        if parts:
            sync(self.folder)
        return parts

    def commit(self, parts: list[Part], batch: str, facts: dict[str, Any]) -> int:
        """Adds staged files after the newest version, durably, and gives the new version."""
        from deltalake import CommitProperties, PostCommitHookProperties, Transaction
        from deltalake.transaction import AddAction

        newest = self.latest()
        delta = self._open(newest)
        now = int(time.time() * 1000)
        adds = [AddAction(p.path.name, p.size, {}, now, True, json.dumps(_statistics(p))) for p in parts]
        noted = {**facts, "parts": len(parts), "previous": self.seal(newest)}
        properties = CommitProperties(
            app_transactions=[Transaction(batch, 1)], custom_metadata={"backcast": json.dumps(noted)}
        )
        hooks = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        delta.create_write_transaction(
            adds, "append", self.schema, commit_properties=properties, post_commithook_properties=hooks
        )
        return self._committed(newest)

    def widen(self, version: int) -> int:
        """Adds the schema's columns that the newest version's table lacks, and gives the version that has them: a file
        that was written without them has no value there."""
        from deltalake import CommitProperties, PostCommitHookProperties, Schema

        held = set(pa.schema(self._open(version).schema().to_arrow()).names)
        lacking = pa.schema([field for field in self.schema if field.name not in held])
        if not len(lacking):
            return version
        noted = {"backcast": json.dumps({"parts": 0, "previous": self.seal(version)})}
        self._open(version).alter.add_columns(
            Schema.from_arrow(lacking).fields,
            commit_properties=CommitProperties(custom_metadata=noted),
            post_commithook_properties=PostCommitHookProperties(
                create_checkpoint=False, cleanup_expired_logs=False
            ),
        )
        return self._committed(version)

    def _committed(self, before: int) -> int:
        """The version after one, durable."""
        self._opened.pop(before)
        sync(self._entry(before + 1))
        sync(self._entry(before + 1).parent)
        return before + 1

    def checkpoint(self, version: int) -> None:
        """Every so many versions, a checkpoint of an acknowledged one; losing it costs time alone."""
        if version % CHECKPOINT_EVERY == 0 and version == self.latest():
            self._open(version).create_checkpoint()
            for path in (self.folder / "_delta_log").iterdir():
                sync(path)

    def set_aside(self, version: int) -> list[Path]:
        """Renames the entries after a version, newest first, and gives their new names. Their files stay for `gc`."""
        late = sorted((p for p in self._entries() if int(p.stem) > version), reverse=True)
        moved = [p.rename(p.with_name(f".unfinished-{p.stem}-{uuid.uuid4().hex[:8]}")) for p in late]
        if moved:
            sync(self.folder / "_delta_log")
        return moved

    def entries(self, version: int) -> Iterator[Entry]:
        """The commits up to a version, oldest first."""
        for path in sorted(self._entries()):
            if 0 < int(path.stem) <= version:
                yield self._read(path)

    def orphans(self, version: int) -> list[Path]:
        """Files that no commit up to a version names: what killed writers left."""
        named = {part.path.name for part in self.parts(version)}
        return sorted(p for p in self.folder.glob("*.parquet") if p.name not in named)

    def seal(self, version: int) -> str:
        """SHA-256 of a commit's entry; each entry holds that of the one before it, the head that of the last."""
        return digest(self._entry(version))

    def damage(self, version: int, seal: str | None) -> list[str]:
        """What is wrong with a version: commits, or files missing, of another size, or of another content than written."""
        return [*self._broken_entries(version, seal), *self._broken_files(version)]

    def _broken_entries(self, version: int, seal: str | None) -> list[str]:
        entries = list(self.entries(version))
        seals = {entry.version - 1: entry.facts.get("previous") for entry in entries}
        broken = [
            f"{self._entry(n)}: its content is not what was written (SHA-256 differs)"
            for n, known in sorted({**seals, version: seal}.items())
            if known is not None and self.seal(n) != known
        ]
        named = {path for entry in entries for path in entry.parts}
        if not broken and named != {part.path for part in self.parts(version)}:
            log = self.folder / "_delta_log"
            broken.append(
                f"{log}: its checkpoint is not what its commits say; remove it and _last_checkpoint"
            )
        return broken

    def _broken_files(self, version: int) -> list[str]:
        found = []
        for part in self.parts(version):
            if not part.path.is_file():
                found.append(f"{part.path}: missing")
            elif part.path.stat().st_size != part.size:
                found.append(f"{part.path}: {part.path.stat().st_size} bytes where {part.size} were written")
            elif len(part.path.stem) == len("part-") + 64 and part.path.stem[5:] != digest(part.path):
                found.append(f"{part.path}: its content is not what was written (SHA-256 differs)")
        return found

    def _write(self, rows: pa.Table) -> Part:
        partial = self.folder / f".stage-{uuid.uuid4().hex}.parquet"
        texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
        pq.write_table(rows, partial, compression="zstd", use_dictionary=texts, row_group_size=ROW_GROUP)
        sync(partial)
        path = partial.rename(self.folder / f"part-{digest(partial)}.parquet")
        ends = pc.min_max(rows["event_at"]).as_py() if "event_at" in rows.schema.names else {}
        first, last = (_instant(ends.get(side)) for side in ("min", "max"))
        return Part(path, rows.num_rows, path.stat().st_size, first, last)

    def _open(self, version: int) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        if version in self._opened:
            return self._opened[version]
        try:
            return self._opened.setdefault(version, DeltaTable(str(self.folder), version=version))
        except (DeltaError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                str(self.folder), version, "a readable version of the table",
                f"{reason}. `backcast store check` names the damage; restore the file from a backup.",
            ) from error  # fmt: skip

    def _entries(self) -> list[Path]:
        return [p for p in (self.folder / "_delta_log").glob("*.json") if p.stem.isdigit()]

    def _entry(self, version: int) -> Path:
        return self.folder / "_delta_log" / f"{version:020d}.json"

    def _read(self, path: Path) -> Entry:
        try:
            lines = [json.loads(line) for line in path.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise InputError(
                str(path), str(error), "a readable commit", "Restore it from a backup."
            ) from error
        merged = {key: value for line in lines for key, value in line.items()}
        facts = json.loads(merged.get("commitInfo", {}).get("backcast", "{}"))
        adds = tuple(self.folder / line["add"]["path"] for line in lines if "add" in line)
        return Entry(int(path.stem), str(merged.get("txn", {}).get("appId", "")), facts, adds)


def _statistics(part: Part) -> dict[str, Any]:
    """Delta's statistics of a file: how many rows, and the range of event_at."""
    if part.first is None or part.last is None:
        return {"numRecords": part.rows}
    ends = {"minValues": part.first, "maxValues": part.last}
    return {
        "numRecords": part.rows,
        **{k: {"event_at": f"{v.astype('datetime64[us]')}Z"} for k, v in ends.items()},
    }


def _instant(value: Any) -> np.datetime64 | None:
    """A UTC instant as numpy has it."""
    if value is None:
        return None
    return np.datetime64(value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value, "us")
