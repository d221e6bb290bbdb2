"""The chance that is stated is the share of planted single cells that the replay really catches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from backcast.data.altered import Held
from backcast.data.ingest import ingest
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats, Panel
from backcast.engine import walkforward
from backcast.engine.audit.chance import caught, chances
from backcast.engine.audit.path import Evidence, Recorded
from backcast.engine.audit.replay import Replay
from backcast.engine.cli import compose
from backcast.engine.configure import AuditLevel, experiment
from backcast.signals.graph import Graph
from backcast.signals.types import Features

CASES = 40


def test_a_cell_is_seen_by_a_world_that_ends_between_it_and_what_it_reads() -> None:
    cells = np.arange(10)
    assert caught([], cells, 1, 10) == 0.0
    assert caught([(0, 4)], cells, 1, 10) == 1 / 9  # the cell of row 4 alone
    assert caught([(0, 4)], cells, 3, 10) == 3 / 7  # rows 2, 3 and 4 of the 7 that have 3 bars after them
    assert caught([(4, 4)], cells, 3, 10) == 1 / 7  # only row 4 was compared
    assert caught([(0, 4), (0, 8)], cells, 1, 10) == 2 / 9
    assert caught([], cells, 2, 10, every=5) == 3 / 8  # rows 5, 6 and 7
    assert caught([(0, 4)], cells, 10, 10) == 0.0


@dataclass
class OneCell:
    """A graph's features, of which one cell is that of a later row; `at` None: honest."""

    graph: Graph
    at: tuple[int, str, np.datetime64, int] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return self.graph.names

    @property
    def lookback(self) -> int:
        return self.graph.lookback

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        features = self.graph.evaluate(panel, threads)
        return (
            features if self.at is None else replace(features, values=self._planted(features.values, panel))
        )

    def _planted(self, values: Floats, panel: Panel) -> Floats:
        f, symbol, moment, depth = self.at or (0, "", panel.clock.decides_at[0], 0)
        t = int(np.searchsorted(panel.clock.decides_at, moment))
        here = t < len(panel.clock) and panel.clock.decides_at[t] == moment
        if here and t + depth < len(panel.clock) and symbol in panel.symbols:
            s = panel.symbols.index(symbol)
            ahead = values[f, s, t + depth]
            values[f, s, t] = (
                ahead if np.isnan(values[f, s, t]) else values[f, s, t] + 0.01 * np.nan_to_num(ahead)
            )
        return values


@pytest.mark.parametrize(("level", "instants"), [("quick", 8), ("full", 16)])
@pytest.mark.parametrize("depth", [1, 20])
def test_planted_cells_are_caught_as_often_as_it_says(
    level: str, instants: int, depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = ["dataset=synthetic", "dataset.symbols=6", "dataset.sessions=160", "folds=monthly",
              "folds.first_fit=80", "model=mean", "features=ohlcv", "study=s", "job=j"]  # fmt: skip
    made = replace(experiment(compose(market)), audit=AuditLevel(level, instants))
    calm = SyntheticSource("synthetic", 6, 160, 0, 0.05, 5, "2015-01-02",
                           dict.fromkeys(("gaps", "halts", "late", "corrections"), 0.0))  # fmt: skip
    store = Store(tmp_path / "home")
    ingest(store, calm)
    pin = store.version("synthetic")
    world = walkforward.observe(made, store, pin, 1)
    source = OneCell(made.features.compile(world.panel.fields, world.panel.price_basis))  # type: ignore[arg-type]
    monkeypatch.setattr(type(made.features), "compile", lambda self, fields, basis: source)
    fitted = walkforward.forecast(made, made.model, world, tmp_path / "models", 1, lambda _: None)
    evidence = Evidence(fitted.forecast, made.portfolio.targets(fitted.forecast, world.panel), tmp_path)
    held, clock = Held.of(store, "synthetic", pin), len(world.panel.clock)
    generator, hits, tried, seen = np.random.default_rng(depth), 0, 0, {}
    for _ in range(CASES):
        s, t = int(generator.integers(0, 6)), int(generator.integers(0, clock - depth))
        source.at = (0, world.panel.symbols[s], world.panel.clock.decides_at[t], depth)
        planted = replace(world, features=source.evaluate(world.panel))
        if np.array_equal(planted.features.values, world.features.values, equal_nan=True):
            continue  # nothing was planted: what it would read is not known
        tried += 1
        replayed = Replay(Recorded(made, store, pin, planted, evidence, 1), held)
        monkeypatch.setattr(replayed, "_targets", lambda *_: None)
        replayed.run(lambda _: None)
        hits += replayed.layers["features"].check.changed > 0
        seen = replayed.seen
    stated = chances(seen, fitted.forecast.decisions, clock, None)["features"][str(depth)]
    error = np.sqrt(stated * (1 - stated) / tried)
    assert tried > CASES / 2 and abs(hits / tried - stated) <= 3.5 * error + 0.02, (hits, tried, stated)
