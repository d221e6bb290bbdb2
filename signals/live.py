"""Features one bar at a time: the batch's graph, kernels and states, kept at the newest bar.

1. Each stage of the graph keeps the state of its operators for all symbols; a step advances them by one row, stage by
   stage, with the operators across symbols between.
2. Beside them stand the newest look-back of cells, as known now, and of what operators across symbols gave, as dated
   facts. From these alone a symbol's states can be made again: a restated or late bar, a new listing, and a file that was
   saved all take that way, and what follows has the bits of the batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from backcast.data.durable import write_bytes
from backcast.data.errors import InputError
from backcast.data.types import Bools, Clock, Floats, Ints, Panel
from backcast.signals.calendar_features import CALENDAR
from backcast.signals.graph import Graph, first_slot
from backcast.signals.kernels.cache import sources_hash
from backcast.signals.stages import Lanes, Stage, crossed, stages_of

FORMAT = 1
CHUNK = 16  # rows made again at a time
RESTART = "Start it again from a panel: Live.start(graph, panel)."


@dataclass(frozen=True)
class Restated:
    """A new version of an earlier cell, which the step it comes with is the first to know: a correction, or a late bar."""

    symbol: str
    field: str
    slot: int
    value: float


class Live:
    """The state of a graph at a bar. `symbols` are sorted, as a panel's are; `slot` is that of the bar to come."""

    def __init__(self, graph: Graph, symbols: Sequence[str], slot: int) -> None:
        """Knows no bar yet: the first step is bar `slot`."""
        if not graph.outputs:
            raise InputError("graph", graph.names, "a graph with features")
        self.graph, self.slot, self.symbols = graph, slot, tuple(symbols)
        if list(self.symbols) != sorted(set(self.symbols)):
            raise InputError("symbols", self.symbols, "distinct symbols in sorted order")
        self.stages = stages_of(graph.nodes, graph.outputs)
        self.kept_rows = max(stage.reach for stage in self.stages)
        self.seen = 0
        """How many of the kept rows hold bars."""
        self.fields = {name: f for f, name in enumerate(graph.fields)}
        self.given = [i for i, node in enumerate(graph.nodes) if node.given]
        size = len(self.symbols)
        self.cells = np.full((self.kept_rows, len(self.fields), size), np.nan)
        self.facts = np.full((self.kept_rows, len(self.given), size), np.nan)
        self._make(np.arange(size))

    @staticmethod
    def start(graph: Graph, panel: Panel) -> Live:
        """The state at a panel's last decision. Revisions that no decision of the panel knows are to be given with the step
        that knows them."""
        lookback = graph.lookback
        live = Live(graph, panel.symbols, first_slot(panel) + len(panel.clock))
        tail = panel.since(max(0, len(panel.clock) - lookback - live.kept_rows))
        live.seen = min(live.kept_rows, len(tail.clock))
        rows = np.arange(len(tail.clock) - live.seen, len(tail.clock))
        place = (live.slot - live.seen + np.arange(live.seen)) % max(live.kept_rows, 1)
        if live.seen:
            known = _as_known(tail)
            for name, f in live.fields.items():
                live.cells[place, f] = known[panel.fields.index(name)][:, rows].T
            for n, answer in enumerate(_facts(graph, tail, live.given)):
                live.facts[place, n] = answer[rows]
        live._make(np.arange(len(panel.symbols)))
        return live

    def step(
        self, cells: Floats, member: Bools, restated: Sequence[Restated] = (), bar: Clock | None = None
    ) -> Floats:
        """One bar: cells (F, S) in the order of `graph.fields`, member (S,) -> features (F', S), as a copy.

        restated: new versions of earlier cells that this decision is the first to know. Those older than every window
        change nothing. bar: a clock of this bar alone, which calendar features need. Errors: InputError for a symbol, a field
        or a slot that there is not, for wrong shapes, and for a graph that needs the bar and gets none.
        """
        size = len(self.symbols)
        if cells.shape != (len(self.fields), size) or member.shape != (size,):
            raise InputError(
                "cells and member", (cells.shape, member.shape), f"({len(self.fields)}, {size}) and ({size},)"
            )
        if restated:
            self._restate(restated)
        now = np.ascontiguousarray(cells, dtype=np.float64)[:, :, None]
        values = np.empty((len(self.graph.outputs), size))
        facts = self._hours(bar)
        for stage, lanes in zip(self.stages, self.lanes, strict=True):
            done = lanes.advance(now, 0, 0, 1, self.slot, facts)
            for i in stage.goals:
                facts[i] = done[i]
            for i in stage.crossings:
                facts[i] = crossed(self.graph.nodes[i], facts, member[None])
        for k, i in enumerate(self.graph.outputs):
            values[k] = facts[i][0]
        if self.kept_rows:
            place = self.slot % self.kept_rows
            self.cells[place] = now[:, :, 0]
            for n, i in enumerate(self.given):
                self.facts[place, n] = facts[i][0]
        self.slot, self.seen = self.slot + 1, min(self.seen + 1, self.kept_rows)
        return values

    def _hours(self, bar: Clock | None) -> dict[int, Floats]:
        """What the bar's clock says to the nodes that ask it, (1, S) each."""
        asking = {i: self.graph.nodes[i].name for i in self.given if not self.graph.nodes[i].crosses}
        if asking and (bar is None or len(bar) != 1):
            raise InputError("bar", bar, f"the clock of one bar, for {', '.join(sorted(asking.values()))}")
        size = len(self.symbols)
        return {
            i: np.full((1, size), CALENDAR[name](bar)[0]) for i, name in asking.items() if bar is not None
        }

    def admit(self, symbols: Sequence[str]) -> None:
        """New listings join, each at its sorted place, with nothing known of them so far. Errors: InputError for one that
        is there already."""
        wanted = tuple(sorted((*self.symbols, *symbols)))
        if len(set(wanted)) != len(wanted):
            raise InputError("symbols", tuple(symbols), "symbols that are not there yet")
        old = np.array([wanted.index(s) for s in self.symbols], dtype=np.int64)
        for name in ("cells", "facts"):
            held = getattr(self, name)
            wide = np.full((*held.shape[:2], len(wanted)), np.nan)
            wide[:, :, old] = held
            setattr(self, name, wide)
        for n, i in enumerate(self.given):
            if not self.graph.nodes[i].crosses:  # the clock is the same for all
                self.facts[:, n] = self.facts[:, n, old[:1]]
        self.symbols = wanted
        self._make(np.arange(len(wanted)))

    def _restate(self, restated: Sequence[Restated]) -> None:
        """Puts new versions into the kept cells, and makes the states of their symbols again."""
        touched = set()
        for version in restated:
            if version.symbol not in self.symbols or version.field not in self.fields:
                raise InputError(
                    "restated", version, f"a symbol there is, and one of {', '.join(self.fields)}"
                )
            if version.slot >= self.slot:
                raise InputError("restated", version, f"a slot before {self.slot}, that of the bar to come")
            if version.slot >= self.slot - self.seen:
                s = self.symbols.index(version.symbol)
                self.cells[version.slot % self.kept_rows, self.fields[version.field], s] = version.value
                touched.add(s)
        if touched:
            self._make(np.array(sorted(touched)))

    def _make(self, symbols: Ints) -> None:
        """The states of some symbols, or of all, from the kept cells and facts."""
        every = len(symbols) == len(self.symbols)
        order = (self.slot - self.seen + np.arange(self.seen)) % max(self.kept_rows, 1)
        cells = np.ascontiguousarray(self.cells[order][:, :, symbols].transpose(1, 2, 0))
        made = [self._replayed(stage, cells, symbols, order) for stage in self.stages]
        if every:
            self.lanes = made
            return
        for lanes, part in zip(self.lanes, made, strict=True):
            for i, state in part.states.items():
                lanes.states[i][:, symbols] = state

    def _replayed(self, stage: Stage, cells: Floats, symbols: Ints, order: Ints) -> Lanes:
        """A stage's states after the kept rows that it reaches; cells (F, B, rows) and `order`, oldest first."""
        lanes = Lanes(self.graph.nodes, stage, self.fields, self.graph.own, len(symbols), CHUNK)
        for row in range(self.seen - min(stage.reach, self.seen), self.seen, CHUNK):
            rows = order[row : row + CHUNK]
            facts = {
                i: self.facts[rows, n][:, symbols] for n, i in enumerate(self.given) if i in stage.program
            }
            lanes.advance(cells, 0, row, len(rows), self.slot - self.seen + row, facts)
        return lanes

    def save(self, path: Path) -> None:
        """Writes the state: the cells and facts it can be made of, the graph's digest and the kernels', sealed."""
        arrays = {"cells": self.cells, "facts": self.facts}
        about = {
            "format": FORMAT, "graph": self.graph.digest, "code": sources_hash(), "symbols": self.symbols,
            "slot": self.slot, "seen": self.seen,
        }  # fmt: skip
        meta = {"about": json.dumps(about), "seal": _seal(about, arrays)}
        write_bytes(path, save(arrays, meta))

    @staticmethod
    def load(path: Path, graph: Graph) -> Live:
        """What `save` wrote. Errors: InputError for a file that is not whole, and for the state of another graph, of other
        kernels or of a later format."""
        about, arrays = _read(path)
        for key, ours in (("format", FORMAT), ("graph", graph.digest), ("code", sources_hash())):
            if about[key] != ours:
                raise InputError(str(path), f"{key} {about[key]}", f"the state of {key} {ours}", RESTART)
        live = Live(graph, about["symbols"], about["slot"])
        if any(arrays[name].shape != getattr(live, name).shape for name in ("cells", "facts")):
            raise InputError(str(path), "another shape", "the state of this graph", RESTART)
        live.seen, live.cells, live.facts = about["seen"], arrays["cells"], arrays["facts"]
        live._make(np.arange(len(live.symbols)))
        return live


def _as_known(panel: Panel) -> Floats:
    """(F, S, T) as known at the panel's last decision."""
    values, r = panel.values.copy(), panel.revisions
    known = np.flatnonzero(r.decision < len(panel.clock))
    known = known[np.argsort(r.decision[known], kind="stable")]
    values[r.field[known], r.symbol[known], r.time[known]] = r.value[known]  # in order: the last one stays
    return values


def _facts(graph: Graph, panel: Panel, given: Sequence[int]) -> list[Floats]:
    """What each operator across symbols, and the clock, gave at every decision (T, S), each of what was known then."""
    asked = replace(graph, names=tuple(f"n{i}" for i in given), outputs=tuple(given))
    return [answer.T for answer in asked.evaluate(panel).values] if given else []


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    try:
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in ("cells", "facts")}
        about = json.loads(meta["about"])
        if meta["seal"] == _seal(about, arrays):
            return about, arrays
        reason = "its content is not what was written"
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        reason = str(error)
    raise InputError(str(path), reason, "a state that Live.save wrote", RESTART)


def _seal(about: Mapping[str, Any], arrays: Mapping[str, Floats]) -> str:
    sealed = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        sealed.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sealed.hexdigest()
