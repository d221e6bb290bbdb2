"""Returns, tails, drawdowns and rolling tables by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats import drawdowns, performance, returns, rolling, tails
from backcast.engine.stats.figure import Figure

DAYS = np.arange("2020-01-01", "2020-05-01", dtype="datetime64[D]")
NOISE = np.random.default_rng(1).normal(0.001, 0.01, len(DAYS))


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.reason
    return figure.value


def test_three_means_of_one_series() -> None:
    series = np.array([0.5, -0.5])
    assert value(returns.total(series)) == pytest.approx(-0.25)
    assert value(returns.arithmetic(series, 2)) == 0.0
    assert value(returns.compound(series, 2)) == pytest.approx(-0.25)
    assert value(returns.logarithmic(series, 2)) == pytest.approx(np.log(0.75))


def test_a_total_loss_has_a_compound_return_and_no_logarithm() -> None:
    lost = np.array([0.1, -1.0])
    assert value(returns.total(lost)) == -1.0
    assert value(returns.compound(lost, 252)) == -1.0
    assert "everything was lost" in returns.logarithmic(lost, 252).reason


def test_hits_and_payoff_leave_flat_sessions_out() -> None:
    series = np.array([0.02, 0.0, -0.01, 0.04, 0.0])
    assert value(returns.hit_rate(series)) == pytest.approx(2 / 3)
    assert value(returns.payoff(series)) == pytest.approx(3.0)
    assert returns.hit_rate(np.zeros(3)).reason == "no session gained or lost"
    assert returns.payoff(np.array([0.1])).reason == "no session lost"
    assert returns.payoff(np.array([-0.1])).reason == "no session gained"


def test_turnover_costs_and_the_cost_that_breaks_even() -> None:
    traded = np.full(len(DAYS), 0.2)
    assert value(returns.turnover(traded, 250)) == pytest.approx(50.0)
    assert value(returns.cost(NOISE + 1e-4, NOISE, 250)) == pytest.approx(0.025)
    bps = value(returns.break_even(NOISE, traded))
    assert (NOISE - bps * 1e-4 * traded).mean() == pytest.approx(0.0, abs=1e-15)
    assert returns.break_even(NOISE, 0 * traded).reason == "nothing was traded"


@pytest.mark.parametrize(
    "kind", [returns.compound, returns.arithmetic, returns.logarithmic, returns.turnover]
)
def test_nothing_has_no_mean(kind: object) -> None:
    assert kind(np.zeros(0), 252).reason == "no sessions"  # type: ignore[operator]  # one of the above
    assert returns.volatility(np.zeros(1), 252).reason == "fewer than 2 sessions"


def test_the_worst_twentieth_of_a_hundred_and_one_sessions() -> None:
    series = np.random.default_rng(2).permutation(np.arange(-50, 51) / 1000)
    assert value(tails.value_at_risk(series)) == pytest.approx(0.045)
    assert value(tails.expected_shortfall(series)) == pytest.approx(
        (0.050 + 0.049 + 0.048 + 0.047 + 0.046 + 0.045) / 6
    )
    assert value(tails.tail_ratio(series)) == pytest.approx(1.0)
    assert [value(one) for one in tails.extremes(series)] == [0.05, -0.05]


def test_skew_and_excess_kurtosis_of_two_points() -> None:
    """A coin with p = 1/4: skew (1 - 2p) / sqrt(pq), excess kurtosis (1 - 6pq) / pq."""
    coin = np.tile([1.0, 0.0, 0.0, 0.0], 10)
    assert value(tails.skew(coin)) == pytest.approx(0.5 / np.sqrt(3 / 16))
    assert value(tails.excess_kurtosis(coin)) == pytest.approx((1 - 18 / 16) / (3 / 16))


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        (tails.skew(np.full(30, 0.1)), "do not vary"),
        (tails.value_at_risk(NOISE[:19]), "fewer than 20"),
        (tails.expected_shortfall(NOISE[:19]), "fewer than 20"),
        (tails.tail_ratio(np.abs(NOISE)), "no loss"),
        (tails.extremes(np.zeros(0))[0], "no sessions"),
    ],
)
def test_where_undefined_there_is_a_reason(figure: Figure, reason: str) -> None:
    assert figure.value is None
    assert reason in figure.reason


def test_drawdowns_by_hand() -> None:
    series = np.array([-0.1, 0.2, -0.05, -0.05, 0.2, -0.5, 0.1])
    found = drawdowns.drawdowns(series, DAYS)
    assert [(one.peak, one.trough, one.recovered) for one in found] == [
        (None, "2020-01-01", "2020-01-02"),
        ("2020-01-02", "2020-01-04", "2020-01-05"),
        ("2020-01-05", "2020-01-06", None),
    ]
    assert [one.depth for one in found] == pytest.approx([-0.1, 0.95**2 - 1, -0.5])
    assert [(one.sessions, one.to_trough, one.to_recovery) for one in found] == [
        (1, 1, 1),
        (2, 2, 1),
        (2, 1, None),
    ]
    assert drawdowns.table(found)["depth"].to_list() == pytest.approx([-0.5, -0.1, 0.95**2 - 1])
    figures = {one.name: one for one in drawdowns.figures(series, found)}
    assert value(figures["max_drawdown"]) == pytest.approx(-0.5)
    assert value(figures["longest_drawdown"]) == 2
    assert value(figures["drawdown_at_end"]) == pytest.approx(-0.45)
    assert figures["deepest_recovery"].reason == "not recovered yet"


def test_no_drawdown_and_no_sessions() -> None:
    rising = {one.name: one for one in drawdowns.figures(np.full(5, 0.1), [])}
    assert value(rising["max_drawdown"]) == 0.0
    assert rising["deepest_recovery"].reason == "no drawdown"
    assert {one.reason for one in drawdowns.figures(np.zeros(0), [])} == {"no sessions"}


def test_rolling_windows_are_the_statistics_of_their_sessions() -> None:
    market = np.random.default_rng(4).normal(0, 0.01, len(DAYS))
    free = np.full(len(DAYS), 1e-4)
    table = rolling.table(NOISE, DAYS, market, free, 252, 30)
    assert table["session"].to_numpy().astype("datetime64[D]").tolist() == DAYS.tolist()
    assert table["sharpe"].null_count() == 29
    for t in (29, 30, 77, len(DAYS) - 1):
        part = slice(t - 29, t + 1)
        excess = NOISE[part] - 1e-4
        assert table["return_per_year"][t] == pytest.approx(performance.return_per_year(NOISE[part], 252))
        assert table["volatility_per_year"][t] == pytest.approx(
            performance.volatility_per_year(NOISE[part], 252)
        )
        assert table["sharpe"][t] == pytest.approx(excess.mean() / excess.std(ddof=1) * 252**0.5)
        assert table["beta"][t] == pytest.approx(np.polyfit(market[part] - 1e-4, excess, 1)[0])


def test_rolling_values_that_are_not_defined_are_null() -> None:
    table = rolling.table(np.zeros(len(DAYS)), DAYS, None, np.zeros(len(DAYS)), 252, 30)
    assert table["sharpe"].null_count() == table["beta"].null_count() == len(DAYS)
    short = rolling.table(NOISE[:10], DAYS[:10], None, np.zeros(10), 252, 30)
    assert short["volatility_per_year"].null_count() == 10
    assert rolling.window_of(252.0) == 126
