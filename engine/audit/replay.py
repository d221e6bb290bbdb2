"""The replay of a run in worlds with another future: does anything that was decided change?

1. Whole worlds: the store is read again where it ends at a decision, and where everything that became known after one is
   another (`data/altered.py`). Every cell of the panel up to there must be the recorded one, and so must its features, the
   forecasts of the last decisions by the saved models, and all targets.
2. Looks: at more decisions, the panel cut there gives the features of the decision from their look-back alone, its forecast,
   and its targets; a portfolio that remembers is walked there through the recorded forecasts of earlier decisions.
3. The first layer that moved is accused, its first cell with how far it looks ahead and through which table. Later layers
   follow from it: they are counted and not accused.

Law 5 makes the paths comparable: they must be equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backcast.data.altered import Held
from backcast.data.errors import reason
from backcast.data.store import Store
from backcast.data.types import Floats, Ints
from backcast.engine.audit import path
from backcast.engine.audit.explain import Spot, finding_of
from backcast.engine.audit.findings import LAYERS, Check, differing, number
from backcast.engine.audit.instants import Plan, marks_of, plan, plan_at, row_at
from backcast.engine.audit.path import Evidence, Other, Recorded
from backcast.engine.audit.static import stepwise
from backcast.engine.configure import Experiment
from backcast.engine.progress import Update
from backcast.engine.walkforward import World

__all__ = ["Evidence", "Replay", "replay"]

ROUNDING = 1e-9
"""Running sums of a user's own, such as those of pandas, depend in their last bits on where the rows begin."""

AHEAD = 32
"""Rows of another future that a scrambled world has: a look-ahead that is longer finds none at all there."""


def replay(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    world: World,
    evidence: Evidence,
    threads: int,
    update: Update,
    at: np.datetime64 | None = None,
) -> list[Check]:
    """The replay of the configured level, or of exactly one instant's decision: a check of each layer."""
    recorded = Recorded(made, store, pin, world, evidence, threads)
    replayed = Replay(recorded, Held.of(store, made.source.name, pin), at)
    replayed.run(update)
    return replayed.told()


@dataclass
class _Layer:
    """A layer's check, and the first cell of it that moved."""

    check: Check
    spot: Spot | None = None

    def compare(
        self, recorded: Floats, again: Floats, columns: Sequence[str], symbols: Ints, rows: Ints, other: Other
    ) -> bool:
        """Whether cells (C, S, T) moved; symbols (S,) and rows (T,) say on the recorded axes which they are."""
        first: tuple[int, int, int] | None = None
        for c in range(len(columns)):
            wrong = differing(recorded[c], again[c])
            self.check.cells += wrong.size
            if wrong.any():
                self.check.changed += int(wrong.sum())
                t, s = (int(i) for i in np.argwhere(wrong.T)[0])
                first = min(first or (t, s, c), (t, s, c))
        if first is not None and self.spot is None:
            t, s, c = first
            values = number(recorded[c, s, t]), number(again[c, s, t])
            where = c, columns[c], int(symbols[s]), int(rows[t])
            self.spot = Spot(self.check.layer, *where, *values, other.kind, other.k)
        return first is not None


