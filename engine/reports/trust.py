"""Why the numbers may be believed, or not: audit, trials, survivorship, data, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backcast.engine.audit.findings import LEAK, WARNING
from backcast.engine.audit.universe import SURVIVORS
from backcast.engine.reports.audit_panel import cut, where
from backcast.engine.reports.audited import Audited
from backcast.engine.reports.folder import Evidence
from backcast.engine.reports.holdout import holdout_warnings

CONDITIONS = ("data", "universe", "selection")
"""Layers of which rows are looked at, and nothing is repeated: they do not count as cells that might have changed."""

MOST = 4
"""Findings of the audit that stand beside the verdict."""


@dataclass(frozen=True)
class Trust:
    """Facts for the trust panel.

    stopped: why nothing here may be used, empty where it may; warnings: what makes the numbers look better than they
    are. audit_passed is None where nothing was audited, or audit_doubt says why what is said of it is not believed;
    audit_checks, audit_chance, delay and selection as in `Audited`; coverage: counts as the run recorded them.
    """

    stopped: str
    warnings: tuple[str, ...]
    audit_level: str
    audit_passed: bool | None
    audit_cells: int
    audit_changed: int
    audit_doubt: str
    audit_checks: tuple[dict[str, Any], ...]
    audit_chance: dict[str, dict[str, float]]
    delay: dict[str, Any]
    selection: dict[str, Any]
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
    coverage = dict(evidence.manifest["coverage"])
    replayed = [c for c in audit.checks if c["layer"] not in CONDITIONS or c["changed"]]
    return Trust(
        stopped=_stopped(audit),
        warnings=tuple(_warnings(evidence)),
        audit_level=audit.level,
        audit_passed=audit.passed,
        audit_cells=sum(c["cells"] for c in replayed),
        audit_changed=sum(c["changed"] for c in replayed),
        audit_doubt=audit.doubt,
        audit_checks=audit.checks,
        audit_chance=audit.chance,
        delay=audit.delay,
        selection=audit.selection,
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


def _stopped(audit: Audited) -> str:
    if audit.passed is not False:
        return ""
    broken = [c for c in audit.checks if c["state"] == LEAK]
    where = (
        ", ".join(sorted({c["layer"] for c in broken if c["finding"]} or {c["layer"] for c in broken}))
        or "a check"
    )
    changed, cells = sum(c["changed"] for c in broken), sum(c["cells"] for c in broken)
    return f"Do not use: the leak audit failed in {where} ({changed:,} of {cells:,} cells changed)."


def _survivorship(evidence: Evidence) -> str:
    """What is wrong with the universe; empty where names left it as they did in life."""
    told = evidence.manifest["dataset"].get("survivorship")
    if told:
        return str(told)
    check = evidence.audit.named(SURVIVORS)
    if check is not None:
        return cut(check["finding"]["sentence"]).rstrip(".") if check["state"] == WARNING else ""
    if evidence.manifest["coverage"].get("left_universe") == 0:
        return "no name ever left the universe"
    return ""


def _of_audit(audit: Audited) -> list[str]:
    """What the audit found, in words: its leaks first, then conditions of the data."""
    leaks = [c for c in audit.found(LEAK) if c["finding"]]
    told = [
        f"Leak in {c['layer']}: {cut(c['finding']['sentence'])} {where(c['finding'])}".rstrip() for c in leaks
    ]
    told += [cut(c["finding"]["sentence"]) for c in audit.found(WARNING) if c["name"] != SURVIVORS]
    more = len(told) - MOST
    return [*told[:MOST], *([f"The audit found {more} more: see its sheet below."] if more > 0 else [])]


def _of_grid(grid: Mapping[str, Any]) -> str:
    """How the run's cell of a grid was chosen, or its cells."""
    nested = grid.get("nested")
    if nested:
        early = (
            f"; {nested['first']} had too little to go by, and have the first cell" if nested["first"] else ""
        )
        return (
            f"Each of {nested['folds']} folds has the cell of a grid of {grid['cells']:,} that was best by what was known at "
            f"its fit ({nested['used']} different ones{early}): no cell was chosen in hindsight."
        )
    chosen = ", ".join(f"{key}={value}" for key, value in sorted(grid["chosen"].items()))
    failed = f", {grid['failed']:,} of which failed" if grid.get("failed") else ""
    how = "chosen by its net Sharpe over this period."
    return f"The best of {grid['cells']:,} cells of a grid{failed} ({chosen}), {how}"


def _warnings(evidence: Evidence) -> list[str]:
    found = []
    if evidence.audit.passed is False:
        found.append("The figures below may rest on what nobody could have known at the time.")
    found += _of_audit(evidence.audit)
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
    found += holdout_warnings(evidence.manifest.get("holdout"))
    grid = evidence.manifest.get("grid")
    if grid:
        found.append(_of_grid(grid))
    if evidence.audit.passed is None:
        why = f" ({evidence.audit.doubt})" if evidence.audit.doubt else ""
        found.append(f"Not audited{why}: nobody checked whether these numbers can see the future.")
    left = evidence.audit.found("inconclusive")
    if left and evidence.audit.passed:
        names = ", ".join(c["name"] for c in left[:MOST])
        found.append(
            f"The audit could not run {len(left)} of {len(evidence.audit.checks)} checks to their end ({names})."
        )
    if evidence.trials["n"] > 1 and evidence.trials["sharpe_variance"] is None:
        found.append(
            "Fewer than two trials were finished: the deflated probability uses this run's own error."
        )
    if evidence.strategy.bankrupt:
        found.append("The figures end where the equity was lost.")
    return found
