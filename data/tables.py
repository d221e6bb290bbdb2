"""What the world as known is read from: the store, or a data set in memory whose future is another (`altered.py`)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from backcast.data.schema import DatasetInfo


class Tables(Protocol):
    """The rows of data sets at pinned versions."""

    def info(self, dataset: str) -> DatasetInfo:
        """What holds for the whole data set."""

    def read(
        self, dataset: str, table: str, pin: dict[str, int], until: np.datetime64 | None = None
    ) -> pa.Table:
        """Every row of a pinned version, with `until` only those known by then, in the order of key and known_at."""

    def items(self, dataset: str, pin: dict[str, int]) -> tuple[str, ...]:
        """The items of a pinned version's facts, whatever was known when."""

    def last_bar(self, dataset: str, pin: dict[str, int]) -> np.datetime64:
        """The last event_at of a pinned version's bars, whenever it was known."""
