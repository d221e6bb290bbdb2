"""Hints about units: where they stand, and what they keep quiet about."""

from __future__ import annotations

import pytest

from backcast.signals.expression import parse
from backcast.signals.units import unit_hints


@pytest.mark.parametrize(
    ("text", "at", "sides"),
    [
        ("close + volume", 7, "One side is price, the other volume"),
        ("ts_mean(close - volume, 5)", 15, "price, the other volume"),
        ("close * volume > close", 16, "price * volume, the other price"),
        ("where(close > open, close, volume)", 1, "price, the other volume"),
        ("min(close, ts_rank(close, 5))", 1, "price, the other a pure number"),
        ("ts_var(close, 5) - ts_std(close, 5)", 18, "price^2, the other price"),
        ("atr(high, low, close, 14) - obv(close, volume, 9)", 27, "price, the other volume"),
        ("log(close) - close", 12, "a pure number, the other price"),
    ],
)
def test_a_hint_points_at_the_operator(text: str, at: int, sides: str) -> None:
    (hint,) = unit_hints(parse(text), text, "features.mine")
    message = str(hint)
    assert message.startswith("features.mine = ")
    assert f"at character {at}." in message
    assert sides in message
    shown, caret = message.split("\n")[1:]
    assert shown[caret.index("^")] == text[at - 1]


@pytest.mark.parametrize(
    "text",
    [
        "close - open", "close > 10", "close + 1", "close - eps", "log(close) - log(volume)", "(close + volume) - open",
        "returns(close, 1) - returns(volume, 1)", "rsi(close, 14) > 70", "2 + 3", "close > open and volume > 1000",
        "max(high, ref(close, 1))", "day_of_week() == 4", "min(close / open, volume / ts_mean(volume, 5))",
    ],
)  # fmt: skip
def test_silence(text: str) -> None:
    hints = unit_hints(parse(text), text)
    assert len(hints) == (text == "(close + volume) - open")


def test_every_place_has_its_own_hint() -> None:
    text = "(close + volume) / (open - volume)"
    assert [str(hint).split("at character ")[1].split(".")[0] for hint in unit_hints(parse(text), text)] == [
        "8",
        "26",
    ]
