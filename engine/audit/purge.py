"""The audit of a cross-validation: that every fit is purged of what it forecasts, checked on every training row.

Its models are fitted on data from after what they forecast, which is the design. So nothing is fitted again in another future;
what is checked is that no training label shares a bar with a test label, that the embargo is kept, and that nothing trains the
model that forecasts it. The training sets are those that the fits get; spans are worked out here again, from the tests of each
split alone and by another way (a running maximum, where `signals/validation.py` counts bars).
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Clock, Ints
from backcast.engine.audit.findings import INFORMATION, LEAK, Check, Finding
from backcast.engine.configure import Experiment
from backcast.engine.walkforward import World, fold_training, folds_of, labels_as_known
from backcast.signals.types import Fold, Labels

REMEDY = (
    "Use backcast.signals.validation, or purge by the labels' own spans: Labels.known says where each ends."
)


def checks(made: Experiment, world: World) -> list[Check]:
    """Of every split of the run's own model: purge, embargo, and decisions that are trained on and forecast; and that the fit
    replay does not apply."""
    told = "every training row of every split"
    purged = Check("training labels apart from test labels", "labels", told)
    embargo = Check("embargo after every test decision", "labels", told)
    own = Check("nothing trains what forecasts it", "fit", told)
    labels = labels_as_known(made, world, len(world.panel.clock) - 1)
    for fold in folds_of(made, world.panel):
        train, _ = fold_training(made, world, fold, made.model, labels)
        tested, ends = test_spans(labels, world.panel.member, fold)
        known = labels.known[:, : train.rows.shape[1]]
        bars = np.arange(train.rows.shape[1])
        soon = too_soon(bars, ends, world.panel.clock, fold.embargo)
        _add(purged, world, fold, train.rows, overlaps(bars, known, tested, ends),
             "trains on labels that share bars with labels that it is tested on.")  # fmt: skip
        _add(embargo, world, fold, train.rows, np.broadcast_to(soon, known.shape),
             "trains on decisions within the embargo after its test.")  # fmt: skip
        _add(own, world, fold, train.rows, np.broadcast_to(np.isin(bars, fold.test), known.shape),
             "trains on decisions that it forecasts.")  # fmt: skip
    return [purged, embargo, own, _no_replay()]


def test_spans(labels: Labels, member: Bools, fold: Fold) -> tuple[Ints, Ints]:
    """(N,) test decisions of which some member has a label, ascending, and (N,) the bar by which the last of these is known."""
    tested, ends = [], []
    for t in np.unique(fold.test).tolist():
        known = labels.known[member[:, t] & np.isfinite(labels.values[:, t]), t]
        if len(known):
            tested.append(t)
            ends.append(int(known.max()))
    return np.array(tested, dtype=np.int64), np.array(ends, dtype=np.int64)


def overlaps(bars: Ints, known: Ints, tested: Ints, ends: Ints) -> Bools:
    """(S, N) whether a label that spans (bar, known] shares a bar with a test label: one that begins before it is known, and is
    known after it begins."""
    reach = np.r_[-1, np.maximum.accumulate(ends)] if len(ends) else np.array([-1])
    return np.asarray(reach[np.searchsorted(tested, known, side="left")] > bars)


def too_soon(bars: Ints, ends: Ints, clock: Clock, embargo: int) -> Bools:
    """(N,) whether a bar lies less than `embargo` sessions after the last test label that is known by then."""
    days = np.unique(clock.sessions)
    session = np.searchsorted(days, clock.sessions)
    ended = np.unique(ends)
    place = np.searchsorted(ended, bars, side="right") - 1
    since = session[bars] - session[ended[np.maximum(place, 0)]] if len(ended) else bars + embargo
    return np.asarray((place >= 0) & (since < embargo))


def _add(check: Check, world: World, fold: Fold, rows: Bools, wrong: Bools, what: str) -> None:
    late = rows & wrong
    check.cells += int(rows.sum())
    check.changed += int(late.sum())
    if check.finding is None and late.any():
        s, t = (int(i) for i in np.argwhere(late)[0])
        check.finding = Finding(
            LEAK,
            f"Split {fold.number} {what}",
            REMEDY,
            column="label",
            symbol=world.panel.symbols[s],
            at=str(world.panel.clock.decides_at[t]),
        )


def _no_replay() -> Check:
    """The fit replay gives every fit another future; of these fits the future is a part."""
    return Check(
        "fit replay",
        "fit",
        "does not apply to a cross-validation",
        finding=Finding(
            INFORMATION,
            "Not replayed: every model but those of the last groups is fitted on data from after what it forecasts, by design.",
            "For a track record walk forward (folds=yearly).",
        ),
    )
