"""Statistics against scipy and arch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backcast.engine.stats import performance, significance

RETURNS = np.random.default_rng(11).standard_t(5, (2, 1000)) * 0.01 + 0.0004


def test_moments_equal_scipy_s() -> None:
    assert performance.skewness(RETURNS[0]) == pytest.approx(stats.skew(RETURNS[0]), rel=1e-12)
    assert performance.kurtosis(RETURNS[0]) == pytest.approx(
        stats.kurtosis(RETURNS[0], fisher=False), rel=1e-12
    )


def test_bootstrap_interval_equals_arch_s() -> None:
    """The same blocks by arch's CircularBlockBootstrap: equal but for the chance of 2,000 draws."""
    from arch.bootstrap import CircularBlockBootstrap

    def difference(pair: np.ndarray) -> float:
        return performance.sharpe_per_session(pair[:, 0]) - performance.sharpe_per_session(pair[:, 1])

    ours = significance.sharpe_difference(*RETURNS)
    length = significance.block_length(RETURNS.shape[1])
    bootstrap = CircularBlockBootstrap(length, RETURNS.T.copy(), seed=np.random.default_rng(12))
    low, high = bootstrap.conf_int(difference, reps=2000, method="percentile").ravel()
    assert ours.estimate == pytest.approx(difference(RETURNS.T))
    assert ours.low == pytest.approx(low, abs=0.08 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.08 * (high - low))
