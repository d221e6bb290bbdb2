"""Benchmarks, factors and regimes: by hand, by construction, and nothing that was not known at the time."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import attribution, hac, regimes, relative
from backcast.engine.stats.figure import Figure

YEAR = 250.0
RNG = np.random.default_rng(9)
MARKET = RNG.normal(0.0003, 0.01, 600)
NOISE = RNG.normal(0, 0.004, 600)
NONE = np.zeros(600)


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {one.name + one.item: one for one in figures}


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def test_a_multiple_of_the_benchmark_is_all_beta() -> None:
    found = by_name(relative.figures(1.5 * MARKET + 0.0001, MARKET, NONE, YEAR))
    assert value(found["beta"]) == pytest.approx(1.5)
    assert value(found["alpha_per_year"]) == pytest.approx(0.025)
    assert value(found["correlation"]) == pytest.approx(1.0)
    assert found["alpha_t"].reason == "the benchmark explains every return"


def test_the_risk_free_rate_is_taken_off_both() -> None:
    """r = rf + b (m - rf) has no alpha."""
    free = np.full(600, 0.0002)
    found = by_name(relative.figures(free + 0.5 * (MARKET - free), MARKET, free, YEAR))
    assert value(found["alpha_per_year"]) == pytest.approx(0.0, abs=1e-12)
    assert value(found["beta"]) == pytest.approx(0.5)


def test_tracking_and_capture_by_hand() -> None:
    market = np.tile([0.02, -0.01], 30)
    own = np.tile([0.01, -0.02], 30) + np.tile([0.0, 0.0, 0.001], 20)
    found = by_name(relative.figures(own, market, np.zeros(60), YEAR))
    active = own - market
    assert value(found["tracking_error_per_year"]) == pytest.approx(active.std(ddof=1) * YEAR**0.5)
    assert value(found["information_ratio"]) == pytest.approx(active.mean() / active.std(ddof=1) * YEAR**0.5)
    ups = np.prod(1 + own[::2]) ** (1 / 30) - 1
    assert value(found["up_capture"]) == pytest.approx(ups / 0.02)
    downs = np.prod(1 + own[1::2]) ** (1 / 30) - 1
    assert value(found["down_capture"]) == pytest.approx(downs / -0.01)


@pytest.mark.parametrize(
    ("own", "market", "name", "reason"),
    [
        (NOISE[:19], MARKET[:19], "beta", "fewer than 20 sessions with a benchmark"),
        (NOISE, np.zeros(600), "beta", "the benchmark does not vary"),
        (np.zeros(600), MARKET, "alpha_per_year", "returns do not vary"),
        (MARKET, MARKET, "information_ratio", "does not vary"),
        (NOISE, np.abs(MARKET), "down_capture", "the benchmark never lost"),
        (NOISE, -np.abs(MARKET), "up_capture", "the benchmark never gained"),
    ],
)
def test_where_undefined_there_is_a_reason(
    own: np.ndarray, market: np.ndarray, name: str, reason: str
) -> None:
    found = by_name(relative.figures(own, market, np.zeros(len(own)), YEAR))[name]
    assert found.value is None
    assert reason in found.reason


def test_the_parts_of_an_attribution_add_up_to_the_mean() -> None:
    factors = RNG.normal(0.0001, 0.01, (600, 3))
    own = factors @ np.array([0.5, -0.2, 0.0]) + NOISE + 0.0002
    found = attribution.figures(own, factors, ("a", "b", "c"), YEAR)
    named = by_name(found)
    parts = [value(one) for one in found if one.name == "factor_contribution_per_year"]
    assert sum(parts) + value(named["factor_alpha_per_year"]) == pytest.approx(own.mean() * YEAR)
    assert value(named["factor_betaa"]) == pytest.approx(0.5, abs=0.1)
    assert abs(value(named["factor_beta_tc"])) < 4
    assert value(named["factor_r2"]) == pytest.approx(1 - NOISE.var() / own.var(), abs=0.03)


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        (np.column_stack([MARKET, 2 * MARKET]), "collinear"),
        (np.column_stack([MARKET, np.full(600, 0.1)]), "second does not vary"),
        (np.column_stack([MARKET, NOISE])[:21], "fewer than 22"),
    ],
)
def test_factors_that_cannot_be_told_apart_are_a_reason(factors: np.ndarray, reason: str) -> None:
    found = attribution.figures(NOISE[: len(factors)], factors, ("first", "second"), YEAR)
    assert all(one.value is None and reason in one.reason for one in found)


def test_a_factor_that_is_the_strategy_explains_every_return() -> None:
    found = by_name(attribution.figures(2 * MARKET, MARKET[:, None], ("market",), YEAR))
    assert value(found["factor_r2"]) == pytest.approx(1.0)
    assert "explain every return" in found["factor_alpha_t"].reason


def test_long_run_variance_of_a_moving_average() -> None:
    """x[t] = e[t] + e[t-1] has a long-run variance of 4 and a plain one of 2; lags 0 and many say so."""
    shocks = np.random.default_rng(10).normal(size=200_001)
    series = shocks[1:] + shocks[:-1]
    assert hac.mean_error(series, 0) * 200_000**0.5 == pytest.approx(2**0.5, rel=0.02)
    assert hac.mean_error(series, 200) * 200_000**0.5 == pytest.approx(2.0, rel=0.05)


def test_a_session_s_regime_depends_on_sessions_before_it_alone() -> None:
    for kind in (regimes.volatility, regimes.trend):
        whole = kind(MARKET)
        for t in (130, 300, 599):
            changed = MARKET.copy()
            changed[t:] = np.random.default_rng(t).normal(0, 0.2, 600 - t)
            assert (kind(changed)[: t + 1] == whole[: t + 1]).all()
            assert (kind(MARKET[:t])[:t] == whole[:t]).all()


def test_regimes_find_a_storm_and_a_fall_the_session_after() -> None:
    market = np.r_[np.tile([0.001, -0.0005], 200), np.tile([0.03, -0.04], 100)]
    found = regimes.of_market(market)
    assert found["volatility"][400] != "stormy"  # the first stormy session: nobody knew
    assert (found["volatility"][402:420] == "stormy").all()
    assert (found["volatility"][: regimes.VOLATILITY_WINDOW + regimes.LEAST] == regimes.UNKNOWN).all()
    assert (found["trend"][126:400] == "rising").all()
    assert found["trend"][-1] == "falling"


def test_regimes_share_out_all_sessions() -> None:
    market = MARKET.copy()
    market[200] = np.nan
    named = regimes.of_market(market)
    assert (named["volatility"][201:222] == regimes.UNKNOWN).all()
    figures = regimes.figures(NOISE, named, YEAR)
    for kind in named:
        shares = [value(one) for one in figures if one.name == "regime_share" and one.item.startswith(kind)]
        assert sum(shares) == pytest.approx(1.0)
