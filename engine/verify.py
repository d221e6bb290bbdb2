"""Verification: other simulators trade a run's targets again from the pinned store.

The reference, plain Python that is easy to believe, always does; vectorbt where it can express the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.store import Store
from backcast.data.types import Floats
from backcast.engine import runs, walkforward
from backcast.engine.configure import experiment
from backcast.engine.runs import RunFolder, read_targets
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator

TOLERANCE = 1e-9

KINDS = (*runs.COSTS, *runs.FLOWS)
"""What is summed up beside the equity."""


@dataclass(frozen=True)
class Summary:
    """One account in figures: equity (T,), the last one, how many fills, and the sum of each kind of cost and flow."""

    name: str
    equity: Floats
    fills: int
    sums: dict[str, float]

    @staticmethod
    def of(name: str, account: pl.DataFrame, fills: int) -> Summary:
        sums = {kind: float(account[kind].sum()) for kind in KINDS}
        return Summary(name, account["equity"].to_numpy(), fills, sums)


@dataclass(frozen=True)
class Comparison:
    """A run's recorded account beside those of other simulators; not_able: why one could not express the plan."""

    recorded: Summary
    others: tuple[Summary, ...]
    not_able: dict[str, str]

    def largest(self, other: Summary) -> float:
        """The largest relative difference of equity; infinite where one has other sessions."""
        if len(other.equity) != len(self.recorded.equity):
            return float("inf")
        apart = np.abs(other.equity - self.recorded.equity)
        largest = float(np.max(apart / np.maximum(np.abs(self.recorded.equity), np.finfo(float).tiny)))
        return float("inf") if np.isnan(largest) else largest

    @property
    def agrees(self) -> bool:
        return all(self.largest(other) <= TOLERANCE for other in self.others)

    @property
    def sentence(self) -> str:
        names = [self.recorded.name, *(other.name for other in self.others)]
        word = "agree" if self.agrees else "DISAGREE"
        worst = max(self.largest(other) for other in self.others)
        return (
            f"{', '.join(names[:-1])} and {names[-1]} {word}: the largest relative difference of equity over "
            f"{len(self.recorded.equity)} sessions is {worst:.2e} (at most {TOLERANCE:.0e} passes)."
        )


def verify(folder: Path) -> Comparison:
    """Re-simulates a run. Errors: InputError for a broken run folder, or where no other simulator can express it."""
    run = RunFolder.open(folder)
    manifest = run.read_json("manifest.json")
    made = experiment(run.read_yaml("config.yaml"))
    store, pin = Store(), manifest["store"]["pin"]
    panel = asof.load_panel(store, made.source.name, pin)
    market = asof.load_market(store, made.source.name, pin)
    targets = read_targets(run.read_table("targets.parquet"), panel.clock, panel.symbols)
    recorded = Summary.of(
        f"{made.simulator.name} (recorded)",
        run.read_table("account.parquet"),
        run.read_table("fills.parquet").height,
    )
    others, not_able = [], {}
    for simulator in _others(made.simulator):
        try:
            account = walkforward.simulate(replace(made, simulator=simulator), panel, market, targets)
        except InputError as error:
            if isinstance(simulator, ReferenceSimulator):
                raise
            not_able[simulator.name] = error.hint or str(error)
            continue
        table = runs.account_table(account, panel.clock)
        others.append(Summary.of(simulator.name, table, len(account.fills.quantity)))
    return Comparison(recorded, tuple(others), not_able)


def _others(own: Simulator) -> list[Simulator]:
    """The reference, and of our two fast ones that which did not make the run."""
    return [
        ReferenceSimulator(),
        NativeSimulator() if isinstance(own, VectorbtSimulator) else VectorbtSimulator(),
    ]


def show(comparison: Comparison) -> None:
    """The accounts side by side, then the verdict in a sentence."""
    table = Table("", comparison.recorded.name, *(other.name for other in comparison.others), box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    accounts = (comparison.recorded, *comparison.others)
    table.add_row("final equity", *(f"{one.equity[-1]:,.2f}" for one in accounts))
    apart = [f"{comparison.largest(other):.2e}" for other in comparison.others]
    table.add_row("largest relative difference", "", *apart)
    table.add_row("fills", *(f"{one.fills:,}" for one in accounts))
    for kind in KINDS:
        if any(one.sums[kind] for one in accounts):
            table.add_row(kind, *(f"{one.sums[kind]:,.2f}" for one in accounts))
    console = Console()
    console.print(table)
    for name, why in comparison.not_able.items():
        console.print(f"{name} cannot express this run: {why}", soft_wrap=True, markup=False)
    console.print(comparison.sentence, soft_wrap=True, markup=False)
