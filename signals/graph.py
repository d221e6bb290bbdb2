"""Expressions compiled to one graph of causal operators, and evaluated on a panel.

1. Compiling: every distinct sub-expression becomes one node, in an order where inputs come first (`nodes`).
2. Look-back: how many earlier rows a node's value may depend on, added up along the graph.
3. Stages: an operator across symbols must wait for all symbols, so nodes are cut into stages at such barriers.
4. Within a stage, blocks of symbols are evaluated independently, on a pool of threads; the answer of a symbol does not
   depend on its block, nor on where the rows start, so no number of threads and no cut of the data changes a bit.
5. Revisions: where a symbol's earlier cells were revised, the decisions that know the new versions, and whose windows
   cover them, are evaluated again on the cells as known at that decision (`signals/restate.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from backcast.data.types import Floats, Ints, Panel
from backcast.signals.calendar_features import CALENDAR
from backcast.signals.kernels.operators import ROLLING, across, load, mapped, rolled, store
from backcast.signals.nodes import Node
from backcast.signals.restate import Change, changes
from backcast.signals.types import Features

CHUNK = 256  # rows evaluated before the next operator's turn: its scratch stays in cache
BLOCK = 64  # symbols evaluated side by side: whole vectors of lanes, and little overhead a row


@dataclass(frozen=True)
class Graph:
    """Compiled features. `outputs` holds the node of each name; `fields` the panel fields they were compiled for."""

    names: tuple[str, ...]
    outputs: tuple[int, ...]
    nodes: tuple[Node, ...]
    fields: tuple[str, ...]

    @property
    def lookback(self) -> int:
        """Rows before a decision that its features may depend on: lookback + 1 rows give one full answer."""
        return max((self.nodes[i].lookback for i in self.outputs), default=0)

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        """Every feature (F, S, T) at every decision, from what was known at that decision.

        Within a window, a cell is the newest version known at the window's decision. A value across symbols is a
        dated fact of its own decision: it is made of what was known then, and an operator over time above it sees
        those facts, never restated ones. Members alone take part across symbols; others get NaN there. The same
        bits for any number of threads and any cut of the panel at a decision.
        """
        run = Run(self, panel)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            for stage in run.stages:
                list(pool.map(partial(run.block, stage), range(0, len(panel.symbols), BLOCK)))
                list(pool.map(run.cross, stage.crossings))
        return Features(self.names, panel.symbols, run.values)


@dataclass(frozen=True)
class Stage:
    """Nodes between two barriers. `goals` leave the stage, `program` is what they need, inputs first; `crossings` are
    the operators across symbols that end it."""

    goals: tuple[int, ...]
    program: tuple[int, ...]
    crossings: tuple[int, ...]
    reach: int


def stages_of(graph: Graph) -> list[Stage]:
    """The stages of a graph, in order."""
    nodes = graph.nodes
    crossings = [i for i, node in enumerate(nodes) if node.crosses]
    goals = sorted({*graph.outputs, *(j for i in crossings for j in nodes[i].inputs)} - set(crossings))
    made = []
    for k in range(1 + max(node.stage for node in nodes)):
        mine = tuple(i for i in goals if nodes[i].stage == k)
        reach = max((nodes[i].reach for i in mine), default=0)
        ends = tuple(i for i in crossings if nodes[i].stage == k)
        made.append(Stage(mine, program(nodes, mine), ends, reach))
    return made


class Run:
    """One evaluation. `values` (F, S, T) is the answer; `kept` holds (T, S) of what operators across symbols read and
    give."""

    def __init__(self, graph: Graph, panel: Panel) -> None:
        self.nodes, self.panel, self.stages = graph.nodes, panel, stages_of(graph)
        self.slot = first_slot(panel)
        self.fields = {name: panel.fields.index(name) for name in graph.fields}
        clocks = {node.name for node in graph.nodes if node.operator == "clock"}
        self.hours = {name: CALENDAR[name](panel.clock) for name in clocks}
        self.member = np.ascontiguousarray(panel.member.T)
        symbols, rows = panel.member.shape
        self.values = np.empty((len(graph.outputs), symbols, rows))
        self.places = {i: [k for k, j in enumerate(graph.outputs) if i == j] for i in graph.outputs}
        read = [j for stage in self.stages for i in stage.crossings for j in self.nodes[i].inputs]
        self.kept = {i: np.empty((rows, symbols)) for i in read}

    def put(self, i: int, first: int, start: int, block: Floats) -> None:
        """Keep (T', B) values of node i: the rows from `start` on of the symbols from `first` on."""
        if i in self.kept:
            self.kept[i][start : start + block.shape[0], first : first + block.shape[1]] = block
        for place in self.places.get(i, ()):
            store(block, self.values, place, first, start)

    def block(self, stage: Stage, first: int) -> None:
        """All goals of a stage for one block of symbols, then again where their cells were revised."""
        last = min(first + BLOCK, len(self.panel.symbols))
        if stage.goals:
            for start, done in self.steps(stage, self.panel.values[:, first:last], 0, np.arange(first, last)):
                for i in stage.goals:
                    self.put(i, first, start, done[i])
            for change in changes(self.panel, first, last):
                self.restate(stage, first, change)

    def restate(self, stage: Stage, first: int, change: Change) -> None:
        """The decisions that one set of new versions changes: from the first that knows it, while windows cover it."""
        stops = np.minimum(change.until, change.last_cell + stage.reach + 1)
        begin, top = max(0, change.decision - stage.reach), int(stops.max())
        if top <= change.decision:
            return
        cells = change.values[:, change.lanes, begin:top]
        for start, done in self.steps(stage, cells, begin, first + change.lanes):
            skip = max(change.decision - start, 0)
            for k, stop in enumerate(stops):
                for i in stage.goals:
                    again = done[i][skip : max(int(stop) - start, skip), k : k + 1]
                    self.put(i, first + int(change.lanes[k]), start + skip, np.ascontiguousarray(again))

    def steps(
        self, stage: Stage, cells: Floats, begin: int, symbols: Ints
    ) -> Iterator[tuple[int, dict[int, Floats]]]:
        """Run a stage's program on cells (F, B, T'), rows from `begin` on, in chunks whose scratch stays in cache.

        Yields a chunk's first row and the nodes' values (T'', B), which the next chunk overwrites.
        """
        cells, nodes = np.ascontiguousarray(cells), self.nodes
        lanes, rows = cells.shape[1:]
        states = {i: ROLLING[nodes[i].operator].state(int(nodes[i].literals[0]), lanes)
                  for i in stage.program if nodes[i].operator in ROLLING}  # fmt: skip
        scratch = {i: np.empty((min(CHUNK, rows), lanes)) for i in stage.program}
        for row in range(0, rows, CHUNK):
            done = {i: x[: rows - row] for i, x in scratch.items()}
            for i in stage.program:
                node, out = nodes[i], done[i]
                if node.operator == "number":
                    out[:] = node.literals[0]
                elif node.operator == "field":
                    load(cells, self.fields[node.name], 0, row, out)
                elif node.operator == "clock":
                    out[:] = self.hours[node.name][begin + row : begin + row + len(out), None]
                elif node.crosses:
                    out[:] = self.kept[i][begin + row : begin + row + len(out)].take(symbols, axis=1)
                elif node.operator in ROLLING:
                    inputs = [done[j] for j in node.inputs]
                    rolled(node.operator, inputs, node.literals, self.slot + begin + row, states[i], out)
                else:
                    mapped(node.operator, [done[j] for j in node.inputs], out)
            yield begin + row, done

    def cross(self, i: int) -> None:
        """One operator across symbols, at every decision."""
        node = self.nodes[i]
        answer = across(node.operator, [self.kept[j] for j in node.inputs], self.member, node.literals)
        self.kept[i] = answer
        for place in self.places.get(i, ()):
            self.values[place] = answer.T


def program(nodes: tuple[Node, ...], goals: tuple[int, ...]) -> tuple[int, ...]:
    """The nodes that goals need, inputs first, stopping at operators across symbols."""
    needed, open_ = set(goals), list(goals)
    while open_:
        node = nodes[open_.pop()]
        if not node.crosses:
            fresh = [j for j in node.inputs if j not in needed]
            needed.update(fresh)
            open_.extend(fresh)
    return tuple(sorted(needed))


def first_slot(panel: Panel) -> int:
    """The slot of the first row; rows must be consecutive slots, or windows would not keep their phase."""
    slots = panel.clock.slots
    if len(slots) and int(slots[-1] - slots[0]) != len(slots) - 1:
        raise ValueError("the clock's slots are not consecutive")
    return int(slots[0]) if len(slots) else 0
