"""A cell's account in a grid is that of its plan traded alone with its log, whatever trades beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.market import Market
from backcast.data.types import Floats
from backcast.engine import walkforward
from backcast.engine.cli import compose
from backcast.engine.configure import Experiment, experiment
from backcast.engine.execution import Execution
from backcast.engine.grid_trading import COSTS, Result, Traders
from backcast.engine.pinned import pin
from backcast.engine.planning import Venue
from backcast.engine.portfolio import Portfolio, RankPortfolio, TopKPortfolio
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import Plan, Targets
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast

Worlds = Callable[..., tuple[Experiment, World, Market]]
MARKET = ["dataset=synthetic", "dataset.symbols=14", "dataset.sessions=330", "folds=monthly", "folds.first_fit=260",
          "features=ohlcv", "model=ridge", "study=s", "job=j"]  # fmt: skip
SETTINGS = {
    "plain": (),
    "margin": ("execution=margin",),
    "volume": ("execution=participation", "portfolio.gross=1"),
    "impact": ("costs=broker", "execution.lot=1"),
    "deposits": ("execution.deposits=[{on: 2016-03-16, amount: 50000}]",),
    "haircut": ("execution.exit_after=2", "execution.haircut=0.3"),
}


@pytest.fixture
def worlds(home: Path) -> Worlds:
    def made(*overrides: str) -> tuple[Experiment, World, Market]:
        config = compose([*MARKET, *overrides])
        pinned = pin(experiment(config), config)
        world = walkforward.observe(pinned.made, pinned.store, pinned.pin, 1)
        return pinned.made, world, asof.load_market(pinned.store, "synthetic", pinned.pin)

    return made


def scores(world: World, seed: int = 0) -> Forecast:
    decisions = np.arange(261, 325)
    mean = np.random.default_rng(seed).normal(0, 0.02, (len(decisions), len(world.panel.symbols)))
    levels = np.repeat(mean[:, :, None], 5, axis=2)
    return Forecast(decisions, world.panel.symbols, mean, levels, np.zeros(len(decisions), dtype=np.int64))


def check_alone(
    made: Experiment, world: World, market: Market, portfolio: Portfolio, forecast: Forecast, seen: Result
) -> None:
    one = replace(made, portfolio=portfolio)
    _, account = walkforward.trade(one, world, market, forecast)
    assert seen.cause is None and seen.returns is not None
    assert seen.returns.tolist() == account.net_return.tolist()
    assert seen.figures["final_equity"] == account.equity[-1]
    assert seen.figures["fills"] == len(account.fills.session) > 0
    assert seen.figures["events"] == len(account.events)
    for kind in COSTS:
        assert seen.figures[kind] == getattr(account, kind).sum()


@pytest.mark.parametrize("setting", SETTINGS)
def test_cells_beside_each_other_are_as_if_alone(worlds: Worlds, setting: str) -> None:
    made, world, market = worlds(*SETTINGS[setting])
    forecast, traders = scores(world), Traders(market)
    for portfolio in (RankPortfolio(quantile=0.2), RankPortfolio("long_only", 0.7), TopKPortfolio(4, 1)):
        seen = traders.of("same", made, world).result(portfolio, forecast)
        check_alone(made, world, market, portfolio, forecast, seen)
    late = replace(scores(world), decisions=forecast.decisions[20:], mean=forecast.mean[20:])
    seen = traders.of("same", made, world).result(RankPortfolio(), late)
    check_alone(made, world, market, RankPortfolio(), late, seen)


def test_another_simulator_or_execution_trades_as_it_does(worlds: Worlds) -> None:
    made, world, market = worlds()

    class Later(Execution):
        def plan(self, panel, market, targets, cost=None):  # type: ignore[no-untyped-def]
            return super().plan(panel, market, replace(targets, decisions=targets.decisions + 1), cost)

    forecast, plain = (
        scores(world),
        Traders(market).of("a", made, world).result(RankPortfolio(), scores(world)),
    )
    for one in (replace(made, simulator=ReferenceSimulator()), replace(made, execution=Later())):
        seen = Traders(market).of("b", one, world).result(RankPortfolio(), forecast)
        check_alone(one, world, market, RankPortfolio(), forecast, seen)
    assert plain.returns is not None and seen.returns is not None
    assert len(plain.returns) == len(seen.returns) + 1


def test_a_cell_that_cannot_trade_says_why(worlds: Worlds) -> None:
    made, world, market = worlds()
    wrong = replace(scores(world), symbols=("X",))
    found = Traders(market).of("a", made, world).result(RankPortfolio(), wrong)
    assert found.returns is None and found.sharpe is None and "forecast.symbols" in found.error


def test_plans_of_one_venue_are_plans_alone(worlds: Worlds) -> None:
    made, world, market = worlds("execution.haircut=0.2", "execution.exit_after=2", "costs=broker")
    venue, generator = Venue(made.execution, world.panel, market, made.cost), np.random.default_rng(4)
    shared: list[Plan] = []
    for first in (5, 5, 100):
        decisions = np.arange(first, 328, 3)
        weights = generator.normal(0, 0.1, (len(decisions), len(world.panel.symbols)))
        weights[generator.random(weights.shape) < 0.3] = np.nan
        targets = Targets(decisions, world.panel.symbols, weights)
        shared.append(venue.plan(targets))
        alone = made.execution.plan(world.panel, market, targets, made.cost)
        for field in fields(Plan):
            same(getattr(shared[-1], field.name), getattr(alone, field.name), field.name)
    assert shared[0].mark_price is shared[1].mark_price and len(shared[0].events)
    assert shared[2].offset == 101


def same(ours: object, theirs: object, name: str) -> None:
    if isinstance(ours, np.ndarray):
        values: Floats = np.asarray(theirs)
        assert np.array_equal(ours, values, equal_nan=ours.dtype.kind == "f"), name
    elif hasattr(ours, "__dataclass_fields__") and not isinstance(ours, type):
        for field in fields(ours):  # type: ignore[arg-type]
            same(getattr(ours, field.name), getattr(theirs, field.name), f"{name}.{field.name}")
    else:
        assert ours == theirs, name
