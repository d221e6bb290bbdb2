"""Verification: the other simulator trades a run's targets again from the pinned store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backcast.data import asof
from backcast.data.store import Store
from backcast.engine import walkforward
from backcast.engine.configure import experiment
from backcast.engine.runs import RunFolder, read_targets
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Largest relative difference of two equity curves, and where the second simulator's ends."""

    recorded: str
    other: str
    largest: float
    sessions: int

    @property
    def agrees(self) -> bool:
        return self.largest <= TOLERANCE

    @property
    def sentence(self) -> str:
        word = "agree" if self.agrees else "DISAGREE"
        return (
            f"{self.recorded} and {self.other} {word}: the largest relative difference of equity over "
            f"{self.sessions} sessions is {self.largest:.2e} (at most {TOLERANCE:.0e} passes)."
        )


def verify(folder: Path) -> Comparison:
    """Re-simulates a run. Errors: InputError for a broken run folder, or what the other simulator cannot express."""
    run = RunFolder.open(folder)
    manifest = run.read_json("manifest.json")
    made = experiment(run.read_yaml("config.yaml"))
    other: Simulator = (
        VectorbtSimulator() if isinstance(made.simulator, NativeSimulator) else NativeSimulator()
    )
    store, pin = Store(), manifest["store"]["pin"]
    panel = asof.load_panel(store, made.source.name, pin)
    delistings = asof.delistings(store, made.source.name, pin)
    targets = read_targets(run.read_table("targets.parquet"), panel.clock, panel.symbols)
    account = walkforward.simulate(replace(made, simulator=other), panel, delistings, targets)
    recorded = run.read_table("account.parquet")["equity"].to_numpy()
    same_sessions = len(recorded) == len(account.equity)
    largest = float(np.max(np.abs(account.equity / recorded - 1))) if same_sessions else np.inf
    return Comparison(made.simulator.name, other.name, largest, len(recorded))
