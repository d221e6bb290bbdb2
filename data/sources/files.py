"""Sources that are files: a file, a folder of them, or a glob pattern."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from backcast.data.durable import digest
from backcast.data.errors import InputError
from backcast.data.sources.tabular import Tabular


@dataclass(frozen=True, kw_only=True, eq=False)
class Files(Tabular):
    """path: the bars; actions, membership, facts: files of the other tables, with our column names. Each is a file, a
    folder or a glob pattern; at least one is given."""

    path: str | None = None
    actions: str | None = None
    membership: str | None = None
    facts: str | None = None

    endings: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self._paths():
            raise InputError("dataset.path", None, "a file, a folder or a glob pattern")
        for key, value in self._paths().items():
            if not isinstance(value, str | Path) or not str(value):
                raise InputError(f"dataset.{key}", value, "a file, a folder or a glob pattern")

    def _paths(self) -> dict[str, str]:
        tables = {
            "path": self.path,
            "actions": self.actions,
            "membership": self.membership,
            "facts": self.facts,
        }
        return {k: v for k, v in tables.items() if v is not None}

    def frames(self) -> dict[str, dict[str, pl.DataFrame]]:
        return {
            "bars" if key == "path" else key: {
                file.name: self._loaded(file) for file in self._files(key, path)
            }
            for key, path in self._paths().items()
        }

    def origin(self) -> dict[str, Any]:
        """The files, with the SHA-256 of each."""
        given = {k: self._files(k, path) for k, path in self._paths().items()}
        files = {str(file): digest(file) for found in given.values() for file in found}
        return {**super().origin(), "files": files}

    def _files(self, key: str, given: str) -> list[Path]:
        try:
            return self._found(key, Path(given).expanduser())
        except (
            OSError,
            RuntimeError,
        ) as error:  # a name too long, a folder that may not be read, no such home
            raise InputError(
                f"dataset.{key}", str(given), "a path that can be read", str(error)[:200]
            ) from error

    def _found(self, key: str, path: Path) -> list[Path]:
        if path.is_dir():
            found = [p for p in sorted(path.rglob("*")) if p.name.endswith(self.endings)]
        elif path.exists():
            found = [path]
        else:
            found = _matching(path)
        if not found:
            raise InputError(f"dataset.{key}", str(path), f"a file, or a folder with {self.endings[0]} files")
        return found

    def _loaded(self, file: Path) -> pl.DataFrame:
        kind = self.endings[0].removeprefix(".")
        try:
            return self.load(file)
        except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(str(file), first, f"a readable {kind} file") from error

    @abstractmethod
    def load(self, file: Path) -> pl.DataFrame:
        """The rows of one file."""


def _matching(pattern: Path) -> list[Path]:
    """The files of a glob pattern; none for what is no pattern."""
    root = Path(pattern.anchor)
    try:
        return sorted(p for p in root.glob(str(pattern.relative_to(root))) if p.is_file())
    except ValueError:
        return []
