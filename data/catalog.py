"""What data sets there are, and which version of each counts: its facts, its head, its snapshots, and who pins what.

<home>/store/<data set>/   dataset.json   format, lineage, what holds for the whole of it
                           head.json      the acknowledged version of each table; replacing it acknowledges a batch
                           snapshots/     names of versions, for ever
                           pins/          who was made from which version: runs and models, while their folders are there
                           <table>/       the log (`log.py`); .read/<table>/ its read copy (`readcopy.py`)
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data.durable import read_sealed, sync, unused, write_sealed
from backcast.data.errors import InputError, LockedError, StaleDataError
from backcast.data.log import Log
from backcast.data.readcopy import ReadCopies
from backcast.data.schema import DatasetInfo, check_name

FORMAT = 2
"""1 had no head (its newest versions are its head), no findings, and no dates of declaration and payment in its actions. The
first write brings a data set forward; nothing in its logs is rewritten."""

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
BACKUP = "Restore the file from a backup."

Pin = dict[str, int]
"""The version of each table of a data set."""


@dataclass(frozen=True)
class Holder:
    """Who pins a version of a data set: a run's or a model's folder, and whether it is still there."""

    name: str
    version: Pin
    present: bool


def home() -> Path:
    """Where state lives: `BACKCAST_HOME`, else the nearest `.backcast` folder upward, else `~/.backcast`."""
    named = os.environ.get("BACKCAST_HOME")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd()
    found = [p / ".backcast" for p in (here, *here.parents) if (p / ".backcast").is_dir()]
    return found[0] if found else Path.home() / ".backcast"


class Catalog:
    """The data sets under one home."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "store"

    def datasets(self) -> list[str]:
        """The names of the data sets that have rows."""
        return [name for name in self.names() if any(self.version(name).values())]

    def names(self) -> list[str]:
        """The names of all data sets, whole or damaged, with rows or without."""
        return sorted(p.parent.name for p in self.folder.glob("[!.]*/dataset.json"))

    def create(self, info: DatasetInfo) -> None:
        """Makes the empty tables of a data set, or those that it has none of yet. Errors: InputError where what is known
        of the data set contradicts the given facts."""
        folder = self.folder / info.name
        with locked(folder):
            if not (folder / "dataset.json").exists():
                facts = {"format": FORMAT, "lineage": uuid.uuid4().hex, "info": info.to_json()}
                self._make(info, {}, facts)
                return
            self._bring_forward(info.name)
            version, held = self.version(info.name), self.info(info.name)
            joined = info.joined(self.settled(info.name)) if any(version.values()) else info
            if joined != held:
                self._make(joined, version, {**self.facts(info.name), "info": joined.to_json()})

    def _make(self, info: DatasetInfo, version: Pin, facts: dict[str, Any]) -> None:
        """The logs that a data set lacks, its head, then its facts; what a kill in between leaves is made again."""
        for name, schema in info.logs.items():
            log = Log(self.folder / info.name / name, schema)
            if not version.get(name) and log.latest() >= 0 and not log.fits():
                shutil.rmtree(log.folder)  # of a batch that was refused: no version names a row of it
            log.create()
        self._write_head(info, version)
        write_sealed(self.folder / info.name / "dataset.json", facts)

    def facts(self, dataset: str) -> dict[str, Any]:
        """What `dataset.json` says. Errors: StaleDataError where there is none, InputError for a later format."""
        path = self.folder / check_name(dataset) / "dataset.json"
        if not path.exists():
            raise StaleDataError(
                f"The data set {dataset} is not in the store. Run `backcast ingest dataset={dataset}`."
            )
        state = path.stat()
        return _facts_at(path, (state.st_ino, state.st_mtime_ns, state.st_size))

    def info(self, dataset: str) -> DatasetInfo:
        """What holds for the whole data set."""
        return DatasetInfo.from_json(self.facts(dataset)["info"])

    def settled(self, dataset: str) -> DatasetInfo:
        """What its rows bear out: a table without a row may still be declared otherwise, as after a batch that was refused."""
        held, version = self.info(dataset), self.version(dataset)
        declared = tuple(own for own in held.declared if version.get(own.name))
        return replace(held, declared=declared, bar_fields=held.bar_fields if version["bars"] else ())

    def lineage(self, dataset: str) -> str:
        """The identity of the data set, the same over all its versions: what the trial log belongs to."""
        return str(self.facts(dataset)["lineage"])

    def complete(self, dataset: str) -> bool:
        """Whether every file of the logs has all columns; those of format 1 lack some."""
        facts = self.facts(dataset)
        return facts.get("began_as", facts["format"]) == FORMAT

    def version(self, dataset: str, snapshot: str | None = None) -> Pin:
        """The present version of each table, all of the same acknowledged batch, or that of a named snapshot: a pin."""
        info = self.info(dataset)
        if snapshot is not None:
            return self._snapshot(dataset, snapshot)
        if not (self.folder / dataset / "head.json").exists():  # format 1
            return {name: max(0, self.log(dataset, name).latest()) for name in info.logs}
        acknowledged = self._head(dataset)["versions"]
        return {name: int(acknowledged.get(name, 0)) for name in info.logs}

    def seals(self, dataset: str) -> dict[str, str]:
        """Of each table the SHA-256 of its last acknowledged commit; none in format 1."""
        return dict(self._head(dataset)["seals"]) if (self.folder / dataset / "head.json").exists() else {}

    def _head(self, dataset: str) -> dict[str, Any]:
        return read_sealed(self.folder / dataset / "head.json", BACKUP)

    def _write_head(self, info: DatasetInfo, version: Pin) -> None:
        """Acknowledges a version; a table that it does not name is empty."""
        whole = {name: version.get(name, 0) for name in info.logs}
        seals = {
            name: Log(self.folder / info.name / name, info.logs[name]).seal(v) for name, v in whole.items()
        }
        write_sealed(self.folder / info.name / "head.json", {"versions": whole, "seals": seals})

    def log(self, dataset: str, table: str) -> Log:
        """The log of one table. Errors: InputError for a table that there is not."""
        logs = self.info(dataset).logs
        if table not in logs:
            raise InputError("table", table, f"one of {', '.join(logs)}")
        return Log(self.folder / dataset / table, logs[table])

    def copies(self, dataset: str, table: str) -> ReadCopies:
        """The read copies of one table."""
        return ReadCopies(self.folder / dataset / ".read" / table)

    def snapshot(self, dataset: str, name: str) -> Pin:
        """Names the present version. Errors: InputError where another version has the name."""
        path = self.folder / dataset / "snapshots" / f"{check_name(name, 'snapshot')}.json"
        self.facts(dataset)
        with locked(self.folder / dataset):
            pin = self.version(dataset)
            if path.exists() and self._snapshot(dataset, name) != pin:
                raise InputError("snapshot", name, "a new name", f"It names another version of {dataset}.")
            write_sealed(path, {"versions": pin, "made_at": str(np.datetime64("now", "s"))})
        return pin

    def snapshots(self, dataset: str) -> list[str]:
        """The names of a data set's snapshots."""
        return sorted(p.stem for p in (self.folder / dataset / "snapshots").glob("*.json"))

    def _snapshot(self, dataset: str, name: str) -> Pin:
        path = self.folder / dataset / "snapshots" / f"{check_name(name, 'snapshot')}.json"
        if not path.exists():
            known = ", ".join(self.snapshots(dataset)) or "none yet"
            raise InputError("snapshot", name, f"a snapshot of {dataset} ({known})")
        return {table: int(v) for table, v in read_sealed(path, BACKUP)["versions"].items()}

    def pin(self, dataset: str, holder: Path, version: Pin) -> None:
        """Notes that a run or a model is made from a version; it holds as long as its folder is there. Where the store may
        not be written, nothing is noted: nobody can remove anything through it either."""
        name = hashlib.sha256(str(holder.resolve()).encode()).hexdigest()[:16]
        try:
            write_sealed(
                self.folder / dataset / "pins" / f"{name}.json",
                {"holder": str(holder.resolve()), "versions": version},
            )
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise

    def holders(self, dataset: str) -> list[tuple[Path, Holder]]:
        """Who pins which version of a data set, and the file that says so."""
        found = []
        for path in sorted((self.folder / dataset / "pins").glob("*.json")):
            facts = read_sealed(path, "Remove it if nothing is made from that version.")
            found.append((path, Holder(facts["holder"], facts["versions"], Path(facts["holder"]).is_dir())))
        return found

    def drop(self, dataset: str) -> Path:
        """Sets a data set aside, out of sight of everything but `gc`, which removes it. Errors: InputError while a snapshot, a
        run or a model holds it."""
        self.facts(dataset)
        target = self.folder / ".dropped" / f"{dataset}-{uuid.uuid4().hex[:8]}"
        target.parent.mkdir(exist_ok=True)
        with self.exclusive(dataset):
            self.facts(dataset)  # nobody dropped it meanwhile
            held = [f"the snapshot {name}" for name in self.snapshots(dataset)]
            held += [holder.name for _, holder in self.holders(dataset) if holder.present]
            if held:
                shown = ", ".join(held[:3]) + (f" and {len(held) - 3} more" if len(held) > 3 else "")
                raise InputError(
                    "DATASET", dataset, f"a data set that nothing holds, not {shown}", "Remove those first."
                )
            with unused(self.folder / dataset) as free:
                if not free:
                    raise LockedError(f"Somebody reads the data set {dataset}. Wait until that ends.")
                (self.folder / dataset).rename(target)
                sync(self.folder)
        return target

    def dropped(self) -> list[Path]:
        """The folders of data sets that were dropped."""
        return sorted(p for p in (self.folder / ".dropped").glob("*") if p.is_dir())

    @contextmanager
    def exclusive(self, dataset: str) -> Iterator[None]:
        """No writer and no builder of read copies meanwhile."""
        with locked(self.folder / dataset, "compact"), locked(self.folder / dataset):
            yield

    def _bring_forward(self, dataset: str) -> None:
        """From format 1 to the present one, while nobody else writes."""
        facts = self.facts(dataset)
        if facts["format"] == FORMAT:
            return
        info, head = self.info(dataset), self.version(dataset)
        for name in info.logs:
            log = self.log(dataset, name)
            log.create()
            head[name] = log.widen(head[name])
        self._write_head(info, head)
        write_sealed(self.folder / dataset / "dataset.json", {**facts, "format": FORMAT, "began_as": 1})


@lru_cache(maxsize=64)
def _facts_at(path: Path, _stamp: tuple[int, int, int]) -> dict[str, Any]:
    """The content of a `dataset.json` of that stamp: it is asked for at every turn, and seldom replaced."""
    facts = _unsealed(path) or read_sealed(path, BACKUP)
    if facts.get("format") not in (1, FORMAT):
        hint = "It was written by a later version."
        raise InputError(f"{path} format", facts.get("format"), f"at most {FORMAT}", hint)
    return facts


def _unsealed(path: Path) -> dict[str, Any] | None:
    """The facts of a data set of format 1, which had no seal; None for any other file."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        facts.pop("seal", None)
        return facts if facts.get("format") == 1 else None
    except (OSError, ValueError, AttributeError):
        return None


@contextmanager
def locked(folder: Path, name: str = "") -> Iterator[None]:
    """One writer at a time for each data set; readers need no lock."""
    path = folder / f".{name}lock"
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise InputError(
                "BACKCAST_HOME", str(folder), "a folder that can be written", str(error)
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return  # else the folder was dropped while we waited for it
