"""Nodes of a feature graph, and how expressions become nodes: each distinct sub-expression once, inputs first."""

from __future__ import annotations

from dataclasses import dataclass, field

from backcast.signals.custom import OwnFeature
from backcast.signals.expression import Call, Field, Number
from backcast.signals.expression import Node as Tree
from backcast.signals.kernels.operators import CROSS_SECTION, ROLLING
from backcast.signals.scale import Scale, field_scale, scale_of

OWN = "own"
"""The operator of features written in Python; the node's name says which."""


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

    @property
    def remembers(self) -> bool:
        """Whether it carries a state from row to row."""
        return self.operator in ROLLING or self.operator == OWN


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

    def own(self, name: str, feature: OwnFeature, x: tuple[int, ...]) -> int:
        """The node of a feature written in Python, on the nodes of its inputs."""
        return self.node(OWN, x, (float(feature.lookback),), name, Scale() if feature.scale_free else None)

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
        self,
        operator: str,
        inputs: tuple[int, ...],
        literals: tuple[float, ...] = (),
        name: str = "",
        scale: Scale | None = None,
    ) -> int:
        key = operator, inputs, literals, name
        if key not in self.places:
            self.places[key] = len(self.nodes)
            self.nodes.append(self.made(operator, inputs, literals, name, scale))
        return self.places[key]

    def made(
        self,
        operator: str,
        inputs: tuple[int, ...],
        literals: tuple[float, ...],
        name: str,
        scale: Scale | None,
    ) -> Node:
        below = [self.nodes[i] for i in inputs]
        own = rows_back(operator, literals)
        reach = own + max((0 if node.crosses else node.reach for node in below), default=0)
        lookback = own + max((node.lookback for node in below), default=0)
        stage = max((node.stage + node.crosses for node in below), default=0)
        if operator == "number":
            scale = Scale(number=literals[0])
        elif operator == "field":
            scale = field_scale(name)
        elif operator != OWN:
            scale = scale_of(operator, tuple(node.scale for node in below), literals)
        return Node(operator, inputs, literals, name, stage, reach, lookback, scale)


def rows_back(operator: str, literals: tuple[float, ...]) -> int:
    """How many rows before its own an operator reads: a lag reads `lag`, a window `window - 1`, a feature in
    Python what it says."""
    if operator == OWN:
        return int(literals[0])
    if operator not in ROLLING:
        return 0
    return int(literals[0]) - (operator != "ref")
