"""The trial log: every distinct configuration that was evaluated on a data set's lineage, for ever.

One immutable JSON file a record under `<home>/trials/<lineage>/`, made under another name, synced and renamed, so that
any number of processes append at once and a kill leaves whole records only. A trial is counted from its start: a record of
the start is written first and one of the outcome after, so that a run that died counts in N too. Deleting run folders
does not touch the log.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.catalog import home
from backcast.data.durable import write_text
from backcast.data.errors import InputError
from backcast.data.types import Floats


@dataclass(frozen=True)
class TrialCount:
    """n distinct trials; the variance of the successful ones' Sharpe ratios per session (None below two); the last
    record that was counted."""

    lineage: str
    n: int
    sharpe_variance: float | None
    upto: str

    def to_json(self) -> dict[str, Any]:
        return {
            "lineage": self.lineage,
            "n": self.n,
            "sharpe_variance": self.sharpe_variance,
            "upto": self.upto,
        }


class TrialLog:
    """The log of one lineage."""

    def __init__(self, lineage: str) -> None:
        self.lineage = lineage
        self.folder = home() / "trials" / lineage

    def start(self, trial: str, config: Any, pin: dict[str, int]) -> None:
        """Counts the trial with this configuration hash, whatever becomes of it."""
        self._append({"trial": trial, "outcome": "started", "config": config, "pin": pin})

    def finish(
        self,
        trial: str,
        sharpe_per_session: float | None,
        returns: Floats,
        days: npt.NDArray[Any] | None = None,
    ) -> None:
        """The trial's net returns, and the days that they are of; `sharpe_per_session` is None where undefined."""
        period = {} if days is None or not len(days) else {"period": [str(days[0]), str(days[-1])]}
        self._append(
            {
                "trial": trial,
                "outcome": "done",
                "sharpe_per_session": sharpe_per_session,
                **period,
                "returns": [float(f"{r:.9g}") for r in returns],
            }
        )

    def fail(self, trial: str, error: str) -> None:
        self._append({"trial": trial, "outcome": "failed", "error": error[:2000]})

    def records(self) -> list[dict[str, Any]]:
        """Every record in order of its name, which begins with the instant at which it was appended."""
        if not self.folder.exists():
            return []
        return [_read(path) for path in sorted(self.folder.glob("*.json"))]

    def count(self) -> TrialCount:
        """N and the variance of trials, as the log stands."""
        records = self.records()
        sharpes: dict[str, float] = {}
        for r in records:
            if r["outcome"] == "done" and r["sharpe_per_session"] is not None:
                sharpes[r["trial"]] = r["sharpe_per_session"]
        variance = float(np.var(list(sharpes.values()), ddof=1)) if len(sharpes) > 1 else None
        upto = records[-1]["id"] if records else ""
        return TrialCount(self.lineage, len({r["trial"] for r in records}), variance, upto)

    def _append(self, record: dict[str, Any]) -> None:
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        write_text(self.folder / f"{name}.json", json.dumps({"id": name, **record}))


def _read(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            str(path),
            str(error),
            "a whole record of the trial log",
            "Restore the file from a backup: without it the number of trials is not known.",
        ) from error
    return record
