"""Forward adjustment, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.adjust import Actions, adjusted, ratios
from backcast.data.errors import InputError
from backcast.data.types import Revisions

AT = np.datetime64("2020-01-01", "us") + np.arange(6) * np.timedelta64(1, "D")
NONE = Revisions.of_field(
    0, *(np.empty(0, dtype=np.int64),) * 2, AT[:0], np.empty(0, dtype=np.int64), np.empty(0)
)


def actions(ex: list[int], decision: list[int], pairs: list[tuple[float, float]]) -> Actions:
    price, shares = zip(*pairs, strict=True)
    never = np.full(len(ex), np.datetime64("2100-01-01", "us")), np.full(len(ex), len(AT))
    return Actions(np.array(ex), np.array(decision), AT[decision], np.array(price), np.array(shares), *never)


def test_a_split_and_a_dividend() -> None:
    assert ratios("split", 2.0, "A", 100.0) == (2.0, 2.0)
    price, shares = ratios("dividend", 20.0, "A", 100.0)
    assert (price, shares) == (1.25, 1.0)  # 100 becomes 80 without the dividend, and 80 x 1.25 = 100


@pytest.mark.parametrize(
    ("kind", "value"), [("split", 0.0), ("split", -2.0), ("dividend", 100.0), ("dividend", -1.0)]
)
def test_impossible_actions_are_refused(kind: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{kind} of A"):
        ratios(kind, value, "A", 100.0)


def test_prices_go_up_and_volume_comes_back() -> None:
    known = actions([2], [2], [(2.0, 2.0)])
    raw = np.array([[[10.0, 10, 5, 5, 5, 5]], [[100.0, 100, 200, 200, 200, 200]]])
    values, revisions = adjusted(raw, NONE, {0: known}, ("close", "volume"))
    assert values[0, 0].tolist() == [10.0] * 6
    assert values[1, 0].tolist() == [100.0] * 6
    assert len(revisions) == 0


def test_a_split_known_late_revises_the_sessions_in_between() -> None:
    known = actions([2], [4], [(2.0, 2.0)])
    raw = np.array([[[10.0, 10, 5, 5, 5, 5]]])
    values, revisions = adjusted(raw, NONE, {0: known}, ("close",))
    assert values[0, 0].tolist() == [10.0, 10, 5, 5, 10, 10]  # at 2 and 3 nobody knew
    assert revisions.time.tolist() == [2, 3]
    assert revisions.value.tolist() == [10.0, 10.0]
    assert revisions.decision.tolist() == [4, 4]


def test_a_correction_is_adjusted_with_what_was_known_then() -> None:
    known = actions([2], [4], [(2.0, 2.0)])
    one = np.array([3])
    late = Revisions.of_field(0, np.array([0]), one, AT[[5]], np.array([5]), np.array([6.0]))
    early = Revisions.of_field(0, np.array([0]), np.array([1]), AT[[2]], np.array([2]), np.array([11.0]))
    raw = np.array([[[10.0, 10, 5, 5, 5, 5]]])
    _, revisions = adjusted(raw, Revisions.joined([late, early]), {0: known}, ("close",))
    found = list(
        zip(revisions.decision.tolist(), revisions.time.tolist(), revisions.value.tolist(), strict=True)
    )
    assert found == [(2, 1, 11.0), (4, 2, 10.0), (4, 3, 10.0), (5, 3, 12.0)]
