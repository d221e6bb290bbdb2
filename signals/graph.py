"""Expressions compiled to one graph of causal operators, and evaluated on a panel.

1. Compiling: every distinct sub-expression becomes one node, in an order where inputs come first (`nodes`).
2. Look-back: how many earlier rows a node's value may depend on, added up along the graph.
3. Stages: an operator across symbols must wait for all symbols, so nodes are cut into stages at such barriers (`stages`).
4. Within a stage, blocks of symbols are evaluated independently, on a pool of threads; the answer of a symbol does not
   depend on its block, nor on where the rows start, so no number of threads and no cut of the data changes a bit.
5. Revisions: where a symbol's earlier cells were revised, the decisions that know the new versions, and whose windows
   cover them, are evaluated again on the cells as known at that decision (`signals/restate.py`).

Beside the panel and the answer, memory holds a block's scratch a thread, and (T, S) for each operator across symbols.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.types import Bools, Floats, Ints, Panel
from backcast.signals.calendar_features import CALENDAR
from backcast.signals.custom import OwnFeature
from backcast.signals.kernels.operators import store
from backcast.signals.nodes import CLOCK, FIELD, Node
from backcast.signals.restate import Batch, batches, cells_as_known, versions_of
from backcast.signals.stages import CHUNK, Lanes, Stage, block_size, crossed, stages_of
from backcast.signals.types import Features, answer


@dataclass(frozen=True)
class Graph:
    """Compiled features. `outputs` holds the node of each name; `fields` the panel fields they were compiled for; `own` the
    features written in Python, by name."""

    names: tuple[str, ...]
    outputs: tuple[int, ...]
    nodes: tuple[Node, ...]
    fields: tuple[str, ...]
    own: Mapping[str, OwnFeature] = field(default_factory=dict)

    @property
    def lookback(self) -> int:
        """Rows before a decision that its features may depend on: lookback + 1 rows give one full answer."""
        return max((self.nodes[i].lookback for i in self.outputs), default=0)

    @property
    def digest(self) -> str:
        """SHA-256 of what is computed: names, outputs and operators, whatever the expressions were spelt like."""
        nodes = [
            (n.operator, n.inputs, [v.hex() for v in map(float, n.literals)], n.name) for n in self.nodes
        ]
        return hashlib.sha256(json.dumps([self.names, self.outputs, nodes]).encode()).hexdigest()

    @property
    def content(self) -> str | None:
        """The digest; None with features in Python, since what they import cannot be seen from here."""
        return None if self.own else self.digest

    def evaluate(self, panel: Panel, threads: int = 1, out: npt.NDArray[Any] | None = None) -> Features:
        """Every feature (F, S, T) at every decision, from what was known at that decision.

        Within a window, a cell is the newest version known at the window's decision. A value across symbols is a
        dated fact of its own decision: it is made of what was known then, and an operator over time above it sees
        those facts, never restated ones. Members alone take part across symbols; others get NaN there. The same
        bits for any number of threads and any cut of the panel at a decision.

        out: where the answer goes, (F, S, T) of float64, or of float32: rounded once, at the end, and NaN where it is too
        large for it. If it is memory-mapped, its pages are let go of block by block, so that it needs no memory.
        """
        run = Run(self, panel, out)
        size = block_size(len(panel.symbols), threads)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for stage in run.stages:
                list(pool.map(partial(run.block, stage, size), range(0, len(panel.symbols), size)))
                list(pool.map(partial(run.restate, stage), run.batches(stage)))
                list(pool.map(run.cross, run.crossings(stage)))
                run.forget(stage)
        return Features(self.names, panel.symbols, run.values)


class Run:
    """One evaluation. `values` (F, S, T) is the answer; `kept` holds (T, S) of what operators across symbols read and
    give."""

    def __init__(self, graph: Graph, panel: Panel, out: npt.NDArray[Any] | None = None) -> None:
        self.graph, self.nodes, self.panel = graph, graph.nodes, panel
        self.stages, self.slot = stages_of(graph.nodes, graph.outputs), first_slot(panel)
        self.cells = np.ascontiguousarray(panel.values)
        self.fields = {name: panel.fields.index(name) for name in graph.fields}
        self.versions = versions_of(panel, graph.fields, max(stage.reach for stage in self.stages))
        clocks = [(i, node.name) for i, node in enumerate(graph.nodes) if node.operator == CLOCK]
        self.hours = {i: CALENDAR[name](panel.clock)[:, None] for i, name in clocks}
        self.member: Bools = np.ascontiguousarray(panel.member.T)
        symbols, rows = panel.member.shape
        shape = (len(graph.outputs), symbols, rows)
        self.values, self.mapped = answer(shape, out), _mapped(out)
        self.places = {i: [k for k, j in enumerate(graph.outputs) if i == j] for i in graph.outputs}
        read = [j for stage in self.stages for i in stage.crossings for j in self.nodes[i].inputs]
        self.kept = {i: np.empty((rows, symbols)) for i in read if not self.nodes[i].crosses}

    def put(self, i: int, first: int, start: int, block: Floats) -> None:
        """Keep (T', B) values of node i: the rows from `start` on of the symbols from `first` on."""
        if i in self.kept:
            self.kept[i][start : start + block.shape[0], first : first + block.shape[1]] = block
        for place in self.places.get(i, ()):
            store(block, self.values, place, first, start)

    def block(self, stage: Stage, size: int, first: int) -> None:
        """All goals of a stage for one block of symbols."""
        symbols = np.arange(first, min(first + size, len(self.panel.symbols)))
        if stage.goals:
            for start, done in self.steps(stage, symbols, 0, self.cells.shape[2], {}):
                for i in stage.goals:
                    self.put(i, first, start, done[i])
        self.let_go()

    def batches(self, stage: Stage) -> list[Batch]:
        """What of a stage is to be done again."""
        return batches(self.versions, len(self.panel.clock), stage.reach) if stage.goals else []

    def restate(self, stage: Stage, batch: Batch) -> None:
        """All goals of a stage again, for the decisions that new versions of their cells change."""
        # A step in Python may not bear a price of 0.
        unread = math.nan if self.graph.own else 0.0
        cells = cells_as_known(self.panel, self.versions, batch, stage.reach, unread)
        known = dict(zip(self.graph.fields, cells, strict=True))
        fields = {i: known[self.nodes[i].name] for i in stage.program if self.nodes[i].operator == FIELD}
        for start, done in self.steps(stage, batch.symbols, batch.begin, batch.end, fields):
            for i in stage.goals:
                if i in self.kept:
                    batch.put(done[i], start, self.kept[i])
                for place in self.places.get(i, ()):
                    batch.put(done[i], start, self.values[place].T)
        self.let_go()

    def let_go(self) -> None:
        """Pages of a mapped answer: the file keeps what was written."""
        if self.mapped is not None:
            self.mapped.madvise(mmap.MADV_DONTNEED)

    def steps(
        self, stage: Stage, symbols: Ints, begin: int, end: int, known: Mapping[int, Floats]
    ) -> Iterator[tuple[int, dict[int, Floats]]]:
        """Run a stage's program for some symbols over the rows begin <= row < end of the panel, in chunks whose scratch stays
        in cache. known: what field nodes read (end - begin, B) in place of the panel's cells; without any, symbols are
        consecutive. Yields a chunk's first row and the nodes' values (T', B), which the next chunk overwrites.
        """
        lanes = Lanes(self.nodes, stage, self.fields, self.graph.own, len(symbols), min(CHUNK, end - begin))
        crossing = [i for i in stage.program if self.nodes[i].crosses]
        for start in range(begin, end, CHUNK):
            rows = slice(start, min(start + CHUNK, end))
            facts = {i: self.kept[i][rows].take(symbols, axis=1) for i in crossing}
            facts |= {i: hours[rows] for i, hours in self.hours.items()}
            facts |= {i: x[start - begin : rows.stop - begin] for i, x in known.items()}
            count = rows.stop - start
            yield start, lanes.advance(self.cells, int(symbols[0]), start, count, self.slot + start, facts)

    def crossings(self, stage: Stage) -> list[tuple[int, int]]:
        """The operators across symbols that end a stage, by chunks of rows: each operator and a chunk's first row."""
        for i in stage.crossings:
            self.kept[i] = np.empty(self.member.shape)
        return [(i, row) for i in stage.crossings for row in range(0, len(self.member), CHUNK)]

    def cross(self, chunk: tuple[int, int]) -> None:
        """One operator across symbols, at the decisions of a chunk."""
        i, row = chunk
        rows = slice(row, row + CHUNK)
        read = {j: self.kept[j][rows] for j in self.nodes[i].inputs}
        self.kept[i][rows] = answer = crossed(self.nodes[i], read, self.member[rows])
        for place in self.places.get(i, ()):
            store(answer, self.values, place, 0, row)

    def forget(self, stage: Stage) -> None:
        """Lets go of what the operators across symbols that end a stage have read."""
        for j in {j for i in stage.crossings for j in self.nodes[i].inputs if not self.nodes[j].crosses}:
            if not any(
                j in self.nodes[i].inputs for s in self.stages if s.number > stage.number for i in s.crossings
            ):
                self.kept.pop(j, None)


def _mapped(array: npt.NDArray[Any] | None) -> mmap.mmap | None:
    """The file's map under an array, if there is one."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def first_slot(panel: Panel) -> int:
    """The slot of the first row; rows must be consecutive slots, or windows would not keep their phase."""
    slots = panel.clock.slots
    if len(slots) and int(slots[-1] - slots[0]) != len(slots) - 1:
        raise ValueError("the clock's slots are not consecutive")
    return int(slots[0]) if len(slots) else 0
