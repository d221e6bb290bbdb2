"""The files of a trial log: immutable segments that are only ever added to, or merged into larger ones.

1. A segment is a Parquet file, `<an id>.<number of records>.parquet`, written under a hidden name, synced and renamed. What a
   killed writer left has a hidden name and is never read.
2. Writers hold a shared lock from the moment that ids are given until the segment is there. Who reads lists the files while
   nobody holds it, so that every later record has a later id: what was counted can be read again by its last id.
   Where the file system has no locks, or clocks differ between machines, a record may land late: a count up to the same id can
   then be larger than it was, never smaller.
3. Small segments are merged, `FAN` and more of a size into one. The merged file is durable before the others are removed, and
   a record is known by its id: a kill in between leaves it twice in the files and once in every answer.
"""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from backcast.data.durable import sync, write_bytes
from backcast.data.errors import InputError
from backcast.engine.trials.record import (
    COLUMNS,
    FORMAT,
    LISTS,
    SCHEMA,
    Row,
    row_of_json,
    table_of,
    torn,
)

FAN = 32
"""So many segments of a size are merged into one."""
LARGE = 16 << 20
"""Bytes from which a segment stays as it is."""
WAIT = 2.0
"""Seconds for which readers and writers wait for each other."""
HOUR = 3600.0
KEY = b"backcast.trials"
ATTEMPTS = 100
"""How often a reader lists the files again when one of them was merged meanwhile."""
ID = re.compile(r"\d{20}-[0-9a-f]{8}")
NAME = re.compile(rf"({ID.pattern})(?:\.(\d+)\.parquet|\.json)")

_last = 0
_last_lock = threading.Lock()


