"""The language of features: text to a tree. Parsed by hand, never evaluated; an error points at its character.

    expression := comparison of sums of products of signed atoms
    atom       := number | field | function(expression, ...) | (expression)

Windows, lags and levels are literals, so that what an expression may read is known from its text alone: a lag is a
whole number of rows, at least 1, backwards. A negative or zero shift cannot be written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backcast.data.errors import InputError

MAX_LENGTH, MAX_DEPTH, MAX_WINDOW = 1000, 50, 10_000


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


@dataclass(frozen=True)
class Signature:
    """How a function is written: how many expressions, then which literals; `shortest` window; a one-line meaning."""

    inputs: int
    literals: tuple[str, ...]
    shortest: int
    meaning: str


FUNCTIONS = {
    "ref": Signature(1, ("lag",), 1, "the value of `lag` rows ago"),
    "delta": Signature(1, ("lag",), 1, "x - ref(x, lag)"),
    "returns": Signature(1, ("lag",), 1, "x / ref(x, lag) - 1"),
    "log": Signature(1, (), 0, "natural logarithm; NaN unless x > 0"),
    "abs": Signature(1, (), 0, "absolute value"),
    "sign": Signature(1, (), 0, "-1, 0 or 1"),
    "min": Signature(2, (), 0, "the smaller of two; NaN if either is"),
    "max": Signature(2, (), 0, "the larger of two; NaN if either is"),
    "where": Signature(
        3, (), 0, "where(condition, a, b): a where the condition is not 0, else b; NaN if it is NaN"
    ),
    "ts_sum": Signature(1, ("window",), 1, "sum"),
    "ts_mean": Signature(1, ("window",), 1, "mean"),
    "ts_std": Signature(1, ("window",), 2, "standard deviation, ddof=1; exactly 0 for equal values"),
    "ts_zscore": Signature(1, ("window",), 2, "(x - mean) / std, ddof=1; NaN for equal values"),
    "ts_min": Signature(1, ("window",), 1, "smallest value"),
    "ts_max": Signature(1, ("window",), 1, "largest value"),
    "ts_argmax": Signature(1, ("window",), 1, "rows since the largest value, 0 = now; the latest of equals"),
    "ts_rank": Signature(
        1, ("window",), 1, "place of the latest value / window, ties at their mean place: (0, 1]"
    ),
    "ts_quantile": Signature(1, ("window", "level"), 1, "quantile, linear between places (type 7)"),
    "ts_median": Signature(1, ("window",), 1, "quantile at 0.5"),
    "ts_slope": Signature(1, ("window",), 2, "least-squares slope per row"),
    "ts_corr": Signature(2, ("window",), 2, "Pearson correlation; NaN where either side is constant"),
    "cs_rank": Signature(1, (), 0, "place among members / their number, ties at their mean place: (0, 1]"),
    "cs_zscore": Signature(1, (), 0, "(x - members' mean) / members' std, ddof=1"),
    "cs_demean": Signature(1, (), 0, "x - members' mean"),
}

_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/(),<>])|(\S))",
    re.ASCII,
)
_BINDS = {"<": 1, "<=": 1, ">": 1, ">=": 1, "==": 1, "!=": 1, "+": 2, "-": 2, "*": 3, "/": 3}
_UNARY = 4


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
            if bind == 1 and self.peek.kind == "mark" and _BINDS.get(self.peek.text) == 1:
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
        inputs, literals = [], []
        for number in range(signature.inputs + len(signature.literals)):
            if number:
                self.expect(",", f"and another argument of {usage(name.text)}")
            if number < signature.inputs:
                inputs.append(self.expression(0))
            else:
                literals.append(
                    self.literal(name.text, signature, signature.literals[number - signature.inputs])
                )
        self.expect(")", f"to end {usage(name.text)}")
        return Call(name.text, tuple(inputs), tuple(literals), name.at)

    def literal(self, function: str, signature: Signature, kind: str) -> float:
        """A window, lag or level: a plain number in its range."""
        token, shortest = self.take(), max(signature.shortest, 1)
        if kind == "level":
            expected = f"a level between 0 and 1 in {usage(function)}"
            if token.kind != "number" or not 0 <= self.number(token) <= 1:
                raise self.error(expected, token.at)
            return self.number(token)
        expected = f"a {kind} of {shortest} to {MAX_WINDOW} rows, a whole number, in {usage(function)}"
        if (
            token.kind != "number"
            or not token.text.isdigit()
            or not shortest <= int(token.text) <= MAX_WINDOW
        ):
            hint = "Rows count backwards: a feature cannot read the future." if token.text == "-" else ""
            raise self.error(expected, token.at, hint)
        return float(int(token.text))

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
            kind = "number" if number else "name" if name else "mark"
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


def usage(function: str) -> str:
    """How a function is written, for example ts_corr(x, y, window)."""
    signature = FUNCTIONS[function]
    return f"{function}({', '.join(('x', 'y', 'z')[: signature.inputs] + signature.literals)})"
