"""Sources that are files: a file, a folder of them, or a glob pattern."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from backcast.data.durable import digest
from backcast.data.errors import InputError
from backcast.data.sources.base import Batch
from backcast.data.sources.tabular import FROM_ROW, Tabular

PART = 500_000
"""Rows of a file that are in memory at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Files(Tabular):
    """path: the bars; actions, membership, facts, and the `path` of each declared table: files of the other tables. Each is
    a file, a folder or a glob pattern; at least one is given."""

    path: str | None = None
    actions: str | None = None
    membership: str | None = None
    facts: str | None = None

    endings: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self._paths():
            raise InputError("dataset.path", None, "a file, a folder or a glob pattern")
        for table, value in self._paths().items():
            if not isinstance(value, str | Path) or not str(value):
                raise InputError(_parameter(table), value, "a file, a folder or a glob pattern")

    def _paths(self) -> dict[str, str]:
        """Where the rows of each table are."""
        tables = {
            "bars": self.path,
            "actions": self.actions,
            "membership": self.membership,
            "facts": self.facts,
            **self._rows_of_tables(),
        }
        return {k: v for k, v in tables.items() if v is not None}

    def parts(self) -> Iterator[Batch]:
        """A part of a file at a time; the batch is the files' content and what they are read with."""
        return self.streamed(self._identity())

    def _identity(self) -> str:
        """SHA-256 of the files' content and of every other parameter."""
        paths = {"path", "tables", *self._paths()}
        given = {f.name: str(getattr(self, f.name)) for f in fields_of(self) if f.name not in paths}
        given["tables"] = str(self._declared())
        content = {k: [digest(file) for file in self._files(k, path)] for k, path in self._paths().items()}
        return hashlib.sha256(json.dumps([given, content], sort_keys=True).encode()).hexdigest()

    def frames(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        for table, path in self._paths().items():
            for file in self._files(table, path):
                row = 0
                for part in self._loaded(file):
                    yield table, file.name + (f"{FROM_ROW}{row + 1}" if row else ""), part
                    row += part.height

    def origin(self) -> dict[str, Any]:
        """The files, with the SHA-256 of each."""
        given = {k: self._files(k, path) for k, path in self._paths().items()}
        files = {str(file): digest(file) for found in given.values() for file in found}
        return {**super().origin(), "files": files}

    def _files(self, table: str, given: str) -> list[Path]:
        try:
            return self._found(table, Path(given).expanduser())
        except (
            OSError,
            RuntimeError,
        ) as error:  # a name too long, a folder that may not be read, no such home
            raise InputError(
                _parameter(table), str(given), "a path that can be read", str(error)[:200]
            ) from error

    def _found(self, table: str, path: Path) -> list[Path]:
        if path.is_dir():
            found = [p for p in sorted(path.rglob("*")) if p.name.endswith(self.endings)]
        elif path.exists():
            found = [path]
        else:
            found = _matching(path)
        if not found:
            raise InputError(
                _parameter(table), str(path), f"a file, or a folder with {self.endings[0]} files"
            )
        return found

    def _loaded(self, file: Path) -> Iterator[pl.DataFrame]:
        """The parts of a file; a file without rows is one part without rows."""
        kind, empty = self.endings[0].removeprefix("."), True
        try:
            scan = self.scan(file)
            for part in scan.collect_batches(chunk_size=PART, maintain_order=True):
                if part.height:
                    yield part
                    empty = False
            if empty:
                yield scan.head(0).collect()
        except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(str(file), first, f"a readable {kind} file") from error

    @abstractmethod
    def scan(self, file: Path) -> pl.LazyFrame:
        """The rows of one file, not read yet."""


def _parameter(table: str) -> str:
    """The key of the configuration that says where a table's rows are."""
    return "dataset.path" if table == "bars" else f"dataset.{table}"


def _matching(pattern: Path) -> list[Path]:
    """The files of a glob pattern; none for what is no pattern."""
    root = Path(pattern.anchor)
    try:
        return sorted(p for p in root.glob(str(pattern.relative_to(root))) if p.is_file())
    except ValueError:
        return []
