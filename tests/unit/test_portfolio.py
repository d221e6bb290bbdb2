"""Weights from forecasts, by hand and against NumPy's covariance."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.data.types import Clock, Panel, Revisions
from backcast.engine.portfolio import RankPortfolio
from backcast.signals.types import Forecast

NAN = np.nan


def panel_of(seed: int, symbols: int = 6, sessions: int = 90) -> Panel:
    generator = np.random.default_rng(seed)
    closes = 50 * np.exp(generator.normal(0, 0.02, (symbols, sessions)).cumsum(axis=1))
    at = (np.datetime64("2020-01-01T21:00", "us") + np.arange(sessions) * np.timedelta64(1, "D"))  # fmt: skip
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 252.0)
    one = np.array([0])
    corrected = Revisions(one, np.array([1]), np.array([70]), at[[75]], np.array([75]), np.array([60.0]))
    names = tuple(f"S{i}" for i in range(symbols))
    return Panel(("close",), names, clock, closes[None], np.isfinite(closes), corrected, "raw", 0.0)


def forecast_of(panel: Panel, decisions: list[int], seed: int = 1) -> Forecast:
    mean = np.random.default_rng(seed).normal(size=(len(decisions), len(panel.symbols)))
    quantiles = np.repeat(mean[:, :, None], 5, axis=2)
    zero = np.zeros(len(decisions), dtype=np.int64)
    return Forecast(np.array(decisions, dtype=np.int64), panel.symbols, mean, quantiles, zero)


def test_best_against_worst() -> None:
    scores = np.array([0.3, -0.1, 0.9, NAN, 0.0, 0.5, -0.4, 0.1])
    weights = RankPortfolio(quantile=0.3).weights(scores)
    assert weights.tolist() == [0, -0.25, 0.25, 0, 0, 0.25, -0.25, 0]
    assert RankPortfolio(side="long_only", quantile=0.3).weights(scores).tolist() == [
        0,
        0,
        0.5,
        0,
        0,
        0.5,
        0,
        0,
    ]


def test_ties_are_in_the_order_of_symbols_and_one_name_is_no_cross_section() -> None:
    assert RankPortfolio().weights(np.zeros(4)).tolist() == [0.5, 0, 0, -0.5]
    assert RankPortfolio().weights(np.array([NAN, 1.0, NAN])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("gross", [0.5, 1.0, 2.0])
def test_gross_and_neutrality(gross: float) -> None:
    panel = panel_of(0)
    weights = RankPortfolio(gross=gross).targets(forecast_of(panel, [70, 75, 80]), panel).weights
    np.testing.assert_allclose(np.abs(weights).sum(axis=1), gross)
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-15)


def test_the_volatility_target_is_met_ex_ante() -> None:
    panel = panel_of(0)
    portfolio = RankPortfolio(volatility_target=0.1, volatility_window=60, max_gross=50.0)
    (weights,) = portfolio.targets(forecast_of(panel, [70]), panel).weights
    closes = panel.values[0, :, 10:71]
    covariance = np.cov(closes[:, 1:] / closes[:, :-1] - 1)
    assert np.sqrt(weights @ covariance @ weights * 252) == pytest.approx(0.1, rel=1e-12)


def test_corrections_count_from_the_decision_that_knows_them() -> None:
    panel = panel_of(0)
    portfolio = RankPortfolio(volatility_target=0.1, volatility_window=60, max_gross=50.0)
    weights = portfolio.targets(forecast_of(panel, [74, 75]), panel).weights
    corrected = panel.values[0].copy()
    corrected[1, 70] = 60.0
    for row, (t, closes) in enumerate(((74, panel.values[0]), (75, corrected))):
        window = closes[:, t - 60 : t + 1]
        covariance = np.cov(window[:, 1:] / window[:, :-1] - 1)
        assert np.sqrt(weights[row] @ covariance @ weights[row] * 252) == pytest.approx(0.1, rel=1e-12)


def test_the_cap_on_gross_and_too_little_history() -> None:
    panel = panel_of(0)
    portfolio = RankPortfolio(volatility_target=5.0, volatility_window=60, max_gross=1.5)
    weights = portfolio.targets(forecast_of(panel, [20, 70]), panel).weights
    assert np.abs(weights[0]).sum() == 0.0
    assert np.abs(weights[1]).sum() == pytest.approx(1.5)


@pytest.mark.parametrize("target", [None, 0.1])
def test_a_row_is_the_same_bits_from_a_panel_that_ends_there(target: float | None) -> None:
    panel = panel_of(3)
    portfolio = RankPortfolio(volatility_target=target)
    whole = forecast_of(panel, [65, 70, 75, 80])
    rows = portfolio.targets(whole, panel).weights
    for row, t in enumerate(whole.decisions.tolist()):
        r = panel.revisions.where(panel.revisions.decision <= t)
        past = Panel(panel.fields, panel.symbols, panel.clock.slice(0, t + 1), panel.values[:, :, : t + 1].copy(),
                     panel.member[:, : t + 1], r, "raw", 0.0)  # fmt: skip
        one = Forecast(
            np.array([t]), whole.symbols, whole.mean[[row]], whole.quantiles[[row]], whole.fold[[row]]
        )
        assert portfolio.targets(one, past).weights[0].tobytes() == rows[row].tobytes()


@pytest.mark.parametrize("keys", [
    {"side": "short"}, {"gross": 0}, {"gross": "x"}, {"gross": float("nan")}, {"quantile": 0.6}, {"quantile": 0},
    {"volatility_target": -0.1}, {"volatility_window": 1}, {"max_gross": 0},
])  # fmt: skip
def test_settings_are_checked(keys: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"portfolio.{next(iter(keys))}"):
        RankPortfolio(**keys)  # type: ignore[arg-type]
