"""The law of the verdict: a search without skill ends in "better than luck" at most as often as it says, and skill is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from backcast.engine.reports.verdict import Grounds, judge
from backcast.engine.stats import performance, significance
from backcast.engine.stats.luck import luck_of
from backcast.engine.stats.worlds import KINDS, long_run, noise

WORLDS, SESSIONS, TRIALS, DRAWS = 60, 400, 40, 400
DAYS = np.datetime64("2015-01-01") + np.arange(SESSIONS)


def _page(returns: np.ndarray) -> tuple[int, bool, float]:
    """Of the page of the best trial: which it is, whether it says better than luck, and its probabilistic Sharpe ratio."""
    trials = {f"{k:02}": (DAYS, returns[:, k]) for k in range(returns.shape[1])}
    luck = luck_of(DAYS, trials, len(trials), draws=DRAWS)
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(sharpes.argmax())
    own = returns[:, best]
    estimate = performance.sharpe(own, 252)
    shape = (performance.skewness(own), performance.kurtosis(own), SESSIONS)
    deflated = significance.deflated_sharpe(estimate.per_session, TRIALS, float(sharpes.var(ddof=1)), *shape)
    bounds = (estimate.per_year, estimate.low_per_year, estimate.high_per_year)
    page = judge(Grounds("", "", *bounds, deflated, TRIALS, (), (), luck.of(f"{best:02}")))
    zero = performance.SharpePerSession(0.0)
    alone = significance.probabilistic_sharpe(estimate.per_session, zero, *shape)
    return best, page.sentence.startswith("Better than luck"), alone


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_seldom_called_better_than_luck(kind: str) -> None:
    """5 % of 60 worlds is 3; 9 or more would come of 0.4 % of seeds. A rule that counts one trial calls many skill."""
    pages = [_page(noise(kind, SESSIONS, TRIALS, np.random.default_rng([7, n]))) for n in range(WORLDS)]
    assert sum(better for _, better, _ in pages) <= 8
    assert sum(alone >= 0.95 for _, _, alone in pages) > 12


@pytest.mark.parametrize("kind", ["normal", "market"])
def test_planted_skill_is_found_nearly_as_often_as_by_a_test_that_knows_the_variance(kind: str) -> None:
    planted, bar = 0.21, -ndtri(0.05 / TRIALS)
    ours = known = 0
    for n in range(WORLDS):
        returns = noise(kind, SESSIONS, TRIALS, np.random.default_rng([8, n]))
        returns[:, 0] += planted
        best, better, _ = _page(returns)
        ours += best == 0 and better
        known += bool(SESSIONS**0.5 * returns[:, 0].mean() / long_run(kind) > bar)
    assert known > 0.5 * WORLDS
    assert ours >= 0.8 * known


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_are_what_they_say(kind: str) -> None:
    """Mean 0, variance 1, and the spread of sqrt(T) x mean that `long_run` tells, over many worlds."""
    worlds = np.stack([noise(kind, 250, 1, np.random.default_rng([9, n]))[:, 0] for n in range(1500)])
    assert worlds.var() == pytest.approx(1, abs=0.06)
    means = worlds.mean(axis=1) * 250**0.5
    assert means.mean() == pytest.approx(0, abs=0.12)
    assert means.std() == pytest.approx(long_run(kind), rel=0.08)
    steps = (worlds[:, 1:] * worlds[:, :-1]).mean()
    assert steps == pytest.approx(KINDS[kind], abs=0.02)


def test_families_share_what_they_say() -> None:
    together = np.corrcoef(noise("families", 5000, 40, np.random.default_rng(1)).T)
    assert together[0, 1] == pytest.approx(0.9, abs=0.02)
    assert together[0, 25] == pytest.approx(0.3, abs=0.05)
