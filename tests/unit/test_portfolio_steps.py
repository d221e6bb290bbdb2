"""Every step against closed forms, plain loops and a solver."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from decisions import closes_as_known, market, uncorrected

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.costs import LinearCost, SquareRootImpact
from backcast.engine.portfolio.costing import Costing
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.known import Known
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

NAN = np.nan
BETA = "ts_beta(returns(close, 1), returns(close, 1) - cs_demean(returns(close, 1)), 30)"


def known_at(panel: Panel, t: int, scores: Floats | None = None, held: Floats | None = None) -> Known:
    """What a decision knows, every symbol being seen."""
    size = len(panel.symbols)
    return Known(t, np.arange(size), np.zeros(size) if scores is None else scores, held, History(panel))


def small(seed: int = 0, symbols: int = 6) -> Panel:
    return uncorrected(market(seed, symbols=symbols, gaps=0.0, late=0))


def long_short(seed: int, symbols: int) -> Floats:
    weights = np.random.default_rng(seed).normal(size=symbols)
    weights -= weights.mean()
    return weights / np.abs(weights).sum()


# Caps


def test_cap_per_name_by_hand() -> None:
    known = known_at(small(), 60)
    weights = np.array([0.5, 0.2, 0.1, -0.4, 0.0, -0.1])
    np.testing.assert_allclose(CapName(0.3).apply(weights, known), [0.3, 0.2, 0.1, -0.3, 0, -0.1])
    # long: 0.5 is cut to 0.3 and 0.2 goes to 0.2 and 0.1 as two to one: 1/3 is above the cap too, so 0.3 and 0.2 remain
    np.testing.assert_allclose(CapName(0.3, "spread").apply(weights, known), [0.3, 0.3, 0.2, -0.3, 0, -0.2])
    np.testing.assert_allclose(CapName(0.3, "scale").apply(weights, known), weights * 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_spreading_keeps_each_sides_sum_and_the_proportions_below_the_cap(seed: int) -> None:
    """What repeated cutting and sharing out converges to."""
    weights = long_short(seed, 12)
    capped = CapName(0.12, "spread").apply(weights, known_at(small(symbols=12), 60))
    for side in (1.0, -1.0):
        sizes = np.maximum(side * weights, 0.0)
        truth = sizes.copy()
        for _ in range(500):
            over = truth > 0.12
            truth[over] = 0.12
            free = (truth < 0.12) & (truth > 0)
            if free.any():
                truth[free] *= (min(sizes.sum(), 1e9) - truth[~free].sum()) / truth[free].sum()
        np.testing.assert_allclose(np.maximum(side * capped, 0.0), np.minimum(truth, 0.12), atol=1e-12)


def test_spreading_where_all_are_at_the_cap_leaves_cash() -> None:
    capped = CapName(0.1, "spread").apply(np.array([0.5, 0.5, 0, 0, 0, 0]), known_at(small(), 60))
    assert capped.tolist() == [0.1, 0.1, 0, 0, 0, 0]


def test_cap_per_group_by_hand() -> None:
    panel = small()
    groups = dict(zip(panel.symbols, ["tech", "oil", "tech", "oil", "tech", "gas"]))
    weights = np.array([0.2, 0.1, -0.1, 0.0, 0.1, 0.3])
    capped = CapGroup(0.2, groups).apply(weights, known_at(panel, 60))
    np.testing.assert_allclose(capped, [0.1, 0.1, -0.05, 0, 0.05, 0.2])
    panel.values[2, :, 60] = [7, 3, 7, NAN, 7, NAN]
    capped = CapGroup(0.2, "sector").apply(weights, known_at(panel, 60))
    np.testing.assert_allclose(capped, [0.1, 0.1, -0.05, 0, 0.05, 0.2])  # the unknown are one group


def test_cap_on_gross_and_on_net_by_hand() -> None:
    known = known_at(small(), 60)
    weights = np.array([0.5, 0.3, 0, -0.2, 0, 0])
    np.testing.assert_allclose(CapGross(0.5).apply(weights, known), weights / 2)
    assert CapGross(1.5).apply(weights, known).tolist() == weights.tolist()
    np.testing.assert_allclose(CapNet(0.2).apply(weights, known), [0.25, 0.15, 0, -0.2, 0, 0])
    np.testing.assert_allclose(CapNet(0.0).apply(-weights, known), [-0.125, -0.075, 0, 0.2, 0, 0])
    assert CapNet(0.6).apply(weights, known).tolist() == weights.tolist()


def test_cap_on_turnover_by_hand() -> None:
    held = np.array([0.2, 0.0, 0.0, -0.2, 0.0, 0.0])
    wanted = np.array([0.0, 0.4, 0.0, -0.4, 0.0, 0.0])  # 0.8 to trade
    known = known_at(small(), 60, held=held)
    np.testing.assert_allclose(CapTurnover(0.2).apply(wanted, known), [0.15, 0.1, 0, -0.25, 0, 0])
    assert CapTurnover(0.8 + 1e-12).apply(wanted, known).tolist() == wanted.tolist()


def test_cap_of_traded_value_by_hand() -> None:
    """The mean of close x volume over the days that have both, corrections by then in."""
    panel = market(3, gaps=0.2, late=0)
    t = 70
    value = closes_as_known(panel, t)[:, -10:] * panel.values[1, :, t - 9 : t + 1]
    mean = np.array([np.mean([x for x in row if np.isfinite(x)]) for row in value])
    held, wanted = np.full(8, 0.01), np.linspace(-0.5, 0.5, 8)
    known = known_at(panel, t, held=held)
    most = 0.02 * mean / 1e7
    np.testing.assert_allclose(
        CapTraded(0.02, 1e7, window=10).apply(wanted, known), np.clip(wanted, held - most, held + most)
    )
    np.testing.assert_allclose(
        CapTraded(0.02, 1e7, window=10, of="position").apply(wanted, known), np.clip(wanted, -most, most)
    )


def test_where_nothing_is_known_to_trade_nothing_trades() -> None:
    panel = small()
    panel.values[1, 2] = NAN
    held = np.full(6, 0.1)
    traded = CapTraded(1.0, 1.0).apply(np.zeros(6), known_at(panel, 60, held=held))
    assert traded.tolist() == [0, 0, 0.1, 0, 0, 0]
    with pytest.raises(InputError, match=r"portfolio\.cap_traded = 'close': expected a volume"):
        bare = replace(panel, fields=("close",), values=panel.values[:1])
        CapTraded(1.0, 1.0).apply(np.zeros(6), known_at(bare, 60, held=held))


# Volatility


@pytest.mark.parametrize("seed", range(3))
def test_the_volatility_target_is_met_ex_ante(seed: int) -> None:
    panel = market(seed, gaps=0.0, late=0)
    weights = long_short(seed, 8)
    scaled = VolatilityTarget(0.15, 40, 50.0).apply(weights, known_at(panel, 70))
    closes = closes_as_known(panel, 70)[:, -41:]
    covariance = np.cov(closes[:, 1:] / closes[:, :-1] - 1)
    assert np.sqrt(scaled @ covariance @ scaled * 252) == pytest.approx(0.15, rel=1e-12)


# Neutrality


def exposures_by_hand(panel: Panel, t: int) -> Floats:
    """(S,) betas to the mean return of the members over 30 sessions, by NumPy."""
    closes = panel.values[0, :, t - 30 : t + 1]
    returns = closes[:, 1:] / closes[:, :-1] - 1
    market_return = returns.mean(axis=0)
    return np.array([np.cov(r, market_return)[0, 1] / np.var(market_return, ddof=1) for r in returns])


@pytest.mark.parametrize("seed", range(3))
def test_neutral_weights_are_the_residual_of_a_regression(seed: int) -> None:
    panel = small(seed, symbols=12)
    weights = long_short(seed, 12) + 0.05
    step = Neutral(groups="sector", exposures={"beta": BETA}, keep_gross=False)
    neutral = step.apply(weights, known_at(panel, 70))
    beta = exposures_by_hand(panel, 70)
    design = np.column_stack([beta, *(panel.values[2, :, 70] == g for g in range(3))])
    fitted, *_ = np.linalg.lstsq(design, weights, rcond=None)
    np.testing.assert_allclose(neutral, weights - design @ fitted, atol=1e-12)
    kept = Neutral(groups="sector", exposures={"beta": BETA}).apply(weights, known_at(panel, 70))
    np.testing.assert_allclose(kept, neutral * np.abs(weights).sum() / np.abs(neutral).sum())


def test_neutral_among_held_names_or_all_with_a_forecast() -> None:
    panel = small(symbols=6)
    weights = np.array([0.3, 0.1, -0.2, 0, 0, 0])
    scores = np.array([1, 1, 1, 1, NAN, 1.0])
    held = Neutral(dollar_neutral=True, keep_gross=False).apply(weights, known_at(panel, 60, scores))
    np.testing.assert_allclose(held, weights - np.array([1, 1, 1, 0, 0, 0]) * 0.2 / 3)
    every = Neutral(dollar_neutral=True, keep_gross=False, among="forecast")
    np.testing.assert_allclose(
        every.apply(weights, known_at(panel, 60, scores)), weights - np.isfinite(scores) * 0.2 / 5
    )


def test_what_cannot_be_neutral_is_not_held() -> None:
    panel = small(symbols=6)
    panel.values[2, :, 60] = [0, 0, 1, NAN, 2, 2]
    weights = np.array([0.2, -0.1, 0.3, 0.1, 0.25, -0.25])
    neutral = Neutral(groups="sector", keep_gross=False).apply(weights, known_at(panel, 60))
    np.testing.assert_allclose(
        neutral, [0.15, -0.15, 0, 0, 0.25, -0.25]
    )  # alone in its group; no group known
    assert not Neutral(groups="sector").apply(np.array([0.1, 0.1, 0.2, 0, 0, 0]), known_at(panel, 60)).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_cap_per_name_with_neutrality_is_what_a_solver_finds(seed: int) -> None:
    panel = small(seed, symbols=12)
    weights = long_short(seed, 12) * 1.5
    sector = panel.values[2, :, 70]
    most = 0.6 * np.abs(weights).max()
    step = Neutral(groups="sector", keep_gross=False, most_per_name=most)
    neutral = step.apply(weights, known_at(panel, 70))
    start = Neutral(groups="sector", keep_gross=False).apply(weights, known_at(panel, 70))
    w = cp.Variable(12)
    sums = [cp.sum(w[np.flatnonzero(sector == g)]) == 0 for g in range(3)]
    cp.Problem(cp.Minimize(cp.sum_squares(w - start)), [*sums, cp.abs(w) <= most]).solve(solver="CLARABEL")
    np.testing.assert_allclose(neutral, w.value, atol=1e-6)
    assert np.abs(neutral).max() <= most * (1 + 1e-12)
    assert max(abs(neutral[sector == g].sum()) for g in range(3)) < 1e-14


def test_neutrality_names_what_it_cannot_use() -> None:
    panel = small()
    with pytest.raises(InputError, match=r"portfolio\.neutral\.groups = 'industry': expected a field"):
        Neutral(groups="industry").apply(np.ones(6), known_at(panel, 60))
    with pytest.raises(InputError, match=r"portfolio\.neutral\.groups\.S05"):
        Neutral(groups=dict.fromkeys(panel.symbols[:5], 1)).apply(np.ones(6), known_at(panel, 60))
    with pytest.raises(InputError, match=r"portfolio\.neutral\.exposures\.size"):
        Neutral(exposures={"size": "log(cap)"}).apply(np.ones(6), known_at(panel, 60))
    with pytest.raises(InputError, match=r"portfolio\.neutral\.exposures\.size"):
        Neutral(exposures={"size": "log("})
    back = replace(panel, price_basis="split_adjusted")
    with pytest.raises(InputError, match=r"portfolio\.neutral\.exposures\.level.*back-adjusted"):
        Neutral(exposures={"level": "log(close)"}).apply(np.ones(6), known_at(back, 60))


# Band


def test_the_band_trades_where_the_gain_exceeds_the_cost() -> None:
    """10 bp: a change of x promises x times the forecast (less the mean of 0.001) and costs 0.001 |x|."""
    scores = np.array([0.0035, 0.0015, -0.001, 0.001, NAN, 0.0])  # relative: 25, 5, -20, 0, -, -10 bp
    held = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    wanted = np.array([0.2, 0.2, 0.0, 0.2, 0.0, 0.0])
    known = known_at(small(), 60, scores, held)
    band = Band(LinearCost(10.0, 0.0), 1e6)
    assert band.apply(wanted, known).tolist() == [0.2, 0.1, 0.0, 0.1, 0.0, 0.1]
    assert Band(LinearCost(10.0, 0.0), 1e6, multiple=2.1).apply(wanted, known)[2] == 0.1  # 20 bp for 21
    assert Band(LinearCost(10.0, 0.0), 1e6, relative=False).apply(wanted, known).tolist() == [
        0.2, 0.2, 0.1, 0.1, 0.0, 0.1,
    ]  # fmt: skip


def test_the_band_asks_the_runs_cost_with_what_is_known() -> None:
    """A square-root impact by its formula and NumPy's volatility and means."""
    panel, held = market(5, late=0, gaps=0.0), np.full(8, 0.05)
    panel.values[1, 3] = NAN  # it is not known to trade
    known = known_at(panel, 70, np.zeros(8), held)
    closes = closes_as_known(panel, 70)
    cost, windows = SquareRootImpact(0.7), {"volatility": 25, "traded": 15}
    volatility = np.std(closes[:, -25:] / closes[:, -26:-1] - 1, axis=1, ddof=1)
    traded = (closes[:, -15:] * panel.values[1, :, 56:71]).mean(axis=1)
    change = np.linspace(-0.05, 0.05, 8)
    truth = np.abs(change) * 0.7 * volatility * np.sqrt(np.abs(change) * 2e6 / traded)
    found = Costing("portfolio.band", cost, 2e6, windows).estimate(change, known)
    np.testing.assert_allclose(found, truth, rtol=1e-9)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]
    scores = (
        np.where(np.arange(8) % 2 == 0, 1.01, 0.99) * truth / change
    )  # a gain just above or below the cost
    scores[3] = 1e9
    wanted = Band(cost, 2e6, relative=False, windows=windows).apply(
        held + change, replace(known, scores=scores)
    )
    np.testing.assert_array_equal(wanted, np.where(np.arange(8) % 2 == 0, held + change, held))