class Replay:
    """One run's replay: what it is planned to do, and what it found so far, layer by layer."""

    def __init__(self, recorded: Recorded, held: Held, at: np.datetime64 | None = None) -> None:
        self.recorded, self.held = recorded, held
        self.stepwise = stepwise(recorded.compiled)
        self.depth = recorded.lookback + self.rows_read
        self.plan = self._planned(at)
        self.layers = {
            layer: _Layer(Check(f"replay: {layer}", layer, self._detail()))
            for layer in ("data", "universe", "features", "forecasts", "targets")
        }
        told = "recomputed from the rows of their look-back alone"
        self.layers["restart"] = _Layer(Check("restart replay: features", "features", told))
        self.seen: dict[str, list[tuple[int, int]]] = {name: [] for name in LAYERS}
        """Of each layer which rows were compared, first and last, in worlds that are another after the last."""
        self.failures = 0
        self.milder = 0
        """How many worlds have other values alone, because code could not bear more."""

    @property
    def rows_read(self) -> int:
        """Rows of features that one forecast reads."""
        return max(1, int(self.recorded.made.model.lookback))

    def _planned(self, at: np.datetime64 | None) -> Plan:
        r = self.recorded
        if at is not None:
            return plan_at(row_at(r.forecast, r.panel.clock, at))
        marks = marks_of(r.panel, r.forecast, r.asked, self.held.whole)
        memory = r.made.portfolio.memory
        return plan(r.panel, r.forecast, marks, r.made.audit, r.made.seed, self.depth, memory)

    def _detail(self) -> str:
        kinds = [kind for kind, _ in self.plan.worlds]
        cut, other = kinds.count("truncated"), kinds.count("scrambled")
        return (
            f"{cut} worlds that end at a decision, {other} with another future after one, "
            f"{len(self.plan.looks)} decisions from panels that end at them"
        )

    def run(self, update: Update) -> None:
        """Everything that is planned."""
        steps = len(self.plan.worlds) + len(self.plan.looks)
        for done, (kind, row) in enumerate(self.plan.worlds):
            self._world(kind, row)
            update((done + 1) / steps)
        for done, (row, walk) in enumerate(zip(self.plan.looks.tolist(), self.plan.walks, strict=True)):
            self._look(row, bool(walk))
            update((len(self.plan.worlds) + done + 1) / steps)

    def told(self) -> list[Check]:
        """The checks in the order of layers; of those that moved the first has the finding."""
        for name in ("data", "universe", "features", "restart", "forecasts", "targets"):
            layer = self.layers[name]
            if layer.spot is not None:
                layer.check.finding = finding_of(self.recorded, self.held, layer.spot, name == "restart")
                break
        for layer in self.layers.values() if self.milder else ():
            layer.check.detail += (
                f"; {self.milder} of them of other values alone, which is all that its code bears"
            )
        return [layer.check for layer in self.layers.values()]

    def _world(self, kind: str, row: int) -> None:
        """A whole world that is another after a decision; where code cannot bear rows that come and go, one of other values
        alone."""
        r, k = self.recorded, int(self.recorded.forecast.decisions[row])
        if kind == "truncated":
            self._visit(path.world_of(r, self.held.truncated(r.instant(k)), kind, k, k + 1), row)
            return
        before = {name: layer.check.inconclusive for name, layer in self.layers.items()}
        for mild in (False, True):
            if self._visit(path.scrambled(r, self.held, k, k + 1 + AHEAD, mild=mild), row):
                self.milder += mild
                return
            if not mild:
                for name, layer in self.layers.items():
                    layer.check.inconclusive = before[name]

    def _visit(self, other: Other, row: int) -> bool:
        """Compares everything up to a decision in a world; whether all of it could be run there."""
        r, failed = self.recorded, self.failures
        self._panel(other)
        rows = np.arange(max(0, row + 1 - self.plan.last), row + 1)
        whole = other.kind == "scrambled" and not self.stepwise
        first = int(r.forecast.decisions[rows[0]])
        begin = 0 if whole else max(0, first - self.depth + 1)
        self._features_and_forecasts(other, begin, rows)
        self._targets(other, np.arange(row + 1))
        return self.failures == failed

    def _look(self, row: int, walk: bool) -> None:
        """A decision from a panel that ends there."""
        r = self.recorded
        k = int(r.forecast.decisions[row])
        begin = max(0, k - self.depth + 1)
        other, rows = path.ending(r, k, begin), np.array([row])
        newest = self._features_and_forecasts(other, begin, rows)
        if walk:
            self._targets(path.ending(r, k), rows, newest)

    def _panel(self, other: Other) -> None:
        """Every cell of the panel, every revision that a decision knows, and every member up to the world's row."""
        r, n = self.recorded.panel, other.k + 1
        self.seen["data"].append((0, other.k))
        self.seen["universe"].append((0, other.k))
        everyone, rows = np.arange(len(r.symbols)), np.arange(n)
        again = other.wide(other.panel.values[:, :, :n], 1)
        self.layers["data"].compare(r.values[:, :, :n], again, r.fields, everyone, rows, other)
        self._revisions(other)
        member = other.wide(other.panel.member[:, :n].astype(np.float64), 0, 0.0)
        once = r.member[:, :n].astype(np.float64)
        self.layers["universe"].compare(once[None], member[None], ("member",), everyone, rows, other)

    def _revisions(self, other: Other) -> None:
        """Later versions of cells, those that a decision up to the world's row knows."""
        both = []
        for panel in (self.recorded.panel, other.panel):
            known = panel.revisions.where(panel.revisions.decision <= other.k)
            names = np.array(panel.symbols, dtype=object)[known.symbol]
            order = np.lexsort((known.field, known.time, names.astype(str), known.decision))
            where = (known.field, known.time, known.decision)
            both.append(([a[order] for a in where], names[order], known.value[order]))
        (keys, names, values), (keys_again, names_again, values_again) = both
        check = self.layers["data"].check
        check.cells += len(values)
        same = len(values) == len(values_again) and bool((names == names_again).all())
        same = same and all((a == b).all() for a, b in zip(keys, keys_again, strict=True))
        if same and not differing(values, values_again).any():
            return
        check.changed += 1
        if self.layers["data"].spot is None:
            self.layers["data"].spot = Spot(
                "data", 0, "revisions", 0, other.k, None, None, other.kind, other.k
            )

    def _features_and_forecasts(self, other: Other, begin: int, rows: Ints) -> Floats | None:
        """Features of a world from row `begin` on, and the forecasts that saved models make of them; gives the last one (S, Q +
        1). User code that cannot bear the world makes the check inconclusive."""
        r = self.recorded
        if not r.world.features.names:
            return None
        try:
            made = path.features(r, other, begin)
        except Exception as error:
            self.layers["features"].check.inconclusive = self._failed(other, error)
            return None
        made = self._features(other, begin, made)
        try:
            again = path.forecasts(r, other, made, begin, rows)
        except Exception as error:
            self.layers["forecasts"].check.inconclusive = self._failed(other, error)
            return None
        once = path.recorded_forecasts(r, rows)
        at = r.forecast.decisions[rows]
        self.seen["forecasts"].append((int(at[0]), other.k))
        everyone = np.arange(len(r.forecast.symbols))
        cells = once.transpose(2, 1, 0), again.transpose(2, 1, 0)
        self.layers["forecasts"].compare(cells[0], cells[1], path.COLUMNS, everyone, at, other)
        return np.asarray(again[-1])

    def _features(self, other: Other, begin: int, made: Floats) -> Floats:
        """The rows of features that have their look-back, up to the world's row; where they moved, whether that is the future's
        doing, or that of rows before the look-back. Gives the features to go on with: where a user's own running sums differ in
        their last bits only, those that were made of all rows."""
        r = self.recorded
        first = begin if begin == 0 else begin + r.lookback
        rows = np.arange(first, other.k + 1)
        self.seen["features"].append((first, other.k))
        axes = r.world.features.names, np.arange(len(r.panel.symbols)), rows, other
        once = r.world.features.values[:, :, first : other.k + 1]
        again = other.wide(made[:, :, first - begin : other.k + 1 - begin], 1)
        if begin == 0 or not any(differing(*pair).any() for pair in zip(once, again, strict=True)):
            self.layers["features"].compare(once, again, *axes)
            self.layers["restart"].check.cells += again.size if begin else 0
            return made
        whole = other if other.begin == 0 else path.ending(r, other.k)
        complete = path.features(r, whole, 0)
        if self.layers["features"].compare(once, other.wide(complete[:, :, first : other.k + 1], 1), *axes):
            return made
        rounded = not self.stepwise and np.allclose(again, once, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)
        if rounded:
            self.layers["restart"].check.cells += again.size
            return np.ascontiguousarray(complete[:, :, begin:])
        self.layers["restart"].compare(once, again, *axes)
        return made

    def _targets(self, other: Other, rows: Ints, newest: Floats | None = None) -> None:
        """Targets of consecutive decisions in a world."""
        r = self.recorded
        try:
            again = path.targets(r, other, rows, newest)
        except Exception as error:
            self.layers["targets"].check.inconclusive = self._failed(other, error)
            return
        once, at = r.asked[rows], r.forecast.decisions[rows]
        self.seen["targets"].append((int(at[0]), other.k))
        everyone = np.arange(len(r.forecast.symbols))
        self.layers["targets"].compare(once.T[None], again.T[None], ("weight",), everyone, at, other)

    def _failed(self, other: Other, error: Exception) -> str:
        self.failures += 1
        return f"It cannot be run on a world {other.kind} after {self.recorded.instant(other.k)}: {reason(error)}"
