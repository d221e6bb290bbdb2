"""Many trials at once: the bootstrap against plain draws, step-down p-values by hand, and who survives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.errors import InputError
from backcast.engine.stats import resampling
from backcast.engine.stats.multiple import certainly_bad, confidence_set, step_down, step_m, superior_ability


def _index(starts: np.ndarray, length: int, sessions: int) -> np.ndarray:
    return np.array([(s + n) % sessions for s in starts for n in range(length)][:sessions])


def test_counts_are_the_sessions_of_the_blocks() -> None:
    starts = resampling.block_starts(23, 4, 30, seed=1)
    counts = resampling.block_counts(starts, 4, 23)
    for draw, row in zip(starts, counts, strict=True):
        assert row.tolist() == np.bincount(_index(draw, 4, 23), minlength=23).tolist()


def test_resampled_ratios_equal_the_plain_computation() -> None:
    generator = np.random.default_rng(2)
    returns = generator.normal(0.001, [0.01, 0.02, 0.5], (60, 3))
    starts = resampling.block_starts(60, 4, 20, seed=3)
    counts, means = resampling.block_counts(starts, 4, 60), np.array([0.0, -0.004, 0.1])
    exact = resampling.resampled_sharpes(returns, counts.astype(np.float64), means)
    single = resampling.resampled_sharpes(returns, counts, means)
    centred = returns - returns.mean(axis=0) + means
    for draw, row in zip(starts, exact, strict=True):
        taken = centred[_index(draw, 4, 60)]
        np.testing.assert_allclose(row, taken.mean(axis=0) / taken.std(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_allclose(single, exact, atol=1e-6)


def test_resampled_ratios_do_not_depend_on_how_many_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, (40, 7))
    counts = resampling.block_counts(resampling.block_starts(40, 3, 10, 5), 3, 40).astype(np.float64)
    whole = resampling.resampled_sharpes(returns, counts, np.zeros(7))
    monkeypatch.setattr(resampling, "AT_ONCE", 2)
    np.testing.assert_allclose(resampling.resampled_sharpes(returns, counts, np.zeros(7)), whole, atol=1e-14)


def test_step_down_by_hand() -> None:
    """Four draws: 3 is reached by no maximum; 1 by the maxima 2 and 1.5 of itself and the last; 2 is bounded by those above."""
    drawn = np.array([[0.0, 2.0, 0.5], [0.1, 1.5, 0.2], [0.2, 0.3, 0.9], [2.5, 0.1, 0.0]])
    observed = np.array([3.0, 1.0, 2.0])
    # largest first: 3 (maxima 2, 1.5, .9, 2.5 -> none), then 2 (2, 1.5, .9, .1 -> one), then 1 (2, 1.5, .3, .1 -> two)
    np.testing.assert_allclose(step_down(observed, drawn), [1 / 5, 3 / 5, 2 / 5])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_step_down_equals_declaring_and_starting_anew(seed: int, trials: int) -> None:
    """StepM as Romano and Wolf tell it: declare all above the bar, take them out, lower the bar, until none is above."""
    generator = np.random.default_rng(seed)
    drawn = generator.normal(0, 1, (99, trials))
    observed = generator.normal(1, 1.5, trials)
    size, left, declared = 0.1, list(range(trials)), set()
    while left:
        bar = np.sort(drawn[:, left].max(axis=1))[-10]  # reached by 10 draws of 99: p = 11 / 100 > 0.1
        above = {k for k in left if observed[k] > bar}
        if not above:
            break
        declared |= above
        left = [k for k in left if k not in above]
    assert declared == set(np.flatnonzero(step_down(observed, drawn) <= size).tolist())


def test_skill_survives_and_luck_does_not() -> None:
    returns = np.random.default_rng(6).normal(0, 0.01, (1000, 40))
    returns[:, [3, 11]] += 0.002
    found = step_m(returns)
    assert np.flatnonzero(found.survivors()).tolist() == [3, 11]
    np.testing.assert_allclose(found.sharpes, returns.mean(axis=0) / returns.std(axis=0, ddof=1))


def test_a_unit_of_risk_or_a_change_of_order_changes_nothing() -> None:
    returns = np.random.default_rng(7).normal(0.0005, 0.01, (300, 6))
    plain = step_m(returns).p
    np.testing.assert_allclose(step_m(returns * np.array([1, 9, 0.1, 3, 1, 2])).p, plain, atol=2e-3)
    np.testing.assert_allclose(step_m(returns[:, ::-1]).p[::-1], plain, atol=2e-3)


def test_copies_of_a_trial_cost_nothing_and_others_do() -> None:
    """What trials share is seen: 50 copies are one trial, 50 independent ones raise the bar."""
    generator = np.random.default_rng(8)
    own = generator.normal(0.0012, 0.01, (800, 1))
    alone = step_m(own).p[0]
    assert step_m(np.tile(own, (1, 50))).p[0] == pytest.approx(alone, abs=2e-3)
    assert step_m(np.c_[own, generator.normal(0, 0.01, (800, 50))]).p[0] > 3 * alone


def test_trials_that_are_certainly_bad_do_not_raise_the_bar() -> None:
    generator = np.random.default_rng(9)
    own = generator.normal(0.001, 0.01, (800, 1))
    losers = generator.normal(-0.004, 0.01, (800, 200))
    assert certainly_bad(losers).all() and not certainly_bad(own).any()
    together = step_m(np.c_[own, losers]).p
    assert together[0] == pytest.approx(step_m(own).p[0], abs=2e-3)
    assert (together[1:] == 1).all() and step_m(losers[:, :1]).p.tolist() == [1.0], (
        "and are no draw of a coin"
    )


def test_one_trial_is_a_plain_one_sided_test() -> None:
    """Without dependence its p-value is about the normal one of its t-ratio, whatever that is."""
    from scipy.special import ndtr

    worlds = np.random.default_rng(10).normal(0.0003, 0.01, (20, 1000, 1))
    ours = np.array([step_m(world, length=1).p[0] for world in worlds])
    ratios = worlds.mean(axis=1)[:, 0] / worlds.std(axis=1, ddof=1)[:, 0] * 1000**0.5
    assert np.abs(ours - ndtr(-ratios)).max() < 0.06
    assert (ours - ndtr(-ratios)).mean() == pytest.approx(0, abs=0.015)


def test_the_reality_check_and_the_confidence_set_find_the_one_with_skill() -> None:
    generator = np.random.default_rng(11)
    noise = generator.normal(0, 0.01, (400, 12))
    skilled = noise.copy()
    skilled[:, 5] += 0.003
    luck, skill = superior_ability(noise, draws=300), superior_ability(skilled, draws=300)
    assert luck.lower <= luck.consistent <= luck.reality_check
    assert luck.consistent > 0.05 > skill.reality_check
    assert superior_ability(skilled, benchmark=generator.normal(0.004, 0.01, 400), draws=300).consistent > 0.5
    assert confidence_set(skilled, draws=300).members == (5,)
    everyone = confidence_set(noise, draws=300)
    assert len(everyone.members) > 8 and everyone.p.max() == 1


def test_an_account_that_was_lost_hides_no_skill() -> None:
    """Without its worst session it looks skilled, and a third of the draws are without it: no p could fall below 1/e."""
    returns = np.random.default_rng(13).normal(0, 0.01, (1000, 6))
    returns[:, 2] += 0.0015
    returns[:, 4] *= 0.01
    returns[3, 4] = -2.2
    others = step_m(np.delete(returns, 4, axis=1)).p
    found = step_m(returns)
    assert found.p[4] == 1 and found.p[2] < 0.01
    np.testing.assert_allclose(np.delete(found.p, 4), np.minimum(others * 6 / 5, 1))
    assert step_m(returns[:, [4]]).p.tolist() == [1.0]


def test_strategies_with_the_same_returns_share_their_place_in_the_confidence_set() -> None:
    noise = np.random.default_rng(12).normal(0, 0.01, (400, 6))
    noise[:, 2] += 0.003
    alone, twice = (
        confidence_set(noise, draws=300),
        confidence_set(noise[:, [2, 0, 2, 1, 3, 4, 0, 5]], draws=300),
    )
    again = confidence_set(noise[:, [2, 0, 1, 3, 4, 5]], draws=300)
    np.testing.assert_array_equal(twice.p, again.p[[0, 1, 0, 2, 3, 4, 1, 5]])
    assert 2 in alone.members and {0, 2} <= set(twice.members)
    assert confidence_set(noise[:, [1, 1, 1]] * [1, 3, 0.1]).members == (0, 1, 2), (
        "nor does leverage make another"
    )


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        (np.zeros((50, 2)), "never traded"),
        (np.full((50, 2), np.nan), r"returns\[0, 0\]"),
        (np.ones(50), "a row a session"),
    ],
)
def test_returns_that_cannot_be_compared_are_refused(returns: np.ndarray, told: str) -> None:
    for test in (step_m, confidence_set):
        with pytest.raises(InputError, match=told):
            test(returns)


def test_blocks_longer_than_a_third_of_the_sessions_are_refused() -> None:
    with pytest.raises(InputError, match="length"):
        step_m(np.random.default_rng(0).normal(size=(30, 2)), length=11)
