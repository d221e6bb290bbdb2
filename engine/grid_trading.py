"""What a cell of a grid comes to: its account without logs, and the figures of its row.

Cells that trade at the same costs, execution and capital share all that does not depend on their targets: the prices,
endings and frictions of their plans, and the simulator's arrays. The account is to the last bit the one of a run alone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backcast.data.errors import reason
from backcast.data.market import Market
from backcast.data.types import Floats
from backcast.engine.configure import Experiment
from backcast.engine.execution import Execution
from backcast.engine.planning import Venue
from backcast.engine.portfolio import Portfolio
from backcast.engine.sessions import compounded, periods_per_year
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.many import Desk
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.stats import performance
from backcast.engine.types import Account, Plan
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast

COSTS = ("fee", "spread", "impact", "borrow")
FIGURES = (
    "sharpe_per_session",
    "sharpe_per_year",
    "final_equity",
    "max_drawdown",
    "mean_turnover",
    *COSTS,
    "fills",
    "events",
)
"""Of a cell's row: net of costs, costs in currency; null where undefined."""


@dataclass(frozen=True)
class Result:
    """What a cell came to: its net returns by session, their days and the figures of its row; or why it failed."""

    returns: np.ndarray[Any, Any] | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    cause: Exception | None = None
    days: np.ndarray[Any, Any] | None = None

    @property
    def error(self) -> str:
        """Why it failed, in words; empty where it did not."""
        return "" if self.cause is None else reason(self.cause)

    @property
    def sharpe(self) -> float | None:
        """Net, per session; None where it is undefined, or the cell failed."""
        return self.figures.get("sharpe_per_session")


class Trader:
    """One market, execution, cost and capital, for the targets of any number of cells. made: of any of them."""

    def __init__(self, made: Experiment, world: World, market: Market) -> None:
        self.made, self.panel, self.market = made, world.panel, market
        self._venue = Venue(made.execution, world.panel, market, made.cost)
        self._desk: Desk | None = None

    def result(self, portfolio: Portfolio, forecast: Forecast) -> Result:
        """What a portfolio comes to by a forecast."""
        try:
            account, fills, events = self._traded(portfolio, forecast)
        except Exception as error:  # a cell that fails is a row
            return Result(cause=error)
        days = self.panel.clock.sessions[account.sessions]
        returns = compounded(days, account.net_return)
        figures = _figures(account, fills, events, returns, periods_per_year(self.panel.clock))
        return Result(returns, figures, days=days)

    def _traded(self, portfolio: Portfolio, forecast: Forecast) -> tuple[Account, int, int]:
        """The account, and how many fills and events there were."""
        made, targets = self.made, portfolio.targets(forecast, self.panel)
        if type(made.execution).plan is Execution.plan:
            plan = self._venue.plan(targets)
        else:  # somebody's own
            plan = made.execution.plan(self.panel, self.market, targets, made.cost)
        if type(made.simulator) is not NativeSimulator:
            account = made.simulator.simulate(plan, made.cost, made.capital)
            return account, len(account.fills.session), len(account.events)
        desk = self._desk_of(plan)
        rows, used = desk.trade(plan.weights, plan.decided)
        fills = int(used[0] + used[state.GONE])
        return desk.account(rows), fills, len(plan.events) + int(used[2 : state.GONE].sum())

    def _desk_of(self, plan: Plan) -> Desk:
        """The one before, where a plan has its very arrays."""
        desk = self._desk
        if desk is None or desk.plan.mark_price is not plan.mark_price or desk.plan.kind != plan.kind:
            desk = self._desk = Desk(plan, self.made.cost, self.made.capital)
        return desk


class Traders:
    """The traders of a grid, by what its cells trade at."""

    def __init__(self, market: Market) -> None:
        self._market, self._made, self._lock = market, dict[str, Trader](), threading.Lock()

    def of(self, key: str, made: Experiment, world: World) -> Trader:
        """The trader of the costs, execution and capital that a key stands for, at a world's panel."""
        with self._lock:
            found = self._made.get(key)
            if found is None or found.panel is not world.panel:
                found = self._made[key] = Trader(made, world, self._market)
            return found


def _figures(
    account: Account, fills: int, events: int, returns: Floats, years: float
) -> dict[str, float | None]:
    sharpe = float(performance.sharpe_per_session(returns))
    values = (
        sharpe,
        sharpe * float(np.sqrt(years)),
        float(account.equity[-1]),
        float(performance.drawdown(returns).min()),
        float(account.turnover.mean()),
        *(float(getattr(account, kind).sum()) for kind in COSTS),
        float(fills),
        float(events),
    )
    pairs = zip(FIGURES, values, strict=True)
    return {name: value if np.isfinite(value) else None for name, value in pairs}
