"""A store that one run reads: each table of a pinned version once, and from memory after that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from backcast.data.catalog import Pin
from backcast.data.identity import instants
from backcast.data.store import Store

LARGEST = 256 * 2**20
"""Bytes of a table that is kept; larger ones are read each time, and at most twice as many bytes stay of all."""


class ReadOnce(Store):
    """What a pinned version holds never changes, so that the panel, the market and the audit may share one reading of it."""

    def __init__(self, home: Path | None = None) -> None:
        super().__init__(home)
        self._kept: dict[tuple[str, str, int, np.datetime64 | None], pa.Table] = {}

    def read(self, dataset: str, table: str, pin: Pin, until: np.datetime64 | None = None) -> pa.Table:
        """As `Store.read`; with `until` the whole version's rows are filtered, where they are kept."""
        # A holdout may be sealed, or opened, meanwhile.
        key = dataset, table, pin.get(table, 0), self.end(dataset)
        if key not in self._kept:
            if until is not None:  # whoever asks for a part may need no more than that
                return super().read(dataset, table, pin, until)
            rows = super().read(dataset, table, pin).combine_chunks()
            size = rows.nbytes + sum(kept.nbytes for kept in self._kept.values())
            if rows.nbytes > LARGEST or size > 2 * LARGEST:
                return rows
            self._kept[key] = rows
        rows = self._kept[key]
        if until is None:
            return rows
        there = instants(rows, "known_at") <= until
        return rows if there.all() else rows.filter(pa.array(there))
