"""The truncation replay: does a decision change when everything after it is taken away?

1. Sample decision instants: the first, the last, the first of each fold, and random ones up to the level's number.
2. For each, read the world again from a store that ends there, compute features, forecast with the saved model, set
   targets; a portfolio that remembers is walked there through the recorded forecasts of earlier decisions. Law 5 makes the
   two paths comparable: they must be equal to the last bit. So must features that are computed from their look-back
   alone: a state that remembers more, or something else, is found.
3. Check that no training label was known after its fit, that no fill precedes its decision, and that what was traded
   explains the account.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backcast.data.store import Store
from backcast.data.types import Clock, Floats
from backcast.engine.configure import Experiment
from backcast.engine.costs.base import Cost
from backcast.engine.progress import Update
from backcast.engine.reconcile import ROWS, TOLERANCE, unexplained
from backcast.engine.sessions import latest_decisions
from backcast.engine.types import Account, Plan, Targets
from backcast.engine.walkforward import World, folds_of, forecast_instant, labels_as_known, observe
from backcast.signals.dataset import training_set
from backcast.signals.types import Forecast


@dataclass
class Check:
    """One comparison: how many cells were compared, how many changed, and where the first change is."""

    name: str
    layer: str
    detail: str
    cells: int = 0
    changed: int = 0
    first: dict[str, Any] | None = field(default=None)

    def compare(
        self, recorded: Floats, replayed: Floats, where: dict[str, Any], labels: Sequence[str]
    ) -> None:
        """Adds cells; NaN equals NaN, everything else must have the same bits."""
        same = (recorded == replayed) | (np.isnan(recorded) & np.isnan(replayed))
        self.cells += same.size
        self.changed += int((~same).sum())
        if self.first is None and not same.all():
            at = tuple(int(i) for i in np.argwhere(~same)[0])
            self.first = {
                **where,
                "symbol": labels[at[0]],
                "recorded": _number(recorded[at]),
                "replayed": _number(replayed[at]),
            }


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


def sample(forecast: Forecast, instants: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the forecast to replay: first, last, fold borders, then random ones; at most `instants`, ascending."""
    rows = len(forecast.decisions)
    borders = np.flatnonzero(np.diff(forecast.fold, prepend=forecast.fold[0] - 1))
    must = np.unique(np.r_[0, rows - 1, borders])
    generator = np.random.default_rng(seed)
    if len(must) > instants:
        inner = generator.choice(must[1:-1], size=instants - 2, replace=False)
        return np.sort(np.r_[0, rows - 1, inner])
    rest = np.setdiff1d(np.arange(rows), must)
    more = generator.choice(rest, size=min(instants - len(must), len(rest)), replace=False)
    return np.sort(np.r_[must, more])


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
    where = {"decided_at": str(instant), "fold": fold}
    place = [recorded.symbols.index(s) for s in past.panel.symbols]

    def widened(values: Floats) -> Floats:
        """On the axis of all symbols; those that the truncated store never saw have no values."""
        wide = np.full((len(recorded.symbols), *values.shape[1:]), np.nan)
        wide[place] = values
        return wide

    last = len(past.panel.clock) - 1
    checks["features"].compare(
        world.features.values[:, :, t].T, widened(past.features.values[:, :, last].T), where, recorded.symbols
    )
    again = restarted(made, past, last)
    checks["restart"].compare(past.features.values[:, :, last].T, again.T, where, past.panel.symbols)
    fitted = made.model.load(evidence.models / f"{fold:03d}")
    mean, quantiles = forecast_instant(fitted, past.features, past.panel.member, last)
    now = np.column_stack([recorded.mean[row], recorded.quantiles[row]])
    checks["forecasts"].compare(now, widened(np.column_stack([mean, quantiles])), where, recorded.symbols)
    path = _path(recorded, row, made.portfolio.memory, place, mean, quantiles)
    weights = made.portfolio.targets(path, past.panel).weights[-1]
    setting = np.flatnonzero(targets.decisions == t)  # none where a stored decision left everything alone
    asked = targets.weights[setting[0]] if len(setting) else np.full(len(recorded.symbols), np.nan)
    wide = widened(weights)
    wide[~np.isin(np.arange(len(wide)), place)] = 0.0  # a symbol that nobody has seen is not held
    checks["targets"].compare(asked, wide, where, recorded.symbols)


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


def training_check(made: Experiment, world: World) -> Check:
    """No label that trains a fold of the run's own model was known after that fold's fit."""
    check = Check("training labels known by the fit", "labels", "every training row of every fold")
    for fold in folds_of(made, world.panel):
        labels = labels_as_known(made, world, fold.fit_at)
        lookback = made.model.lookback
        train, _ = training_set(world.features, labels, fold, world.panel.member, lookback)
        late = train.rows & (labels.known[:, : train.rows.shape[1]] > fold.fit_at)
        check.cells += int(train.rows.sum())
        check.changed += int(late.sum())
        if check.first is None and late.any():
            s, t = (int(i) for i in np.argwhere(late)[0])
            check.first = {
                "fold": fold.number,
                "symbol": world.panel.symbols[s],
                "decided_at": str(world.panel.clock.decides_at[t]),
            }
    return check


def execution_check(account: Account, clock: Clock, fill: str) -> Check:
    """Every fill comes in a bar after that of its decision, at a price made of nothing before the instant of the decision."""
    fills = account.fills
    latest, decided_at = latest_decisions(clock, fill)[fills.session], clock.decides_at[fills.decided]
    early = (fills.decided >= 0) & ((fills.session <= fills.decided) | (latest < decided_at))
    first = None
    if early.any():
        at = int(np.flatnonzero(early)[0])
        first = {"symbol": account.symbols[fills.symbol[at]], "fill": at}
    return Check(
        "fills after their decisions", "execution", "every fill", len(early), int(early.sum()), first
    )


def account_check(plan: Plan, account: Account, cost: Cost) -> Check:
    """The fill log's prices and costs, and every row of the account, are what its trades, the market and its rates explain."""
    wrong = np.abs(unexplained(plan, account, cost)) > TOLERANCE
    first = None
    if wrong.any():
        t, row = (int(i) for i in np.argwhere(wrong.T)[0])
        first = {"session": str(plan.clock.sessions[plan.offset + t]), "row": ROWS[row]}
    return Check(
        "every cent of the account explained",
        "account",
        "rebuilt from the quantities traded",
        wrong.size,
        int(wrong.sum()),
        first,
    )


def verdict(level: str, checks: Sequence[Check]) -> dict[str, Any]:
    """What `audit.json` holds. `passed` is null where nothing was audited."""
    rows = [
        {
            "name": c.name,
            "layer": c.layer,
            "detail": c.detail,
            "cells": c.cells,
            "changed": c.changed,
            "first": c.first,
        }
        for c in checks
    ]
    passed = all(c.changed == 0 for c in checks) if checks else None
    return {"level": level, "passed": passed, "checks": rows}


def show(found: dict[str, Any]) -> None:
    """The checks as a table on the terminal."""
    table = Table("layer", "check", "cells", "changed", "first change")
    for c in found["checks"]:
        table.add_row(
            c["layer"],
            c["name"],
            f"{c['cells']:,}",
            f"{c['changed']:,}",
            escape(json.dumps(c["first"] or "")),
        )
    console = Console()
    console.print(table)
    console.print({True: "Passed.", False: "FAILED.", None: "Nothing was audited."}[found["passed"]])


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
