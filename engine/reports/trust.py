"""Why the numbers may be believed, or not: audit, trials, survivorship, data, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backcast.engine.reports.folder import Evidence


@dataclass(frozen=True)
class Trust:
    """Facts for the trust panel.

    stopped: why nothing here may be used, empty where it may; warnings: what makes the numbers look better than they
    are. audit_passed is None where nothing was audited; coverage: counts as the run recorded them.
    """

    stopped: str
    warnings: tuple[str, ...]
    audit_level: str
    audit_passed: bool | None
    audit_cells: int
    audit_changed: int
    audit_checks: tuple[dict[str, Any], ...]
    trials: int
    trials_variance: float | None
    survivorship: str
    store: dict[str, Any]
    refits: int
    purged_rows: int
    train_rows: int
    embargo_sessions: int
    events: dict[str, int]
    coverage: dict[str, Any]
    findings: dict[str, int]


def trust_in(evidence: Evidence) -> Trust:
    """What the run's files say about how far to trust them."""
    audit, folds = evidence.audit, evidence.folds
    checks = [{k: check.get(k) for k in ("name", "layer", "cells", "changed")} for check in audit["checks"]]
    coverage = dict(evidence.manifest["coverage"])
    return Trust(
        stopped=_stopped(audit),
        warnings=tuple(_warnings(evidence)),
        audit_level=str(audit["level"]),
        audit_passed=audit["passed"],
        audit_cells=sum(c["cells"] for c in checks),
        audit_changed=sum(c["changed"] for c in checks),
        audit_checks=tuple(checks),
        trials=evidence.trials["n"],
        trials_variance=evidence.trials["sharpe_variance"],
        survivorship=_survivorship(evidence),
        store=dict(evidence.manifest["store"]),
        refits=folds.height,
        purged_rows=int(folds["purged_rows"].sum()),
        train_rows=int(folds["train_rows"].sum()),
        embargo_sessions=int(folds["embargo"].max()),  # type: ignore[arg-type]  # never empty, never null
        events=evidence.events,
        coverage=coverage,
        findings=dict(evidence.manifest.get("findings", {})),
    )


def _stopped(audit: dict[str, Any]) -> str:
    if audit["passed"] is not False:
        return ""
    broken = [c for c in audit["checks"] if c.get("changed")]
    where = ", ".join(sorted({str(c.get("layer")) for c in broken})) or "a check"
    changed, cells = sum(c["changed"] for c in broken), sum(c["cells"] for c in broken)
    return f"Do not use: the leak audit failed in {where} ({changed:,} of {cells:,} cells changed)."


def _survivorship(evidence: Evidence) -> str:
    """What is wrong with the universe; empty where names left it as they did in life."""
    told = evidence.manifest["dataset"].get("survivorship")
    if told:
        return str(told)
    if evidence.manifest["coverage"].get("left_universe") == 0:
        return "no name ever left the universe"
    return ""


def _warnings(evidence: Evidence) -> list[str]:
    found = []
    if evidence.audit["passed"] is False:
        found.append("The figures below may rest on what nobody could have known at the time.")
    if evidence.manifest.get("given"):
        found.append(
            f"Targets were given ({evidence.manifest['given']['file']}): nobody here can vouch that they knew no future. "
            "The audit covers the universe as known and the fills alone."
        )
    survivorship = _survivorship(evidence)
    if survivorship:
        found.append(
            f"Survivorship: {survivorship}. Names that failed are missing, so results here are likely too good."
        )
    grid = evidence.manifest.get("grid")
    if grid:
        chosen = ", ".join(f"{key}={value}" for key, value in sorted(grid["chosen"].items()))
        found.append(
            f"The best of {grid['cells']:,} cells of a grid ({chosen}), chosen by its net Sharpe over this period."
        )
    if evidence.audit["passed"] is None:
        found.append("Not audited: nobody checked whether these numbers can see the future.")
    if evidence.trials["n"] > 1 and evidence.trials["sharpe_variance"] is None:
        found.append(
            "Fewer than two trials were finished: the deflated probability uses this run's own error."
        )
    if evidence.strategy.bankrupt:
        found.append("The figures end where the equity was lost.")
    return found
