"""The language of features: text to a tree. Parsed by hand, never evaluated; an error points at its character.

    expression := `or` of `and` of `not` of comparison of sums of products of signed atoms
    atom       := number | field | function(expression, ...) | (expression)

Windows, lags and levels are literals, so that what an expression may read is known from its text alone: a lag is a
whole number of rows, at least 1, backwards. A negative or zero shift cannot be written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backcast.data.errors import InputError
from backcast.signals.functions import FUNCTIONS, MAX_WINDOW, WORDS, Signature, usage

__all__ = ["FUNCTIONS", "Call", "Field", "Node", "Number", "error_at", "parse", "usage"]

MAX_LENGTH, MAX_DEPTH = 1000, 50


@dataclass(frozen=True)
class Number:
    value: float
    at: int


@dataclass(frozen=True)
class Field:
    name: str
    at: int


@dataclass(frozen=True)
class Call:
    """An operator or a function applied to expressions; `literals` are its window, lag or level."""

    operator: str
    inputs: tuple[Node, ...]
    literals: tuple[float, ...]
    at: int


Node = Number | Field | Call


_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/(),<>])|(\S))",
    re.ASCII,
)
_COMPARES = 4
_BINDS = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _COMPARES),
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
}
_NOT, _UNARY = 3, 7
_LEVELS = {"level": 1.0, "tail": 0.5}  # from 0 to this
_NUMBERS = ("low", "high", "exponent", "width")
_MOST_BUCKETS = 1000


def parse(text: str, parameter: str = "expression") -> Node:
    """The tree of an expression. Raises InputError that shows the character at fault; `parameter` names the text."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(parameter, text, "an expression such as close / ref(close, 20) - 1")
    if len(text) > MAX_LENGTH:
        raise InputError(
            parameter, text, f"at most {MAX_LENGTH} characters", "Split it into several features."
        )
    return _Parser(text, parameter).whole()


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, mark, end
    text: str
    at: int


