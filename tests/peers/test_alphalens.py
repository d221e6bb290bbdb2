"""Signal statistics against alphalens-reloaded and scipy, on the same signal and the same returns that followed it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backcast.engine.stats import hac, information, quantiles

D, S, H = 260, 40, 21
RNG = np.random.default_rng(8)
DAYS = pd.bdate_range("2015-01-02", periods=D)
PRICES = np.cumsum(RNG.normal(0, 0.02, (D + H, S)), axis=0)
SIGNAL = np.cumsum(RNG.normal(size=(D, S)), axis=0) / 10
OUTCOME = {h: np.expm1(PRICES[h : D + h] - PRICES[:D]) for h in (1, H)}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """alphalens' table of factor data, made of our signal and our returns."""
    from alphalens.utils import get_clean_factor

    index = pd.MultiIndex.from_product([DAYS, [f"s{i:02d}" for i in range(S)]], names=["date", "asset"])
    factor = pd.Series(SIGNAL.ravel(), index)
    forward = pd.DataFrame({f"{h}D": y.ravel() for h, y in OUTCOME.items()}, index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_clean_factor(factor, forward, quantiles=5)


@pytest.mark.parametrize("h", [1, H])
def test_rank_ic_by_date_equals_alphalens(table: pd.DataFrame, h: int) -> None:
    from alphalens.performance import factor_information_coefficient

    theirs = factor_information_coefficient(table)[f"{h}D"].to_numpy()
    assert information.rank_correlations(SIGNAL, OUTCOME[h]).values == pytest.approx(theirs, abs=1e-12)


def test_the_t_that_alphalens_prints_forgets_that_horizons_overlap() -> None:
    """alphalens' summary is a plain t test; ours is the same with no lags, and far smaller with those of 21 sessions."""
    found = information.rank_correlations(SIGNAL, OUTCOME[H])
    naive = stats.ttest_1samp(found.values, 0).statistic
    assert found.values.mean() / hac.mean_error(found.values, 0) == pytest.approx(
        naive * (D / (D - 1)) ** 0.5
    )
    overlap = information.overlap_of(np.arange(D), H)
    assert overlap == H - 1
    figures = information.mean_figures(found, overlap, information.RANK_IC, information.RANK_IC_T)
    ours = figures[1].value
    assert ours is not None
    assert abs(ours) < abs(naive) / 2


def test_buckets_and_their_returns_equal_alphalens(table: pd.DataFrame) -> None:
    from alphalens.performance import mean_return_by_quantile

    buckets = quantiles.buckets_of(SIGNAL)
    theirs = table["factor_quantile"].unstack().to_numpy()
    assert (buckets.number + 1 == theirs).all()
    means, _ = mean_return_by_quantile(table, by_date=True, demeaned=False)
    by_date = means["1D"].unstack("factor_quantile").to_numpy()
    assert quantiles.bucket_returns(buckets, OUTCOME[1]) == pytest.approx(by_date, abs=1e-14)


def test_new_names_and_rank_autocorrelation_equal_alphalens(table: pd.DataFrame) -> None:
    from alphalens.performance import factor_rank_autocorrelation, quantile_turnover

    buckets, ranks = quantiles.buckets_of(SIGNAL), information.ranks(SIGNAL)
    found = {(one.name, one.item): one.value for one in quantiles.persistence(buckets, ranks)}
    for item, quantile in (("bottom", 1), ("top", 5)):
        theirs = quantile_turnover(table["factor_quantile"], quantile, 1).mean()
        assert found["bucket_new_names", item] == pytest.approx(theirs, rel=1e-12)
    theirs = factor_rank_autocorrelation(table, 1).mean()
    assert found["rank_autocorrelation", ""] == pytest.approx(theirs, rel=1e-12)


def test_ranks_equal_scipy_s_with_ties_and_gaps() -> None:
    values = np.round(RNG.normal(size=(60, 33)), 1)
    values[RNG.random(values.shape) < 0.2] = np.nan
    values[7] = np.nan
    theirs = stats.rankdata(values, axis=1, nan_policy="omit")
    np.testing.assert_array_equal(information.ranks(values), theirs)


def test_correlations_equal_scipy_s_over_the_names_that_have_both() -> None:
    x, y = np.round(RNG.normal(size=(2, 50, 25)), 1)
    x[RNG.random(x.shape) < 0.3] = np.nan
    y[RNG.random(y.shape) < 0.3] = np.nan
    pearson, spearman = information.correlations(x, y), information.rank_correlations(x, y)
    for d in range(len(x)):
        both = np.isfinite(x[d]) & np.isfinite(y[d])
        assert pearson.values[d] == pytest.approx(stats.pearsonr(x[d, both], y[d, both])[0], abs=1e-12)
        assert spearman.values[d] == pytest.approx(stats.spearmanr(x[d, both], y[d, both])[0], abs=1e-12)


def test_alphalens_gives_two_names_a_perfect_coefficient_and_ours_a_reason() -> None:
    from alphalens.performance import factor_information_coefficient

    index = pd.MultiIndex.from_product([DAYS[:3], ["a", "b", "c"]], names=["date", "asset"])
    factor = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    forward = np.array([[0.1, 0.2, 0.3], [0.1, 0.3, 0.2], [0.1, 0.2, 0.3]])
    table = pd.DataFrame(
        {"1D": forward.ravel(), "factor": factor.ravel(), "factor_quantile": 1}, index
    ).dropna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = factor_information_coefficient(table)["1D"].to_numpy()
    ours = information.rank_correlations(factor, forward)
    assert theirs[0] == pytest.approx(1.0)
    assert np.isnan(theirs[2])
    assert theirs[1] == pytest.approx(ours.values[1])
    assert [information.REASONS[code] for code in ours.codes] == [
        "fewer than 3 names",
        "",
        "the signal is the same for all names",
    ]
