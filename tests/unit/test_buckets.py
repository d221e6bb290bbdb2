"""Buckets by rank and forecast quantiles: by hand, and where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import calibration, information, quantiles
from backcast.engine.stats.figure import Figure

RNG = np.random.default_rng(12)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def named(figures: list[Figure]) -> dict[tuple[str, str], Figure]:
    return {(one.name, one.item): one for one in figures}


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def test_twelve_names_in_three_buckets() -> None:
    found = quantiles.buckets_of(np.arange(12.0)[None], count=3)
    assert found.number[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.complete.tolist() == [True]


def test_names_without_a_signal_are_in_no_bucket() -> None:
    signal = np.array([[3.0, np.nan, 1.0, 2.0, np.nan, 0.0]])
    found = quantiles.buckets_of(signal, count=2)
    assert found.number[0].tolist() == [1, -1, 0, 1, -1, 0]


@pytest.mark.parametrize(
    "signal",
    [
        np.arange(4.0),  # fewer names than buckets
        np.full(20, 1.0),  # a constant
        np.r_[np.zeros(17), 1.0, 2.0, 3.0],  # ties that leave buckets empty
        np.full(20, np.nan),
    ],
)
def test_a_decision_without_all_buckets_is_left_out_and_counted(signal: np.ndarray) -> None:
    found = quantiles.buckets_of(signal[None])
    assert (found.number == -1).all()
    assert not found.complete.any()
    figures = named(quantiles.figures(found, np.ones((1, len(signal))), 0, 10.0, ""))
    assert value(figures["bucket_left_out", ""]) == 1
    assert figures["spread", ""].value is None
    assert figures["monotonicity", ""].reason == "no decision with an outcome in every bucket"


def test_returns_spread_and_monotonicity_by_hand() -> None:
    signal = np.tile(np.arange(10.0), (40, 1))
    outcome = signal / 100 + RNG.normal(0, 0.001, (40, 1))
    found = named(quantiles.figures(quantiles.buckets_of(signal), outcome, 0, None, "no costs"))
    noise = outcome[:, 0].mean()
    assert [value(found["bucket_return", str(b)]) for b in range(1, 6)] == pytest.approx(
        [noise + x for x in (0.005, 0.025, 0.045, 0.065, 0.085)]
    )
    assert value(found["spread", ""]) == pytest.approx(0.08)
    assert "the same at all decisions" in found["spread_t", ""].reason or value(found["spread_t", ""]) > 1e6
    assert value(found["monotonicity", ""]) == pytest.approx(1.0)
    assert found["spread_net", ""].reason == "no costs"


def test_costs_are_those_of_what_is_traded_since_a_horizon_before() -> None:
    """Two decisions within a horizon: each tranche is renewed every third decision. Signals repeat with that period, so
    that after the first three nothing trades."""
    base = RNG.normal(size=(3, 20))
    buckets = quantiles.buckets_of(np.tile(base, (10, 1)))
    paid = quantiles.traded_value(buckets, 3)
    assert paid[:3] == pytest.approx(np.ones((3, 5)))
    assert paid[3:] == pytest.approx(np.zeros((27, 5)), abs=1e-15)
    each = quantiles.traded_value(buckets, 1)
    weights = [np.where(buckets.number[d] == 4, 0.25, 0.0) for d in range(2)]
    assert each[1, 4] == pytest.approx(np.abs(weights[1] - weights[0]).sum())


def test_net_spread_is_gross_less_both_legs() -> None:
    signal, outcome = RNG.normal(size=(60, 20)), RNG.normal(0, 0.01, (60, 20))
    buckets = quantiles.buckets_of(signal)
    found = named(quantiles.figures(buckets, outcome, 0, 25.0, ""))
    traded = quantiles.traded_value(buckets, 1)
    expected = value(found["spread", ""]) - 25e-4 * (traded[:, 0] + traded[:, -1]).mean()
    assert value(found["spread_net", ""]) == pytest.approx(expected)
    assert value(found["bucket_return_net", "3"]) < value(found["bucket_return", "3"])


def test_a_signal_that_never_changes_has_no_new_names() -> None:
    signal = np.tile(RNG.normal(size=20), (30, 1))
    found = named(quantiles.persistence(quantiles.buckets_of(signal), information.ranks(signal)))
    assert value(found["bucket_new_names", "top"]) == 0.0
    assert value(found["rank_autocorrelation", ""]) == pytest.approx(1.0)
    once = named(quantiles.persistence(quantiles.buckets_of(signal[:1]), information.ranks(signal[:1])))
    assert once["bucket_new_names", "top"].reason == "no two decisions in a row with buckets"
    assert once["rank_autocorrelation", ""].reason == "no decisions"


def test_forecasts_of_the_true_distribution_are_calibrated() -> None:
    from scipy.stats import norm

    centre = RNG.normal(0, 1, (300, 40))
    outcome = centre + RNG.normal(size=(300, 40))
    forecast = centre[:, :, None] + norm.ppf(LEVELS)
    found = named(calibration.figures(forecast, outcome, LEVELS, 0))
    for level in LEVELS:
        assert value(found["outcomes_below", f"{level:g}"]) == pytest.approx(level, abs=0.015)
        assert abs(value(found["outcomes_below_t", f"{level:g}"])) < 3.5
        assert value(found["pinball_skill", f"{level:g}"]) == pytest.approx(1 - 0.5**0.5, abs=0.03)
    assert value(found["interval_coverage", "0.05 to 0.95"]) == pytest.approx(0.9, abs=0.01)
    assert value(found["interval_coverage", "0.25 to 0.75"]) == pytest.approx(0.5, abs=0.015)
    assert value(found["quantiles_crossed", ""]) == 0.0
    narrow = named(calibration.figures(centre[:, :, None] + 0.5 * norm.ppf(LEVELS), outcome, LEVELS, 0))
    assert value(narrow["interval_coverage_t", "0.05 to 0.95"]) < -10
    assert value(narrow["pinball_loss", "0.05"]) > value(found["pinball_loss", "0.05"])


def test_pinball_loss_by_hand() -> None:
    assert calibration.pinball(np.array([1.0, -1.0]), np.zeros(2), 0.9) == pytest.approx((0.9 + 0.1) / 2)
    assert calibration.pinball(np.array([2.0]), 2.0, 0.3) == 0.0


def test_quantiles_that_cross_and_those_that_are_missing() -> None:
    forecast = np.zeros((30, 5, 5)) + np.array([0.0, 1.0, 0.5, 2.0, 3.0])
    outcome = np.zeros((30, 5))
    assert value(named(calibration.figures(forecast, outcome, LEVELS, 0))["quantiles_crossed", ""]) == 1.0
    none = calibration.figures(forecast * np.nan, outcome, LEVELS, 0)
    assert {one.reason for one in none} == {"no forecast quantile with an outcome"}
    flat = named(calibration.figures(forecast, outcome, LEVELS, 0))
    assert flat["pinball_skill", "0.5"].reason == "outcomes do not vary"


def test_shares_by_decision_leave_out_those_without_forecasts() -> None:
    forecast, outcome = np.zeros((25, 4, 5)), np.tile([-1.0, -1.0, -1.0, 1.0], (25, 1))
    forecast[3], outcome[7, :2] = np.nan, np.nan
    found = named(calibration.figures(forecast, outcome, LEVELS, 0))
    assert value(found["outcomes_below", "0.5"]) == pytest.approx((23 * 0.75 + 0.5) / 24)
