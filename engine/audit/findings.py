"""What the audit says: checks with their counts, and of each that failed one finding, on the layer where the leak enters.

A `leak` is proved: something that a decision came to changes with what nobody knew then. It fails the audit. A `warning` is a
condition of the data under which results are likely too good (no name ever leaves, tickers recycled). `information` has a
size and accuses nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from backcast.data.types import Floats

LAYERS = (
    "data",
    "universe",
    "features",
    "labels",
    "fit",
    "forecasts",
    "targets",
    "execution",
    "account",
    "selection",
)
"""In the order in which one causes the next: a replay accuses the first that moves, the later ones are its consequences."""

LEAK, WARNING, INFORMATION = "leak", "warning", "information"


@dataclass(frozen=True)
class Finding:
    """One thing that was found, for a reader who has to mend it.

    sentence: what was found; remedy: what to do. column: the first offending column (a feature, a field, a part of a model);
    symbol and at: its first cell; recorded and replayed: what the cell was and became. depth: how many bars ahead the
    cell looks, None where that is not known. through: the table of the data whose future moved it. reproduce: the
    smallest command that shows it again. Empty where there is nothing to say.
    """

    severity: str
    sentence: str
    remedy: str
    column: str = ""
    symbol: str = ""
    at: str = ""
    depth: int | None = None
    through: str = ""
    recorded: float | None = None
    replayed: float | None = None
    reproduce: str = ""


@dataclass
class Check:
    """One comparison: how many cells were compared and how many changed. proved: held by construction, and therefore not run;
    inconclusive: why it could not be run to its end, empty where it could."""

    name: str
    layer: str
    detail: str
    cells: int = 0
    changed: int = 0
    finding: Finding | None = field(default=None)
    proved: bool = False
    inconclusive: str = ""

    def compare(
        self,
        recorded: Floats,
        again: Floats,
        columns: Sequence[str],
        symbols: Sequence[str],
        found: Finding,
    ) -> None:
        """Adds cells (S, C), which must have the same bits; the first that changed fills in `found`, unless there is one."""
        wrong = differing(recorded, again)
        self.cells += wrong.size
        self.changed += int(wrong.sum())
        if self.finding is None and wrong.any():
            s, c = (int(i) for i in np.argwhere(wrong)[0])
            values = {"recorded": number(recorded[s, c]), "replayed": number(again[s, c])}
            self.finding = replace(found, column=columns[c], symbol=symbols[s], **values)  # type: ignore[arg-type]

    @property
    def failed(self) -> bool:
        """Whether it found a leak."""
        return self.finding is not None and self.finding.severity == LEAK

    @property
    def state(self) -> str:
        """leak, warning, information, follows (it moved with an earlier layer), proved, inconclusive or passed."""
        if self.finding is not None:
            return self.finding.severity
        if self.changed:
            return "follows"
        return "proved" if self.proved else "inconclusive" if self.inconclusive else "passed"


def verdict(level: str, checks: Sequence[Check], **more: Any) -> dict[str, Any]:
    """What `audit.json` holds: level, passed (null where nothing was audited), the checks each with its state and its finding,
    and what else the level states (`chance`, `delay` ...)."""
    rows = [{**asdict(check), "state": check.state} for check in checks]
    passed = not any(check.failed for check in checks) if checks else None
    return {"level": level, "passed": passed, "checks": rows, **more}


def differing(recorded: Floats, again: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Cells that are not equal to the bit; NaN equals NaN."""
    return ~((recorded == again) | (np.isnan(recorded) & np.isnan(again)))


def number(value: Any) -> float | None:
    """For JSON: None where it is not finite."""
    return float(value) if np.isfinite(value) else None
