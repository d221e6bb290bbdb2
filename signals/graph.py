"""Expressions compiled to one graph of causal operators, and evaluated on a panel.

1. Compiling: every distinct sub-expression becomes one node, in an order where inputs come first.
2. Look-back: how many earlier rows a node's value may depend on, added up along the graph.
3. Stages: an operator across symbols must wait for all symbols, so nodes are cut into stages at such barriers.
4. Within a stage, blocks of symbols are evaluated independently, on a pool of threads; the answer of a symbol does not
   depend on its block, nor on where the rows start, so no number of threads and no cut of the data changes a bit.
5. Revisions: where a symbol's earlier cells were revised, the decisions that know the new versions, and whose windows
   cover them, are evaluated again on the cells as known at that decision (`signals/restate.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from backcast.data.types import Floats, Ints, Panel
from backcast.signals.expression import Call, Field, Number
from backcast.signals.expression import Node as Tree
from backcast.signals.kernels.operators import CROSS_SECTION, ROLLING, across, finite, mapped, rolled
from backcast.signals.restate import Change, changes
from backcast.signals.scale import Scale, field_scale, scale_of
from backcast.signals.types import Features

BLOCK = 64  # symbols evaluated side by side: whole vectors of lanes, and little overhead a row


@dataclass(frozen=True)
class Node:
    """One operator of the graph. `inputs` are earlier nodes; `reach` the rows it looks back past its barrier-free
    inputs; `lookback` the same through barriers too; `stage` the number of barriers below it."""

    operator: str
    inputs: tuple[int, ...]
    literals: tuple[float, ...]
    name: str
    stage: int
    reach: int
    lookback: int
    scale: Scale | None

    @property
    def crosses(self) -> bool:
        return self.operator in CROSS_SECTION


@dataclass
class Builder:
    """Adds expressions to a list of nodes, each distinct sub-expression once."""

    fields: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list)
    places: dict[tuple[str, tuple[int, ...], tuple[float, ...], str], int] = field(default_factory=dict)

    def add(self, tree: Tree) -> int:
        """The node of an expression; a field that the panel does not have raises KeyError(the Field)."""
        if isinstance(tree, Number):
            return self.node("number", (), (tree.value,))
        if isinstance(tree, Field):
            if tree.name not in self.fields:
                raise KeyError(tree)
            return self.node("field", (), (), tree.name)
        return self.lower(tree, tuple(map(self.add, tree.inputs)))

    def lower(self, call: Call, x: tuple[int, ...]) -> int:
        """Functions that are short for others, and the operators themselves."""
        if call.operator == "delta":
            return self.node("-", (x[0], self.node("ref", x, call.literals)))
        if call.operator == "returns":
            ratio = self.node("/", (x[0], self.node("ref", x, call.literals)))
            return self.node("-", (ratio, self.node("number", (), (1.0,))))
        if call.operator == "ts_median":
            return self.node("ts_quantile", x, (*call.literals, 0.5))
        return self.node(call.operator, x, call.literals)

    def node(
        self, operator: str, inputs: tuple[int, ...], literals: tuple[float, ...] = (), name: str = ""
    ) -> int:
        key = operator, inputs, literals, name
        if key not in self.places:
            self.places[key] = len(self.nodes)
            self.nodes.append(self.made(operator, inputs, literals, name))
        return self.places[key]

    def made(self, operator: str, inputs: tuple[int, ...], literals: tuple[float, ...], name: str) -> Node:
        below = [self.nodes[i] for i in inputs]
        own = rows_back(operator, literals)
        reach = own + max((0 if node.crosses else node.reach for node in below), default=0)
        lookback = own + max((node.lookback for node in below), default=0)
        stage = max((node.stage + node.crosses for node in below), default=0)
        if operator == "number":
            scale: Scale | None = Scale(number=literals[0])
        elif operator == "field":
            scale = field_scale(name)
        else:
            scale = scale_of(operator, tuple(node.scale for node in below), literals)
        return Node(operator, inputs, literals, name, stage, reach, lookback, scale)


def rows_back(operator: str, literals: tuple[float, ...]) -> int:
    """How many rows before its own an operator reads: a lag reads `lag`, a window `window - 1`."""
    if operator not in ROLLING:
        return 0
    return int(literals[0]) - (operator != "ref")


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
            for stage in range(run.stages):
                list(pool.map(lambda first, stage=stage: run.block(stage, first), run.firsts))
                list(
                    pool.map(
                        run.cross,
                        [i for i in run.kept if self.nodes[i].crosses and self.nodes[i].stage == stage],
                    )
                )
        values = np.empty((len(self.names), len(panel.symbols), len(panel.clock)))
        for place, i in enumerate(self.outputs):
            values[place] = run.kept[i].T
        return Features(self.names, panel.symbols, values)


class Run:
    """One evaluation. `kept` holds (T, S) of each node that crosses symbols, feeds one that does, or is an output."""

    def __init__(self, graph: Graph, panel: Panel) -> None:
        self.nodes, self.panel = graph.nodes, panel
        self.rows, symbols = len(panel.clock), len(panel.symbols)
        self.slot = first_slot(panel)
        self.places = {name: panel.fields.index(name) for name in graph.fields}
        self.member = np.ascontiguousarray(panel.member.T)
        crossing = [i for i, node in enumerate(self.nodes) if node.crosses]
        wanted = sorted({*graph.outputs, *crossing, *(j for i in crossing for j in self.nodes[i].inputs)})
        self.kept = {i: np.empty((self.rows, symbols)) for i in wanted}
        self.stages = 1 + max((self.nodes[i].stage for i in wanted), default=0)
        self.firsts = range(0, symbols, BLOCK)
        self.goals = [
            [i for i in wanted if self.nodes[i].stage == k and not self.nodes[i].crosses]
            for k in range(self.stages)
        ]
        self.programs = [program(self.nodes, goals) for goals in self.goals]

    def block(self, stage: int, first: int) -> None:
        """All goals of a stage for one block of symbols, then again where their cells were revised."""
        goals, last = self.goals[stage], min(first + BLOCK, len(self.panel.symbols))
        if not goals:
            return
        cells = self.panel.values[:, first:last].transpose(0, 2, 1)
        done = self.steps(stage, cells, 0, np.arange(first, last))
        for i in goals:
            self.kept[i][:, first:last] = done[i]
        for change in changes(self.panel, first, last):
            self.restate(stage, first, change)

    def restate(self, stage: int, first: int, change: Change) -> None:
        """The decisions that one set of new versions changes: from the first that knows it, while windows cover it."""
        reach = max(self.nodes[i].reach for i in self.goals[stage])
        stops = np.minimum(change.until, change.last_cell + reach + 1)
        start, top = max(0, change.decision - reach), int(stops.max())
        if top <= change.decision:
            return
        cells = change.values[:, change.lanes, start:top].transpose(0, 2, 1)
        done = self.steps(stage, cells, start, first + change.lanes)
        for lane, stop in enumerate(stops):
            for i in self.goals[stage]:
                again = done[i][change.decision - start : max(stop - start, 0), lane]
                self.kept[i][change.decision : change.decision + len(again), first + change.lanes[lane]] = (
                    again
                )

    def steps(self, stage: int, cells: Floats, start: int, symbols: Ints) -> dict[int, Floats]:
        """Run a stage's program on cells (F, T', B): the rows from `start` on of these symbols."""
        done: dict[int, Floats] = {}
        rows, shape = slice(start, start + cells.shape[1]), cells.shape[1:]
        for i in self.programs[stage]:
            node = self.nodes[i]
            inputs = [done[j] for j in node.inputs] if not node.crosses else []
            if node.operator == "number":
                done[i] = np.full(shape, node.literals[0])
            elif node.operator == "field":
                done[i] = finite(np.ascontiguousarray(cells[self.places[node.name]]))
            elif node.crosses:
                done[i] = self.kept[i][rows].take(symbols, axis=1)
            elif node.operator in ROLLING:
                done[i] = rolled(node.operator, inputs, node.literals, self.slot + start)
            else:
                done[i] = mapped(node.operator, inputs)
        return done

    def cross(self, i: int) -> None:
        """One operator across symbols, at every decision."""
        self.kept[i][:] = across(self.nodes[i].operator, self.kept[self.nodes[i].inputs[0]], self.member)


def program(nodes: tuple[Node, ...], goals: list[int]) -> list[int]:
    """The nodes that goals need, inputs first, stopping at operators across symbols."""
    needed, open_ = set(goals), list(goals)
    while open_:
        node = nodes[open_.pop()]
        if not node.crosses:
            fresh = [j for j in node.inputs if j not in needed]
            needed.update(fresh)
            open_.extend(fresh)
    return sorted(needed)


def first_slot(panel: Panel) -> int:
    """The slot of the first row; rows must be consecutive slots, or windows would not keep their phase."""
    slots = panel.clock.slots
    if len(slots) and int(slots[-1] - slots[0]) != len(slots) - 1:
        raise ValueError("the clock's slots are not consecutive")
    return int(slots[0]) if len(slots) else 0
