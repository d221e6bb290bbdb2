"""The append-only store: one log a table of a data set (`log.py`), read at a pinned version.

A batch enters whole or not at all, over all its tables: its files are staged and synced, each table's log commits them, then
the head of the data set is replaced, which is the acknowledgement. Readers and pins know only what the head names. A
writer that finds commits beyond the head sets them aside: nobody was told that they had happened.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from backcast.data import query
from backcast.data.catalog import Catalog, Pin, locked
from backcast.data.durable import lease
from backcast.data.log import Entry, Log, Part
from backcast.data.query import Files, shared
from backcast.data.readcopy import Copy
from backcast.data.schema import FINDINGS, validate
from backcast.data.staging import new_only, refuse_contradictions, staging

STALE_ROWS, STALE_FILES = 200_000, 32
"""The tail that a read copy may lack before it is due: this many rows, or a fifth of the copy, or this many files."""

Inspect = Callable[[dict[str, list[Path]]], pa.Table]


class StoreWarning(UserWarning):
    """Something about the store that was mended, and should be known."""


class Store(Catalog):
    """The rows of the data sets under one home."""

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
        with self._writing(dataset) as (head, logs), staging() as staged:
            info = self.info(dataset)
            if any(logs[name].knows(head[name], batch) for name in info.tables if head[name]):
                return {}
            for part in parts:
                for name, rows in part.items():
                    validate(name, info.table(name), rows)
                    staged[name] += logs[name].stage([rows])
            if inspect is not None:
                findings = inspect({name: [part.path for part in found] for name, found in staged.items()})
            for name in list(staged):
                held = self._held(dataset, name, logs[name], head[name], staged[name])
                staged[name] = new_only(logs[name], name, staged[name], held)
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
        self._write_head(self.info(dataset), versions)
        for name in given:
            logs[name].checkpoint(versions[name])

    def check(self, dataset: str, table: str, files: Sequence[Path]) -> None:
        """Nothing in the rows of files contradicts what is stored. Errors: InputError as in `commit`, which writes besides."""
        version = self.version(dataset).get(table, 0)
        held = self.log_files(dataset, table, version) if version else None
        if held and held.tail and files:
            with shared() as connection:
                refuse_contradictions(connection, table, held, query.scan(files))

    def end(self, dataset: str) -> np.datetime64 | None:
        """The instant after which nothing that was known is read; None where everything is."""
        return None

    def moment(self, dataset: str, asked: np.datetime64 | None) -> np.datetime64:
        """The instant that a question about a data set is of: the one asked for, or now."""
        return np.datetime64("now", "us") if asked is None else asked

    def read(self, dataset: str, table: str, pin: Pin, until: np.datetime64 | None = None) -> pa.Table:
        """Every row of a pinned version, with `until` only those known by then, in the order of key and known_at."""
        with self.reading(dataset, table, pin) as files, shared() as connection:
            known = query.rows(files, until)
            found: pa.Table = connection.sql(
                f"SELECT * FROM ({known}) ORDER BY {files.order}"
            ).to_arrow_table()
        return found.cast(files.table.schema)

    def as_of(self, dataset: str, table: str, at: np.datetime64, pin: Pin | None = None) -> pa.Table:
        """Of each key the newest version known by an instant, in the order of keys."""
        pin = pin or self.version(dataset)
        with self.reading(dataset, table, pin) as files, shared() as connection:
            known = f"SELECT * FROM ({query.as_of(files, at)}) ORDER BY {files.keys}"
            found: pa.Table = connection.sql(known).to_arrow_table()
        return found.cast(files.table.schema)

    def items(self, dataset: str, pin: Pin) -> tuple[str, ...]:
        """The items of a pinned version's facts, sorted: its columns, as it were, whatever was known when."""
        with self.reading(dataset, "facts", pin) as files, shared() as connection:
            known = query.rows(files)
            found = connection.execute(f"SELECT DISTINCT item FROM ({known}) ORDER BY item").fetchall()
        return tuple(row[0] for row in found)

    def last_bar(self, dataset: str, pin: Pin) -> np.datetime64:
        """The last event_at of a pinned version's bars, whenever it was known; NaT without bars."""
        with self.reading(dataset, "bars", pin) as files, shared() as connection:
            last = query.first(connection, f"SELECT max(event_at) FROM ({query.rows(files)})")[0]
        return np.datetime64(None if last is None else last.replace(tzinfo=None), "us")

    def findings(self, dataset: str, pin: Pin) -> pa.Table:
        """What was noticed about the batches of a pinned version when they came."""
        files = [part.path for part in self._parts(dataset, "findings", pin.get("findings", 0))]
        if not files:
            return FINDINGS.empty_table()
        with shared() as connection:
            found: pa.Table = connection.sql(f"FROM {query.scan(files)} ORDER BY ALL").to_arrow_table()
        return found

    def findings_by_check(self, dataset: str, pin: Pin) -> dict[str, int]:
        """How often each check warned about the batches of a pinned version."""
        counts: Counter[str] = Counter()
        for row in self.findings(dataset, pin).to_pylist():
            if row["severity"] == "warning":
                counts[row["check"]] += row["count"]
        return dict(sorted(counts.items()))

    def entries(self, dataset: str, pin: Pin) -> Iterator[tuple[str, Entry]]:
        """The commits of a pinned version that brought a batch, with their tables, oldest first in each."""
        for table in self.info(dataset).tables:
            entries = self.log(dataset, table).entries(pin.get(table, 0))
            yield from ((table, entry) for entry in entries if entry.batch)

    @contextmanager
    def reading(self, dataset: str, table: str, pin: Pin) -> Iterator[Files]:
        """What to read a pinned version of a table from; none of it is removed until the reader is done."""
        version = pin.get(table, 0)
        with ExitStack() as leases:
            self.facts(dataset)
            leases.enter_context(lease(self.folder / dataset))  # nobody drops the data set meanwhile
            copy = leases.enter_context(self.copies(dataset, table).leased())
            if copy is None or copy.version > version:
                yield self.log_files(dataset, table, version)
                return
            tail: tuple[Path, ...] = ()
            if (
                copy.version < version
            ):  # else the log need not be opened, which costs more than many a question
                held = set(self.log_files(dataset, table, copy.version).tail)
                tail = tuple(p for p in self.log_files(dataset, table, version).tail if p not in held)
            yield Files(
                self.info(dataset).table(table),
                copy.files("current"),
                copy.files("superseded"),
                tail,
                copy.last_superseded_at,
                self.complete(dataset),
            )

    def log_files(self, dataset: str, table: str, version: int) -> Files:
        """What a version of a table is in its log alone."""
        return self._files(dataset, table, self._parts(dataset, table, version))

    def _held(self, dataset: str, table: str, log: Log, version: int, staged: Sequence[Part]) -> Files:
        """The files of an opened log's version that may hold a key of the staged ones."""
        parts = log.parts(version) if version else []
        return self._files(dataset, table, [p for p in parts if any(p.meets(other) for other in staged)])

    def _files(self, dataset: str, table: str, parts: Sequence[Part]) -> Files:
        paths = tuple(part.path for part in parts)
        return Files(self.info(dataset).table(table), (), (), paths, complete=self.complete(dataset))

    def _parts(self, dataset: str, table: str, version: int) -> list[Part]:
        """The log's files of a version; version 0 is empty."""
        return self.log(dataset, table).parts(version) if version else []

    def refresh(self, dataset: str, always: bool = False) -> dict[str, Copy]:
        """Builds the read copies that are due, or all; one builder at a time, readers and writers go on."""
        made = {}
        with locked(self.folder / dataset, "compact"):
            pin = self.version(dataset)
            for table in self.info(dataset).tables:
                if pin[table] and (always or self._due(dataset, table, pin)):
                    log = self.log_files(dataset, table, pin[table])
                    if log.tail:
                        made[table] = self.copies(dataset, table).build(log, pin[table])
        return made

    def _due(self, dataset: str, table: str, pin: Pin) -> bool:
        copy = self.copies(dataset, table).newest()
        held = (
            set(self.log_files(dataset, table, copy.version).tail)
            if copy and copy.version <= pin[table]
            else set()
        )
        tail = [part for part in self._parts(dataset, table, pin[table]) if part.path not in held]
        rows = sum(part.rows for part in tail)
        return rows > max(STALE_ROWS, (copy.rows if copy else 0) // 5) or len(tail) > STALE_FILES

    @contextmanager
    def _writing(self, dataset: str) -> Iterator[tuple[Pin, dict[str, Log]]]:
        """One writer at a time; gives the head, with everything beyond it set aside, and the logs."""
        self.facts(dataset)  # a name that is none gets no folder
        with locked(self.folder / dataset):
            self._bring_forward(dataset)
            head = self.version(dataset)
            logs = {name: self.log(dataset, name) for name in head}
            for name, log in logs.items():
                for moved in log.set_aside(head[name]):
                    warnings.warn(
                        f"{moved}: a commit that was cut off before it was acknowledged is set aside; its batch can be "
                        "ingested again.", StoreWarning, stacklevel=3,
                    )  # fmt: skip
            yield head, logs
