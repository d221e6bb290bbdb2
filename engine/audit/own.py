"""The audit of a run of our own path: what its level asks for, in the order of layers.

quick: worlds and looks (`replay.py`), what the graph proves (`static.py`), and the features of a user's own in Python bar by
bar over half of the rows (`live.py`). full: more of them, all features over all rows, and the fits (`fits.py`)
of a walk forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backcast.data.altered import Held
from backcast.data.store import Store
from backcast.engine.audit import static
from backcast.engine.audit.chance import chances
from backcast.engine.audit.explain import finding_of
from backcast.engine.audit.findings import LAYERS, Check
from backcast.engine.audit.fits import fit_replay
from backcast.engine.audit.instants import row_at
from backcast.engine.audit.live import live_replay
from backcast.engine.audit.path import Evidence, Recorded
from backcast.engine.audit.replay import Replay
from backcast.engine.configure import Experiment
from backcast.engine.progress import Update
from backcast.engine.validation import is_cross_validated
from backcast.engine.walkforward import World

HALF = 2
"""In quick, one row in so many is replayed bar by bar, the last ones."""


def checks(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    threads: int,
    update: Update,
    at: np.datetime64 | None = None,
) -> tuple[list[Check], dict[str, Any]]:
    """The checks of the configured level, or of one instant's decision alone, and the chance that the level states."""
    recorded = Recorded(made, store, pin, world, evidence, threads)
    held = Held.of(store, made.source.name, pin)
    replayed = Replay(recorded, held, at)
    replayed.run(lambda share: update(0.4 * share))
    found, every = replayed.told(), None
    proof = static.check(recorded.compiled)
    if proof is not None:
        found.append(proof)
    if at is None:
        live, every = _live(recorded, held, lambda share: update(0.4 + 0.2 * share))
        found += live
    if made.audit.level == "full" and not is_cross_validated(made.folds):
        k = None if at is None else int(evidence.forecast.decisions[_row(recorded, at)])
        found += fit_replay(recorded, lambda share: update(0.6 + 0.4 * share), k)
    update(1.0)
    found = first_accused(sorted(found, key=lambda check: LAYERS.index(check.layer)))
    if at is not None:
        return found, {}
    clock = len(recorded.panel.clock)
    return found, {"chance": chances(replayed.seen, evidence.forecast.decisions, clock, every)}


def _row(recorded: Recorded, at: np.datetime64) -> int:
    return row_at(recorded.forecast, recorded.panel.clock, at)


def _live(recorded: Recorded, held: Held, update: Update) -> tuple[list[Check], int | None]:
    """The live replay that the level asks for, and from which row on features are proved or replayed."""
    proved, full = static.proved(recorded.compiled), recorded.made.audit.level == "full"
    if not recorded.world.features.names or (proved and not full):
        return [], 0
    first = 0 if full else len(recorded.panel.clock) // HALF
    check, spot = live_replay(recorded, first, update)
    if spot is not None:
        check.finding = finding_of(recorded, held, spot)
    return [check], 0 if proved else None if check.inconclusive else first


def first_accused(checks: Sequence[Check]) -> list[Check]:
    """Of replays in the order of layers, the first leak keeps its finding: what moves later follows from it."""
    accused = False
    for check in checks:
        if check.failed and accused:
            check.finding = None
        accused = accused or check.failed
    return list(checks)
