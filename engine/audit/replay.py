"""The truncation replay: does a decision change when everything after it is taken away?

1. Sample decision instants: the first, the last, the first of each fold, and random ones up to the level's number.
2. For each, read the world again from a store that ends there, compute features, forecast with the saved model, set
   targets; a portfolio that remembers is walked there through the recorded forecasts of earlier decisions. Law 5 makes the
   two paths comparable: they must be equal to the last bit. So must features that are computed from their look-back
   alone: a state that remembers more, or something else, is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backcast.data.store import Store
from backcast.data.types import Floats
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.audit.instants import sample
from backcast.engine.configure import Experiment
from backcast.engine.progress import Update
from backcast.engine.types import Targets
from backcast.engine.walkforward import World, forecast_instant, observe
from backcast.signals.types import QUANTILES, Forecast


@dataclass(frozen=True)
class Evidence:
    """What a run recorded and the audit tests: of one model, with the folder of its fitted folds."""

    forecast: Forecast
    targets: Targets
    models: Path


def replay(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    threads: int,
    update: Update,
) -> list[Check]:
    """The truncation replay of features, forecasts and targets at sampled instants."""
    checks = {
        layer: Check(
            f"truncation replay: {layer}", layer, "recomputed from a store that ends at the decision"
        )
        for layer in ("features", "forecasts", "targets")
    }
    checks["restart"] = Check(
        "restart replay: features", "features", "recomputed from the rows of their look-back alone"
    )
    instants = sample(evidence.forecast, made.audit.instants, made.seed)
    for done, row in enumerate(instants):
        _replay_one(made, store, pin, world, evidence, int(row), threads, checks)
        update((done + 1) / len(instants))
    return list(checks.values())


def _replay_one(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    row: int,
    threads: int,
    checks: dict[str, Check],
) -> None:
    """Replays one decision from a world that ends there."""
    recorded, targets = evidence.forecast, evidence.targets
    t, fold = int(recorded.decisions[row]), int(recorded.fold[row])
    instant = world.panel.clock.decides_at[t]
    past = observe(made, store, pin, threads, until=instant)
    found = Finding(
        LEAK,
        "It changes where the store ends at its decision.",
        "Let it read nothing but what was known then.",
        at=str(instant),
    )
    columns = ("mean", *(f"q{level:.0%}" for level in QUANTILES))
    place = [recorded.symbols.index(s) for s in past.panel.symbols]

    def widened(values: Floats) -> Floats:
        """On the axis of all symbols; those that the truncated store never saw have no values."""
        wide = np.full((len(recorded.symbols), *values.shape[1:]), np.nan)
        wide[place] = values
        return wide

    last = len(past.panel.clock) - 1
    checks["features"].compare(
        world.features.values[:, :, t].T,
        widened(past.features.values[:, :, last].T),
        world.features.names,
        recorded.symbols,
        found,
    )
    again = restarted(made, past, last)
    checks["restart"].compare(
        past.features.values[:, :, last].T, again.T, past.features.names, past.panel.symbols, found
    )
    fitted = made.model.load(evidence.models / f"{fold:03d}")
    mean, quantiles = forecast_instant(fitted, past.features, past.panel.member, last)
    now = np.column_stack([recorded.mean[row], recorded.quantiles[row]])
    checks["forecasts"].compare(
        now, widened(np.column_stack([mean, quantiles])), columns, recorded.symbols, found
    )
    path = _path(recorded, row, made.portfolio.memory, place, mean, quantiles)
    weights = made.portfolio.targets(path, past.panel).weights[-1]
    setting = np.flatnonzero(targets.decisions == t)  # none where a stored decision left everything alone
    asked = targets.weights[setting[0]] if len(setting) else np.full(len(recorded.symbols), np.nan)
    wide = widened(weights)
    wide[~np.isin(np.arange(len(wide)), place)] = 0.0  # a symbol that nobody has seen is not held
    checks["targets"].compare(asked[:, None], wide[:, None], ("weight",), recorded.symbols, found)


def _path(
    recorded: Forecast, row: int, memory: int | None, place: list[int], mean: Floats, quantiles: Floats
) -> Forecast:
    """The replayed forecast of one decision, after those recorded of the earlier decisions that its portfolio remembers."""
    rows = np.arange(0 if memory is None else max(0, row - memory), row + 1)
    means, levels = recorded.mean[rows][:, place], recorded.quantiles[rows][:, place]
    means[-1], levels[-1] = mean, quantiles
    symbols = tuple(recorded.symbols[i] for i in place)
    return Forecast(recorded.decisions[rows], symbols, means, levels, recorded.fold[rows])


def restarted(made: Experiment, past: World, t: int) -> Floats:
    """(F, S) the features of a world's decision t, from the rows that they say they look back on."""
    panel = past.panel
    graph = made.features.compile(panel.fields, panel.price_basis)
    return np.asarray(graph.evaluate(panel.since(max(0, t - graph.lookback))).values[:, :, -1])
