"""The append-only store: one log a table of a data set (`log.py`), read at a pinned version.

A batch enters whole or not at all, over all its tables: its files are staged and synced, each table's log commits them, then
the head of the data set is replaced, which is the acknowledgement. Readers and pins know only what the head names. A
writer that finds commits beyond the head sets them aside: nobody was told that they had happened.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from backcast.data import query
from backcast.data.durable import read_sealed, write_sealed
from backcast.data.errors import InputError, StaleDataError
from backcast.data.log import Entry, Log, Part
from backcast.data.query import Files, connected
from backcast.data.readcopy import Copy, ReadCopies
from backcast.data.schema import KEYS, LOGS, TABLES, DatasetInfo, check_name, validate
from backcast.data.staging import new_only, refuse_contradictions, staging

FORMAT = 2
"""1 had no head: its newest versions are its head, and the first write makes one."""

BACKUP = "Restore the file from a backup."

STALE_ROWS, STALE_FILES = 200_000, 32
"""The tail that a read copy may lack before it is due: this many rows, or a fifth of the copy, or this many files."""

Pin = dict[str, int]
Inspect = Callable[[dict[str, list[Path]]], pa.Table]


class StoreWarning(UserWarning):
    """Something about the store that was mended, and should be known."""


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
        return [name for name in self.names() if any(self.version(name).values())]

    def names(self) -> list[str]:
        """The names of all data sets, whole or damaged, with rows or without."""
        return sorted(p.parent.name for p in self.folder.glob("*/dataset.json"))

    def create(self, info: DatasetInfo) -> None:
        """Makes the empty tables of a data set; where it has rows already its facts must be the same."""
        folder = self.folder / info.name
        with _locked(folder):
            if (folder / "dataset.json").exists():
                if self.info(info.name) != info and not any(self.version(info.name).values()):
                    write_sealed(folder / "dataset.json", {**self._facts(info.name), "info": info.to_json()})
                _refuse_other_facts(info, self.info(info.name))
                return
            for name in LOGS:
                self.log(info.name, name).create()
            self._write_head(info.name, dict.fromkeys(LOGS, 0))
            content = {"format": FORMAT, "lineage": uuid.uuid4().hex, "info": info.to_json()}
            write_sealed(folder / "dataset.json", content)

    def info(self, dataset: str) -> DatasetInfo:
        """What holds for the whole data set."""
        return DatasetInfo.from_json(self._facts(dataset)["info"])

    def lineage(self, dataset: str) -> str:
        """The identity of the data set, the same over all its versions: what the trial log belongs to."""
        return str(self._facts(dataset)["lineage"])

    def version(self, dataset: str, snapshot: str | None = None) -> Pin:
        """The present version of each table, all of the same acknowledged batch, or that of a named snapshot: a pin."""
        self._facts(dataset)
        if snapshot is not None:
            return self._snapshot(dataset, snapshot)
        if not (self.folder / dataset / "head.json").exists():  # format 1
            return {name: max(0, self.log(dataset, name).latest()) for name in LOGS}
        return {name: int(version) for name, version in self._head(dataset)["versions"].items()}

    def seals(self, dataset: str) -> dict[str, str]:
        """Of each table the SHA-256 of its last acknowledged commit; none in format 1."""
        return dict(self._head(dataset)["seals"]) if (self.folder / dataset / "head.json").exists() else {}

    def _head(self, dataset: str) -> dict[str, Any]:
        return read_sealed(self.folder / dataset / "head.json", BACKUP)

    def snapshot(self, dataset: str, name: str) -> Pin:
        """Names the present version. Errors: InputError where another version has the name."""
        path = self.folder / dataset / "snapshots" / f"{check_name(name)}.json"
        with _locked(self.folder / dataset):
            pin = self.version(dataset)
            if path.exists() and self._snapshot(dataset, name) != pin:
                raise InputError("snapshot", name, "a new name", f"It names another version of {dataset}.")
            write_sealed(path, {"versions": pin, "made_at": str(np.datetime64("now", "s"))})
        return pin

    def snapshots(self, dataset: str) -> list[str]:
        """The names of a data set's snapshots."""
        return sorted(p.stem for p in (self.folder / dataset / "snapshots").glob("*.json"))

    def _snapshot(self, dataset: str, name: str) -> Pin:
        path = self.folder / dataset / "snapshots" / f"{check_name(name)}.json"
        if not path.exists():
            known = ", ".join(self.snapshots(dataset)) or "none yet"
            raise InputError("snapshot", name, f"a snapshot of {dataset} ({known})")
        return {table: int(v) for table, v in read_sealed(path, BACKUP)["versions"].items()}

    def append(self, dataset: str, table: str, rows: pa.Table, batch: str) -> int:
        """`commit` of one table; gives the number of new rows."""
        return self.commit(dataset, [{table: rows}], batch).get(table, 0)

    def commit(
        self,
        dataset: str,
        parts: Iterable[Mapping[str, pa.Table]],
        batch: str,
        facts: dict[str, Any] | None = None,
        inspect: Inspect | None = None,
    ) -> dict[str, int]:
        """Appends the rows that are new, durably and all together, and gives their number by table.

        Each of the parts must fit into memory. A batch that is in already is not even read, and the answer is empty; a row
        that is there already changes nothing. facts: where the batch came from, kept with it. inspect: gets the
        files of the whole batch before anything is committed, and gives findings to keep, or raises. Errors: InputError
        for rows that break the schema, or that differ from a stored row with the same key and known_at: a
        correction needs a later known_at. Nothing is written then.
        """
        logs = {name: self.log(dataset, name) for name in LOGS}
        with self._writing(dataset, logs) as head, staging() as staged:
            if any(logs[name].knows(head[name], batch) for name in TABLES if head[name]):
                return {}
            for part in parts:
                for name, rows in part.items():
                    validate(name, rows)
                    staged[name] += logs[name].stage([rows])
            if inspect is not None:
                findings = inspect({name: [part.path for part in found] for name, found in staged.items()})
            for name in list(staged):
                staged[name] = new_only(logs[name], name, staged[name], head[name])
            new = {name: sum(part.rows for part in found) for name, found in staged.items()}
            if any(new.values()):
                if inspect is not None:
                    staged["findings"] = logs["findings"].stage([findings])
                self._acknowledge(dataset, logs, head, staged, batch, facts or {})
            return new

    def _acknowledge(
        self,
        dataset: str,
        logs: Mapping[str, Log],
        head: Pin,
        staged: dict[str, list[Part]],
        batch: str,
        facts: dict[str, Any],
    ) -> None:
        """Commits staged files table by table, and then all of them at once by replacing the head."""
        versions, given = dict(head), {name: parts for name, parts in staged.items() if parts}
        staged.clear()  # from here on commits may name the files: what is cut off is for `gc`
        for name, parts in given.items():
            versions[name] = logs[name].commit(parts, batch, facts)
        self._write_head(dataset, versions)
        for name in given:
            logs[name].checkpoint(versions[name])

    def check(self, dataset: str, table: str, files: Sequence[Path]) -> None:
        """Nothing in the rows of files contradicts what is stored. Errors: InputError as in `commit`, which writes besides."""
        held = self._paths(dataset, table, self.version(dataset)[table])
        if held and files:
            with connected() as connection:
                refuse_contradictions(connection, table, query.scan(files), query.scan(held))

    def read(self, dataset: str, table: str, pin: Pin, until: np.datetime64 | None = None) -> pa.Table:
        """Every row of a pinned version, with `until` only those known by then, in the order of key and known_at."""
        order = ", ".join((*KEYS[table], "known_at"))
        with connected() as connection:
            known = query.rows(self.files(dataset, table, pin), until)
            found: pa.Table = connection.sql(f"{known} ORDER BY {order}").to_arrow_table()
        return found.cast(TABLES[table])

    def as_of(self, dataset: str, table: str, at: np.datetime64, pin: Pin | None = None) -> pa.Table:
        """Of each key the newest version known by an instant, in the order of keys."""
        files = self.files(dataset, table, pin or self.version(dataset))
        with connected() as connection:
            known = f"{query.as_of(files, at)} ORDER BY {', '.join(KEYS[table])}"
            found: pa.Table = connection.sql(known).to_arrow_table()
        return found.cast(TABLES[table])

    def items(self, dataset: str, pin: Pin) -> tuple[str, ...]:
        """The items of a pinned version's facts, sorted: its columns, as it were, whatever was known when."""
        with connected() as connection:
            known = query.rows(self.files(dataset, "facts", pin))
            found = connection.execute(f"SELECT DISTINCT item FROM ({known}) ORDER BY item").fetchall()
        return tuple(row[0] for row in found)

    def last_bar(self, dataset: str, pin: Pin) -> np.datetime64:
        """The last event_at of a pinned version's bars, whenever it was known; NaT without bars."""
        with connected() as connection:
            known = query.rows(self.files(dataset, "bars", pin))
            last = query.first(connection, f"SELECT max(event_at) FROM ({known})")[0]
        return np.datetime64(None if last is None else last.replace(tzinfo=None), "us")

    def findings(self, dataset: str, pin: Pin) -> pa.Table:
        """What was noticed about the batches of a pinned version when they came."""
        files = self._paths(dataset, "findings", pin.get("findings", 0))
        if not files:
            return LOGS["findings"].empty_table()
        with connected() as connection:
            found: pa.Table = connection.sql(f"FROM {query.scan(files)} ORDER BY ALL").to_arrow_table()
        return found

    def findings_by_check(self, dataset: str, pin: Pin) -> dict[str, int]:
        """How often each check warned about the batches of a pinned version."""
        rows = self.findings(dataset, pin).to_pylist()
        return dict(sorted(Counter(r["check"] for r in rows if r["severity"] == "warning").items()))

    def entries(self, dataset: str, pin: Pin) -> Iterator[tuple[str, Entry]]:
        """The commits of a pinned version with their tables, oldest first in each."""
        for table in TABLES:
            yield from ((table, entry) for entry in self.log(dataset, table).entries(pin[table]))

    def files(self, dataset: str, table: str, pin: Pin) -> Files:
        """What to read a pinned version of a table from."""
        copy = self.copies(dataset, table).newest()
        parts = self._paths(dataset, table, pin[table])
        if copy is None or copy.version > pin[table]:
            return Files(TABLES[table], KEYS[table], (), (), parts)
        held = set(self._paths(dataset, table, copy.version))
        tail = tuple(p for p in parts if p not in held)
        return Files(
            TABLES[table],
            KEYS[table],
            copy.file("current"),
            copy.file("superseded"),
            tail,
            copy.last_superseded_at,
        )

    def refresh(self, dataset: str, always: bool = False) -> dict[str, Copy]:
        """Builds the read copies that are due, or all; one builder at a time, readers and writers go on."""
        made = {}
        with _locked(self.folder / dataset, "compact"):
            pin = self.version(dataset)
            for table in TABLES:
                if always or self._due(dataset, table, pin):
                    parts = self._paths(dataset, table, pin[table])
                    if parts:
                        log = Files(TABLES[table], KEYS[table], (), (), parts)
                        made[table] = self.copies(dataset, table).build(log, pin[table])
        return made

    def _due(self, dataset: str, table: str, pin: Pin) -> bool:
        copy = self.copies(dataset, table).newest()
        log = self.log(dataset, table)
        held = {p.path for p in log.parts(copy.version)} if copy and copy.version <= pin[table] else set()
        tail = [p for p in log.parts(pin[table]) if p.path not in held]
        rows = sum(p.rows for p in tail)
        return rows > max(STALE_ROWS, (copy.rows if copy else 0) // 5) or len(tail) > STALE_FILES

    def _facts(self, dataset: str) -> dict[str, Any]:
        path = self.folder / check_name(dataset) / "dataset.json"
        if not path.exists():
            raise StaleDataError(
                f"The data set {dataset} is not in the store. Run `backcast ingest dataset={dataset}`."
            )
        facts = _unsealed(path) or read_sealed(path, BACKUP)
        if facts.get("format") not in (1, FORMAT):
            raise InputError(
                f"{path} format",
                facts.get("format"),
                f"at most {FORMAT}",
                "It was written by a later version.",
            )
        return facts

    def _paths(self, dataset: str, table: str, version: int) -> tuple[Path, ...]:
        """The log's files of a version; version 0 is empty."""
        return tuple(p.path for p in self.log(dataset, table).parts(version)) if version else ()

    @contextmanager
    def exclusive(self, dataset: str) -> Iterator[None]:
        """No writer and no builder of read copies meanwhile."""
        with _locked(self.folder / dataset, "compact"), _locked(self.folder / dataset):
            yield

    def log(self, dataset: str, table: str) -> Log:
        """The log of one table. Errors: InputError for a table that there is not."""
        if table not in LOGS:
            raise InputError("table", table, f"one of {', '.join(TABLES)}")
        return Log(self.folder / dataset / table, LOGS[table])

    def copies(self, dataset: str, table: str) -> ReadCopies:
        """The read copies of one table."""
        return ReadCopies(self.folder / dataset / ".read" / table)

    def _write_head(self, dataset: str, versions: Pin) -> None:
        seals = {name: self.log(dataset, name).seal(version) for name, version in versions.items()}
        write_sealed(self.folder / dataset / "head.json", {"versions": versions, "seals": seals})

    @contextmanager
    def _writing(self, dataset: str, logs: Mapping[str, Log]) -> Iterator[Pin]:
        """One writer at a time; gives the head, with everything beyond it set aside."""
        facts = self._facts(dataset)
        folder = self.folder / dataset
        with _locked(folder):
            head = self.version(dataset)
            if facts["format"] == 1:
                for log in logs.values():
                    log.create()
                head = {name: head.get(name, 0) for name in LOGS}
                self._write_head(dataset, head)
                write_sealed(folder / "dataset.json", {**facts, "format": FORMAT})
            for name, log in logs.items():
                for moved in log.set_aside(head[name]):
                    warnings.warn(
                        f"{moved}: a commit that was cut off before it was acknowledged is set aside; its batch can be "
                        "ingested again.", StoreWarning, stacklevel=3,
                    )  # fmt: skip
            yield head


def _refuse_other_facts(given: DatasetInfo, held: DatasetInfo) -> None:
    ours, theirs = given.to_json(), held.to_json()
    for key in ours:
        if ours[key] != theirs[key]:
            raise InputError(
                f"dataset.{key}", ours[key], f"{theirs[key]!r}",
                f"The data set {given.name} is in the store with it; choose another dataset.name.",
            )  # fmt: skip


def _unsealed(path: Path) -> dict[str, Any] | None:
    """The facts of a data set of format 1, which had no seal; None for any other file."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        return facts if facts.get("format") == 1 else None
    except (OSError, ValueError, AttributeError):
        return None


@contextmanager
def _locked(folder: Path, name: str = "") -> Iterator[None]:
    """One writer at a time for each data set; readers need no lock."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f".{name}lock").open("w")
    except OSError as error:
        raise InputError("BACKCAST_HOME", str(folder), "a folder that can be written", str(error)) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
