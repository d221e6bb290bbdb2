"""CSV files, plain or gzipped, with one header line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from backcast.data.errors import InputError
from backcast.data.sources.files import Files


@dataclass(frozen=True, kw_only=True, eq=False)
class CSV(Files):
    """Rows of CSV files; the keys are those of `Files` and `Tabular`, and separator: the character between cells."""

    separator: str = ","

    endings: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz")

    def __post_init__(self) -> None:
        super().__post_init__()
        one = isinstance(self.separator, str) and self.separator.isascii() and len(self.separator) == 1
        if not one or self.separator in '"\r\n':
            raise InputError("dataset.separator", self.separator, "one ASCII character that is no quote")

    def scan(self, file: Path) -> pl.LazyFrame:
        # Text, so that errors name rows.
        return pl.scan_csv(file, separator=self.separator, infer_schema=False, glob=False)
