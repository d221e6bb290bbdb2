"""Ratios against closed forms, by hand, and against the spread of many samples."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import performance, ratios
from backcast.engine.stats.figure import Convention, Figure, Unit

YEAR = 252.0
NOISE = np.random.default_rng(3).normal(0.0005, 0.01, 1000)


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def autoregressive(rho: float, count: int, length: int, seed: int) -> np.ndarray:
    """(count, length) series x[t] = rho x[t-1] + noise, of mean 0.05 and standard deviation 1."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, length))
    rows[:, 0] = rng.normal(size=count)
    for t in range(1, length):
        rows[:, t] = rho * rows[:, t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=count)
    return rows + 0.05


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.2, 0.9])
@pytest.mark.parametrize("q", [2, 12, 252])
def test_lo_s_factor_of_an_autoregressive_series(rho: float, q: int) -> None:
    """Lo (2002), equation 21: the closed form of the sum over all q - 1 autocorrelations."""
    closed = np.sqrt(q) / np.sqrt(1 + 2 * rho / (1 - rho) * (1 - (1 - rho**q) / (q * (1 - rho))))
    assert ratios.lo_factor(rho ** np.arange(1, q), q) == pytest.approx(closed)


def test_lo_s_factor_is_the_ratio_of_summed_returns() -> None:
    """Sharpe ratios of sums of 12 sessions of a series with known autocorrelation, against the one per session x factor."""
    series = autoregressive(0.4, 400, 1200, seed=4)
    sums = series.reshape(400 * 100, 12).sum(axis=1)
    predicted = 0.05 * ratios.lo_factor(0.4 ** np.arange(1, 12), 12)
    assert sums.mean() / sums.std() == pytest.approx(predicted, rel=0.05)


def test_momentum_in_returns_lowers_the_ratio_over_a_year() -> None:
    trending = autoregressive(0.3, 1, 2000, seed=5)[0] * 0.01
    plain, adjusted = ratios.sharpe(trending, YEAR), ratios.sharpe_lo(trending, YEAR)
    assert value(adjusted) < 0.85 * value(plain)
    assert value(ratios.sharpe_lo(NOISE, YEAR)) == pytest.approx(value(ratios.sharpe(NOISE, YEAR)), rel=0.15)


def test_a_variance_that_is_not_above_zero_is_a_reason() -> None:
    swinging = np.where(np.arange(90) % 2 == 0, 0.011, -0.01) + NOISE[:90] * 0.01  # three lags: -1 + 1 - 1
    assert "not above 0" in ratios.sharpe_lo(swinging, YEAR).reason


def test_hac_error_is_lo_s_for_normal_returns_without_autocorrelation() -> None:
    """With no lags and normal returns the delta method gives (1 + SR^2 / 2) / T, Lo (2002)."""
    long = np.random.default_rng(6).normal(0.1, 1.0, 200_000)
    assert ratios.hac_error(long, 0) == pytest.approx(np.sqrt((1 + 0.1**2 / 2) / 200_000), rel=0.01)


def test_hac_error_matches_the_spread_of_many_samples() -> None:
    """Where returns are autocorrelated Mertens' error is too small, and the HAC one is right."""
    samples = autoregressive(0.3, 2000, 800, seed=7)
    sharpes = samples.mean(axis=1) / samples.std(axis=1, ddof=1)
    hac = np.mean([ratios.hac_error(row, 12) for row in samples[:200]])
    plain = np.mean([ratios.sharpe_session(row).error or 0.0 for row in samples[:200]])
    assert hac == pytest.approx(sharpes.std(), rel=0.08)
    assert plain < 0.8 * sharpes.std()


def test_all_kinds_of_error_have_one_centre() -> None:
    kinds = (ratios.sharpe, ratios.sharpe_normal, ratios.sharpe_hac, ratios.sharpe_bootstrap)
    found = [kind(NOISE, YEAR) for kind in kinds]
    assert len({round(value(one), 12) for one in found}) == 1
    for one in found:
        assert one.error == pytest.approx(np.sqrt(YEAR / 1000), rel=0.15)
        assert one.low is not None
        assert one.high is not None
        assert one.low < value(one) < one.high


def test_the_bootstrap_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(8), 0
    for _ in range(120):
        found = ratios.sharpe_bootstrap(rng.standard_t(5, 300) * 0.01 + 0.001, 1.0, draws=300)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.1 / np.sqrt(5 / 3) <= found.high
    assert 104 <= hits <= 120  # 95 % of 120 is 114, less four standard errors


def test_the_bootstrap_is_the_same_each_time() -> None:
    assert ratios.sharpe_bootstrap(NOISE, YEAR) == ratios.sharpe_bootstrap(NOISE, YEAR)
    assert ratios.sharpe_bootstrap(NOISE, YEAR, draws=0).reason == "no bootstrap was asked for"


def test_sortino_calmar_and_omega_by_hand() -> None:
    returns = np.tile([0.02, -0.01, 0.03, -0.02], 5)
    downside = np.sqrt((0.01**2 + 0.02**2) / 4)
    assert value(ratios.sortino(returns, YEAR)) == pytest.approx(0.005 / downside * np.sqrt(YEAR))
    assert value(ratios.omega(returns)) == pytest.approx(5 / 3)
    deepest = -performance.drawdown(returns).min()
    growth = (1.02 * 0.99 * 1.03 * 0.98) ** (YEAR / 4) - 1
    assert value(ratios.calmar(returns, YEAR)) == pytest.approx(growth / deepest)


@pytest.mark.parametrize(
    ("kind", "returns", "reason"),
    [
        (lambda r: ratios.sharpe(r, YEAR), np.full(30, 0.01), "do not vary"),
        (lambda r: ratios.sharpe_lo(r, YEAR), np.full(19, 0.01), "fewer than 20"),
        (lambda r: ratios.sharpe_hac(r, YEAR), np.zeros(0), "fewer than 20"),
        (lambda r: ratios.sharpe_bootstrap(r, YEAR), np.zeros(40), "do not vary"),
        (lambda r: ratios.sortino(r, YEAR), np.abs(NOISE), "no session lost"),
        (lambda r: ratios.sortino(r, YEAR), NOISE[:5], "fewer than 20"),
        (lambda r: ratios.calmar(r, YEAR), np.abs(NOISE), "no drawdown"),
        (ratios.omega, np.abs(NOISE), "no session lost"),
        (ratios.omega, np.zeros(0), "no session lost"),
    ],
)
def test_where_undefined_there_is_a_reason(kind: object, returns: np.ndarray, reason: str) -> None:
    found = kind(returns)  # type: ignore[operator]  # a function of the table above
    assert found.value is None
    assert reason in found.reason


def test_a_figure_is_finite_or_says_why() -> None:
    convention = Convention("x", Unit.RATIO, "a rule")
    assert convention.figure(float("inf")).value is None
    assert "number" in convention.figure(float("nan")).reason
    assert convention.figure(1.0, float("nan")).error is None
    assert convention.figure(2.0, 0.1).of(2010).item == "2010"