def new_id() -> str:
    """A record's id: later than every id that this process gave."""
    global _last
    with _last_lock:
        _last = max(_last + 1, time.time_ns())
        return f"{_last:020d}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Segment:
    """A file of the log, with its number of records; a JSON file of format 1 has one."""

    path: Path
    records: int

    @property
    def tier(self) -> int:
        """Segments of a tier are merged with each other: 1 to 31 records, 32 to 1,023 ..."""
        tier, records = 0, self.records
        while records >= FAN:
            tier, records = tier + 1, records // FAN
        return tier

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of a Parquet file's records. Errors: InputError where it is not what was written; FileNotFoundError where it
        was merged meanwhile."""
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                form = int((file.schema_arrow.metadata or {}).get(KEY, b"0"))
                if form > FORMAT:
                    raise InputError(str(self.path), form, f"format {FORMAT} or older", "Update backcast.")
                if file.metadata.num_rows != self.records:
                    raise torn(self.path, f"{file.metadata.num_rows} records")
                found = pl.DataFrame(pl.from_arrow(file.read(list(columns))))
            return found.select(pl.col(name).cast(SCHEMA[name]) for name in columns)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, pa.ArrowException, pl.exceptions.PolarsError) as error:
            raise torn(
                self.path, str(error).splitlines()[0] if str(error) else type(error).__name__
            ) from error


class Segments:
    """The segments in a folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listed(self) -> list[Segment]:
        """In order of their names. Errors: InputError where the folder is something else."""
        try:
            there = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            raise torn(self.folder, error.strerror) from error
        found = ((path, NAME.fullmatch(path.name)) for path in there)
        return [Segment(path, int(m[2] or 1)) for path, m in found if m]

    def append(self, rows: Sequence[Row]) -> None:
        """Makes records durable, in this order; their ids are given here."""
        table = table_of(rows)
        _made_durably(self.folder)
        with self._changing():
            ids = [new_id() for _ in rows]
            self._write(table.with_columns(pl.Series("id", ids, pl.String)), ids[0])
        self._merge()

    def read(self, columns: Sequence[str] = COLUMNS, upto: str | None = None) -> pl.DataFrame:
        """The records in order of their ids, with upto no later ones than that id; each once.

        Errors: InputError for a file that is torn: a log that lacks a record gives no answer.
        """
        unknown = [name for name in columns if name not in SCHEMA]
        if unknown:
            raise InputError("columns", unknown, f"some of {', '.join(COLUMNS)}")
        if upto and not ID.fullmatch(upto):
            raise InputError("upto", upto, "the id of a record, as `upto` in a run's trials.json")
        wanted = list(dict.fromkeys(("id", *columns)))
        tables = self._tables(wanted)
        nothing = pl.DataFrame(schema={name: SCHEMA[name] for name in wanted})
        found = pl.concat([nothing, *tables])
        rows = _in_order(found["id"], upto)
        there = len(rows) == len(found) and bool((rows.diff().drop_nulls() == 1).all())
        # Returns are long: they are copied only where they must be.
        return (found if there else found[rows]).select(columns)

    def _tables(self, columns: Sequence[str]) -> list[pl.DataFrame]:
        for _ in range(ATTEMPTS):
            try:
                return _read(self._settled(), columns)
            except FileNotFoundError as error:  # merged meanwhile: the merged one is there, or is seen soon
                gone = error
                time.sleep(0.01)
        raise torn(self.folder, gone) from gone

    def _write(self, table: pl.DataFrame, name: str) -> None:
        with io.BytesIO() as made:
            pq.write_table(
                table.to_arrow().replace_schema_metadata({KEY: str(FORMAT).encode()}),
                made,
                compression="zstd",
                use_dictionary=[n for n in COLUMNS if n not in LISTS] + ["sessions.list.element"],
                write_page_checksum=True,
            )
            write_bytes(self.folder / f"{name}.{table.height}.parquet", made.getvalue())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody lists the files meanwhile; others may change them too."""
        with ExitStack() as held:
            with _locked(self.folder / ".gate", fcntl.LOCK_EX):
                held.enter_context(_locked(self.folder / ".writers", fcntl.LOCK_SH))
            yield

    def _settled(self) -> list[Segment]:
        """The segments while no writer is between a record's id and its file; not waiting for one that hangs."""
        # The gate is shut to writers that come, so that those at work come to an end.
        with (
            _locked(self.folder / ".gate", fcntl.LOCK_EX),
            _locked(self.folder / ".writers", fcntl.LOCK_EX),
        ):
            found = self.listed()
            # Where there are no locks, one list may miss both what was merged and what it became.
            for _ in range(ATTEMPTS):
                before, found = found, self.listed()
                if before == found:
                    break
            return found

    def _merge(self) -> None:
        """Merges what there are `FAN` of. A torn file or a full disk stops it and nothing else: who counts is told."""
        merging = _locked(self.folder / ".merging", fcntl.LOCK_EX, wait=0)
        with suppress(InputError, OSError), merging as alone:
            while alone and (chosen := self._mergeable()):
                table = pl.concat(_read(chosen, COLUMNS))
                # A merge that died left records in two files. The name is new: it can be that of none of the chosen.
                self._write(table[_in_order(table["id"])], new_id())
                with self._changing():
                    for path in (*(segment.path for segment in chosen), *self._left_over()):
                        path.unlink(missing_ok=True)
                    sync(self.folder)

    def _left_over(self) -> list[Path]:
        """What killed writers left long ago."""
        return [p for p in self.folder.glob(".*.partial") if time.time() - p.stat().st_mtime > HOUR]

    def _mergeable(self) -> list[Segment]:
        """Segments of the lowest tier that has enough of them; as many as make one that is large."""
        tiers: dict[int, list[tuple[Segment, int]]] = {}
        for segment in self.listed():
            size = segment.path.stat().st_size
            if size < LARGE:
                tiers.setdefault(segment.tier, []).append((segment, size))
        for _, members in sorted(tiers.items()):
            if len(members) >= FAN:
                until = itertools.accumulate(size for _, size in members)
                return [m for (m, size), end in zip(members, until, strict=True) if end - size < LARGE]
        return []


def _in_order(ids: pl.Series, upto: str | None = None) -> pl.Series:
    """The rows of records in order of their ids, each once, with upto no later ones."""
    rows = pl.DataFrame({"id": ids}).with_row_index("row").unique("id", keep="any").sort("id")
    return (rows if upto is None else rows.filter(pl.col("id") <= upto))["row"]


def _read(segments: Sequence[Segment], columns: Sequence[str]) -> list[pl.DataFrame]:
    """The records of segments of both formats. Errors: InputError, FileNotFoundError."""
    old = [segment.path for segment in segments if segment.path.suffix == ".json"]
    found = [segment.read(columns) for segment in segments if segment.path.suffix != ".json"]
    return [*found, table_of([row_of_json(path) for path in old]).select(columns)] if old else found


@contextmanager
def _locked(path: Path, how: int, wait: float | None = None) -> Iterator[bool]:
    """Whether the lock was got in time: nobody waits for ever for a process that hangs. Where the folder cannot be written, or
    its file system has no locks, it counts as got."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield True
        return
    try:
        yield _got(handle, how, time.monotonic() + (WAIT if wait is None else wait))
    finally:
        os.close(handle)


def _got(handle: int, how: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.001)
        except OSError:
            return True


def _made_durably(folder: Path) -> None:
    """Makes a folder so that a power cut does not take it away."""
    missing = [p for p in (folder, *folder.parents) if not p.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync(made.parent)
