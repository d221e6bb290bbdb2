"""Performance statistics against empyrical-reloaded, scipy, pandas and statsmodels: equal where the conventions are, and where
they are not, apart by exactly what docs/statistics.md says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import empyrical
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from backcast.engine.stats import drawdowns, hac, performance, ratios, relative, returns, tails
from backcast.engine.stats.figure import Figure

YEAR = 252.0
N = 1500
RNG = np.random.default_rng(5)
MARKET = RNG.standard_t(4, N) * 0.007 + 0.0002
RETURNS = 0.4 * MARKET + RNG.standard_t(4, N) * 0.006 + 0.0003
DAYS = pd.bdate_range("2014-01-02", periods=N)
OURS, THEIRS = pd.Series(RETURNS, DAYS), pd.Series(MARKET, DAYS)
NONE = np.zeros(N)
DOCS = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def beside(name: str) -> Figure:
    found = {one.name: one for one in relative.figures(RETURNS, MARKET, NONE, YEAR)}
    return found[name]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (returns.total(RETURNS), empyrical.cum_returns_final(OURS)),
        (returns.compound(RETURNS, YEAR), empyrical.annual_return(OURS, annualization=252)),
        (returns.volatility(RETURNS, YEAR), empyrical.annual_volatility(OURS)),
        (ratios.sharpe(RETURNS, YEAR), empyrical.sharpe_ratio(OURS)),
        (ratios.sharpe(RETURNS - 1e-4, YEAR), empyrical.sharpe_ratio(OURS, risk_free=1e-4)),
        (ratios.sortino(RETURNS, YEAR), empyrical.sortino_ratio(OURS)),
        (ratios.calmar(RETURNS, YEAR), empyrical.calmar_ratio(OURS)),
        (ratios.omega(RETURNS), empyrical.omega_ratio(OURS)),
        (tails.tail_ratio(RETURNS), empyrical.tail_ratio(OURS)),
        (drawdowns.figures(RETURNS, [])[0], empyrical.max_drawdown(OURS)),
        (beside("beta"), empyrical.beta(OURS, THEIRS)),
        (tails.skew(RETURNS), stats.skew(RETURNS)),
        (tails.excess_kurtosis(RETURNS), stats.kurtosis(RETURNS)),
        (beside("correlation"), stats.pearsonr(RETURNS, MARKET)[0]),
    ],
    ids=lambda one: one.name if isinstance(one, Figure) else "",
)
def test_equal_where_the_conventions_are(ours: Figure, theirs: float) -> None:
    assert value(ours) == pytest.approx(theirs, rel=1e-10)


def _annualised(mean: float) -> float:
    return (1 + mean) ** YEAR - 1


def _capture(chosen: np.ndarray) -> float:
    """empyrical's: annualised compound returns of the chosen sessions, as if they made up whole years."""
    own, theirs = (np.prod(1 + x[chosen]) ** (YEAR / chosen.sum()) - 1 for x in (RETURNS, MARKET))
    return float(own / theirs)


