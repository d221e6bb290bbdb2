"""Holdouts: from which session on nobody has looked at a data set, and who opened it, once.

<home>/seals/<lineage>.json, sealed with its own SHA-256 and replaced whole, by one process at a time. A seal belongs to the
data set's lineage, as the trial log does, so that neither a new version nor a deleted run folder lifts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data.calendar import clock
from backcast.data.catalog import BACKUP, home, locked
from backcast.data.durable import read_sealed, write_sealed
from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo

KEY = "folds.holdout_from"
FORMAT = 1
"""Of the file of a seal: raised when a reader of older ones would be wrong."""
LONGEST_CLOSURE = np.timedelta64(60, "D")
"""Longer than any exchange was ever closed: a session is found within so many days."""


class HoldoutWarning(UserWarning):
    """Something about a sealed holdout that whoever reads a number should know."""


@dataclass(frozen=True)
class Opening:
    """Who opened a holdout: a run (study/job), its trial and the version of the data that it is evaluated on; when (UTC), by
    which code, and how many other trials had seen its sessions by then."""

    at: str
    run: str
    trial: str
    pin: dict[str, int]
    code: dict[str, str]
    seen_before: int


@dataclass(frozen=True)
class Seal:
    """Of one lineage: the first date of its holdout (ISO), which run sealed it and when (UTC), how many trials had seen its
    sessions by then, and its opening, None while it is sealed."""

    lineage: str
    dataset: str
    holdout_from: str
    sealed_at: str
    sealed_by: str
    seen_before: int
    opened: Opening | None = None

    @property
    def begins(self) -> np.datetime64:
        """The first date of the holdout."""
        return np.datetime64(self.holdout_from, "D")

    @property
    def sealed(self) -> bool:
        """Whether nobody has opened it yet."""
        return self.opened is None

    @staticmethod
    def from_json(value: dict[str, Any]) -> Seal:
        opened = value["opened"]
        return Seal(**{**value, "opened": None if opened is None else Opening(**opened)})


@dataclass(frozen=True)
class Seals:
    """The seals under a folder."""

    folder: Path

    @staticmethod
    def at_home(folder: Path | None = None) -> Seals:
        """The user's, or those of another home."""
        return Seals((folder or home()) / "seals")

    def of(self, lineage: str) -> Seal | None:
        """The seal of a lineage; None where it has none. Errors: InputError for a file that is not as it was written, or of a
        later format."""
        path = self._path(lineage)
        if not path.exists():
            return None
        found = read_sealed(path, BACKUP)
        form = found.pop("format", FORMAT)
        if form != FORMAT:
            raise InputError(f"format of {path}", form, str(FORMAT), "Update backcast.")
        return Seal.from_json(found)

    def lost(self, dataset: str, lineage: str) -> Seal | None:
        """The last seal of a data set of this name that was dropped and made anew, in another lineage, before it was opened."""
        others = (path.stem for path in self.folder.glob("*.json") if path.stem != lineage)
        found = [seal for other in others if (seal := self.of(other)) and seal.dataset == dataset]
        return max((seal for seal in found if seal.sealed), key=lambda seal: seal.sealed_at, default=None)

    def put(self, seal: Seal) -> Seal:
        """Seals a lineage, durably; gives the seal that holds: where several seal at once, that of the first."""
        with self._changing():
            held = self.of(seal.lineage)
            if held is None:
                self._write(seal)
            return held or seal

    def open(self, lineage: str, opening: Opening) -> Seal:
        """Records an opening, durably, before anybody looks; the same run may repeat what was cut off, and the first opening
        stays. Errors: InputError where another run opened it."""
        with self._changing():
            held = self.of(lineage)
            if held is None:
                raise InputError("lineage", lineage, "a data set with a sealed holdout")
            refuse_another(held, opening.run, opening.trial, opening.pin)
            if held.opened is None:
                held = replace(held, opened=opening)
                self._write(held)
            return held

    def _write(self, seal: Seal) -> None:
        write_sealed(self._path(seal.lineage), {"format": FORMAT, **asdict(seal)})

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with locked(self.folder):
            yield

    def _path(self, lineage: str) -> Path:
        return self.folder / f"{lineage}.json"


def refuse_another(seal: Seal, run: str, trial: str, pin: dict[str, int]) -> None:
    """Errors: InputError where a holdout was opened, and not for this run, its trial at its version of the data."""
    opened = seal.opened
    if opened is not None and (opened.run, opened.trial, opened.pin) != (run, trial, pin):
        raise InputError(
            "RUN",
            run,
            f"{opened.run}, for which the holdout of {seal.dataset} was opened at {opened.at}",
            f"It is opened once. Its sessions, from {seal.holdout_from} on, are open to every run now, and pages say so.",
        )


@lru_cache(maxsize=64)
def end_before(info: DatasetInfo, date: np.datetime64) -> np.datetime64:
    """The instant at which a world without a holdout ends: the last microsecond before its first session opens."""
    last_day = np.datetime64(f"{date.astype('datetime64[Y]')}-12-31")
    opens = clock(info.calendar, date, last_day, 0).opens_at
    if not len(opens):  # asked only then, since some calendars are not known for another year
        opens = clock(info.calendar, date, date + LONGEST_CLOSURE, 0).opens_at
    end: np.datetime64 = opens[0] - np.timedelta64(1, "us")
    return end