class _Parser:
    """Precedence climbing (Pratt 1973) over the tokens of one text."""

    def __init__(self, text: str, parameter: str) -> None:
        self.text, self.parameter, self.place, self.depth = text, parameter, 0, 0
        self.tokens = self._tokens()

    def whole(self) -> Node:
        node = self.expression(0)
        if self.peek.kind != "end":
            raise self.error("an operator or the end of the expression", self.peek.at)
        return node

    @property
    def peek(self) -> _Token:
        return self.tokens[self.place]

    def take(self) -> _Token:
        token = self.peek
        self.place += 1
        return token

    def expect(self, mark: str, why: str) -> None:
        if self.peek.kind != "mark" or self.peek.text != mark:
            raise self.error(f"'{mark}' {why}", self.peek.at)
        self.take()

    def expression(self, floor: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"at most {MAX_DEPTH} levels of nesting", self.peek.at)
        left = self.prefix()
        while self.peek.kind == "mark" and _BINDS.get(self.peek.text, 0) > floor:
            mark = self.take()
            bind = _BINDS[mark.text]
            right = self.expression(bind)
            if bind == _COMPARES and self.peek.kind == "mark" and _BINDS.get(self.peek.text) == _COMPARES:
                raise self.error("one comparison; use parentheses to compare its result", self.peek.at)
            left = Call(mark.text, (left, right), (), mark.at)
        self.depth -= 1
        return left

    def prefix(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return Number(self.number(token), token.at)
        if token.kind == "name":
            named = self.peek.kind == "mark" and self.peek.text == "("
            return self.call(token) if named else Field(token.text, token.at)
        if token.text == "not":
            return Call("not", (self.expression(_NOT),), (), token.at)
        if token.text == "-":
            inner = self.expression(_UNARY)
            return (
                Number(-inner.value, token.at)
                if isinstance(inner, Number)
                else Call("neg", (inner,), (), token.at)
            )
        if token.text == "(":
            inner = self.expression(0)
            self.expect(")", "to close the parenthesis")
            return inner
        raise self.error("a number, a field, a function or '('", token.at)

    def call(self, name: _Token) -> Node:
        signature = FUNCTIONS.get(name.text)
        if signature is None:
            raise self.error("a known function", name.at, f"Known: {', '.join(sorted(FUNCTIONS))}.")
        self.take()
        inputs, literals = self.arguments(name.text, signature)
        self.expect(")", f"to end {usage(name.text)}")
        if name.text == "clip" and literals[0] > literals[1]:
            raise self.error("a low of at most high", name.at)
        return Call(name.text, tuple(inputs), tuple(literals), name.at)

    def arguments(self, function: str, signature: Signature) -> tuple[list[Node], list[float]]:
        """First the expressions, then the literals; those that may be left out last."""
        inputs: list[Node] = []
        literals: list[float] = []
        needed = signature.inputs + len(signature.literals)
        kinds = signature.literals + signature.optional
        most = max(needed + len(signature.optional), signature.most)
        for number in range(most):
            if number >= needed and not self.at_mark(","):
                break
            if number:
                self.expect(",", f"and another argument of {usage(function)}")
            if number < max(signature.inputs, signature.most):
                inputs.append(self.expression(0))
            else:
                literals.append(self.literal(function, signature, kinds[number - signature.inputs], literals))
        return inputs, literals

    def at_mark(self, mark: str) -> bool:
        return self.peek.kind == "mark" and self.peek.text == mark

    def literal(self, function: str, signature: Signature, kind: str, before: list[float]) -> float:
        """A window, lag, level or other plain number, in its range."""
        if kind in _LEVELS:
            return self.level(function, kind)
        if kind in _NUMBERS:
            return self.plain(function, kind)
        least, most, what = max(signature.shortest, 1), signature.longest, "rows, "
        if kind == "min_periods":
            most = int(before[0])
        elif kind == "lag":
            least, most = 1, MAX_WINDOW
        elif kind == "buckets":
            least, most, what = 2, _MOST_BUCKETS, ""
        token, shown = self.take(), "" if what else ","
        expected = f"a {kind} of {least} to {most}{shown} {what}a whole number, in {usage(function)}"
        if token.kind != "number" or not token.text.isdigit() or not least <= int(token.text) <= most:
            hint = "Rows count backwards: a feature cannot read the future." if token.text == "-" else ""
            raise self.error(expected, token.at, hint)
        return float(int(token.text))

    def level(self, function: str, kind: str) -> float:
        token, top = self.take(), _LEVELS[kind]
        if token.kind != "number" or not 0 <= self.number(token) <= top:
            raise self.error(f"a {kind} between 0 and {top:g} in {usage(function)}", token.at)
        return self.number(token)

    def plain(self, function: str, kind: str) -> float:
        """A number with or without a sign; a width is above 0."""
        at, sign = self.peek.at, 1.0
        if self.at_mark("-") and kind != "width":
            self.take()
            sign = -1.0
        token = self.take()
        if token.kind != "number" or (kind == "width" and self.number(token) == 0):
            what = "a width above 0" if kind == "width" else f"a number as {kind}"
            raise self.error(f"{what} in {usage(function)}", at)
        return sign * self.number(token)

    def number(self, token: _Token) -> float:
        value = float(token.text)
        if value > 1e300:
            raise self.error("a number below 1e300", token.at)
        return value

    def _tokens(self) -> list[_Token]:
        tokens = []
        for found in _TOKEN.finditer(self.text):
            number, name, mark, other = found.groups()
            at = found.start(found.lastindex or 0)
            if other is not None:
                raise self.error("letters, digits and + - * / < > = ( ) ,", at)
            kind = "number" if number else "name" if name and name not in WORDS else "mark"
            tokens.append(_Token(kind, number or name or mark, at))
        return [*tokens, _Token("end", "", len(self.text))]

    def error(self, expected: str, at: int, hint: str = "") -> InputError:
        return error_at(self.parameter, self.text, at, expected, hint)


def error_at(parameter: str, text: str, at: int, expected: str, hint: str = "") -> InputError:
    """An InputError with a second and third line: the expression around the character, and a caret under it."""
    flat = re.sub(r"\s", " ", text)
    start = max(0, at - 60)
    shown = flat[start : start + 120]
    pointer = f"\n  {shown}\n  {' ' * (at - start)}^"
    return InputError(parameter, text, f"{expected} at character {at + 1}", (hint + pointer).lstrip(" "))
