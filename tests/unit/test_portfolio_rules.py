"""Every rule against closed forms, plain loops and what was published."""

from __future__ import annotations

import importlib.util
from itertools import combinations

import numpy as np
import pytest
from decisions import forecasts, market, uncorrected

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.costs.linear import LinearCost
from backcast.engine.portfolio import (
    InverseVolatilityPortfolio,
    MeanVariancePortfolio,
    OverlappingPortfolio,
    Portfolio,
    RankPortfolio,
    RiskParityPortfolio,
    ScorePortfolio,
    TopKPortfolio,
)
from backcast.engine.portfolio.steps import CapName, Step
from backcast.signals.types import Forecast

NAN = np.nan


def one(panel: Panel, t: int, scores: list[float] | Floats) -> Forecast:
    """A forecast of one decision."""
    mean = np.array([scores], dtype=np.float64)
    return Forecast(np.array([t]), panel.symbols, mean, np.repeat(mean[:, :, None], 5, axis=2), np.array([0]))


def whole_market(seed: int, symbols: int) -> Panel:
    return uncorrected(market(seed, symbols=symbols, gaps=0.0, late=0))


def window(panel: Panel, t: int, rows: int) -> Floats:
    """(S, rows) returns by hand."""
    closes = panel.values[0, :, t - rows : t + 1]
    return np.asarray(closes[:, 1:] / closes[:, :-1] - 1)


# Top k with drop


def test_top_k_by_hand() -> None:
    """Three of six; at most one is replaced, and only by a better one."""
    panel = whole_market(0, 6)
    rule = TopKPortfolio(topk=3, n_drop=1, gross=0.9, rebalance=True)
    days = [[6, 5, 4, 3, 2, 1], [1, 5, 4, 3, 2, 6], [1, 5, 4, 3, 2, 6], [2, 5, 4, 3, NAN, NAN]]
    forecast = Forecast(
        np.arange(50, 54), panel.symbols, np.array(days, float), np.empty((4, 6, 5)), np.zeros(4, int)
    )
    weights = rule.targets(forecast, panel).weights
    held = [np.flatnonzero(row).tolist() for row in weights]
    # day 2: the last of {0, 1, 2} and of the candidates {5, 3} is 0, which is sold for 5; day 3: the last of
    # {1, 2, 5} and the candidate 3 is 3, which is not held: nothing happens; day 4: 5 has no forecast, so 3 takes its place
    assert held == [[0, 1, 2], [1, 2, 5], [1, 2, 5], [1, 2, 3]]
    np.testing.assert_allclose(weights[weights > 0], 0.3)


def published(scores: dict[str, float], held: list[str], topk: int, n_drop: int) -> tuple[set[str], set[str]]:
    """qlib's rule as its documentation describes it, in sets: which held names go, which names come."""

    def best_first(names: set[str]) -> list[str]:
        return sorted(
            names, key=lambda n: (np.isnan(scores[n]), -scores[n] if scores[n] == scores[n] else 0.0, n)
        )

    others = {n for n in scores if n not in held and not np.isnan(scores[n])}
    candidates = best_first(others)[: max(n_drop + topk - len(held), 0)]
    ranking = best_first({*held, *candidates})
    worst = set(ranking[-n_drop:]) if n_drop else set()
    sold = worst & set(held)
    return sold, set(candidates[: max(topk - len(held) + len(sold), 0)])


@pytest.mark.parametrize(("topk", "n_drop"), [(3, 0), (3, 1), (4, 4), (6, 2), (30, 5)])
def test_top_k_is_the_published_rule(topk: int, n_drop: int) -> None:
    panel = market(1, symbols=12, late=60, gaps=0.0)  # every order fills
    forecast = forecasts(panel, range(50, 90))
    portfolio = TopKPortfolio(topk=topk, n_drop=n_drop)
    held: list[str] = []
    for row, t in enumerate(forecast.decisions.tolist()):
        ((_, weights),) = portfolio.stages(forecast, panel, t)
        sold, bought = published(dict(zip(panel.symbols, forecast.mean[row])), held, topk, n_drop)
        held = sorted(set(held) - sold | bought)
        assert [s for s, w in zip(panel.symbols, weights) if w > 0] == held


