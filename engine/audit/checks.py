"""What is true of any honest run, checked on every row: labels known by the fit, money explained."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Panel
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.configure import Experiment
from backcast.engine.costs.base import Cost
from backcast.engine.reconcile import ROWS, TOLERANCE, unexplained
from backcast.engine.types import Account, Plan
from backcast.engine.walkforward import World, folds_of, labels_as_known
from backcast.signals.dataset import training_set


def fold_check(made: Experiment, panel: Panel) -> Check:
    """Every fold is fitted before the decisions that it forecasts, on decisions that came before them."""
    check = Check("folds fitted before what they forecast", "fit", "every decision of every fold")
    for fold in folds_of(made, panel):
        early, late = fold.test < fold.fit_at, fold.train >= fold.test.min()
        check.cells += len(fold.test) + len(fold.train)
        check.changed += int(early.sum() + late.sum())
        if check.finding is None and (early.any() or late.any()):
            first = int(fold.test.min())
            ahead = max(fold.fit_at, int(fold.train.max())) - first
            check.finding = Finding(
                LEAK,
                f"Fold {fold.number} forecasts decisions that came before its fit, or before decisions that train it.",
                "Walk forward: fit at a decision, train on those before it, forecast it and those after it.",
                column="folds",
                at=str(panel.clock.decides_at[first]),
                depth=ahead,
            )
    return check


def training_check(made: Experiment, world: World) -> Check:
    """No label that trains a fold of the run's own model was known after that fold's fit, or within its embargo."""
    check = Check("training labels known by the fit", "labels", "every training row of every fold")
    for fold in folds_of(made, world.panel):
        labels = labels_as_known(made, world, fold.fit_at)
        lookback = made.model.lookback
        train, _ = training_set(world.features, labels, fold, world.panel.member, lookback)
        until = world.panel.clock.before(fold.fit_at, fold.embargo)
        late = train.rows & (labels.known[:, : train.rows.shape[1]] > until)
        check.cells += int(train.rows.sum())
        check.changed += int(late.sum())
        if check.finding is None and late.any():
            s, t = (int(i) for i in np.argwhere(late)[0])
            check.finding = Finding(
                LEAK,
                f"Fold {fold.number} trains on labels that were known after its fit, or within its embargo.",
                "Purge them: a label trains once its last input is known (folds.embargo adds to that).",
                column="label",
                symbol=world.panel.symbols[s],
                at=str(world.panel.clock.decides_at[t]),
                depth=max(0, int(labels.known[s, t]) - fold.fit_at),
            )
    return check


def account_check(plan: Plan, account: Account, cost: Cost) -> Check:
    """The fill log's prices and costs, and every row of the account, are what its trades, the market and its rates explain."""
    wrong = np.abs(unexplained(plan, account, cost)) > TOLERANCE
    check = Check(
        "every cent of the account explained",
        "account",
        "rebuilt from the quantities traded",
        wrong.size,
        int(wrong.sum()),
    )
    if wrong.any():
        t, row = (int(i) for i in np.argwhere(wrong.T)[0])
        check.finding = Finding(
            LEAK,
            f"{ROWS[row]} is not what the trades, the market and the rates explain.",
            "Trade with one of the simulators of backcast, or run `backcast verify` on the run.",
            column=ROWS[row],
            at=str(plan.clock.sessions[plan.offset + t]),
        )
    return check
