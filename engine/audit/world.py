"""What is audited of a run beside its replays: the conditions of its data, its fills, a delay, and how it was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backcast.data.market import Market
from backcast.data.store import Store
from backcast.data.types import Panel
from backcast.engine.audit import conditions, delay, execution, futures, payouts, selection
from backcast.engine.audit.checks import account_check
from backcast.engine.audit.findings import Check
from backcast.engine.audit.tables import tables_of
from backcast.engine.configure import Experiment
from backcast.engine.sessions import compounded
from backcast.engine.stats import performance
from backcast.engine.types import Account, Targets


@dataclass(frozen=True)
class Chosen:
    """How a configuration came to be run: its trial, the trial log's records, oldest first, and the manifest's grid."""

    trial: str
    records: Sequence[Mapping[str, Any]]
    grid: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Told:
    """checks, in no order; facts: further keys of `audit.json`."""

    checks: list[Check]
    facts: dict[str, Any] = field(default_factory=dict)


def checks(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    panel: Panel,
    market: Market,
    targets: Targets,
    account: Account,
    chosen: Chosen | None = None,
    run: str = "",
) -> Told:
    """Everything that is told without a replay of features, models and portfolios. Costs two plans and at most four
    simulations of ours; a user's own execution or simulator is repeated eight times. run: of the folder, for its commands."""
    tables = tables_of(store, made.source.name, pin, panel, market)
    plan = made.execution.plan(panel, market, targets, made.cost)
    late, facts = delay.delayed(made, panel, market, targets, account)
    found = [
        *conditions.conditions(tables),
        *execution.checks(made.execution, panel, market, account),
        futures.check(made, panel, market, targets, account),
        *payouts.check(made, panel, market, targets, plan),
        account_check(plan, account, made.cost),
        late,
    ]
    for check in found if run else []:
        if check.failed and check.finding is not None and not check.finding.reproduce:
            check.finding = replace(check.finding, reproduce=f"backcast audit runs/{run}")
    if chosen is None or not len(account.sessions):
        return Told(found, {"delay": facts})
    days = panel.clock.sessions[account.sessions]
    sharpe = float(performance.sharpe_per_session(compounded(days, account.net_return)))
    one, told = selection.check(
        chosen.records,
        chosen.trial,
        (str(days[0]), str(days[-1])),
        sharpe if np.isfinite(sharpe) else None,
        chosen.grid,
    )
    return Told([*found, one], {"delay": facts, "selection": told})
