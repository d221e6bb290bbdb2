"""Whether a configuration was chosen on the sessions that it is reported on, by the trial log: information, with its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backcast.engine.audit.findings import INFORMATION, Check, Finding

NAME = "chosen on these sessions"
READ = ("trial", "outcome", "sharpe_per_session", "period")
"""What of the trial log's records is read here."""


def check(
    records: Sequence[Mapping[str, Any]],
    trial: str,
    period: tuple[str, str],
    sharpe: float | None,
    grid: Mapping[str, Any] | None = None,
) -> tuple[Check, dict[str, Any]]:
    """INFORMATION: how many other configurations were evaluated before this run's over sessions that it reports (ISO dates,
    both ends), and where its net Sharpe ratio (per session) stands among theirs; and what `audit.json` holds of it.

    records: the trial log, oldest first. A record without its period, of an older version, counts. grid: what the manifest
    says of the grid whose best cell this is.
    """
    others = _others(records, trial, period)
    found = Check(NAME, "selection", "configurations of this lineage that were evaluated before", len(others))
    known = [s for s in others.values() if s is not None]
    rank = None if sharpe is None else 1 + sum(s > sharpe for s in known)
    facts = {
        "others": len(others),
        "rank": rank,
        "of": len(known) + 1,
        "grid": grid["cells"] if grid else None,
    }
    if not others:
        return found, facts
    best = f"The best of a grid of {grid['cells']:,} cells. " if grid else ""
    if grid and grid.get("nested"):
        best = f"At every fold the cell of a grid of {grid['cells']:,} that was best by what was known then. "
    sentence = f"{best}Chosen after {_counted(len(others))} tried on these sessions"
    if rank is not None and known:
        sentence += f"; its net Sharpe ratio is {_ordinal(rank)} of {len(known) + 1:,}"
    remedy = "Judge it by its deflated probability, or on sessions that no trial has seen."
    found.finding = Finding(INFORMATION, f"{sentence}.", remedy)
    return found, facts


def _others(
    records: Sequence[Mapping[str, Any]], trial: str, period: tuple[str, str]
) -> dict[str, float | None]:
    """The last Sharpe ratio of each other trial that was finished, over these sessions, before this one last began."""
    begun = [
        i for i, record in enumerate(records) if record["trial"] == trial and record["outcome"] == "started"
    ]
    before = records[: begun[-1]] if begun else records
    found: dict[str, float | None] = {}
    for record in before:
        if record["outcome"] != "done" or record["trial"] == trial:
            continue
        first, last = record.get("period") or period
        if first <= period[1] and last >= period[0]:
            found[record["trial"]] = record["sharpe_per_session"]
    return found


def _counted(others: int) -> str:
    return "one other configuration was" if others == 1 else f"{others:,} other configurations were"


def _ordinal(rank: int) -> str:
    return "the highest" if rank == 1 else f"number {rank:,}"
