"""The language: what is read, what is refused, and where the caret stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("ts_mean(close, 5, 6)", "')' to end ts_mean(x, window)", 17),
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


def test_every_function_reads_its_own_usage() -> None:
    for name, signature in FUNCTIONS.items():
        arguments = ["x"] * signature.inputs + [
            {"level": "0.5"}.get(kind, "7") for kind in signature.literals
        ]
        tree = parse(f"{name}({', '.join(arguments)})")
        assert isinstance(tree, Call)
        assert tree.operator == name
        assert usage(name).startswith(name)


def test_the_longest_chain_stays_readable() -> None:
    assert isinstance(parse("a+" * ((MAX_LENGTH - 1) // 2) + "a"), Call)
