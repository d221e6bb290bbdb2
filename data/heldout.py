"""The store as research may see it: a data set with a sealed holdout ends where the holdout begins.

Every question to the store goes through `reading`, so that the bound stands there once: rows that were known later do not
exist, whether bars, corrections, actions, members or facts, and the clock ends with the last bar that does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backcast.data.catalog import Pin
from backcast.data.errors import InputError
from backcast.data.query import Files
from backcast.data.readonce import ReadOnce
from backcast.data.seals import HoldoutWarning, Seals, end_before

OPEN_IT = "`backcast unseal RUN` opens it, once."


class HeldOut(ReadOnce):
    """The store up to each data set's sealed holdout, and up to the holdouts given: first dates by data set."""

    def __init__(self, given: Mapping[str, np.datetime64] | None = None, home: Path | None = None) -> None:
        super().__init__(home)
        self._given = dict(given or {})

    def begins(self, dataset: str) -> np.datetime64 | None:
        """The first date that is held out."""
        seal = Seals.at_home(self.folder.parent).of(self.lineage(dataset))
        dates = [seal.begins] if seal is not None and seal.sealed else []
        dates += [self._given[dataset]] if dataset in self._given else []
        return min(dates, default=None)

    def end(self, dataset: str) -> np.datetime64 | None:
        begins = self.begins(dataset)
        return None if begins is None else end_before(self.info(dataset), begins)

    def moment(self, dataset: str, asked: np.datetime64 | None) -> np.datetime64:
        """As `Store.moment`; no later than the end. Errors: InputError where a later one was asked for."""
        end = self.end(dataset)
        if end is None:
            return super().moment(dataset, asked)
        sealed = f"the holdout of {dataset} is sealed from {self.begins(dataset)} on"
        if asked is None:
            warnings.warn(f"{sealed}: this is as of {end}.", HoldoutWarning, stacklevel=2)
            return end
        if asked > end:
            raise InputError(
                "as of", str(asked), f"an instant up to {end}", f"{sealed.capitalize()}. {OPEN_IT}"
            )
        return asked

    @contextmanager
    def reading(self, dataset: str, table: str, pin: Pin) -> Iterator[Files]:
        with super().reading(dataset, table, pin) as files:
            yield replace(files, end=self.end(dataset))

    def findings(self, dataset: str, pin: Pin) -> pa.Table:
        """As `Store.findings`; those that may tell of the holdout, by their session or because they are of several, are left
        out."""
        found, begins = super().findings(dataset, pin), self.begins(dataset)
        if begins is None:
            return found
        before = pc.and_(pc.not_equal(found["session"], ""), pc.less(found["session"], str(begins)))
        return found.filter(pc.and_(pc.fill_null(before, False), pc.equal(found["count"], 1)))
