"""What every verb that runs an experiment shares: the experiment at a version of the store, and what a model came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backcast.data.ingest import ingest
from backcast.data.market import Market
from backcast.data.readonce import ReadOnce
from backcast.data.store import Store
from backcast.engine.budget import thread_budget
from backcast.engine.configure import Config, Experiment
from backcast.engine.progress import Progress
from backcast.engine.runs import RunFolder
from backcast.engine.types import Account, Targets
from backcast.engine.walkforward import Fitted, World


@dataclass(frozen=True)
class Pinned:
    """An experiment with the store version that it reads."""

    made: Experiment
    store: Store
    pin: dict[str, int]
    threads: int

    def hold(self, folder: Path) -> None:
        """Notes in the store that a run or a model is made from this version."""
        self.store.pin(self.made.source.name, folder, self.pin)


def pin(made: Experiment, config: Config) -> Pinned:
    """The experiment at the store's present version, or at a named snapshot; a data set that the store does not hold yet is
    ingested."""
    store = ReadOnce()
    if made.source.name not in store.datasets():
        ingest(store, made.source)
    pinned = store.version(made.source.name, config.get("snapshot"))
    return Pinned(made, store, pinned, thread_budget(config["threads"]))


@dataclass(frozen=True)
class Outcome:
    """What one model came to."""

    fitted: Fitted
    targets: Targets
    account: Account


@dataclass(frozen=True)
class Context:
    """What every part of a run shares: its pinned experiment, its resolved configuration, what its decisions knew, what really
    happened, its folder, and where its progress is told."""

    pinned: Pinned
    config: Config
    world: World
    market: Market
    out: RunFolder
    progress: Progress
