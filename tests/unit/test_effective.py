"""How many different trials there were, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.engine.stats.effective import effective_number, families

SESSIONS = 2000


def _blocks(groups: int, each: int, within: float, seed: int) -> np.ndarray:
    """(T, groups * each) returns that correlate by `within` in a group and not between groups."""
    generator = np.random.default_rng(seed)
    shared = np.repeat(generator.normal(size=(SESSIONS, groups)), each, axis=1)
    own = generator.normal(size=(SESSIONS, groups * each))
    return 0.01 * (np.sqrt(within) * shared + np.sqrt(1 - within) * own)


@pytest.mark.parametrize(
    ("groups", "each", "within"), [(5, 10, 0.9), (12, 4, 0.7), (1, 30, 0.8), (40, 1, 0.0)]
)
def test_families_are_the_blocks_of_a_block_world(groups: int, each: int, within: float) -> None:
    found = families(_blocks(groups, each, within, seed=1))
    assert found.number == groups
    assert found.labels.tolist() == np.repeat(np.arange(groups), each).tolist()


@pytest.mark.parametrize(
    ("groups", "each", "within"), [(5, 10, 0.9), (8, 25, 0.5), (1, 30, 0.3), (60, 1, 0.0)]
)
def test_the_effective_number_is_the_closed_form(groups: int, each: int, within: float) -> None:
    """K^2 over the sum of squared correlations: groups * each / (1 + (each - 1) * within^2)."""
    expected = groups * each / (1 + (each - 1) * within**2)
    assert effective_number(_blocks(groups, each, within, seed=2)) == pytest.approx(expected, rel=0.06)


def test_copies_are_one() -> None:
    copies = np.tile(np.random.default_rng(3).normal(size=(100, 1)), (1, 6)) * np.arange(1, 7)
    assert families(copies).number == 1
    assert effective_number(copies) == pytest.approx(1)


def test_one_trial_is_one() -> None:
    alone = np.random.default_rng(3).normal(size=(100, 1))
    assert families(alone).number == 1
    assert effective_number(alone) == pytest.approx(1)


def test_more_trials_than_sessions_count_the_same() -> None:
    wide = np.random.default_rng(4).normal(size=(80, 200))
    assert effective_number(wide) == pytest.approx(200, rel=0.05)


def test_a_family_s_ratio_is_that_of_its_mean_at_equal_risk() -> None:
    returns = _blocks(2, 3, 0.9, seed=5) * np.array([1, 5, 2, 1, 1, 9])
    found = families(returns)
    for label in (0, 1):
        joint = (returns / returns.std(axis=0))[:, found.labels == label].mean(axis=1)
        assert found.sharpes[label] == pytest.approx(joint.mean() / joint.std(ddof=1))


def test_what_has_no_correlation_is_refused() -> None:
    flat = np.c_[np.zeros(50), np.random.default_rng(6).normal(size=50)]
    for count in (families, effective_number):
        with pytest.raises(InputError, match="never traded"):
            count(flat)
        with pytest.raises(InputError, match="finite"):
            count(np.full((50, 2), np.nan))
    with pytest.raises(InputError, match="alike"):
        families(flat, 1.5)