def test_top_k_splits_what_is_free_and_leaves_the_rest_to_drift() -> None:
    panel = whole_market(2, 6)
    forecast = Forecast(np.array([50, 51]), panel.symbols, np.array([[6, 5, 4, 3, 2, 1], [6, 5, 1, 7, 2, 0.0]]),
                        np.empty((2, 6, 5)), np.zeros(2, int))  # fmt: skip
    first, second = TopKPortfolio(topk=3, n_drop=1, gross=0.95).targets(forecast, panel).weights
    np.testing.assert_allclose(first, [0.95 / 3] * 3 + [0] * 3)
    growth = panel.values[0, :, 51] / panel.values[0, :, 50]
    equity = 0.05 + (first * growth).sum()
    kept = (first * growth / equity)[:2]
    assert np.isnan(second[:2]).all()
    np.testing.assert_allclose(second[2:], [0, (1 - kept.sum()) * 0.95, 0, 0])


# Score


def test_score_is_in_proportion() -> None:
    panel = whole_market(0, 5)
    scores = [3.0, NAN, 1.0, -1.0, 5.0]  # mean 2: 1, -1, -3, 3
    (weights,) = ScorePortfolio(gross=2.0).targets(one(panel, 50, scores), panel).weights
    np.testing.assert_allclose(weights, [0.25, 0, -0.25, -0.75, 0.75])
    (weights,) = ScorePortfolio(side="long_only").targets(one(panel, 50, scores), panel).weights
    np.testing.assert_allclose(weights, [0.25, 0, 0, 0, 0.75])


@pytest.mark.parametrize("scores", [[NAN] * 4, [NAN, 1.0, NAN, NAN], [0.1] * 4])
@pytest.mark.parametrize("rule", [ScorePortfolio(), ScorePortfolio(side="long_only")])
def test_no_cross_section_is_no_position(scores: list[float], rule: Portfolio) -> None:
    panel = whole_market(0, 4)
    assert not rule.targets(one(panel, 50, scores), panel).weights.any()


# Risk


def test_inverse_volatility_by_numpy() -> None:
    panel = whole_market(3, 6)
    rule = InverseVolatilityPortfolio(side="long_short", gross=2.0, quantile=0.5, window=30)
    (weights,) = rule.targets(one(panel, 60, [1, 2, 3, 4, 5, 6]), panel).weights
    inverse = 1 / np.std(window(panel, 60, 30), axis=1, ddof=1)
    np.testing.assert_allclose(weights[3:], inverse[3:] / inverse[3:].sum())
    np.testing.assert_allclose(weights[:3], -inverse[:3] / inverse[:3].sum())


def test_only_names_with_a_whole_window_that_varies_are_weighed() -> None:
    panel = whole_market(4, 5)
    panel.values[0, 0, 45] = NAN  # inside the window
    panel.values[0, 1, 30:] = 7.0  # it does not trade
    for rule in (
        InverseVolatilityPortfolio(quantile=1.0, window=20),
        RiskParityPortfolio(quantile=1.0, window=20),
    ):
        (weights,) = rule.targets(one(panel, 60, [1, 2, 3, 4, 5]), panel).weights
        assert np.flatnonzero(weights).tolist() == [2, 3, 4]
        assert weights.sum() == pytest.approx(1.0)
        assert not rule.targets(one(panel, 15, [1, 2, 3, 4, 5]), panel).weights.any()  # too early


def test_risk_parity_of_two_assets_is_inverse_volatility() -> None:
    """With two names equal contributions mean w1 s1 = w2 s2, whatever their correlation."""
    panel = whole_market(5, 2)
    rule = RiskParityPortfolio(quantile=1.0, window=40, covariance="sample")
    (weights,) = rule.targets(one(panel, 60, [1, 2]), panel).weights
    inverse = 1 / np.std(window(panel, 60, 40), axis=1, ddof=1)
    np.testing.assert_allclose(weights, inverse / inverse.sum(), rtol=1e-5)


def test_risk_parity_contributions_are_equal_on_each_side() -> None:
    panel = whole_market(6, 8)
    rule = RiskParityPortfolio(side="long_short", quantile=0.5, window=60, covariance="sample")
    (weights,) = rule.targets(one(panel, 80, np.arange(8.0)), panel).weights
    covariance = np.cov(window(panel, 80, 60))
    for side in (weights * (weights > 0), weights * (weights < 0)):
        contribution = side * (covariance @ side)
        held = contribution[side != 0]
        np.testing.assert_allclose(held, held.mean(), rtol=1e-4)
        assert np.abs(side).sum() == pytest.approx(0.5)


# Mean-variance


