"""Tests of one Sharpe ratio against the worked examples of their papers, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.engine.stats import significance as s
from backcast.engine.stats.performance import SharpePerSession, SharpePerYear

DAY = SharpePerSession(2.5 / 250**0.5)
ZERO = SharpePerSession(0.0)
FUND = SharpePerSession(0.036 / 0.079)
"""A month, over 24 months, skew -2.448, kurtosis 10.164: the fund of Bailey and Lopez de Prado (2012)."""


def test_the_worked_example_of_the_deflated_sharpe_ratio() -> None:
    """Bailey and Lopez de Prado (2014): 2.5 a year, 1,250 days, variance 1/2 a year, skew -3, kurtosis 10."""
    assert s.expected_maximum_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert s.deflated_sharpe(DAY, 100, 0.5 / 250, -3, 10, 1250) == pytest.approx(0.9004, abs=5e-5)
    assert s.deflated_sharpe(DAY, 46, 0.5 / 250, -3, 10, 1250) == pytest.approx(0.9505, abs=5e-5)


def test_the_same_fund_in_both_conventions() -> None:
    """0.913 with the error at the estimate (2012), 0.987 with the error at the benchmark (2025)."""
    assert s.probabilistic_sharpe(FUND, ZERO, -2.448, 10.164, 24) == pytest.approx(0.913, abs=5e-4)
    there = s.probabilistic_sharpe(FUND, ZERO, -2.448, 10.164, 24, "benchmark")
    assert there == pytest.approx(0.987, abs=5e-4)


def test_the_error_at_the_benchmark_is_the_one_that_holds_under_the_null() -> None:
    """Under a null that is not zero the statistic is standard normal: its probability is uniform."""
    generator, true = np.random.default_rng(1), SharpePerSession(0.2)
    worlds = generator.normal(true, 1.0, (4000, 400))
    found = [
        s.probabilistic_sharpe(SharpePerSession(w.mean() / w.std(ddof=1)), true, 0, 3, 400, "benchmark")
        for w in worlds
    ]
    assert np.mean(np.array(found) > 0.95) == pytest.approx(0.05, abs=0.012)


def test_one_trial_is_not_deflated() -> None:
    assert s.expected_maximum_sharpe(1, 0.1) == 0
    alone = s.probabilistic_sharpe(DAY, ZERO, -3, 10, 1250)
    assert s.deflated_sharpe(DAY, 1, 0.5 / 250, -3, 10, 1250) == alone


def test_more_trials_deflate_more() -> None:
    found = [s.deflated_sharpe(DAY, n, 0.5 / 250, 0, 3, 1250) for n in (1, 2, 10, 100, 1000)]
    assert found == sorted(found, reverse=True)


def test_expected_maximum_matches_simulation() -> None:
    best = np.random.default_rng(0).normal(0, 0.3, (20_000, 50)).max(axis=1).mean()
    assert s.expected_maximum_sharpe(50, 0.09) == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize(
    ("sessions_a_year", "skew", "kurt", "years"),
    [(250, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_worked_examples_of_the_minimum_track_record(
    sessions_a_year: int, skew: float, kurt: float, years: float
) -> None:
    """Bailey and Lopez de Prado (2012): 2 a year against 1 at 95 %, daily, weekly, monthly, and monthly hedge fund returns."""
    own, bar = (SharpePerSession(r / sessions_a_year**0.5) for r in (2.0, 1.0))
    found = s.minimum_track_record(own, bar, skew, kurt)
    assert found / sessions_a_year == pytest.approx(years, abs=5e-3)
    confidence = s.probabilistic_sharpe(own, bar, skew, kurt, round(found))
    assert confidence == pytest.approx(0.95, abs=5e-3)


def test_no_track_record_is_long_enough_for_a_ratio_below_its_bar() -> None:
    assert s.minimum_track_record(ZERO, ZERO, 0, 3) == math.inf
    with pytest.raises(InputError, match="confidence"):
        s.minimum_track_record(DAY, ZERO, 0, 3, 1.0)


def test_the_worked_examples_of_the_minimum_backtest_length() -> None:
    """Bailey, Borwein, Lopez de Prado and Zhu (2014): the best of 10 is 1.57 on average; five years allow 45 independent trials
    before a ratio of 1 is expected of luck alone, two years seven."""
    assert s.expected_maximum(10) == pytest.approx(1.57, abs=6e-3)
    one = SharpePerYear(1.0)
    assert s.minimum_backtest_years(45, one) == pytest.approx(5, abs=5e-3)
    assert s.minimum_backtest_years(7, one) < 2 < s.minimum_backtest_years(8, one)
    assert s.minimum_backtest_years(1, one) == 0
    with pytest.raises(InputError, match="above 0"):
        s.minimum_backtest_years(45, SharpePerYear(0.0))
