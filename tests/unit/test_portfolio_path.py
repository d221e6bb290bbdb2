"""The walk along decisions: what is held by drift, what is known, what a trace shows, the order of steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from decisions import closes_as_known, forecasts, market, some_rows, uncorrected

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.costs.linear import LinearCost
from backcast.engine.portfolio import OverlappingPortfolio, Portfolio, RankPortfolio, TopKPortfolio
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps import (
    Band,
    CapGross,
    CapGroup,
    CapName,
    CapNet,
    CapTurnover,
    Neutral,
    Step,
    VolatilityTarget,
)

SECTORS = Neutral(groups="sector")


@pytest.mark.parametrize("order", [range(90), [80, 10, 40, 40, 89, 0]], ids=["forward", "any order"])
def test_windows_are_the_panel_as_known(order: Sequence[int]) -> None:
    panel = market(0)
    history = History(panel)
    for t in order:
        whole = asof.as_known(panel, panel.clock.decides_at[t])
        for f, field in enumerate(panel.fields):
            window = history.window(field, t, 7)
            np.testing.assert_array_equal(window, whole[f, :, max(0, t - 6) : t + 1])


def test_a_symbol_is_seen_with_its_first_close_or_its_first_late_one() -> None:
    panel = market(1, late=40)
    history = History(panel)
    for t in range(90):
        np.testing.assert_array_equal(
            history.seen(t), np.isfinite(closes_as_known(panel, t)).any(axis=1), err_msg=str(t)
        )


def test_drift_is_what_an_account_of_shares_would_hold() -> None:
    """An account that bought the weights at one close and did nothing: shares x price over equity at the other."""
    panel = market(2, gaps=0.1)
    history = History(panel)
    generator = np.random.default_rng(0)
    for since, t in ((60, 61), (60, 75), (41, 89), (70, 70)):
        weights = generator.normal(0, 0.3, len(panel.symbols))
        closes = closes_as_known(panel, t)
        price = np.array(
            [[row[: u + 1][np.isfinite(row[: u + 1])][-1] for row in closes] for u in (since, t)]
        )
        shares, cash = weights / price[0], 1.0 - weights.sum()
        worth = shares * price[1]
        np.testing.assert_allclose(
            history.drifted(weights, since, t), worth / (cash + worth.sum()), rtol=1e-12
        )


def test_an_account_that_is_worth_nothing_holds_nothing() -> None:
    panel = market(3, gaps=0.0)
    panel.values[0, 0, 70] = panel.values[0, 0, 69] * 3
    panel = uncorrected(panel)
    weights = np.zeros(len(panel.symbols))
    weights[0] = -0.6
    assert not History(panel).drifted(weights, 69, 70).any()


def test_stages_are_the_rule_and_every_step_by_name() -> None:
    panel = market(4)
    portfolio = RankPortfolio(
        volatility_target=0.1,
        volatility_window=20,
        steps={"sectors": SECTORS, "at most 10 %": CapGross(0.1), "slowly": CapTurnover(0.05)},
    )
    forecast = forecasts(panel, range(50, 80, 3))
    targets = portfolio.targets(forecast, panel)
    for row, t in enumerate(forecast.decisions.tolist()):
        stages = portfolio.stages(forecast, panel, t)
        assert [name for name, _ in stages] == [
            "rank",
            "sectors",
            "volatility target",
            "at most 10 %",
            "slowly",
        ]
        np.testing.assert_array_equal(stages[0][1], RankPortfolio().weights(forecast.mean[row]))
        np.testing.assert_array_equal(stages[-1][1], targets.weights[row])
    with pytest.raises(InputError, match="decision = 51"):
        portfolio.stages(forecast, panel, 51)


def test_what_is_left_alone_is_not_traded() -> None:
    """A band whose costs nothing is worth holds what it has; the targets say so with NaN, the trace with numbers."""
    panel = market(5)
    portfolio = RankPortfolio(steps=[Band(LinearCost(9000.0, 0.0), 1e6)])
    forecast = forecasts(panel, range(50, 60), silent=0.0)
    assert not portfolio.targets(forecast, panel).weights.any()  # not even the first trade is worth its cost
    topk = TopKPortfolio(topk=2, n_drop=0)
    weights = topk.targets(forecast, panel).weights
    assert sorted(weights[0][weights[0] > 0]) == [0.475, 0.475]
    assert (np.isnan(weights[1:]).sum(axis=1) == 2).all()
    assert not np.isnan(topk.stages(forecast, panel, 55)[-1][1]).any()


def test_memory_is_what_the_parts_remember() -> None:
    assert RankPortfolio(steps=[SECTORS, CapName(0.1, "scale")]).memory == 0
    assert RankPortfolio(steps=[CapTurnover(0.1)]).memory is None
    assert TopKPortfolio().memory is None
    assert OverlappingPortfolio(RankPortfolio(), 5).memory == 4
    assert OverlappingPortfolio(OverlappingPortfolio(RankPortfolio(), 3), 5).memory == 6
    assert OverlappingPortfolio(TopKPortfolio(), 5).memory is None


class Peeks(RankPortfolio):
    """Reads what it says it does not remember."""

    def weigh(self, known: Known) -> Floats:
        return known.previous


def test_a_rule_cannot_read_what_it_does_not_say_it_remembers() -> None:
    panel = market(6)
    with pytest.raises(RuntimeError, match="memory = None"):
        Peeks().targets(forecasts(panel, [50]), panel)


@pytest.mark.parametrize(("side", "steps", "borrows"), [
    ("long_only", [], True), ("long_only", [CapGross(1.0)], False), ("long_short", [], False),
    ("long_only", [CapGross(0.5), CapName(0.1)], False), ("long_only", [SECTORS], False),
])  # fmt: skip
def test_who_borrows(side: str, steps: list[Step], borrows: bool) -> None:
    assert RankPortfolio(side=side, gross=1.5, steps=steps).borrows is borrows


def test_a_volatility_target_may_borrow() -> None:
    assert RankPortfolio(side="long_only", steps=[VolatilityTarget(0.1)]).borrows
    assert not RankPortfolio(side="long_only", steps=[VolatilityTarget(0.1, max_gross=1.0)]).borrows


@pytest.mark.parametrize("steps", [
    [Neutral(groups="sector", most_per_name=0.1), VolatilityTarget(0.1)],
    [CapName(0.1), SECTORS], [CapName(0.1), VolatilityTarget(0.1)], [VolatilityTarget(0.1), SECTORS],
    [CapTurnover(0.1), CapName(0.1)], [CapGroup(0.1, "sector"), CapName(0.1, "spread")], [SECTORS, CapName(0.1)],
    [SECTORS, SECTORS], [CapNet(0.1), CapGroup(0.3, "sector")], [SECTORS, CapNet(0.1)],
])  # fmt: skip
def test_steps_that_would_undo_earlier_ones_are_refused(steps: list[Step]) -> None:
    with pytest.raises(InputError, match=r"portfolio\.steps = '.*, then .*'"):
        RankPortfolio(steps=steps)


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(InputError, match=r"portfolio\.steps\.cap = 0\.1: expected a step"):
        RankPortfolio(steps={"cap": 0.1})  # type: ignore[dict-item]  # what a configuration could hold
    with pytest.raises(InputError, match=r"portfolio\.steps = 'cap'"):
        RankPortfolio(steps="cap")  # type: ignore[arg-type]


def test_a_forecast_of_other_symbols_is_refused() -> None:
    panel = market(7)
    other = some_rows(forecasts(market(7, symbols=9), [50]), slice(None))
    with pytest.raises(InputError, match=r"forecast\.symbols"):
        RankPortfolio().targets(other, panel)


def test_every_portfolio_has_a_face() -> None:
    from backcast.engine import portfolio

    made = [getattr(portfolio, name) for name in portfolio.__all__ if name != "Portfolio"]
    assert all(issubclass(cls, Portfolio) and cls.rule for cls in made)
