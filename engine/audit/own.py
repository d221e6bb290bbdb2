"""The audit of a run of our own path: what its level asks for, in the order of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from backcast.data.altered import Held
from backcast.data.store import Store
from backcast.engine.audit import static
from backcast.engine.audit.findings import LAYERS, Check
from backcast.engine.audit.path import Evidence, Recorded
from backcast.engine.audit.replay import Replay
from backcast.engine.configure import Experiment
from backcast.engine.progress import Update
from backcast.engine.walkforward import World


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
    """The checks of the configured level, or of one instant's decision alone, and what the level states beside them."""
    recorded = Recorded(made, store, pin, world, evidence, threads)
    replayed = Replay(recorded, Held.of(store, made.source.name, pin), at)
    replayed.run(update)
    found = replayed.told()
    proof = static.check(recorded.compiled)
    if proof is not None:
        found.append(proof)
    return sorted(found, key=lambda check: LAYERS.index(check.layer)), {}
