"""A graph cut into stages at its operators across symbols, and one stage's program run for some symbols side by side.

Batch, restatements and live all advance the same `Lanes`: batch by chunks of rows, live by one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.signals.custom import OwnFeature
from backcast.signals.kernels.operators import ROLLING, across, load, mapped, rolled
from backcast.signals.nodes import FIELD, OWN, Node

CHUNK = 512  # rows evaluated before the next operator's turn: its scratch stays in cache
BLOCK = 128  # symbols evaluated side by side, at most: long enough calls that threads seldom wait for the interpreter


@dataclass(frozen=True)
class Stage:
    """Nodes between two barriers. `goals` leave the stage, `program` is what they need, inputs first; `crossings` are
    the operators across symbols that end it."""

    number: int
    goals: tuple[int, ...]
    program: tuple[int, ...]
    crossings: tuple[int, ...]
    reach: int


def stages_of(nodes: tuple[Node, ...], outputs: tuple[int, ...]) -> list[Stage]:
    """The stages of a graph, in order."""
    crossings = [i for i, node in enumerate(nodes) if node.crosses]
    goals = sorted({*outputs, *(j for i in crossings for j in nodes[i].inputs)} - set(crossings))
    made = []
    for k in range(1 + max(node.stage for node in nodes)):
        mine = tuple(i for i in goals if nodes[i].stage == k)
        reach = max((nodes[i].reach for i in mine), default=0)
        ends = tuple(i for i in crossings if nodes[i].stage == k)
        made.append(Stage(k, mine, program(nodes, mine), ends, reach))
    return made


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


def crossed(node: Node, kept: Mapping[int, Floats], member: Bools) -> Floats:
    """An operator across symbols: rows (T, S) of what it reads and of the members -> (T, S)."""
    return across(node.operator, [kept[j] for j in node.inputs], member, node.literals)


def block_size(symbols: int, threads: int) -> int:
    """Symbols a block, so that every thread gets as many blocks as every other."""
    threads = max(1, threads)
    blocks = -(-symbols // (BLOCK * threads)) * threads
    return max(8, -(-symbols // max(blocks, 1)))


def buffers(nodes: tuple[Node, ...], stage: Stage) -> dict[int, int]:
    """Which scratch buffer each node of a program writes: one that nobody reads any more, as long as there is one."""
    last = {j: i for i in stage.program for j in (() if nodes[i].crosses else nodes[i].inputs)}
    free: list[int] = []
    chosen: dict[int, int] = {}
    for i in stage.program:
        chosen[i] = free.pop() if free else len(set(chosen.values()))
        inputs = () if nodes[i].crosses else nodes[i].inputs
        free += [chosen[j] for j in sorted(set(inputs)) if last[j] == i and j not in stage.goals]
    return chosen


class Lanes:
    """A stage's program for B symbols: the state of each operator over time, and scratch for up to `rows` rows."""

    def __init__(
        self,
        nodes: tuple[Node, ...],
        stage: Stage,
        fields: Mapping[str, int],
        own: Mapping[str, OwnFeature],
        lanes: int,
        rows: int,
    ) -> None:
        self.nodes, self.stage, self.fields, self.own = nodes, stage, fields, own
        self.states = {i: self.fresh(nodes[i], lanes) for i in stage.program if nodes[i].remembers}
        chosen = buffers(nodes, stage)
        scratch = [np.empty((rows, lanes)) for _ in set(chosen.values())]
        self.scratch = {i: scratch[k] for i, k in chosen.items()}

    def fresh(self, node: Node, lanes: int) -> Floats:
        """The state that knows nothing yet."""
        if node.operator == OWN:
            return self.own[node.name].state(lanes)
        return ROLLING[node.operator].state(int(node.literals[0]), lanes)

    def advance(
        self, cells: Floats, lane: int, row: int, count: int, slot: int, facts: Mapping[int, Floats]
    ) -> dict[int, Floats]:
        """`count` rows of cells (F, S, T) from `row` and `lane` on, the first with this slot; `facts` (count, B) are what
        operators across symbols and the clock gave there. The values of its goals (count, B), which the next call
        overwrites."""
        done = {i: x[:count] for i, x in self.scratch.items()}
        for i in self.stage.program:
            node, out = self.nodes[i], done[i]
            if i in facts:
                out[:] = facts[i]
            elif node.operator == "number":
                out[:] = node.literals[0]
            elif node.operator == FIELD:
                load(cells, self.fields[node.name], lane, row, out)
            elif node.operator == OWN:
                self.own[node.name].advance([done[j] for j in node.inputs], slot, self.states[i], out)
            elif node.operator in ROLLING:
                rolled(
                    node.operator, [done[j] for j in node.inputs], node.literals, slot, self.states[i], out
                )
            else:
                mapped(node.operator, [done[j] for j in node.inputs], out)
        return done
