"""Whether the fit of a fold reads what the fit of a later one left behind: a checkpoint, a cache, a warm start.

Asked where a fold, fitted again, is not what was saved. Fitted twice in a row it must be the same, else it is merely not
reproducible. Then a later fold is fitted on other labels, and the first again: where that changes it, and nothing else does,
its model is made of rows from after its fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backcast.engine.audit.files import difference
from backcast.engine.audit.findings import LEAK, Finding
from backcast.engine.audit.path import Recorded
from backcast.signals.types import Fold, TrainingSet

Fit = Callable[[Fold, TrainingSet, str], Path | None]
"""Fits and saves a fold on a set; gives the folder of that name, None where it fails."""


def of_a_later_fold(
    recorded: Recorded, fold: Fold, later: Fold, sets: Callable[[Fold], TrainingSet], fit: Fit, file: Path
) -> Finding | None:
    """The accusation of a fold's fit by one file of its model, None where nothing is proved."""
    own, after = sets(fold), sets(later)
    other = replace(after, labels=-after.labels)
    order = ((fold, own), (fold, own), (later, other), (fold, own), (fold, own), (later, after))
    made = [fit(one, train, f"leftover-{i}") for i, (one, train) in enumerate(order)]
    one, two, _, three, four, _ = (None if folder is None else folder / file for folder in made)
    if one is None or two is None or three is None or four is None:
        return None
    if not all(path.is_file() for path in (one, two, three, four)):
        return None
    same = one.read_bytes() == two.read_bytes() and three.read_bytes() == four.read_bytes()
    if not same or two.read_bytes() == three.read_bytes():
        return None
    column, before, now = difference(two, three)
    return Finding(
        LEAK,
        f"The model of fold {fold.number} changes with what the fit of fold {later.number}, which comes later, leaves behind.",
        "Let a fit begin from nothing, or from what an earlier fold saved: name it by the instant of its fit.",
        column=column,
        at=str(recorded.instant(fold.fit_at)),
        depth=later.fit_at - fold.fit_at,
        recorded=before,
        replayed=now,
        reproduce=f"{recorded.command} --level full",
    )
