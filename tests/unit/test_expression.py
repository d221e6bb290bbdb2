"""The language: what is read, what is refused, and where the caret stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language import arity, literals, written

from backcast.data.errors import InputError
from backcast.signals.expression import FUNCTIONS, MAX_LENGTH, Call, Field, Node, Number, parse, usage


def _shown(node: Node) -> str:
    if isinstance(node, Number):
        return f"{node.value:g}"
    if isinstance(node, Field):
        return node.name
    return f"({node.operator} {' '.join([*map(_shown, node.inputs), *(f'{x:g}' for x in node.literals)])})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("close / ref(close, 20) - 1", "(- (/ close (ref close 20)) 1)"),
        ("a - b - c", "(- (- a b) c)"),
        ("a - (b - c)", "(- a (- b c))"),
        ("a + b * c", "(+ a (* b c))"),
        ("-a * b", "(* (neg a) b)"),
        ("2 - -3", "(- 2 -3)"),
        ("--a", "(neg (neg a))"),
        ("a + b > c * 2", "(> (+ a b) (* c 2))"),
        ("(a > b) == (c <= d)", "(== (> a b) (<= c d))"),
        (".5*a+1e-3", "(+ (* 0.5 a) 0.001)"),
        ("where(a>0,min(a,b),max(a,b))", "(where (> a 0) (min a b) (max a b))"),
        ("cs_rank(\n  ts_corr(close, volume, 10))", "(cs_rank (ts_corr close volume 10))"),
        ("ts_quantile(x, 20, 0.25)", "(ts_quantile x 20 0.25)"),
        ("a or b and not c > d", "(or a (and b (not (> c d))))"),
        ("not a and b", "(and (not a) b)"),
        ("a and b == c", "(and a (== b c))"),
        ("not not a", "(not (not a))"),
        ("android + order", "(+ android order)"),
        ("clip(x, -1, 1.5)", "(clip x -1 1.5)"),
        ("power(x, -.5)", "(power x -0.5)"),
        ("ts_mean(x, 20, 5)", "(ts_mean x 20 5)"),
        ("cs_residual(x, a, b + c)", "(cs_residual x a (+ b c))"),
        ("month() == 1", "(== (month ) 1)"),
    ],
)
def test_read(text: str, tree: str) -> None:
    assert _shown(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "expected", "at"),
    [
        ("ref(close, -1)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, 0)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, 1.0)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, 1e1)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, n)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, 10001)", "a lag of 1 to 10000 rows", 12),
        ("ref(close, 2 - 3)", "')' to end ref(x, lag)", 14),
        ("ts_std(close, 1)", "a window of 2 to 10000 rows", 15),
        ("ts_quantile(close, 5, 1.5)", "a level between 0 and 1", 23),
        ("ref(close)", "',' and another argument of ref(x, lag)", 10),
        ("ts_mean(close, 5, 6)", "a min_periods of 1 to 5 rows", 19),
        ("ts_mean(close, 5, 4, 3)", "')' to end ts_mean(x, window, [min_periods])", 20),
        ("ts_median(close, 5, 6)", "')' to end ts_median(x, window)", 19),
        ("ewm_mean(close, 1001)", "a span of 1 to 1000 rows", 17),
        ("rsi(close, 501)", "a window of 2 to 500 rows", 12),
        ("ts_autocorr(close, 5, 0)", "a lag of 1 to 10000 rows", 23),
        ("cs_bucket(close, 1)", "a buckets of 2 to 1000, a whole number", 18),
        ("cs_winsorise(close, 0.6)", "a tail between 0 and 0.5", 21),
        ("clip(close, 2, 1)", "a low of at most high", 1),
        ("power(close, n)", "a number as exponent", 14),
        ("bollinger_upper(close, 20, -2)", "a width above 0", 28),
        ("cs_residual(a, b, c, d, e, f)", "')' to end cs_residual(x, y, [z], [u], [v])", 26),
        ("cs_residual(a)", "',' and another argument", 14),
        ("month(close)", "')' to end month()", 7),
        ("a and", "a number, a field", 6),
        ("not", "a number, a field", 4),
        ("and(a, b)", "a number, a field", 1),
        ("lead(close, 1)", "a known function", 1),
        ("close.shift(1)", "letters, digits", 6),
        ("__import__('os')", "letters, digits", 12),
        ("close +", "a number, a field, a function or '('", 8),
        ("(close", "')' to close the parenthesis", 7),
        ("close close", "an operator or the end", 7),
        ("a < b < c", "one comparison", 7),
        ("a ** 2", "a number, a field, a function or '('", 4),
        ("2x", "an operator or the end", 2),
        ("1e999", "a number below 1e300", 1),
        ("(" * 60 + "a" + ")" * 60, "at most 50 levels", 51),
    ],
)
def test_refused_at_the_character(text: str, expected: str, at: int) -> None:
    with pytest.raises(InputError) as raised:
        parse(text, "features.mine")
    message = str(raised.value)
    assert f"{expected}" in message
    assert message.startswith("features.mine = ")
    assert f"at character {at}." in message
    shown, caret = message.split("\n")[1:]
    assert shown[caret.index("^")] == text[at - 1] if at <= len(text) else caret.index("^") == len(shown)


@pytest.mark.parametrize("text", ["", "  ", None, 5, "a+" * MAX_LENGTH + "a"])
def test_refused_whole(text: object) -> None:
    with pytest.raises(InputError):
        parse(text)  # type: ignore[arg-type]


@given(st.text(alphabet="ab1.(),+-*/<>=! reflog_ts#", max_size=60) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except InputError:
        return


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_reads_its_own_usage(name: str) -> None:
    for values in literals(name, 7) or literals(name, 0):
        tree = parse(written(name, ("a", "b", "c")[: arity(name)], values))
        assert isinstance(tree, Call)
        assert (tree.operator, tree.literals) == (name, values)
    assert usage(name).startswith(f"{name}(")
    assert FUNCTIONS[name].meaning


def test_the_longest_chain_stays_readable() -> None:
    assert isinstance(parse("a+" * ((MAX_LENGTH - 1) // 2) + "a"), Call)