def test_unconstrained_mean_variance_is_inverse_covariance_times_mean() -> None:
    """The optimum of m'w - a w'Cw is C^-1 m / 2a."""
    panel = whole_market(7, 6)
    mean = np.array([0.01, -0.02, 0.005, 0.0, 0.015, -0.01])
    rule = MeanVariancePortfolio(
        gross=100, most_per_name=100, risk_aversion=4.0, horizon=5, window=60, covariance="sample"
    )
    (weights,) = rule.targets(one(panel, 80, mean), panel).weights
    truth = np.linalg.solve(5 * np.cov(window(panel, 80, 60)), mean) / 8.0
    np.testing.assert_allclose(weights, truth, rtol=1e-4, atol=1e-5)


def test_mean_variance_of_one_binding_budget_by_lagrange() -> None:
    """With net 0 the multiplier of the sum is 1'C^-1 m / 1'C^-1 1."""
    panel = whole_market(8, 5)
    mean = np.array([0.01, -0.02, 0.005, 0.0, 0.015])
    rule = MeanVariancePortfolio(
        gross=100, most_per_name=100, net=0.0, risk_aversion=4.0, window=60, covariance="sample"
    )
    (weights,) = rule.targets(one(panel, 80, mean), panel).weights
    inverse = np.linalg.inv(np.cov(window(panel, 80, 60)))
    multiplier = inverse.sum(axis=0) @ mean / inverse.sum()
    np.testing.assert_allclose(weights, inverse @ (mean - multiplier) / 8.0, rtol=1e-4, atol=1e-5)


def utility(weights: Floats, mean: Floats, covariance: Floats, aversion: float) -> float:
    return float(mean @ weights - aversion * weights @ covariance @ weights)


@pytest.mark.parametrize("side", ["long_only", "long_short"])
def test_constraints_hold_and_no_random_portfolio_within_them_is_better(side: str) -> None:
    panel = whole_market(9, 9)
    mean = np.random.default_rng(0).normal(0.005, 0.02, 9)
    groups = {s: "ab"[i % 2] for i, s in enumerate(panel.symbols)}
    rule = MeanVariancePortfolio(side=side, gross=0.8, risk_aversion=5.0, window=60, covariance="sample",
                                 most_per_name=0.2, groups=groups, most_per_group=0.3)  # fmt: skip
    (weights,) = rule.targets(one(panel, 80, mean), panel).weights
    first = np.arange(9) % 2 == 0

    def allowed(w: Floats, slack: float) -> bool:
        fits = np.abs(w).max() <= 0.2 + slack and np.abs(w).sum() <= 0.8 + slack
        fits &= max(abs(w[first].sum()), abs(w[~first].sum())) <= 0.3 + slack
        return bool(fits and (side == "long_short" or w.min() >= -slack))

    assert allowed(weights, 1e-6)
    covariance = np.cov(window(panel, 80, 60))
    best = utility(weights, mean, covariance, 5.0)
    generator = np.random.default_rng(1)
    for _ in range(2000):  # near it or far, brought within the constraints by shrinking: they hold 0
        near = weights + generator.normal(0, 0.1, 9) * generator.choice([1e-3, 0.1, 1.0])
        near = np.maximum(near, 0.0) if side == "long_only" else near
        groups_net = max(abs(near[first].sum()), abs(near[~first].sum()))
        near = near / max(1.0, np.abs(near).max() / 0.2, np.abs(near).sum() / 0.8, groups_net / 0.3)
        assert allowed(near, 1e-9)
        assert utility(near, mean, covariance, 5.0) <= best + 1e-7
    assert best > 0


@pytest.mark.parametrize("mean", [0.004, 0.0105, 0.02, -0.02])
def test_costs_keep_mean_variance_where_it_is(mean: float) -> None:
    """Of one name, m w - a v w^2 - c |w - h| is largest at h, brought between (m - c) / 2av and (m + c) / 2av."""
    panel, none = whole_market(10, 3), [NAN, NAN]
    means = np.array([[0.01, *none], [mean, *none]])
    forecast = Forecast(np.array([70, 71]), panel.symbols, means, np.empty((2, 3, 5)), np.zeros(2, int))
    rule = MeanVariancePortfolio(gross=100, most_per_name=100, risk_aversion=5.0, window=60, covariance="sample",
                                 cost=LinearCost(20.0, 0.0), capital=1e6)  # fmt: skip
    assert rule.memory is None
    held, rate = 0.0, 0.002
    for t, m in ((70, 0.01), (71, mean)):
        slope = 2 * 5.0 * np.var(window(panel, t, 60)[0], ddof=1)
        ((_, weights),) = rule.stages(forecast, panel, t)
        assert weights[0] == pytest.approx(np.clip(held, (m - rate) / slope, (m + rate) / slope), abs=1e-4)
        growth = panel.values[0, 0, 71] / panel.values[0, 0, 70]
        held = weights[0] * growth / (1 + weights[0] * (growth - 1))