DIFFERENCES: dict[str, tuple[Callable[[], float], Callable[[], float], Callable[[float], float]]] = {
    "alpha_per_year": (
        lambda: value(beside("alpha_per_year")),
        lambda: empyrical.alpha(OURS, THEIRS),
        lambda ours: _annualised(ours / YEAR),
    ),
    "up_capture": (
        lambda: value(beside("up_capture")),
        lambda: empyrical.up_capture(OURS, THEIRS),
        lambda _: _capture(MARKET > 0),
    ),
    "down_capture": (
        lambda: value(beside("down_capture")),
        lambda: empyrical.down_capture(OURS, THEIRS),
        lambda _: _capture(MARKET < 0),
    ),
    "value_at_risk_95": (
        lambda: value(tails.value_at_risk(RETURNS)),
        lambda: empyrical.value_at_risk(OURS),
        lambda ours: -ours,
    ),
    "expected_shortfall_95": (
        lambda: value(tails.expected_shortfall(RETURNS)),
        lambda: empyrical.conditional_value_at_risk(OURS),
        lambda ours: -ours,
    ),
    "information_ratio": (
        lambda: value(beside("information_ratio")),
        lambda: empyrical.excess_sharpe(OURS, THEIRS),
        lambda ours: ours / YEAR**0.5,
    ),
    "skew": (
        lambda: value(tails.skew(RETURNS)),
        lambda: float(OURS.skew()),
        lambda ours: ours * (N * (N - 1)) ** 0.5 / (N - 2),
    ),
    "excess_kurtosis": (
        lambda: value(tails.excess_kurtosis(RETURNS)),
        lambda: float(OURS.kurt()),
        lambda ours: (N - 1) / ((N - 2) * (N - 3)) * ((N + 1) * ours + 6),
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_apart_by_what_the_table_of_differences_says(name: str) -> None:
    ours, theirs, translated = DIFFERENCES[name]
    mine, other = ours(), theirs()
    assert mine != pytest.approx(other, rel=1e-3), "no difference: take it out of the table"
    assert translated(mine) == pytest.approx(other, rel=1e-9)


def test_a_year_of_vectorbt_has_365_sessions() -> None:
    """Which is why its compound returns and Sharpe ratios are larger: growth ** (365 / T), x sqrt(365)."""
    import vectorbt

    theirs = OURS.vbt.returns(freq="1D")
    assert theirs.annualized() == pytest.approx(value(returns.compound(RETURNS, 365.0)))
    assert theirs.sharpe_ratio() == pytest.approx(value(ratios.sharpe(RETURNS, 365.0)))
    assert theirs.annualized() > 1.3 * value(returns.compound(RETURNS, YEAR)), vectorbt.__version__


def test_the_table_of_differences_is_written_down() -> None:
    table = DOCS.read_text().partition("## Differences to empyrical")[2].partition("\n## ")[0]
    written = [line.split("|")[1].strip().strip("`") for line in table.splitlines() if line.startswith("| `")]
    assert sorted(written) == sorted(DIFFERENCES)


@pytest.mark.parametrize("lags", [0, 1, 6, 30])
def test_newey_west_errors_equal_those_of_statsmodels(lags: int) -> None:
    noise = np.convolve(RNG.normal(size=N + 9), np.ones(10), mode="valid")
    columns = np.column_stack([MARKET, RNG.normal(size=N)])
    fit = sm.OLS(noise, sm.add_constant(columns)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    ours = hac.regress(noise, columns, lags)
    assert ours.coefficients == pytest.approx(fit.params, rel=1e-9)
    assert ours.errors == pytest.approx(fit.bse, rel=1e-9)
    assert ours.r2 == pytest.approx(fit.rsquared, rel=1e-9)
    assert ours.residuals == pytest.approx(fit.resid, abs=1e-9)
    mean = sm.OLS(noise, np.ones(N)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    assert hac.mean_error(noise, lags) == pytest.approx(mean.bse[0], rel=1e-10)


def test_alpha_and_beta_errors_equal_those_of_statsmodels() -> None:
    lags = hac.automatic_lags(N)
    fit = sm.OLS(RETURNS, sm.add_constant(MARKET)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    assert lags == 7  # floor(4 x 15 ** (2/9))
    assert beside("alpha_per_year").error == pytest.approx(fit.bse[0] * YEAR, rel=1e-9)
    assert beside("beta").error == pytest.approx(fit.bse[1], rel=1e-9)
    assert value(beside("alpha_t")) == pytest.approx(fit.tvalues[0], rel=1e-9)


def test_autocorrelations_equal_those_of_statsmodels() -> None:
    from statsmodels.tsa.stattools import acf

    assert ratios.autocorrelations(RETURNS, 12) == pytest.approx(
        acf(RETURNS, nlags=12, fft=False)[1:], abs=1e-12
    )


def test_months_equal_empyrical_s() -> None:
    theirs = empyrical.aggregate_returns(OURS, "monthly")
    ours = performance.by_month(RETURNS, DAYS.to_numpy().astype("datetime64[D]"))
    assert list(ours.values()) == pytest.approx(theirs.to_list())
