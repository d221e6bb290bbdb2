"""Significance against arch, statsmodels and vectorbt."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from backcast.engine.stats import performance, significance
from backcast.engine.stats.haircut import Method, adjusted
from backcast.engine.stats.multiple import certainly_bad, step_down, step_m
from backcast.engine.stats.resampling import resampled_means
from backcast.engine.stats.worlds import noise


def _world(seed: int, trials: int = 12) -> np.ndarray:
    """Fat-tailed trials, some with skill and some certainly bad."""
    generator = np.random.default_rng(seed)
    means = generator.choice([-0.3, 0.0, 0.1, 0.2], trials, p=[0.2, 0.5, 0.15, 0.15])
    return noise("fat", 250, trials, generator) + means


def test_step_m_on_the_same_blocks_is_arch_s() -> None:
    """Given arch's own blocks and its choice of the certainly bad: the same draws, and the same survivors but for the
    borderline (we count the estimate among the draws, arch interpolates between two of them)."""
    from arch.bootstrap import CircularBlockBootstrap, StepM

    sizes = set()
    for seed in range(25):
        returns = _world(seed)
        theirs = StepM(np.zeros(250), -returns, 0.05, block_size=7, reps=499, bootstrap="circular", seed=seed)
        theirs.compute()
        draws = CircularBlockBootstrap(7, np.arange(250), seed=seed).bootstrap(499)
        counts = np.array([np.bincount(data[0][0], minlength=250) for data in draws]).astype(np.float64)
        centre = np.where(theirs.spa._valid_columns, returns.mean(axis=0), 0.0)
        drawn = resampled_means(returns, counts) - centre
        np.testing.assert_allclose(drawn, theirs.spa._simulated_vals[:, :, 1].T, atol=1e-14)
        p = step_down(returns.mean(axis=0), drawn)
        declared, clear = np.isin(np.arange(12), theirs.superior_models), np.abs(p - 0.05) > 2 / 499
        assert ((p <= 0.05) == declared)[clear].all()
        assert clear.sum() >= 11
        sizes.add(len(theirs.superior_models))
    assert len(sizes) > 3  # worlds with no survivor, and with several


def test_step_m_on_ratios_declares_what_arch_declares_on_returns_of_unit_risk() -> None:
    """Other blocks and a ratio in place of a mean: the same answer for nearly all of 300 trials."""
    from arch.bootstrap import StepM

    same = 0
    for seed in range(25):
        returns = _world(seed)
        scaled = returns / returns.std(axis=0)
        theirs = StepM(np.zeros(250), -scaled, 0.05, block_size=7, reps=499, bootstrap="circular", seed=1)
        theirs.compute()
        ours = step_m(returns, length=7).survivors()
        same += int((ours == np.isin(np.arange(12), theirs.superior_models)).sum())
    assert same >= 0.96 * 300


def test_the_certainly_bad_are_hansen_s() -> None:
    """arch allows for dependence in its variance; on independent returns the two choose alike but for the borderline."""
    from arch.bootstrap import SPA

    same = 0
    for seed in range(20):
        returns = _world(seed)
        test = SPA(np.zeros(250), -returns, block_size=7, reps=2, seed=1)
        test.compute()
        same += int((certainly_bad(returns) == ~test._valid_columns).sum())
    assert same >= 0.97 * 240


@pytest.mark.parametrize(
    ("method", "name"), [("bonferroni", "bonferroni"), ("holm", "holm"), ("bhy", "fdr_by")]
)
def test_adjusted_p_values_equal_statsmodels_s(method: Method, name: str) -> None:
    from statsmodels.stats.multitest import multipletests

    for seed in range(10):
        p = np.random.default_rng(seed).beta(0.4, 1, 37)
        np.testing.assert_allclose(adjusted(p, method), multipletests(p, method=name)[1], rtol=1e-12)


def test_the_deflated_ratio_equals_vectorbt_s() -> None:
    pytest.importorskip("vectorbt")
    returns = 0.01 * noise("skewed", 500, 9, np.random.default_rng(1))
    frame = pd.DataFrame(returns, index=pd.date_range("2010-01-04", periods=500, freq="B"))
    theirs = frame.vbt.returns(freq="1D", year_freq="252D").deflated_sharpe_ratio().to_numpy()
    sharpes = [performance.sharpe_per_session(returns[:, k]) for k in range(9)]
    variance = float(np.var(sharpes, ddof=1))
    ours = [
        significance.deflated_sharpe(
            sharpes[k],
            9,
            variance,
            performance.skewness(returns[:, k]),
            performance.kurtosis(returns[:, k]),
            500,
        )
        for k in range(9)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