def test_a_covariance_without_full_rank_is_refused() -> None:
    panel = whole_market(11, 3)
    panel.values[0, :, :] = panel.values[0, :1, :]  # one price three times
    rule = RiskParityPortfolio(quantile=1.0, window=10, covariance="sample")
    with pytest.raises(InputError, match=r"portfolio = 'RiskBudgeting'.*ledoit_wolf"):
        rule.targets(one(panel, 60, [1, 2, 3]), panel)


@pytest.mark.parametrize("cls", [RiskParityPortfolio, MeanVariancePortfolio])
def test_without_skfolio_it_is_said_at_once(cls: type[Portfolio], monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *rest: None if n == "skfolio" else found(n, *rest)
    )
    with pytest.raises(InputError, match=r"the package skfolio.*backcast\[sizing\]"):
        cls()


# Overlapping


def test_overlapping_is_the_mean_of_the_last_targets() -> None:
    panel = market(12)
    forecast = forecasts(panel, range(50, 70))
    parts = RankPortfolio(quantile=0.5).targets(forecast, panel).weights
    weights = OverlappingPortfolio(RankPortfolio(quantile=0.5), 4).targets(forecast, panel).weights
    before = np.vstack([np.zeros((3, parts.shape[1])), parts])
    np.testing.assert_allclose(
        weights, sum(before[3 - k : len(before) - k] for k in range(4)) / 4, atol=1e-15
    )


def test_overlapping_of_a_rule_with_memory_remembers_the_parts_own_weights() -> None:
    panel = market(13)
    forecast = forecasts(panel, range(50, 60))
    part = TopKPortfolio(topk=3, n_drop=1)
    own = np.stack([part.stages(forecast, panel, t)[-1][1] for t in forecast.decisions.tolist()])
    weights = OverlappingPortfolio(part, 2, steps=[CapName(0.25)]).targets(forecast, panel).weights
    np.testing.assert_allclose(weights[1:], np.minimum((own[1:] + own[:-1]) / 2, 0.25), rtol=1e-12)


# Settings


@pytest.mark.parametrize(("cls", "keys"), [
    (TopKPortfolio, {"topk": 0}), (TopKPortfolio, {"n_drop": -1}), (TopKPortfolio, {"n_drop": 60}),
    (TopKPortfolio, {"gross": 1.01}), (TopKPortfolio, {"rebalance": 1}), (TopKPortfolio, {"topk": 2.5}),
    (ScorePortfolio, {"side": "both"}), (ScorePortfolio, {"gross": NAN}),
    (InverseVolatilityPortfolio, {"window": 1}), (InverseVolatilityPortfolio, {"quantile": 1.5}),
    (RiskParityPortfolio, {"covariance": "best"}), (RiskParityPortfolio, {"side": ["long_only"]}),
    (MeanVariancePortfolio, {"risk_aversion": 0}), (MeanVariancePortfolio, {"horizon": 0}),
    (MeanVariancePortfolio, {"most_per_name": -1}), (MeanVariancePortfolio, {"net": -0.1}),
    (MeanVariancePortfolio, {"net": 0.5, "side": "long_only"}), (MeanVariancePortfolio, {"most_per_group": 0.1}),
    (MeanVariancePortfolio, {"groups": 3, "most_per_group": 0.1}), (MeanVariancePortfolio, {"cost": "free"}),
    (MeanVariancePortfolio, {"capital": None, "cost": LinearCost(1.0, 1.0)}),
    (OverlappingPortfolio, {"holdings": 0, "of": RankPortfolio()}), (OverlappingPortfolio, {"of": None}),
    (RankPortfolio, {"side": ["long_only"]}),
])  # fmt: skip
def test_settings_are_checked(cls: type[Portfolio], keys: dict[str, object]) -> None:
    names = "|".join(keys)
    with pytest.raises(InputError, match=rf"^portfolio\.({names})"):
        cls(**keys)


def test_names_of_steps_tell_them_apart() -> None:
    from backcast.engine.portfolio import steps

    names = [getattr(steps, n).name for n in steps.__all__ if n != "Step"]
    assert all(issubclass(getattr(steps, n), Step) for n in steps.__all__)
    assert all(a != b for a, b in combinations(names, 2))
