"""What sizing estimates is what the simulator charges, on raw data with splits and dividends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Panel
from backcast.engine.cli import compose
from backcast.engine.configure import experiment
from backcast.engine.costs import Fee, HalfSpread, SquareRootImpact, TotalCost
from backcast.engine.execution import Execution
from backcast.engine.pinned import pin
from backcast.engine.portfolio.costing import Costing
from backcast.engine.portfolio.history import History
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps import CapTraded
from backcast.engine.types import Targets

MARKET = ["dataset=synthetic", "dataset.symbols=12", "dataset.sessions=360", "folds=monthly", "folds.first_fit=300",
          "features=ohlcv", "study=s", "job=j"]  # fmt: skip
WINDOWS = {"volatility": 40, "traded": 15}
COST = TotalCost(
    fee=Fee(per_share=0.01), spread=HalfSpread(volatility=0.1, from_data=True), impact=SquareRootImpact()
)


@dataclass(frozen=True)
class Raw:
    """A world in which adjusted prices are not those that trade."""

    panel: Panel
    market: Market

    def known(self, t: int, held: float = 0.0) -> Known:
        size = len(self.panel.symbols)
        return Known(t, np.arange(size), np.zeros(size), np.full(size, held), History(self.panel))


@pytest.fixture
def raw(home: Path) -> Raw:
    config = compose(MARKET)
    pinned = pin(experiment(config), config)
    name = config["dataset"]["name"]
    panel = asof.load_panel(pinned.store, name, pinned.pin)
    market = asof.load_market(pinned.store, name, pinned.pin)
    assert len(market.ex) and (market.split != 1).any()
    spread = np.random.default_rng(0).uniform(1e-4, 1e-3, (1, *panel.values.shape[1:]))
    fields, values = (*panel.fields, "half_spread"), np.concatenate([panel.values, spread])
    return Raw(replace(panel, fields=fields, values=values), market)


def test_what_is_estimated_is_what_is_charged(raw: Raw) -> None:
    panel, size, columns = raw.panel, len(raw.panel.symbols), {"half_spread": "half_spread"}
    decisions = np.arange(100, 350, 50)
    targets = Targets(decisions, panel.symbols, np.full((len(decisions), size), 0.05))
    plan = Execution(windows=WINDOWS, columns=columns).plan(panel, raw.market, targets, COST)
    assert plan.volatility is not None and plan.traded is not None and plan.half_spread is not None
    costing = Costing("portfolio.band", COST, 1e6, WINDOWS, columns)
    change, first = np.linspace(-0.1, 0.1, size), raw.market.first
    assert first is not None
    for t in decisions.tolist():
        row, close = t + 1 - plan.offset, first.field("close")[:, t]
        charged = COST.estimate(
            change, 1e6, close, plan.volatility[row], plan.traded[row], plan.half_spread[row]
        )
        assert np.isfinite(charged).sum() > size // 2
        np.testing.assert_array_equal(costing.estimate(change, raw.known(t)), charged)


def test_a_share_of_what_trades_is_in_currency(raw: Raw) -> None:
    """Raw close x raw volume by a plain mean; no correction is in the window."""
    t, panel = 340, raw.panel
    value = (raw.market.field("close") * raw.market.field("volume"))[:, t - 19 : t + 1]
    adjusted = (panel.field("close") * panel.field("volume"))[:, t - 19 : t + 1]
    corrected = np.unique(panel.revisions.symbol)
    whole = np.isfinite(value).all(axis=1) & ~np.isin(np.arange(len(value)), corrected)
    assert (adjusted[whole].mean(axis=1) > 1.001 * value[whole].mean(axis=1)).any()
    most = CapTraded(0.01, 1e9).apply(np.full(len(value), 9.0), raw.known(t))
    np.testing.assert_allclose(most[whole], 0.01 * value[whole].mean(axis=1) / 1e9)


def test_the_panel_carries_the_bars_that_the_market_first_knew(raw: Raw) -> None:
    own, first = raw.panel.unadjusted, raw.market.first
    assert own is not None and first is not None
    for field in ("close", "volume"):
        np.testing.assert_array_equal(own.field(field), first.field(field))
    later = raw.panel.since(50).unadjusted
    assert later is not None
    np.testing.assert_array_equal(later.field("close"), first.field("close")[:, 50:])


def test_a_half_spread_without_its_column_is_named(raw: Raw) -> None:
    with pytest.raises(
        InputError, match=r"portfolio\.band\.cost.*needs half_spread.*execution\.columns\.half_spread"
    ):
        Costing("portfolio.band", COST, 1e6).estimate(np.full(12, 0.1), raw.known(200))


@pytest.mark.parametrize("chosen", [
    ["+portfolio/steps@portfolio.steps.mine=band"], ["portfolio=mean_variance", "portfolio.cost=${costs}"],
])  # fmt: skip
def test_sizing_reads_the_runs_own_windows(chosen: list[str]) -> None:
    config = compose(
        [*chosen, "execution.windows.traded=7", "execution.columns.half_spread=x", "study=s", "job=j"]
    )
    node = config["portfolio"]
    node = node["steps"]["mine"] if node["steps"] else node
    assert node["windows"] == {"volatility": 60, "traded": 7}
    assert node["columns"]["half_spread"] == "x"
    experiment(config)
