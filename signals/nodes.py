"""Nodes of a feature graph, and how expressions become nodes: each distinct sub-expression once, inputs first."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backcast.signals.calendar_features import CALENDAR
from backcast.signals.custom import OwnFeature
from backcast.signals.expression import Call, Field, Number, parse
from backcast.signals.expression import Node as Tree
from backcast.signals.functions import FUNCTIONS, HORIZON, INPUTS, definition
from backcast.signals.kernels.operators import CROSS_SECTION, ELEMENTWISE, ROLLING, mapped
from backcast.signals.scale import Scale, field_scale, scale_of

FIELD, CLOCK, OWN = "field", "clock", "own"
"""Operators whose node says by its name which: a field of the panel, a fact of the clock, a feature written in Python."""


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
    def given(self) -> bool:
        """Whether its values are facts of a decision: what an operator across symbols gave, or the clock."""
        return self.crosses or self.operator == CLOCK

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

    def add(self, tree: Tree, bound: tuple[int, ...] = ()) -> int:
        """The node of an expression; a field that the panel does not have raises KeyError(the Field).

        bound: in a definition, the nodes that x, y and z stand for.
        """
        if isinstance(tree, Number):
            return self.node("number", (), (tree.value,))
        if isinstance(tree, Field):
            if bound:
                return bound[INPUTS.index(tree.name)]
            if tree.name not in self.fields:
                raise KeyError(tree)
            return self.node(FIELD, (), (), tree.name)
        return self.lower(tree, tuple(self.add(part, bound) for part in tree.inputs))

    def own(self, name: str, feature: OwnFeature, x: tuple[int, ...]) -> int:
        """The node of a feature written in Python, on the nodes of its inputs."""
        return self.node(OWN, x, (float(feature.lookback),), name, Scale() if feature.scale_free else None)

    def lower(self, call: Call, x: tuple[int, ...]) -> int:
        """Functions that are short for others, and the operators themselves."""
        operator, literals = call.operator, call.literals
        text = definition(operator, literals)
        if text is not None:
            return self.add(parse(text, operator), x)
        if operator in CALENDAR:
            return self.node(CLOCK, (), (), operator)
        if operator == "power":
            return self.node("power", (*x, self.node("number", (), literals)))
        if operator in ("ewm_mean", "ewm_std"):
            return self.node(operator, x, _exponential(*literals))
        if operator in FUNCTIONS and len(literals) > len(FUNCTIONS[operator].literals):
            return self.node(operator + "_known", x, literals)
        if x and all(self.nodes[i].operator == "number" for i in x) and operator in ELEMENTWISE:
            return self.folded(operator, x)
        return self.node(operator, x, literals)

    def folded(self, operator: str, x: tuple[int, ...]) -> int:
        """An operator on numbers alone, by its own kernel; what has no answer stays an operator."""
        inputs = [np.full((1, 1), self.nodes[i].literals[0]) for i in x]
        value = float(mapped(operator, inputs)[0, 0])
        # 0.0 and -0.0 are one number here: else a sign would hang on which of them came first.
        return self.node("number", (), (value + 0.0,)) if value == value else self.node(operator, x)

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
        elif operator == FIELD:
            scale = field_scale(name)
        elif operator == CLOCK:
            scale = Scale()
        elif operator != OWN:
            scale = scale_of(operator, tuple(node.scale for node in below), literals)
        return Node(operator, inputs, literals, name, stage, reach, lookback, scale)


def _exponential(span: float, known: float | None = None) -> tuple[float, float, float]:
    """Rows of the horizon, the weight of a row by that of the next, and the known rows that an answer needs."""
    return HORIZON * span, 1.0 - 2.0 / (span + 1.0), span if known is None else known


def rows_back(operator: str, literals: tuple[float, ...]) -> int:
    """How many rows before its own an operator reads: a lag reads `lag`, a window `window - 1`, a feature in
    Python what it says."""
    if operator == OWN:
        return int(literals[0])
    if operator not in ROLLING:
        return 0
    return int(literals[0]) - (operator != "ref")
