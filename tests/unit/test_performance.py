"""Performance statistics against closed forms, hand-made series and plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import performance as p

DAYS = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
NOISE = np.random.default_rng(1).normal(0.001, 0.01, 500)


def test_compound_return_of_constant_growth() -> None:
    assert p.return_per_year(np.full(504, 1.1 ** (1 / 252) - 1), 252) == pytest.approx(0.1)
    assert p.return_per_year(np.array([0.5, -1.0]), 252) == -1.0
    assert np.isnan(p.return_per_year(np.empty(0), 252))


def test_sharpe_is_per_session_and_per_year() -> None:
    found = p.sharpe(NOISE, 252)
    assert found.per_session == pytest.approx(NOISE.mean() / NOISE.std(ddof=1))
    assert found.per_year == pytest.approx(found.per_session * np.sqrt(252))
    assert found.high_per_year - found.per_year == pytest.approx(1.959964 * found.error_per_year)
    assert found.low_per_year + found.high_per_year == pytest.approx(2 * found.per_year)


def test_volatility_scales_with_the_square_root_of_time() -> None:
    assert p.volatility_per_year(NOISE, 252) == pytest.approx(NOISE.std(ddof=1) * 252**0.5)


def test_error_of_normal_returns_is_lo_s() -> None:
    """Lo (2002): the variance is (1 + SR^2 / 2) / T for independent normal returns."""
    assert p.sharpe_error_per_session(p.SharpePerSession(0.1), 0.0, 3.0, 1001) ** 2 == pytest.approx(
        1.005 / 1000
    )


def test_error_matches_the_spread_of_many_samples() -> None:
    samples = np.random.default_rng(2).gamma(2.0, 0.01, (4000, 250)) - 0.018
    ratios = samples.mean(axis=1) / samples.std(axis=1, ddof=1)
    skew, kurt = 2 / np.sqrt(2), 3 + 6 / 2  # of a gamma distribution of shape 2
    expected = p.sharpe_error_per_session(p.SharpePerSession(0.002 / (0.01 * 2**0.5)), skew, kurt, 250)
    assert ratios.std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        (np.full(19, 0.01), "fewer than 20"),
        (np.zeros(100), "do not vary"),
        (np.full(100, 0.1), "do not vary"),
    ],
)
def test_undefined_is_nan_with_a_reason(returns: np.ndarray, reason: str) -> None:
    assert reason in p.undefined(returns)
    found = p.sharpe(returns, 252)
    assert np.isnan([found.per_session, found.per_year, found.low_per_year, found.high_per_year]).all()


def test_drawdown_counts_the_starting_capital_as_a_peak() -> None:
    assert p.drawdown(np.array([-0.1, 0.0, 0.2, -0.5])) == pytest.approx([-0.1, -0.1, 0.0, -0.5])


def test_longest_time_under_water() -> None:
    returns = np.array([0.1, -0.1, 0.0, 0.2, -0.01, 0.2])
    assert p.longest_under_water(returns, DAYS[:6]) == p.UnderWater(sessions=2, days=3, recovered=True)
    fallen = np.array([0.1, -0.1, 0.0, 0.0])
    assert p.longest_under_water(fallen, DAYS[:4]) == p.UnderWater(sessions=3, days=3, recovered=False)
    assert p.longest_under_water(np.full(3, 0.1), DAYS[:3]) == p.UnderWater(0, 0, True)
    assert p.longest_under_water(np.array([-0.1, 0.0, 0.2]), DAYS[:3]) == p.UnderWater(2, 2, True)


def test_break_even_cost_makes_the_mean_net_return_zero() -> None:
    turnover = np.random.default_rng(3).uniform(0, 0.2, 500)
    cost = p.break_even_bps(NOISE, turnover)
    assert (NOISE - cost * 1e-4 * turnover).mean() == pytest.approx(0.0, abs=1e-18)
    assert np.isnan(p.break_even_bps(NOISE, np.zeros(500)))
    assert p.break_even_bps(-NOISE, turnover) < 0


def test_cost_sensitivity_charges_every_unit_traded() -> None:
    turnover = np.full(500, 0.1)
    found = p.cost_sensitivity(NOISE, turnover, (0.0, 10.0), 252)
    assert found[0.0] == p.sharpe(NOISE, 252).per_year
    assert found[10.0] == pytest.approx((NOISE.mean() - 1e-4) / NOISE.std(ddof=1) * 252**0.5)


def test_months_and_years_compound_to_the_whole() -> None:
    returns = NOISE[: len(DAYS)]
    months = p.by_month(returns, DAYS)
    assert list(months) == ["2020-01", "2020-02"]
    assert months["2020-01"] == pytest.approx(np.prod(1 + returns[:31]) - 1)
    assert p.by_year(returns, DAYS) == {"2020": pytest.approx(np.prod(1 + returns) - 1)}


def test_mean_per_year() -> None:
    assert p.mean_per_year(np.array([0.0, 0.2]), 250) == pytest.approx(25.0)
