"""Laws of rules and of steps in a row: nothing after a decision moves it, to the bit; caps hold; symbols have no order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from decisions import closes_as_known, forecasts, market, narrowed, scrambled, some_rows, truncated
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.types import Panel
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
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.steps import (
    Band,
    CapGross,
    CapGroup,
    CapName,
    CapNet,
    CapTraded,
    CapTurnover,
    Neutral,
    Step,
    VolatilityTarget,
)
from backcast.signals.feature import FeatureSet

COST = LinearCost(5.0, 5.0)
BETA = "ts_beta(returns(close, 1), returns(close, 1) - cs_demean(returns(close, 1)), 20)"
CHEAP: dict[str, Callable[[], Portfolio]] = {
    "rank": lambda: RankPortfolio(volatility_target=0.1, volatility_window=20),
    "topk": lambda: TopKPortfolio(topk=3, n_drop=1),
    "topk rebalanced, capped": lambda: TopKPortfolio(topk=3, n_drop=1, rebalance=True, steps=[CapName(0.2, "spread")]),
    "score, neutral": lambda: ScorePortfolio(
        steps=[Neutral(groups="sector", exposures={"beta": BETA}, dollar_neutral=True, among="forecast")]
    ),
    "inverse volatility": lambda: InverseVolatilityPortfolio(quantile=0.5, window=20, steps=[CapGroup(0.4, "sector")]),
    "overlapping": lambda: OverlappingPortfolio(RankPortfolio(quantile=0.5), 4, steps=[CapNet(0.05)]),
    "overlapping of a memory": lambda: OverlappingPortfolio(TopKPortfolio(topk=3, n_drop=1), 3),
    "all limits": lambda: RankPortfolio(
        steps=[
            VolatilityTarget(0.2, 20),
            Neutral(groups="sector", most_per_name=0.2),
            CapName(0.25, "scale"),
            CapGross(0.8),
            CapTraded(0.1, 1e6, 10),
            CapTurnover(0.3),
            Band(COST, 1e6),
        ]
    ),
}  # fmt: skip
SOLVED: dict[str, Callable[[], Portfolio]] = {
    "risk parity": lambda: RiskParityPortfolio(side="long_short", quantile=0.5, window=20),
    "mean-variance": lambda: MeanVariancePortfolio(
        window=20, net=0.1, groups="sector", most_per_group=0.2, most_per_name=0.3, cost=COST, capital=1e6
    ),
}
RULES = {**CHEAP, **SOLVED}


@pytest.mark.parametrize("name", RULES)
def test_a_decision_is_the_same_bits_in_a_world_that_ends_there(name: str) -> None:
    """With as many earlier forecasts as the portfolio says that it remembers; the symbols that start late are not there."""
    portfolio, panel = RULES[name](), market(0, symbols=40, late=60, starters=9, corrections=200)
    forecast = forecasts(panel, range(40, 76, 3))
    weights = portfolio.targets(forecast, panel).weights
    assert np.nansum(np.abs(weights)) > 0
    for row in (0, 3, 7, len(weights) - 1):
        past = truncated(panel, int(forecast.decisions[row]))
        first = 0 if portfolio.memory is None else max(0, row - portfolio.memory)
        there = portfolio.targets(narrowed(some_rows(forecast, slice(first, row + 1)), past), past).weights[
            -1
        ]
        seen = np.isin(panel.symbols, past.symbols)
        assert there.tobytes() == weights[row][seen].tobytes()
        assert not weights[row][~seen].any()


@pytest.mark.parametrize("name", RULES)
def test_nothing_after_a_decision_moves_it(name: str) -> None:
    portfolio, panel = RULES[name](), market(1, symbols=11, late=50, corrections=200)
    forecast = forecasts(panel, range(40, 76, 5))
    weights = portfolio.targets(forecast, panel).weights
    row = 4
    t = int(forecast.decisions[row])
    other = forecast.mean.copy()
    other[row + 1 :] = np.random.default_rng(9).normal(size=other[row + 1 :].shape)
    moved = portfolio.targets(replace(forecast, mean=other), scrambled(panel, t, 5)).weights
    assert moved[: row + 1].tobytes() == weights[: row + 1].tobytes()
    assert moved[row + 1 :].tobytes() != weights[row + 1 :].tobytes()


@pytest.mark.parametrize("name", RULES)
def test_the_order_of_symbols_changes_nothing(name: str) -> None:
    portfolio, panel = RULES[name](), market(2, symbols=11, late=45)
    forecast = forecasts(panel, range(40, 70, 6))
    order = np.random.default_rng(0).permutation(11)
    place = np.argsort(order)
    names = tuple(f"T{i:02d}" for i in range(11))
    turned = replace(
        panel,
        symbols=names,
        values=np.ascontiguousarray(panel.values[:, order]),
        member=np.ascontiguousarray(panel.member[order]),
        revisions=replace(panel.revisions, symbol=place[panel.revisions.symbol]),
    )
    other = replace(
        forecast, symbols=names, mean=forecast.mean[:, order], quantiles=forecast.quantiles[:, order]
    )
    weights = portfolio.targets(forecast, panel).weights
    tolerance = 2e-4 if name in SOLVED else 1e-10
    np.testing.assert_allclose(
        portfolio.targets(other, turned).weights, weights[:, order], rtol=0, atol=tolerance, equal_nan=True
    )


CAPS: list[Callable[[float], Step]] = [
    lambda c: CapName(c / 4),
    lambda c: CapName(c / 4, "scale"),
    lambda c: CapGroup(c / 2, "sector"),
    lambda c: CapGross(c),
]
seeds = st.integers(0, 10_000)


def history_of(panel: Panel, portfolio: Portfolio, seed: int) -> list[list[tuple[str, np.ndarray]]]:
    forecast = forecasts(panel, range(40, 60, 4), seed)
    return [portfolio.stages(forecast, panel, t) for t in forecast.decisions.tolist()]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, cap=st.floats(0.05, 1.5), chosen=st.permutations(range(4)), spread=st.booleans())
def test_caps_hold_after_the_pipeline(seed: int, cap: float, chosen: list[int], spread: bool) -> None:
    panel = market(seed, symbols=7)
    caps = [CAPS[i](cap) for i in chosen]
    if spread:
        caps.insert(0, CapName(cap / 4, "spread"))
    portfolio = ScorePortfolio(gross=2.0, steps=[VolatilityTarget(0.3, 20), *caps, CapNet(cap / 3)])
    for stages in history_of(panel, portfolio, seed):
        weights = stages[-1][1]
        loose = 1e-12
        assert np.abs(weights).max() <= cap / 4 + loose
        assert np.abs(weights).sum() <= cap + loose
        assert abs(weights.sum()) <= cap / 3 + loose
        sector = panel.values[2, :, 0]
        assert all(np.abs(weights[sector == g]).sum() <= cap / 2 + loose for g in range(3))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, turnover=st.floats(0.01, 1.0), cap=st.floats(0.05, 0.5), band=st.booleans())
def test_the_cap_on_turnover_holds_and_caps_are_passed_by_drift_alone(
    seed: int, turnover: float, cap: float, band: bool
) -> None:
    panel = market(seed, symbols=7)
    steps: list[Step] = [CapName(cap), CapTurnover(turnover), CapTraded(0.05, 1e6, 10)]
    if band:
        steps.append(Band(COST, 1e6))
    portfolio = RankPortfolio(gross=2.0, steps=steps)
    held = np.zeros(7)
    history, before = History(panel), np.zeros(7)
    for t, stages in zip(range(40, 60, 4), history_of(panel, portfolio, seed)):
        if t > 40:
            untraded = np.isnan(closes_as_known(panel, t)[:, t - 3]) & (before != held)
            given_up = np.isnan(closes_as_known(panel, t)[:, t - 4 :]).all(axis=1)
            held = np.where(untraded, np.where(given_up, 0.0, held), before)
            held = history.drifted(held, t - 4, t)
        weights = stages[-1][1]
        asked = stages[0][1]
        assert np.abs(weights - held).sum() <= turnover + 1e-12
        assert (np.abs(weights) <= np.maximum(cap, np.abs(held)) + 1e-12).all()
        low, high = np.minimum(held, np.clip(asked, -cap, cap)), np.maximum(held, np.clip(asked, -cap, cap))
        assert ((weights >= low - 1e-12) & (weights <= high + 1e-12)).all()
        before = weights


@settings(max_examples=40, deadline=None)
@given(seed=seeds, box=st.none() | st.floats(0.02, 0.5), scale=st.booleans())
def test_neutral_weights_are_orthogonal_after_everything_that_may_follow(
    seed: int, box: float | None, scale: bool
) -> None:
    panel = market(seed, symbols=9)
    neutral = Neutral(groups="sector", exposures={"beta": BETA}, dollar_neutral=True, most_per_name=box)
    rest: list[Step] = [CapName(0.1, "scale"), CapGross(0.5)] if scale else []
    if scale and box is None:
        rest.insert(0, VolatilityTarget(0.1, 20))
    portfolio = ScorePortfolio(steps=[neutral, *rest])
    forecast = forecasts(panel, range(40, 60, 4), seed)
    beta = FeatureSet({"beta": BETA}).compile(panel.fields, panel.price_basis).evaluate(panel).values[0]
    for t in forecast.decisions.tolist():
        weights = portfolio.stages(forecast, panel, t)[-1][1]
        known = np.isfinite(beta[:, t])
        assert not weights[~known].any()
        assert abs(weights[known] @ beta[known, t]) <= 1e-12
        assert all(abs(weights[panel.values[2, :, t] == g].sum()) <= 1e-12 for g in range(3))
        assert box is None or np.abs(weights).max() <= box * (1 + 1e-12)
