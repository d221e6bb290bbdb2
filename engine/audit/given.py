"""The audit of given targets: what can be checked of decisions that were made elsewhere.

There are no features and no forecasts, so nobody can say what the targets knew. Checked is that at sampled decisions a store
that ends there places the table's row alike (symbols and universe as known); and, as of any
run, that fills come after their decisions and that the account is explained by them.
"""

from __future__ import annotations

import numpy as np

from backcast.data import asof
from backcast.data.store import Store
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.audit.instants import row_at, sample
from backcast.engine.audit.path import Evidence
from backcast.engine.configure import Experiment
from backcast.engine.progress import Update
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast


def checks(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    update: Update,
    at: np.datetime64 | None = None,
) -> list[Check]:
    """The replay of targets at sampled decisions; what is true of any account is checked beside it."""
    replayed = Check(
        "truncation replay: given targets", "targets", "placed again in a store that ends at the decision"
    )
    if at is None:
        rows = sample(evidence.forecast, made.audit.instants, made.seed)
    else:
        rows = np.array([row_at(evidence.forecast, world.panel.clock, at)])
    for done, row in enumerate(rows.tolist()):
        _replay_one(made, store, pin, world, evidence, row, replayed)
        update((done + 1) / len(rows))
    return [replayed]


def _replay_one(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    row: int,
    replayed: Check,
) -> None:
    recorded = evidence.targets
    t = int(recorded.decisions[row])
    instant = world.panel.clock.decides_at[t]
    past = asof.load_panel(store, made.source.name, pin, ("close",), until=instant)
    last, none = np.array([len(past.clock) - 1]), np.full((1, len(past.symbols)), np.nan)
    asked = Forecast(last, past.symbols, none, none[:, :, None], np.zeros(1, dtype=np.int64))
    wide = np.full(len(recorded.symbols), np.nan)
    wide[[recorded.symbols.index(s) for s in past.symbols]] = made.portfolio.targets(asked, past).weights[0]
    replayed.compare(
        np.nan_to_num(recorded.weights[row])[:, None],
        np.nan_to_num(wide)[:, None],
        ("weight",),
        recorded.symbols,
        Finding(
            LEAK,
            "It is placed otherwise in a store that ends at its decision.",
            "Hold only symbols that were known and members then.",
            at=str(instant),
        ),
    )