def test_a_cost_that_needs_what_no_panel_has_is_named() -> None:
    panel = small()
    known = known_at(panel, 60, np.zeros(6), np.zeros(6))
    bare = replace(panel, fields=("close",), values=panel.values[:1])
    band = Band(SquareRootImpact(0.7), 1e6)
    with pytest.raises(InputError, match=r"portfolio\.band\.cost = 'SquareRootImpact'.*it needs traded"):
        band.apply(np.ones(6), replace(known, history=History(bare)))


@pytest.mark.parametrize(("cls", "keys"), [
    (CapName, {"most": 0}), (CapName, {"most": "5%"}), (CapName, {"most": 0.1, "how": "cut"}),
    (CapGroup, {"most": 0.0, "groups": "sector"}), (CapGroup, {"most": 0.1, "groups": {}}), (CapGross, {"most": NAN}),
    (CapGross, {"most": True}), (CapNet, {"most": -0.1}), (CapNet, {"most": None}), (CapTurnover, {"most": 0}),
    (CapTraded, {"share": 0, "capital": 1.0}), (CapTraded, {"share": 0.1, "capital": np.inf}),
    (CapTraded, {"share": 0.1, "capital": 1.0, "window": 0}), (CapTraded, {"share": 0.1, "capital": 1.0, "of": "all"}),
    (Band, {"cost": 5.0, "capital": 1.0}), (Band, {"cost": LinearCost(1.0, 1.0), "capital": 0}),
    (Band, {"cost": LinearCost(1.0, 1.0), "capital": 1.0, "multiple": -1}),
    (Band, {"cost": LinearCost(1.0, 1.0), "capital": 1.0, "relative": "yes"}),
    (Neutral, {}), (Neutral, {"groups": 3}), (Neutral, {"exposures": ["beta"]}),
    (Neutral, {"dollar_neutral": True, "among": "all"}), (Neutral, {"dollar_neutral": 1}),
    (Neutral, {"dollar_neutral": True, "most_per_name": 0}), (VolatilityTarget, {"volatility_target": 0}),
])  # fmt: skip
def test_settings_are_checked(cls: type[Step], keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^portfolio\."):
        cls(**keys)
