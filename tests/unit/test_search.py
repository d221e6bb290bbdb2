"""The figures of a whole search: against the functions' own truths on worlds whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis, norm, skew

from backcast.data.errors import InputError
from backcast.engine.stats.figure import Figure
from backcast.engine.stats.luck import luck_of
from backcast.engine.stats.search import PEER_LIMIT, Search, search_section

YEAR = 252.0


def searched(returns: np.ndarray, counted: int | None = None, variance: float | None = None) -> Search:
    days = np.datetime64("2010-01-01") + np.arange(len(returns))
    trials = {f"t{k:04}": (days, returns[:, k]) for k in range(returns.shape[1])}
    luck = luck_of(days, trials, counted or len(trials))
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    if variance is None and len(trials) > 1:
        variance = float(np.var(sharpes, ddof=1))
    columns = [int(name[1:]) for name in luck.names]
    return Search(luck.names, returns[:, columns], luck, variance, YEAR)


def figures(search: Search) -> dict[str, Figure]:
    return {one.name + (f" {one.item}" if one.item else ""): one for one in search_section(search).figures}


def noise(sessions: int, trials: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, (sessions, trials))


def test_noise_has_no_survivors_and_its_overfitting_lies_in_the_band() -> None:
    found = figures(searched(noise(640, 12), counted=20))
    assert found["trials_counted"].value == 20 and found["trials_compared"].value == 12
    assert found["better_than_luck"].value == 0
    band = found["overfitting_probability_of_noise"]
    assert band.low is not None and band.high is not None
    assert band.low <= (found["overfitting_probability"].value or 0) <= band.high
    assert found["families"].value == 12
    assert found["effective_trials"].value == pytest.approx(12, rel=0.15)
    assert found["confidence_set"].value == 12
    assert (found["superior_ability_p"].value or 0) > 0.05


def test_a_skill_is_found_by_each_of_them() -> None:
    returns = noise(640, 12)
    returns[:, 3] += 0.0025
    found = figures(searched(returns))
    assert found["better_than_luck"].value == 1
    for name in ("luck_of_the_best", "superior_ability_p", "reality_check_p"):
        value = found[name].value
        assert value is not None and value < 0.05
    assert found["confidence_set"].value == 1
    assert (found["overfitting_probability"].value or 0) < 0.01
    assert found["best_sharpe t0003"].value == pytest.approx(
        returns[:, 3].mean() / returns[:, 3].std(ddof=1) * np.sqrt(YEAR)
    )


def test_copies_are_one_family() -> None:
    one = noise(640, 1)
    found = figures(searched(one + 1e-6 * noise(640, 6, seed=1)))
    assert found["families"].value == 1
    assert found["effective_trials"].value == pytest.approx(1, rel=0.01)


def test_the_deflated_ratio_is_the_papers_formula() -> None:
    returns, counted, variance = noise(640, 5), 46, 0.002
    found = figures(searched(returns, counted, variance))
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    own, best = returns[:, sharpes.argmax()], sharpes.max()
    euler = np.euler_gamma
    most = (1 - euler) * norm.ppf(1 - 1 / counted) + euler * norm.ppf(1 - 1 / (counted * np.e))
    bar = np.sqrt(variance) * most
    spread = np.sqrt(1 - skew(own) * best + (kurtosis(own, fisher=False) - 1) / 4 * best**2)
    assert found["expected_maximum_sharpe"].value == pytest.approx(bar * np.sqrt(YEAR))
    expected = norm.cdf((best - bar) * np.sqrt(639) / spread)
    assert found["deflated_sharpe"].value == pytest.approx(expected)
    zero = norm.cdf(best * np.sqrt(639) / spread)
    assert found["probabilistic_sharpe"].value == pytest.approx(zero)
    p = 2 * norm.sf(best * np.sqrt(640))
    left = max(norm.isf(min(counted * p, 1) / 2), 0) / np.sqrt(640) * np.sqrt(YEAR)
    assert found["haircut_sharpe bonferroni"].value == pytest.approx(left)


def test_what_cannot_be_said_says_why() -> None:
    alone = figures(searched(noise(640, 1)))
    assert alone["overfitting_probability"].reason == "one trial" == alone["confidence_set"].reason
    many = figures(searched(noise(60, PEER_LIMIT + 1)))
    assert "StepM" in many["superior_ability_p"].reason
    assert many["overfitting_probability"].reason == "fewer than 320 sessions"
    returns = noise(640, 3)
    returns[:400, 1] = 0
    flat, others = figures(searched(returns)), figures(searched(np.delete(returns, 1, axis=1)))
    assert flat["overfitting_probability"] == others["overfitting_probability"], (
        "left out, and no hole for the others"
    )
    losing = figures(searched(-0.01 + noise(640, 3)))
    assert losing["minimum_backtest"].reason == "the best ratio is not above 0"
    assert list(figures(searched(noise(10, 3)))) == ["trials_counted", "trials_compared"]


def test_returns_are_those_of_the_compared_trials() -> None:
    made = searched(noise(640, 3))
    with pytest.raises(InputError, match="3 compared trials"):
        Search(made.names, made.returns[:, :2], made.luck, None, YEAR)


def test_a_cross_validation_counts_and_is_never_the_best() -> None:
    """Its path saw what came after: with the highest ratio of all it is in the draws, and in no figure of the best."""
    returns = noise(640, 12)
    returns[:, 3] += 0.0035
    made = searched(returns)
    found = figures(replace(made, validated=frozenset({"t0003"})))
    best = int(
        np.argmax(np.delete(returns, 3, axis=1).mean(axis=0) / np.delete(returns, 3, axis=1).std(axis=0))
    )
    assert f"best_sharpe t{best + (best >= 3):04}" in found and found["trials_compared"].value == 12
    assert figures(made)["better_than_luck"].value == 1 and found["better_than_luck"].value == 0
    assert found["luck_of_the_best"].value == np.delete(made.luck.p, 3).min()
    alone = figures(replace(made, validated=frozenset(made.names)))
    assert set(alone) == {"trials_counted", "trials_compared"}


def test_without_a_variance_of_trials_the_best_is_deflated_by_its_own_error() -> None:
    """As on its page: one trial ended, four failed."""
    own = noise(640, 1, seed=3)[:, 0] + 0.001
    found = figures(searched(own[:, None], counted=5))
    ratio = own.mean() / own.std(ddof=1)
    error = ((1 - skew(own) * ratio + (kurtosis(own) + 2) / 4 * ratio**2) / 639) ** 0.5
    best = (1 - np.euler_gamma) * norm.ppf(1 - 1 / 5) + np.euler_gamma * norm.ppf(1 - 1 / (5 * np.e))
    assert found["deflated_sharpe"].value == pytest.approx(norm.cdf(ratio / error - best))
