"""Orders that could not fill: what a rule that leaves holdings alone knows about them, and that it asks again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import market_of, panel_of

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.cli import compose
from backcast.engine.configure import experiment
from backcast.engine.costs.linear import LinearCost
from backcast.engine.execution import Execution
from backcast.engine.portfolio import OverlappingPortfolio, RankPortfolio, TopKPortfolio
from backcast.engine.portfolio.steps import Band, CapTurnover
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import Account, Targets
from backcast.signals.types import Forecast

NAN = np.nan
FREE = LinearCost(0.0, 0.0)


def forecast_of(panel: Panel, decisions: list[int], mean: list[list[float]]) -> Forecast:
    scores = np.array(mean, dtype=np.float64)
    quantiles = np.repeat(scores[:, :, None], 5, axis=2)
    at = np.array(decisions, dtype=np.int64)
    return Forecast(at, panel.symbols, scores, quantiles, np.zeros(len(at), dtype=np.int64))


def traded(panel: Panel, targets: Targets) -> Account:
    return ReferenceSimulator().simulate(Execution().plan(panel, market_of(panel), targets), FREE, 1e6)


def with_volume(panel: Panel, volume: list[list[float]]) -> Panel:
    values = np.concatenate([panel.values, np.array([volume])])
    return replace(panel, fields=(*panel.fields, "volume"), values=values)


def test_a_buy_that_met_a_halt_is_asked_again_and_filled() -> None:
    panel = panel_of([[10.0] * 8, [10.0, 10.0, NAN, 10.0, 10.0, 10.0, 10.0, 10.0]])
    forecast = forecast_of(panel, list(range(1, 7)), [[1.0, 2.0]] * 6)
    targets = TopKPortfolio(topk=1, n_drop=1, gross=0.95).targets(forecast, panel)
    np.testing.assert_array_equal(targets.weights[:, 1], [0.95, 0.95, NAN, NAN, NAN, NAN])
    account = traded(panel, targets)
    assert account.fills.session.tolist() == [3]
    np.testing.assert_allclose(account.cash[-1], 0.05 * 1e6)


def test_a_band_asks_again_too() -> None:
    panel = panel_of([[10.0] * 6, [10.0, 10.0, NAN, 10.0, 10.0, 10.0]])
    portfolio = RankPortfolio(
        side="long_only", quantile=0.5, steps=[Band(LinearCost(1.0, 0.0), 1e6, relative=False)]
    )
    weights = portfolio.targets(forecast_of(panel, [1, 2, 3, 4], [[0.01, 0.02]] * 4), panel).weights
    np.testing.assert_array_equal(weights[:, 1], [1.0, 1.0, NAN, NAN])


def test_a_bar_without_volume_fills_nothing() -> None:
    volumes = [[9.0] * 6, [9.0, 9.0, 0.0, 9.0, 9.0, 9.0]]
    panel = with_volume(panel_of([[10.0] * 6, [10.0] * 6]), volumes)
    targets = TopKPortfolio(topk=1, n_drop=1).targets(forecast_of(panel, [1, 2, 3], [[1.0, 2.0]] * 3), panel)
    np.testing.assert_array_equal(targets.weights[:, 1], [0.95, 0.95, NAN])
    assert traded(panel, targets).fills.session.tolist() == [3]


def test_what_a_failed_sale_was_to_pay_for_is_asked_again() -> None:
    """B is to take the place of A, which is halted: the cash is not there, so neither order came through whole."""
    panel = panel_of([[10.0, 10.0, 10.0, NAN, 10.0, 10.0, 10.0], [10.0] * 7])
    mean = [[2.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    targets = TopKPortfolio(topk=1, n_drop=1).targets(forecast_of(panel, [1, 2, 3, 4, 5], mean), panel)
    np.testing.assert_allclose(targets.weights[:, 0], [0.95, 0, 0, 0, 0])
    np.testing.assert_allclose(targets.weights[:, 1], [0, 0.95, 0.95, NAN, NAN])
    account = traded(panel, targets)
    np.testing.assert_allclose(account.cash[-1], 0.05 * 1e6)
    assert account.fills.symbol[account.fills.session == 4].tolist() == [0, 1]


def test_a_holding_whose_data_ended_does_not_keep_its_place() -> None:
    """A can never be sold, and execution lets it go: from then on a place is there for the next best."""
    gone = [10.0, 10.0, 10.0, *[NAN] * 11]
    panel = panel_of([gone, [10.0] * 14, [10.0] * 14, [10.0] * 14])
    best = [
        [4.0, 3.0, 1.0, 0.5],
        [4.0, 3.0, 1.0, 0.5],
        *[[NAN, 3.0, 1.0, 0.5]] * 7,
        *[[NAN, 1.0, 2.0, 3.0]] * 3,
    ]
    targets = TopKPortfolio(topk=2, n_drop=1).targets(forecast_of(panel, list(range(1, 13)), best), panel)
    account = traded(panel, targets)
    assert set(account.fills.symbol[account.fills.quantity > 0].tolist()) == {0, 1, 2, 3}
    assert account.cash[-1] < 0.1 * account.equity[-1]


def test_limits_on_trading_start_from_what_was_held() -> None:
    """Half of equity a decision: what met a halt did not use it up."""
    panel = panel_of([[10.0] * 6, [10.0, 10.0, NAN, 10.0, 10.0, 10.0]])
    portfolio = RankPortfolio(side="long_only", quantile=0.5, steps=[CapTurnover(0.5)])
    weights: Floats = portfolio.targets(forecast_of(panel, [1, 2, 3], [[0.0, 1.0]] * 3), panel).weights
    assert weights[:, 1].tolist() == [0.5, 0.5, 1.0]


CUT = ["execution.participation=0.1", "study=s", "job=j"]


@pytest.mark.parametrize("chosen", [["portfolio=topk"], ["+portfolio/steps@portfolio.steps.band=band"]])
def test_what_would_never_ask_for_the_rest_of_a_cut_order_is_refused(chosen: list[str]) -> None:
    with pytest.raises(
        InputError, match=r"execution\.patience = 0: expected at least 1 with execution\.participation"
    ):
        experiment(compose([*chosen, *CUT]))
    experiment(compose([*chosen, *CUT, "execution.patience=1"]))
    experiment(compose([*chosen, "study=s", "job=j"]))


def test_what_asks_for_all_of_it_again_is_not_refused() -> None:
    experiment(compose(["portfolio=topk", "portfolio.rebalance=true", *CUT]))
    assert not OverlappingPortfolio(TopKPortfolio()).leaves_holdings_alone
