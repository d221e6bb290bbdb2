"""From a source into the store: read, check, append; an error stops the batch whole, and repeating it changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from backcast.data.errors import InputError
from backcast.data.quality import Finding, check
from backcast.data.schema import LOGS, validate
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
        lines = [f"Data set {self.dataset}: {tables} rows. {done}"]
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
    """Reads a source and appends what is new. Errors: InputError for the first finding that is an error."""
    batch = source.read()
    for name, rows in batch.tables.items():
        validate(name, rows)
    findings = (*batch.findings, *check(batch.info, batch.tables))
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        first = errors[0]
        raise InputError(
            f"{first.check} of {first.symbol}",
            first.session,
            f"no errors in the batch ({first.detail})",
            f"{len(errors)} rows are wrong; nothing was written.",
        )
    counts = {name: rows.num_rows for name, rows in batch.tables.items()}
    folder = store.folder / batch.info.name
    if check_only:
        for name, rows in batch.tables.items() if batch.info.name in store.datasets() else ():
            store.check(batch.info.name, name, rows)
        return IngestReport(batch.info.name, counts, {}, None, findings, folder)
    store.create(batch.info)
    given = {**batch.tables, "findings": _kept(batch.batch, findings)}
    added = store.commit(batch.info.name, given, batch.batch, {**source.origin(), "rows": counts})
    added.pop("findings")
    store.refresh(batch.info.name)
    return IngestReport(batch.info.name, counts, added, store.version(batch.info.name), findings, folder)


def _kept(batch: str, findings: tuple[Finding, ...]) -> pa.Table:
    """Findings as the rows that stay with the batch."""
    rows = [{"batch": batch, **asdict(finding)} for finding in findings]
    return pa.Table.from_pylist(rows, schema=LOGS["findings"])
