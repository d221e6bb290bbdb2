"""Information coefficients: degenerate cross-sections have reasons, and errors know that horizons overlap."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import hac, information
from backcast.engine.stats.figure import Figure
from backcast.engine.stats.information import RANK_IC, RANK_IC_T, REASONS, Coefficients

NAN = float("nan")


def named(figures: list[Figure]) -> dict[str, Figure]:
    return {one.name: one for one in figures}


@pytest.mark.parametrize(
    ("signal", "outcome", "reason"),
    [
        ([1.0, 2.0, NAN, NAN], [0.1, 0.2, 0.3, 0.4], "fewer than 3 names"),
        ([NAN] * 4, [0.1, 0.2, 0.3, 0.4], "no name with a signal and an outcome"),
        ([1.0, 2.0, 3.0, 4.0], [NAN] * 4, "no name with a signal and an outcome"),
        ([5.0] * 4, [0.1, 0.2, 0.3, 0.4], "the signal is the same for all names"),
        ([1.0, 2.0, 3.0, 4.0], [0.1] * 4, "the outcome is the same for all names"),
        ([5.0, 5.0, 5.0, 9.0], [0.1, 0.2, 0.3, NAN], "the signal is the same for all names"),
        ([5.0] * 4, [0.1] * 4, "the signal is the same for all names"),
    ],
)
@pytest.mark.parametrize("kind", [information.correlations, information.rank_correlations])
def test_a_degenerate_decision_has_no_coefficient_and_a_reason(
    kind: object, signal: list[float], outcome: list[float], reason: str
) -> None:
    found = kind(np.array([signal]), np.array([outcome]))  # type: ignore[operator]  # one of the two
    assert np.isnan(found.values[0])
    assert REASONS[found.codes[0]] == reason
    assert reason in found.reason
    figures = information.mean_figures(found, 0, RANK_IC, RANK_IC_T)
    assert [one.value for one in figures] == [None, None]
    assert reason in figures[0].reason


def test_ties_share_the_mean_of_their_ranks() -> None:
    values = np.array([[3.0, 1.0, 3.0, NAN, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    expected = np.array([[4.0, 1.0, 4.0, NAN, 2.0, 4.0], [3.5] * 6])
    np.testing.assert_array_equal(information.ranks(values), expected)


def test_ranks_at_hand_are_made_anew_only_where_an_outcome_is_missing() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 20, 10))
    y[5, :4] = np.nan
    plain = information.rank_correlations(x, y)
    assert information.rank_correlations(x, y, information.ranks(x)).values == pytest.approx(plain.values)


@pytest.mark.parametrize(
    ("positions", "horizon", "overlap"),
    [
        (np.arange(50), 1, 0),
        (np.arange(50), 21, 20),
        (np.arange(0, 50, 5), 5, 0),
        (np.arange(0, 50, 5), 21, 4),
        (np.array([0, 20, 40, 41, 42, 60]), 5, 2),
        (np.array([7]), 5, 0),
    ],
)
def test_overlap_counts_the_decisions_within_a_horizon(
    positions: np.ndarray, horizon: int, overlap: int
) -> None:
    assert information.overlap_of(positions, horizon) == overlap


def test_what_left_out_decisions_lacked_is_counted() -> None:
    rng = np.random.default_rng(2)
    signal, outcome = rng.normal(size=(2, 40, 8))
    signal[3], signal[4, 2:], signal[9] = np.nan, np.nan, 1.0
    pearson, spearman = (
        information.correlations(signal, outcome),
        information.rank_correlations(signal, outcome),
    )
    found = information.figures(pearson, spearman, 0)
    left_out = {one.item: one.value for one in found if one.name == "ic_left_out"}
    assert left_out == {REASONS[1]: 1.0, REASONS[2]: 1.0, REASONS[3]: 1.0}
    assert named(found)["ic_decisions"].value == 37


def test_means_and_ratios_by_hand() -> None:
    values = np.random.default_rng(3).normal(0.05, 0.1, 60)
    found = named(information.figures(*[Coefficients(values, np.zeros(60, dtype=np.int64))] * 2, 0))
    assert found["ic"].value == pytest.approx(values.mean())
    assert found["icir"].value == pytest.approx(values.mean() / values.std(ddof=1))
    assert found["rank_ic_t"].value == pytest.approx(values.mean() / hac.mean_error(values, 3))
    assert found["rank_ic_positive"].value == pytest.approx((values > 0).mean())


def test_too_few_decisions_for_their_lags_have_a_mean_and_no_t() -> None:
    few = Coefficients(np.linspace(0.0, 0.1, 50), np.zeros(50, dtype=np.int64))
    mean, t = information.mean_figures(few, 20, RANK_IC, RANK_IC_T)
    assert mean.value == pytest.approx(0.05)
    assert mean.error is None
    assert t.reason == "fewer than 160 decisions (40 lags)"
    same = Coefficients(np.full(50, 0.1), np.zeros(50, dtype=np.int64))
    assert "the same at all decisions" in information.mean_figures(same, 0, RANK_IC, RANK_IC_T)[1].reason


def test_errors_know_that_horizons_overlap() -> None:
    """A persistent signal without skill against returns over 21 sessions: a plain t test finds skill in most samples, one with
    lags of just the overlap in too many, ours in few."""
    rng, horizon, length = np.random.default_rng(4), 21, 800
    rejected = {"plain": 0, "overlap": 0, "ours": 0}
    for _ in range(150):
        steady = rng.normal(size=(length, 12)) * 0.2
        for t in range(1, length):
            steady[t] += 0.98 * steady[t - 1]
        path = np.cumsum(rng.normal(size=(length + horizon, 12)), axis=0)
        found = information.rank_correlations(steady, path[horizon:] - path[:-horizon]).values
        lags = hac.overlap_lags(length, information.overlap_of(np.arange(length), horizon))
        for name, used in (("plain", 0), ("overlap", horizon - 1), ("ours", lags)):
            rejected[name] += abs(found.mean() / hac.mean_error(found, used)) > 1.96
    assert rejected["plain"] > 60
    assert rejected["ours"] <= rejected["overlap"] < rejected["plain"]
    assert rejected["ours"] <= 20  # 5 % of 150 is 7.5
