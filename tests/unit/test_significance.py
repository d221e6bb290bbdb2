"""Significance against the worked examples of its papers, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import significance as s
from backcast.engine.stats.performance import SharpePerSession, sharpe_per_session

DAY = SharpePerSession(2.5 / 250**0.5)


def test_the_worked_example_of_the_deflated_sharpe_ratio() -> None:
    """Bailey and Lopez de Prado (2014): 2.5 a year, 1,250 days, variance 1/2 a year, skew -3, kurtosis 10."""
    assert s.expected_maximum_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert s.deflated_sharpe(DAY, 100, 0.5 / 250, -3, 10, 1250) == pytest.approx(0.9004, abs=5e-5)
    assert s.deflated_sharpe(DAY, 46, 0.5 / 250, -3, 10, 1250) == pytest.approx(0.9505, abs=5e-5)


def test_the_worked_example_of_the_probabilistic_sharpe_ratio() -> None:
    """Bailey and Lopez de Prado (2012): 0.458 a month, 24 months, skew -2.448, kurtosis 10.164."""
    zero = SharpePerSession(0.0)
    assert s.probabilistic_sharpe(SharpePerSession(0.458), zero, -2.448, 10.164, 24) == pytest.approx(
        0.913, abs=5e-4
    )


def test_one_trial_is_not_deflated() -> None:
    assert s.expected_maximum_sharpe(1, 0.1) == 0
    alone = s.probabilistic_sharpe(DAY, SharpePerSession(0.0), -3, 10, 1250)
    assert s.deflated_sharpe(DAY, 1, 0.5 / 250, -3, 10, 1250) == alone


def test_more_trials_deflate_more() -> None:
    found = [s.deflated_sharpe(DAY, n, 0.5 / 250, 0, 3, 1250) for n in (1, 2, 10, 100, 1000)]
    assert found == sorted(found, reverse=True)


def test_expected_maximum_matches_simulation() -> None:
    best = np.random.default_rng(0).normal(0, 0.3, (20_000, 50)).max(axis=1).mean()
    assert s.expected_maximum_sharpe(50, 0.09) == pytest.approx(best, rel=0.02)


def test_difference_is_paired() -> None:
    """What two series share cancels: the interval is far narrower than that of independent series."""
    generator = np.random.default_rng(5)
    common, own, other = generator.normal(0.0005, 0.01, (3, 2000))
    paired = s.sharpe_difference(common + 0.1 * own, common + 0.1 * other)
    apart = s.sharpe_difference(own, other)
    assert paired.high - paired.low < 0.3 * (apart.high - apart.low)
    assert paired.low < paired.estimate < paired.high


def test_difference_of_a_series_with_itself_is_zero() -> None:
    returns = np.random.default_rng(6).normal(0, 0.01, 300)
    assert s.sharpe_difference(returns, returns) == s.Difference(0.0, 0.0, 0.0)


def test_difference_is_repeatable_and_antisymmetric() -> None:
    ours, theirs = np.random.default_rng(7).normal(0, 0.01, (2, 600))
    there, back = s.sharpe_difference(ours, theirs), s.sharpe_difference(theirs, ours)
    assert there == s.sharpe_difference(ours, theirs)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.low == pytest.approx(-back.high)


def test_difference_without_variation_is_undefined() -> None:
    flat = s.sharpe_difference(np.zeros(100), np.random.default_rng(0).normal(size=100))
    assert np.isnan([flat.estimate, flat.low, flat.high]).all()


def test_resampled_sharpes_equal_the_plain_computation() -> None:
    """Running sums give what joining the blocks and computing each ratio would give."""
    returns = np.random.default_rng(8).normal(0.001, 0.01, 103)
    starts = np.random.default_rng(9).integers(0, 103, (50, 21))
    found = s._resampled_sharpe(returns, starts, 5)
    for draw, ratio in zip(starts, found, strict=True):
        index = ((draw[:, None] + np.arange(5)) % 103).ravel()[:103]
        assert ratio == pytest.approx(sharpe_per_session(returns[index]), rel=1e-10)


@pytest.mark.parametrize(("sessions", "expected"), [(1, 1), (27, 3), (1000, 10), (6500, 19), (8000, 20)])
def test_block_length(sessions: int, expected: int) -> None:
    assert s.block_length(sessions) == expected


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    worlds = np.random.default_rng(10).normal(0.0, 0.01, (200, 2, 500))
    covered = sum(d.low <= 0 <= d.high for d in (s.sharpe_difference(a, b) for a, b in worlds))
    assert 180 <= covered <= 199
