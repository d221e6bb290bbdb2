"""Laws that statistics obey whatever the returns and signals are."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backcast.engine.stats import (
    calibration,
    drawdowns,
    hac,
    information,
    performance,
    quantiles,
    ratios,
    regimes,
    relative,
    returns,
    tails,
)
from backcast.engine.stats.figure import Figure

YEAR = 252.0
LAWS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SERIES = hnp.arrays(np.int64, st.integers(20, 80), elements=st.integers(-2000, 2000)).map(lambda n: n / 1e4)
MARKETS = hnp.arrays(np.int64, st.integers(90, 200), elements=st.integers(-1000, 1000)).map(lambda n: n / 1e4)
PANELS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 14)),
    elements=st.one_of(st.just(np.nan), st.integers(-3, 3).map(float)),
)


def every(series: np.ndarray) -> list[Figure]:
    return [
        ratios.sharpe(series, YEAR), ratios.sharpe_normal(series, YEAR), ratios.sharpe_hac(series, YEAR),
        ratios.sharpe_lo(series, YEAR), ratios.sortino(series, YEAR), ratios.calmar(series, YEAR), ratios.omega(series),
        returns.total(series), returns.compound(series, YEAR), returns.arithmetic(series, YEAR),
        returns.logarithmic(series, YEAR), returns.volatility(series, YEAR), returns.hit_rate(series),
        returns.payoff(series), tails.skew(series), tails.excess_kurtosis(series), tails.value_at_risk(series),
        tails.expected_shortfall(series), tails.tail_ratio(series), *tails.extremes(series),
    ]  # fmt: skip


@LAWS
@given(SERIES)
def test_a_figure_is_finite_or_has_a_reason(series: np.ndarray) -> None:
    for figure in every(series):
        assert (figure.value is None) == bool(figure.reason)
        assert figure.value is None or np.isfinite(figure.value)


@LAWS
@given(SERIES, st.floats(0.01, 1.0))
def test_ratios_do_not_depend_on_leverage(series: np.ndarray, leverage: float) -> None:
    assume(series.std() > 1e-4)
    for kind in (ratios.sharpe, ratios.sharpe_hac, ratios.sharpe_lo, ratios.sortino):
        plain, levered = kind(series, YEAR), kind(leverage * series, YEAR)
        assert (plain.value is None) == (levered.value is None)
        if plain.value is not None and levered.value is not None:
            assert np.isclose(plain.value, levered.value, rtol=1e-6, atol=1e-9)
    for scaled in (returns.volatility, returns.arithmetic):
        plain, levered = scaled(series, YEAR), scaled(leverage * series, YEAR)
        assert np.isclose(levered.value or 0.0, leverage * (plain.value or 0.0), rtol=1e-9, atol=1e-12)


@LAWS
@given(SERIES, SERIES)
def test_growth_of_joined_series_is_the_product(first: np.ndarray, second: np.ndarray) -> None:
    joined = returns.total(np.r_[first, second]).value
    parts = [returns.total(part).value for part in (first, second)]
    assert joined is not None
    assert None not in parts
    assert np.isclose(1 + joined, np.prod([1 + (part or 0.0) for part in parts]))
    deepest = [performance.drawdown(part).min() for part in (first, second)]
    assert performance.drawdown(np.r_[first, second]).min() <= min(deepest) + 1e-12


@LAWS
@given(SERIES)
def test_shortfall_is_at_least_the_value_at_risk(series: np.ndarray) -> None:
    risk, shortfall = tails.value_at_risk(series).value, tails.expected_shortfall(series).value
    assert risk is not None
    assert shortfall is not None
    assert shortfall >= risk - 1e-12


@LAWS
@given(SERIES)
def test_drawdowns_are_what_the_curve_says(series: np.ndarray) -> None:
    found = drawdowns.drawdowns(series, np.arange(len(series)).astype("datetime64[D]"))
    path = performance.drawdown(series)
    assert sum(one.sessions for one in found) == int((path < 0).sum())
    assert np.isclose(min((one.depth for one in found), default=0.0), path.min())
    assert all(one.to_recovery is not None for one in found[:-1])
    assert all(one.to_trough + (one.to_recovery or 1) - 1 <= one.sessions for one in found)


@LAWS
@given(SERIES, st.floats(0.1, 3.0), st.floats(-0.01, 0.01))
def test_beta_and_alpha_of_a_line(market: np.ndarray, beta: float, alpha: float) -> None:
    assume(market.std() > 1e-3)
    line = alpha + beta * market
    found = {one.name: one.value for one in relative.figures(line, market, np.zeros(len(market)), YEAR)}
    assert np.isclose(found["beta"] or 0.0, beta, rtol=1e-6)
    assert np.isclose(found["alpha_per_year"] or 0.0, alpha * YEAR, atol=1e-6)


@LAWS
@given(SERIES, st.integers(0, 10))
def test_newey_west_with_no_lags_is_the_plain_error(series: np.ndarray, lags: int) -> None:
    assert np.isclose(hac.mean_error(series, 0), series.std() / len(series) ** 0.5)
    assert hac.mean_error(series, lags) >= 0.0
    assert np.isclose(hac.mean_error(series + 1.0, lags), hac.mean_error(series, lags), atol=1e-9)


@LAWS
@given(PANELS)
def test_ranks_keep_order_and_sum(values: np.ndarray) -> None:
    found = information.ranks(values)
    for row, ranked in zip(values, found, strict=True):
        known = np.isfinite(row)
        n = int(known.sum())
        assert np.isclose(ranked[known].sum(), n * (n + 1) / 2)
        assert np.isnan(ranked[~known]).all()
        order = row[known][:, None] < row[known]
        assert (order == (ranked[known][:, None] < ranked[known])).all()


@LAWS
@given(PANELS, st.randoms(use_true_random=False))
def test_rank_correlations_see_order_alone(values: np.ndarray, random: object) -> None:
    outcome = np.random.default_rng(random.randint(0, 9)).normal(size=values.shape)  # type: ignore[attr-defined]
    plain, bent = (information.rank_correlations(x, outcome) for x in (values, np.exp(values)))
    np.testing.assert_array_equal(plain.codes, bent.codes)
    np.testing.assert_allclose(plain.values, bent.values, atol=1e-12)
    other = information.rank_correlations(values, -outcome)
    np.testing.assert_allclose(plain.values, -other.values, atol=1e-12)
    assert ((plain.codes == 0) == np.isfinite(plain.values)).all()


@LAWS
@given(PANELS, st.integers(2, 5))
def test_buckets_are_ascending_and_equal_signals_share_one(values: np.ndarray, count: int) -> None:
    found = quantiles.buckets_of(values, count)
    for row, number, complete in zip(values, found.number, found.complete, strict=True):
        placed = number >= 0
        assert complete == (set(number[placed]) == set(range(count)))
        order = np.argsort(row[placed], kind="stable")
        assert (np.diff(number[placed][order]) >= 0).all()
        for value in set(row[placed]):
            assert len(set(number[row == value])) == 1


@LAWS
@given(MARKETS, st.integers(1, 199))
def test_regimes_never_look_ahead(market: np.ndarray, at: int) -> None:
    t = min(at, len(market) - 1)
    changed = market.copy()
    changed[t:] = 0.09
    for kind in (regimes.volatility, regimes.trend):
        assert (kind(changed)[: t + 1] == kind(market)[: t + 1]).all()


@LAWS
@given(SERIES, st.floats(0.05, 0.95), st.floats(-0.2, 0.2))
def test_the_quantile_has_the_least_pinball_loss(outcome: np.ndarray, level: float, other: float) -> None:
    best = calibration.pinball(outcome, float(np.quantile(outcome, level, method="inverted_cdf")), level)
    assert best <= calibration.pinball(outcome, other, level) + 1e-12
