"""The haircut of a Sharpe ratio: its paper's example, and what each adjustment must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backcast.data.errors import InputError
from backcast.engine.stats.haircut import METHODS, Method, adjusted, haircut, independent_haircut

P = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_the_worked_example_of_the_haircut() -> None:
    """Harvey and Liu (2015): 0.75 a year over 240 months has p = 0.0008; of 200 tests p = 0.15 and 0.32 a year is left."""
    found = independent_haircut(0.75 / 12**0.5, 240, 200)
    assert found.p[0] == pytest.approx(0.0008, abs=5e-5)
    assert found.adjusted_p[0] == pytest.approx(0.15, abs=5e-3)
    assert found.left[0] * 12**0.5 == pytest.approx(0.32, abs=5e-3)
    assert found.cut[0] == pytest.approx(1 - 0.32 / 0.75, abs=0.01)


def test_three_tests_by_hand() -> None:
    """p = 0.02, 0.05, 0.20: times 3; times 3, 2, 1; times 3, 3/2, 1 and by 1 + 1/2 + 1/3, no larger than the next one's."""
    p = np.array([0.05, 0.20, 0.02])
    np.testing.assert_allclose(adjusted(p, "bonferroni"), [0.15, 0.60, 0.06])
    np.testing.assert_allclose(adjusted(p, "holm"), [0.10, 0.20, 0.06])
    np.testing.assert_allclose(adjusted(p, "bhy"), np.array([0.075, 0.20, 0.06]) * 11 / 6)


@given(P, st.integers(0, 20), st.sampled_from(METHODS))
def test_tests_without_a_p_value_count_as_ones(p: list[float], more: int, method: Method) -> None:
    padded = adjusted(np.r_[p, np.ones(more)], method)[: len(p)]
    np.testing.assert_allclose(adjusted(np.array(p), method, len(p) + more), padded, rtol=1e-12)


@given(P)
def test_holm_lies_between_one_test_and_bonferroni(p: list[float]) -> None:
    one, holm, bonferroni = np.array(p), adjusted(np.array(p), "holm"), adjusted(np.array(p), "bonferroni")
    assert (one <= holm + 1e-15).all() and (holm <= bonferroni + 1e-15).all()


def test_one_test_is_not_cut() -> None:
    for method in METHODS:
        found = haircut(np.array([0.1]), 1000, method)
        assert found.left[0] == pytest.approx(0.1, rel=1e-9)
        assert found.cut[0] == pytest.approx(0, abs=1e-9)


def test_the_haircut_is_not_linear() -> None:
    """Marginal ratios lose nearly all, high ones little: no flat 50 %."""
    found = haircut(np.r_[0.2, 0.08, np.random.default_rng(0).normal(0, 0.03, 98)], 1000, "holm")
    assert found.cut[0] < 0.2 < 0.5 < found.cut[1] <= 1


def test_a_ratio_that_is_luck_is_cut_to_nothing_and_a_loss_has_no_haircut() -> None:
    found = haircut(np.array([0.01, -0.05]), 250, "bonferroni", tests=1000)
    assert found.left.tolist() == [0.0, 0.0]
    assert found.cut[0] == 1 and np.isnan(found.cut[1])


@pytest.mark.parametrize(
    ("p", "method", "tests", "told"),
    [([0.1], "sidak", 1, "method"), ([1.2], "holm", 1, "0 to 1"), ([0.1, 0.2], "bhy", 1, "at least as many")],
)
def test_what_cannot_be_adjusted_is_refused(p: list[float], method: Method, tests: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        adjusted(np.array(p), method, tests)
