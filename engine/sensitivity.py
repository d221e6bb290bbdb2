"""What a run would have come to had the holdings whose data simply ended been sold for less."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from backcast.data.market import Market
from backcast.data.types import Panel
from backcast.engine import runs, walkforward
from backcast.engine.configure import Experiment
from backcast.engine.types import Account, Targets

HAIRCUTS = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Shares of the last price that a holder does not get."""


def haircut_table(
    made: Experiment, panel: Panel, market: Market, targets: Targets, account: Account
) -> pl.DataFrame | None:
    """(haircut, session, net_return) of the same targets at each haircut, the run's own among them; None where the run never
    held what vanished. Models stay as they were fitted, on labels of the run's own haircut."""
    if "vanished" not in account.events.kind:
        return None
    frames = []
    for haircut in sorted({*HAIRCUTS, made.execution.haircut}):
        other = replace(made, execution=made.execution.with_haircut(haircut))
        traded = runs.account_table(walkforward.simulate(other, panel, market, targets), panel.clock)
        frames.append(traded.select(pl.lit(haircut).alias("haircut"), "session", "net_return"))
    return pl.concat(frames)
