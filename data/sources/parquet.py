"""Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from backcast.data.sources.files import Files


@dataclass(frozen=True, kw_only=True, eq=False)
class Parquet(Files):
    """Rows of Parquet files; the keys are those of `Files` and `Tabular`."""

    endings: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def scan(self, file: Path) -> pl.LazyFrame:
        return pl.scan_parquet(file, hive_partitioning=False, glob=False)
