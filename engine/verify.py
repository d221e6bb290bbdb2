"""Verification: other simulators trade a run's targets again from the pinned store.

The reference, plain Python that is easy to believe, always does; vectorbt where it can express the plan. Compared are the fill
logs, row by row, and every column of the accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine import holdout, runs, walkforward
from backcast.engine.configure import experiment
from backcast.engine.runs import RunFolder, read_targets
from backcast.engine.sessions import fill_instants
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator

TOLERANCE = 1e-9

KINDS = (*runs.COSTS, *runs.FLOWS)
"""What is summed up beside the equity."""

KEYS = ("filled_at", "symbol", "decided_at")
"""What says which fill of one log is which of another's."""
RATIOS = ("gross_return", "net_return", "turnover")


@dataclass(frozen=True)
class Summary:
    """One account: its rows by session and its fill log, as a run's tables have them."""

    name: str
    account: pl.DataFrame
    fills: pl.DataFrame

    @property
    def equity(self) -> Floats:
        """(T,)"""
        return np.asarray(self.account["equity"].to_numpy())

    @property
    def sums(self) -> dict[str, float]:
        """The sum of each kind of cost and flow."""
        return {kind: float(self.account[kind].sum()) for kind in KINDS}

    def log(self, scale: float) -> pl.DataFrame:
        """The fills in one order, each with its `row` in the table; without those that only the last digits make."""
        money = (pl.col("quantity") * pl.col("price")).abs() + pl.sum_horizontal(*runs.FILL_COSTS)
        kept = self.fills.with_row_index("row", offset=1).filter((money <= TOLERANCE * scale).not_())
        return kept.sort("filled_at", "symbol", maintain_order=True)


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

    def difference(self, other: Summary) -> str:
        """The first cell that differs, of the fill log and then of the account; empty where none does."""
        found = self._of_fills(other) or self._of_accounts(other)
        return f"{found} ({other.name})" if found else ""

    def _of_fills(self, other: Summary) -> str:
        """Prices differ by a share of the price; quantities, valued, and costs by a share of the largest equity."""
        scale = float(np.abs(other.equity).max())
        mine, its = self.recorded.log(scale), other.log(scale)
        both = min(mine.height, its.height)
        same = np.ones(both, dtype=bool)
        for key in KEYS:
            same &= mine[key][:both].eq_missing(its[key][:both]).to_numpy()
        end = both if same.all() else int(same.argmin())
        price = its["price"][:end].to_numpy()
        scales = {"quantity": scale / price, "price": price} | dict.fromkeys(runs.FILL_COSTS, scale)
        cell = _first(mine[:end], its[:end], scales)
        if cell is not None:
            row, column = cell
            return f"{column} of {_fill(mine, row)} is {mine[column][row]!r}, not {its[column][row]!r}"
        if end == mine.height == its.height:
            return ""
        fills = [_fill(log, end) if end < log.height else "no fill" for log in (mine, its)]
        return f"fills.parquet has {fills[0]} where there should be {fills[1]}"

    def _of_accounts(self, other: Summary) -> str:
        """Ratios differ by themselves, money by a share of the largest equity so far."""
        mine, its = self.recorded.account, other.account
        if mine.height != its.height:
            return f"account.parquet has {mine.height} rows, not {its.height}"
        scale = np.maximum.accumulate(np.abs(other.equity))
        scales = dict.fromkeys(runs.ACCOUNT, scale) | {
            name: np.maximum(np.abs(its[name].to_numpy()), 1.0) for name in RATIOS
        }
        cell = _first(mine, its, scales)
        if cell is not None:
            row, column = cell
            where = f"row {row + 1} of account.parquet ({mine['session'][row]})"
            return f"{column} of {where} is {mine[column][row]!r}, not {its[column][row]!r}"
        for kind, total in self.recorded.sums.items():
            if not abs(total - other.sums[kind]) <= TOLERANCE * max(float(scale[-1]), abs(other.sums[kind])):
                return f"the sum of {kind} in account.parquet is {total!r}, not {other.sums[kind]!r}"
        return ""

    @property
    def agrees(self) -> bool:
        return all(self.largest(one) <= TOLERANCE and not self.difference(one) for one in self.others)

    @property
    def sentence(self) -> str:
        names = [self.recorded.name, *(other.name for other in self.others)]
        word = "agree" if self.agrees else "DISAGREE"
        worst = max(self.largest(other) for other in self.others)
        first = next((f" First: {found}." for one in self.others if (found := self.difference(one))), "")
        return (
            f"{', '.join(names[:-1])} and {names[-1]} {word}: the largest relative difference of equity over "
            f"{len(self.recorded.equity)} sessions is {worst:.2e} (at most {TOLERANCE:.0e} passes), "
            f"{self.recorded.fills.height:,} fills were compared one by one.{first}"
        )


def _first(mine: pl.DataFrame, its: pl.DataFrame, scales: Mapping[str, Any]) -> tuple[int, str] | None:
    """The row, and the first column in it, of the first number that is further apart than the tolerance of its scale."""
    if not mine.height:
        return None
    apart = [np.abs(mine[name].to_numpy() - its[name].to_numpy()) / scales[name] for name in scales]
    wrong = ~(np.stack(apart, axis=1) <= TOLERANCE)
    if not wrong.any():
        return None
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    return row, list(scales)[column]


def _fill(log: pl.DataFrame, row: int) -> str:
    return (
        f"row {log['row'][row]} of the fills ({log['symbol'][row]} at {log['filled_at'][row]:%Y-%m-%d %H:%M})"
    )


def verify(folder: Path) -> Comparison:
    """Re-simulates a run. Errors: InputError for a broken run folder, or where no other simulator can express it."""
    run = RunFolder.open(folder)
    manifest = run.read_json("manifest.json")
    made = experiment(run.read_yaml("config.yaml"))
    holdout.warn_of_sight(run)
    store, pin = holdout.store_of(made), manifest["store"]["pin"]
    panel = asof.load_panel(store, made.source.name, pin)
    market = asof.load_market(store, made.source.name, pin)
    targets = read_targets(run.read_table("targets.parquet"), panel.clock, panel.symbols)
    recorded = Summary(
        f"{made.simulator.name} (recorded)",
        run.read_table("account.parquet"),
        run.read_table("fills.parquet"),
    )
    filled_at = fill_instants(panel.clock, made.execution.resolve(panel))
    others, not_able = [], {}
    for simulator in _others(made.simulator):
        try:
            account = walkforward.simulate(replace(made, simulator=simulator), panel, market, targets)
        except InputError as error:
            if isinstance(simulator, ReferenceSimulator):
                raise
            not_able[simulator.name] = error.hint or str(error)
            continue
        fills = runs.fill_table(account, panel.clock, filled_at)
        others.append(Summary(simulator.name, runs.account_table(account, panel.clock), fills))
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
    table.add_row("fills", *(f"{one.fills.height:,}" for one in accounts))
    for kind in KINDS:
        if any(one.sums[kind] for one in accounts):
            table.add_row(kind, *(f"{one.sums[kind]:,.2f}" for one in accounts))
    console = Console()
    console.print(table)
    for name, why in comparison.not_able.items():
        console.print(f"{name} cannot express this run: {why}", soft_wrap=True, markup=False)
    console.print(comparison.sentence, soft_wrap=True, markup=False)
