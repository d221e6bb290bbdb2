"""Hints where the two sides of a sum or a comparison are in different units, such as price + volume."""

from __future__ import annotations

from collections.abc import Iterator

from backcast.data.errors import InputError
from backcast.signals.expression import Call, Field, Node, error_at
from backcast.signals.nodes import Builder
from backcast.signals.scale import PRICES, Scale

_SIDES = {
    "where": slice(1, 3),
    **dict.fromkeys(("+", "-", "min", "max", "<", "<=", ">", ">=", "==", "!="), slice(0, 2)),
}


def unit_hints(tree: Node, text: str, parameter: str = "expression") -> list[InputError]:
    """One hint for each operator whose sides are in different units: not raised, for a caller to show.

    Units are powers of price and volume. Nothing is said of a side that is a plain number, that holds any other field (a fact
    has units that nobody declared), or whose unit is not known.
    """
    hints = []
    for call in _calls(tree):
        one, two = (_unit(side) for side in call.inputs[_SIDES[call.operator]])
        if one is not None and two is not None and one.powers != two.powers:
            hints.append(
                error_at(
                    parameter,
                    text,
                    call.at,
                    f"the same unit on both sides of {call.operator}",
                    f"One side is {_named(one)}, the other {_named(two)}: divide each by a mean of its own first.",
                )
            )
    return hints


def _calls(tree: Node) -> Iterator[Call]:
    """The operators that want one unit, in the order of the tree."""
    if isinstance(tree, Call):
        for part in tree.inputs:
            yield from _calls(part)
        if tree.operator in _SIDES:
            yield tree


def _unit(tree: Node) -> Scale | None:
    """The unit of an expression of prices and volumes; None where it has none or it is not known."""
    fields = _fields(tree)
    if not fields or not fields <= {*PRICES, "volume"}:
        return None
    builder = Builder(tuple(fields))
    return builder.nodes[builder.add(tree)].scale


def _fields(tree: Node) -> set[str]:
    if isinstance(tree, Field):
        return {tree.name}
    return set().union(*map(_fields, tree.inputs)) if isinstance(tree, Call) else set()


def _named(unit: Scale) -> str:
    """A unit in words: price, price^2 * volume, a pure number."""
    parts = [
        f"{name}^{power:g}" if power != 1 else name
        for name, power in (("price", unit.price), ("volume", unit.volume))
        if power
    ]
    return " * ".join(parts) or "a pure number"
