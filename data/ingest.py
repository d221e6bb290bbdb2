"""From a source into the store: read, check, append; an error stops the batch whole, and repeating it changes nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow as pa

from backcast.data.errors import InputError
from backcast.data.quality import check_files
from backcast.data.schema import FINDINGS, Finding
from backcast.data.sources.base import Batch, Source
from backcast.data.store import Store

SHOWN = 3
"""Findings of each check that a report names."""

Told = Callable[[int], None]
"""Is told how many rows were read so far."""


@dataclass(frozen=True)
class IngestReport:
    """rows: of each table in the batch; added: those that were not in the store; pin: the version afterwards (None where
    nothing was written)."""

    dataset: str
    rows: dict[str, int]
    added: dict[str, int]
    pin: dict[str, int] | None
    findings: tuple[Finding, ...]
    folder: Path

    @property
    def errors(self) -> list[Finding]:
        """What keeps the batch out."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def frame(self) -> pl.DataFrame:
        """The findings as rows."""
        return pl.DataFrame(pl.from_arrow(_rows(self.findings, ""))).drop("batch")

    def __str__(self) -> str:
        tables = ", ".join(f"{name} {count:,}" for name, count in self.rows.items())
        new = sum(self.added.values())
        done = (
            "Only checked; nothing was written."
            if self.pin is None
            else (f"{new:,} new rows." if new else "Everything was there already; nothing changed.")
        )
        lines = [f"Data set {self.dataset}: {tables + ' rows. ' if tables else ''}{done}"]
        for severity, name in sorted({(f.severity, f.check) for f in self.findings}):
            lines.append(
                _line(severity, name, [f for f in self.findings if (f.severity, f.check) == (severity, name)])
            )
        if self.pin is not None:
            lines.append(f"Store: {self.folder}")
        return "\n".join(lines)


def ingest(store: Store, source: Source, check_only: bool = False, told: Told | None = None) -> IngestReport:
    """Reads a source part by part and appends what is new. Errors: InputError for the first finding that is an error.

    check_only: nothing is written, and findings that are errors are in the report like the others.
    """
    if not check_only:
        return _Ingest(store, source, told).done()
    with tempfile.TemporaryDirectory(prefix="backcast-check-") as scratch:
        return _Ingest(Store(Path(scratch)), source, told, real=store).done()


class _Ingest:
    """One batch on its way into a store; with `real` that is a scratch one, and the batch is only held against the real one."""

    def __init__(self, store: Store, source: Source, told: Told | None, real: Store | None = None) -> None:
        self.store, self.source, self.told, self.real = store, source, told, real
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def done(self) -> IngestReport:
        parts = self.source.parts()
        self.first = next(parts)
        dataset, batch = self.first.info.name, self.first.batch
        if self.real is not None and dataset in self.real.names():
            self.first.info.joined(self.real.settled(dataset))
        self.store.create(self.first.info)
        added = self.store.commit(
            dataset, self._tables(chain([self.first], parts)), batch, self.source.origin(), self._inspect
        )
        if self.real is None:
            self.store.refresh(dataset)
        pin = self.store.version(dataset) if self.real is None else None
        new, folder = ({}, self.real.folder) if self.real else (added, self.store.folder)
        return IngestReport(dataset, dict(self.counts), new, pin, tuple(self.findings), folder / dataset)

    def _tables(self, parts: Iterator[Batch]) -> Iterator[Mapping[str, pa.Table]]:
        for part in parts:
            self.counts.update({name: rows.num_rows for name, rows in part.tables.items()})
            self.findings.extend(part.findings)
            if self.told is not None:
                self.told(self.counts.total())
            yield part.tables

    def _inspect(self, files: Mapping[str, list[Path]]) -> pa.Table:
        """The findings of the whole batch. Errors: InputError for the first one that is an error, unless it is only checked."""
        if not self.counts.total():
            raise InputError("dataset", "no rows", "at least one row in a session")
        self.findings.extend(check_files(self.first.info, files))
        if self.real is None:
            _refuse_errors(self.findings)
        elif self.first.info.name in self.real.names():
            self._hold_against(self.real, files)
        return _rows(self.findings, self.first.batch)

    def _hold_against(self, real: Store, files: Mapping[str, list[Path]]) -> None:
        for name, found in files.items():
            try:
                real.check(self.first.info.name, name, found)
            except InputError as error:
                self.findings.append(Finding("error", "contradiction", "", "", str(error)))


def _rows(findings: Iterable[Finding], batch: str) -> pa.Table:
    return pa.Table.from_pylist([{"batch": batch, **asdict(f)} for f in findings], schema=FINDINGS)


def _line(severity: str, name: str, found: list[Finding]) -> str:
    """The findings of one check in a line: how many, where the first are, and what the first says."""
    count = sum(f.count for f in found)
    where = ", ".join(filter(None, (f"{f.symbol} {f.session}".strip() for f in found[:SHOWN])))
    rows = f", {count:,} times ({where}{', ...' if len(found) > SHOWN else ''})" if where else ""
    return f"  {severity}: {name}{rows}: {found[0].detail}"


def _refuse_errors(findings: list[Finding]) -> None:
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        first, count = errors[0], sum(f.count for f in errors)
        raise InputError(
            f"{first.check} of {first.symbol}" if first.symbol else first.check,
            first.session,
            f"no errors in the batch ({first.detail})",
            f"{count:,} rows are wrong, --check shows all; nothing was written.",
        )
