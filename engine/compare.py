"""Runs beside each other: whether one's Sharpe ratio differs from another's, on the sessions that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backcast.data.errors import InputError
from backcast.engine.holdout import warn_of_sight
from backcast.engine.reports.folder import Evidence, read_evidence
from backcast.engine.runs import RunFolder
from backcast.engine.stats import performance
from backcast.engine.stats.differences import studentised_difference
from backcast.engine.trials import TrialLog

WIDTH = 150
"""Of the table where nobody looks at it, as in a file."""


@dataclass(frozen=True)
class Compared:
    """The first run beside another. Sharpe ratios and their difference, with its 95 % interval, are net and a year; p is
    two-sided against no difference; correlation of the returns by session; trials: in the log of the first run's data, as it
    stands now. None where undefined."""

    run: str
    other: str
    sessions: int
    begins: str
    ends: str
    sharpe: float | None
    other_sharpe: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    correlation: float | None
    trials: int

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return asdict(self)


def compare(run: Path, others: Sequence[Path]) -> list[Compared]:
    """The first run beside each of the others, by Ledoit and Wolf's (2008) studentised block bootstrap.

    Errors: InputError for a folder without a finished run, years of different lengths, a cross-validation beside a walk
    forward, and fewer common sessions than a Sharpe ratio needs.
    """
    for folder in (run, *others):
        warn_of_sight(RunFolder.open(folder))
    own = read_evidence(RunFolder.open(run).path)
    return [_compared(own, read_evidence(RunFolder.open(other).path), other) for other in others]


def _compared(own: Evidence, other: Evidence, folder: Path) -> Compared:
    year = float(own.manifest["periods_per_year"])
    if float(other.manifest["periods_per_year"]) != year:
        raise InputError("RUN", str(folder), f"a run whose year has {year:g} sessions too")
    if (own.paths is None) != (other.paths is None):
        hint = "One of the two was cross-validated: its models knew what came after what they forecast."
        raise InputError("RUN", str(folder), "a run that was validated in the same way", hint)
    days, mine, theirs = np.intersect1d(own.strategy.sessions, other.strategy.sessions, return_indices=True)
    if len(days) < performance.MINIMUM_SESSIONS:
        raise InputError(
            "RUN", str(folder), f"at least {performance.MINIMUM_SESSIONS} sessions in common, there are {len(days)}"
        )  # fmt: skip
    ours, others = own.strategy.net[mine], other.strategy.net[theirs]
    found, root = studentised_difference(ours, others), float(np.sqrt(year))
    moving = np.ptp(ours) > 0 and np.ptp(others) > 0
    return Compared(
        str(own.manifest["run"]),
        str(other.manifest["run"]),
        len(days),
        str(days[0]),
        str(days[-1]),
        _finite(performance.sharpe_per_session(ours) * root),
        _finite(performance.sharpe_per_session(others) * root),
        _finite(found.estimate * root),
        _finite(found.low * root),
        _finite(found.high * root),
        _finite(found.p),
        _finite(float(np.corrcoef(ours, others)[0, 1])) if moving else None,
        TrialLog(str(own.manifest["store"]["lineage"])).count().n,
    )


def show(found: Sequence[Compared]) -> None:
    """A row a pair."""
    first = found[0]
    table = Table(
        "beside", "sessions", "from", "to", "Sharpe", "its Sharpe", "difference", "95 % interval", "p", "correlation",
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for one in found:
        interval = "n/a" if one.low is None or one.high is None else f"{one.low:+.2f} to {one.high:+.2f}"
        table.add_row(
            escape(one.other), f"{one.sessions:,}", one.begins, one.ends, _told(one.sharpe), _told(one.other_sharpe),
            _told(one.difference, "+.2f"), interval, _told(one.p, ".3f"), _told(one.correlation),
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(f"{escape(first.run)}, net of costs, a year, on the sessions that both have:")
    console.print(table)
    console.print(
        f"Ledoit and Wolf (2008): paired blocks, studentised; p of one pair, two-sided. The trial log as it stands counts "
        f"{first.trials:,} trials on these data: of a pair that was picked among them, p says too much.",
        soft_wrap=True,
    )


def _told(value: float | None, form: str = ".2f") -> str:
    return "n/a" if value is None else f"{value:{form}}"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
