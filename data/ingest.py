"""From a source into the store: read, check, append; an error stops the batch whole, and repeating it changes nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from backcast.data.errors import InputError
from backcast.data.quality import Finding, check_files
from backcast.data.schema import LOGS
from backcast.data.sources.base import Source
from backcast.data.store import Store

SHOWN = 3
"""Findings of each check that a report names."""


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

    def __str__(self) -> str:
        tables = ", ".join(f"{name} {count:,}" for name, count in self.rows.items())
        new = sum(self.added.values())
        done = (
            "Only checked; nothing was written."
            if self.pin is None
            else (f"{new:,} new rows." if new else "Everything was there already; nothing changed.")
        )
        lines = [f"Data set {self.dataset}: {tables + ' rows. ' if tables else ''}{done}"]
        counted = Counter((f.severity, f.check) for f in self.findings)
        for (severity, name), count in sorted(counted.items()):
            found = [f for f in self.findings if (f.severity, f.check) == (severity, name)][:SHOWN]
            where = ", ".join(filter(None, (f"{f.symbol} {f.session}".strip() for f in found)))
            rows = f", {count:,} times ({where}{', ...' if count > SHOWN else ''})" if where else ""
            lines.append(f"  {severity}: {name}{rows}: {found[0].detail}")
        if self.pin is not None:
            lines.append(f"Store: {self.folder}")
        return "\n".join(lines)


def ingest(store: Store, source: Source, check_only: bool = False) -> IngestReport:
    """Reads a source part by part and appends what is new. Errors: InputError for the first finding that is an error."""
    if check_only:
        with tempfile.TemporaryDirectory(prefix="backcast-check-") as scratch:
            return _ingested(Store(Path(scratch)), source, store)
    return _ingested(store, source, None)


def _ingested(store: Store, source: Source, real: Store | None) -> IngestReport:
    """The ingest into a store; with `real` that is a scratch one, and what it takes is only held against the real one."""
    parts = source.parts()
    first = next(parts)
    dataset, batch = first.info.name, first.batch
    counts: Counter[str] = Counter()
    findings: list[Finding] = []

    def tables() -> Iterator[Mapping[str, pa.Table]]:
        for part in chain([first], parts):
            counts.update({name: rows.num_rows for name, rows in part.tables.items()})
            findings.extend(part.findings)
            yield part.tables

    def inspect(files: Mapping[str, list[Path]]) -> pa.Table:
        findings.extend(check_files(first.info, files))
        _refuse_errors(findings)
        if real is not None and dataset in real.datasets():
            for name, found in files.items():
                real.check(dataset, name, found)
        return pa.Table.from_pylist(
            [{"batch": batch, **asdict(f)} for f in findings], schema=LOGS["findings"]
        )

    store.create(first.info)
    added = store.commit(dataset, tables(), batch, source.origin(), inspect)
    if real is not None:
        return IngestReport(dataset, dict(counts), {}, None, tuple(findings), real.folder / dataset)
    store.refresh(dataset)
    return IngestReport(
        dataset, dict(counts), added, store.version(dataset), tuple(findings), store.folder / dataset
    )


def _refuse_errors(findings: list[Finding]) -> None:
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        first = errors[0]
        raise InputError(
            f"{first.check} of {first.symbol}" if first.symbol else first.check,
            first.session,
            f"no errors in the batch ({first.detail})",
            f"{len(errors)} rows are wrong; nothing was written.",
        )
