"""Differences of two Sharpe ratios: paired, repeatable, and as wide as they say."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.engine.stats import differences as d
from backcast.engine.stats.performance import sharpe_per_session
from backcast.engine.stats.resampling import block_length, block_starts


def test_difference_is_paired() -> None:
    """What two series share cancels: the interval is far narrower than that of independent series."""
    generator = np.random.default_rng(5)
    common, own, other = generator.normal(0.0005, 0.01, (3, 2000))
    for difference in (d.sharpe_difference, d.studentised_difference):
        paired = difference(common + 0.1 * own, common + 0.1 * other)
        apart = difference(own, other)
        assert paired.high - paired.low < 0.3 * (apart.high - apart.low)
        assert paired.low < paired.estimate < paired.high


def test_difference_of_a_series_with_itself_is_zero() -> None:
    returns = np.random.default_rng(6).normal(0, 0.01, 300)
    assert d.sharpe_difference(returns, returns) == d.Difference(0.0, 0.0, 0.0)
    assert d.studentised_difference(returns, returns) == d.Studentised(0.0, 0.0, 0.0, 1.0)


def test_difference_is_repeatable_and_antisymmetric() -> None:
    ours, theirs = np.random.default_rng(7).normal(0, 0.01, (2, 600))
    there, back = d.sharpe_difference(ours, theirs), d.sharpe_difference(theirs, ours)
    assert there == d.sharpe_difference(ours, theirs)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.low == pytest.approx(-back.high)


def test_both_kinds_estimate_the_same_and_nearly_the_same_interval() -> None:
    ours, theirs = np.random.default_rng(17).normal(0.0003, 0.01, (2, 2000))
    plain, scaled = d.sharpe_difference(ours, theirs), d.studentised_difference(ours, theirs)
    assert scaled.estimate == pytest.approx(plain.estimate, rel=1e-12)
    width = plain.high - plain.low
    assert scaled.low == pytest.approx(plain.low, abs=0.1 * width)
    assert scaled.high == pytest.approx(plain.high, abs=0.1 * width)
    assert (scaled.p <= 0.05) is (scaled.low > 0 or scaled.high < 0)


def test_difference_without_variation_is_undefined() -> None:
    moving = np.random.default_rng(0).normal(size=100)
    flat = d.sharpe_difference(np.zeros(100), moving)
    assert np.isnan([flat.estimate, flat.low, flat.high]).all()
    scaled = d.studentised_difference(np.zeros(100), moving)
    assert np.isnan([scaled.estimate, scaled.low, scaled.high, scaled.p]).all()


def test_series_of_other_sessions_and_blocks_too_long_are_refused() -> None:
    moving = np.random.default_rng(0).normal(size=100)
    with pytest.raises(InputError, match="same sessions"):
        d.studentised_difference(moving, moving[1:])
    with pytest.raises(InputError, match="length"):
        d.studentised_difference(moving, -moving, length=51)


def test_resampled_sharpes_equal_the_plain_computation() -> None:
    """Running sums give what joining the blocks and computing each ratio would give."""
    returns = np.random.default_rng(8).normal(0.001, 0.01, 103)
    starts = np.random.default_rng(9).integers(0, 103, (50, 21))
    found = d._resampled_sharpe(returns, starts, 5)
    for draw, ratio in zip(starts, found, strict=True):
        index = ((draw[:, None] + np.arange(5)) % 103).ravel()[:103]
        assert ratio == pytest.approx(sharpe_per_session(returns[index]), rel=1e-10)


def test_the_error_of_independent_normal_returns_is_the_closed_form() -> None:
    """Memmel (2003), the corrected Jobson and Korkie (1981): 2 - 2r + (a^2 + b^2 - 2abr^2) / 2, over T."""
    r, a, b, sessions = 0.6, 0.3, 0.1, 200_000
    generator = np.random.default_rng(3)
    ours = generator.normal(size=sessions)
    theirs = r * ours + np.sqrt(1 - r**2) * generator.normal(size=sessions)
    expected = (2 - 2 * r + (a**2 + b**2 - 2 * a * b * r**2) / 2) / sessions
    _, error = d._estimate(ours + a, theirs + b, 1)
    assert error**2 == pytest.approx(expected, rel=0.02)


def test_a_draw_s_studentised_distance_equals_the_plain_computation() -> None:
    """Ledoit and Wolf (2008), equation 8, one block after the other, the derivatives by finite differences."""
    ours, theirs = np.random.default_rng(4).standard_t(5, (2, 87)) + np.array([[0.2], [0.1]])
    length, estimate = 6, 0.05
    found = d._studentised_draws(ours, theirs, length, estimate, seed=2)
    starts = block_starts(87, length, len(found), 2)[:, : 87 // length]
    for draw in range(5):
        index = (starts[draw][:, None] + np.arange(length)) % 87
        moments = d._moments(ours, theirs)[index]  # (blocks, length, 4)
        centre = moments.reshape(-1, 4).mean(axis=0)
        nudges = 1e-6 * np.eye(4)
        slope = [
            (d._difference((centre + e)[None]) - d._difference((centre - e)[None]))[0] / 2e-6 for e in nudges
        ]
        psi = np.zeros((4, 4))
        for block in moments:
            total = (block - centre).sum(axis=0) / np.sqrt(length)
            psi += np.outer(total, total) / len(moments)
        error = np.sqrt(np.array(slope) @ psi @ np.array(slope) / moments[..., 0].size)
        plain = abs(d._difference(centre[None])[0] - estimate) / error
        assert found[draw] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(("sessions", "expected"), [(1, 1), (27, 3), (1000, 10), (6500, 19), (8000, 20)])
def test_block_length(sessions: int, expected: int) -> None:
    assert block_length(sessions) == expected


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    worlds = np.random.default_rng(10).normal(0.0, 0.01, (200, 2, 500))
    covered = sum(f.low <= 0 <= f.high for f in (d.sharpe_difference(a, b) for a, b in worlds))
    assert 180 <= covered <= 199


def test_the_studentised_test_holds_its_level_on_fat_and_dependent_returns() -> None:
    """120 months of Student's t returns with autocorrelation 0.2 that share half of their variance: 5 % of 300 are rejected."""
    generator = np.random.default_rng(11)
    rejected = 0
    for _ in range(300):
        shocks = generator.standard_t(6, (3, 121))
        series = shocks[1:] + shocks[0]
        made = series[:, 1:] + 0.2 * series[:, :-1] + 0.3
        rejected += d.studentised_difference(made[0], made[1], length=4).p <= 0.05
    assert 5 <= rejected <= 27


def test_a_true_difference_is_found() -> None:
    ours, theirs = np.random.default_rng(12).normal(0, 1, (2, 500)) + np.array([[0.3], [0.0]])
    found = d.studentised_difference(ours, theirs)
    assert found.p < 0.01 and found.low > 0
