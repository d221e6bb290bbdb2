"""Whole runs that trade or keep accounts as nobody can, by an execution or a simulator of the user's own."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from backcast.data.market import Market
from backcast.data.types import Floats, Panel
from backcast.engine.costs.base import Cost
from backcast.engine.costs.linear import LinearCost
from backcast.engine.execution import Delistings, Execution
from backcast.engine.planning import Venue
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Plan, Targets
from zoo.pair import Pair
from zoo.walk import Walk, named

HERE = "run_execution"


class DecisionClose(NativeSimulator):
    """Fills at the close that the decision was made on: "close to close returns are what the literature uses"."""

    name = "own"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        price = plan.fill_price.copy()
        price[1:] = np.where(np.isfinite(plan.mark_price[:-1]), plan.mark_price[:-1], price[1:])
        return super().simulate(replace(plan, fill_price=price), cost, capital)


class NextOpen(NativeSimulator):
    """Fills at what the plan says, the next open."""

    name = "own"


class BestOfTheDay(Execution):
    """Buys at the low and sells at the high of the session: "we use limit orders"."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        made = super().plan(panel, market, targets, cost)
        low, high = (market.field(name).T[made.offset :] for name in ("low", "high"))
        best = np.where(np.nan_to_num(made.weights) > 0, low, high)
        return replace(made, fill_price=np.where(np.isfinite(best) & made.tradable, best, made.fill_price))


class NoLosingOrders(Execution):
    """Leaves out orders against which the session moves after its open: "the limit was not reached", for these alone."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        made = super().plan(panel, market, targets, cost)
        moved = made.mark_price - made.fill_price
        loses = np.sign(np.nan_to_num(made.weights)) * np.nan_to_num(moved) < 0
        return replace(made, weights=np.where(loses, np.nan, made.weights))


class NoDearOrders(Execution):
    """Leaves out orders whose open is more than 3 % from the close that was decided on: at the open that is known."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        made = super().plan(panel, market, targets, cost)
        before = np.vstack([made.mark_price[:1], made.mark_price[:-1]])
        far = np.abs(made.fill_price / before - 1) > 0.03
        return replace(made, weights=np.where(far, np.nan, made.weights))


class AlwaysOpen(Venue):
    """A market in which whatever has a last price trades."""

    @cached_property
    def _prices(self) -> Any:
        found = super()._prices
        return replace(found, tradable=np.isfinite(found.fill))


class ThroughHalts(Execution):
    """Trades at the last price where a name is halted or has no bar."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        return AlwaysOpen(self, panel, market, cost).plan(targets)


class NoLag(Execution):
    """An order fills in the session of its decision: the lag is taken out, since decisions "are made before the open"."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        earlier = replace(targets, decisions=targets.decisions - 1)
        return super().plan(panel, market, earlier, cost)


class OverVolume(NativeSimulator):
    """Trades whole orders where the run says that a tenth of the volume is the most."""

    name = "own"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        return super().simulate(replace(plan, capacity=None), cost, capital)


class EarlyDividends(NativeSimulator):
    """Credits each dividend five sessions before its ex date, to whoever holds the name then."""

    name = "own"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        if plan.dividends is None:
            return super().simulate(plan, cost, capital)
        paid = plan.dividends
        early = replace(paid, ex=np.maximum(paid.ex - 5, 0), pay=np.maximum(paid.pay - 5, 0))
        order = np.lexsort((early.symbol, early.ex))
        moved = type(early)(*(getattr(early, f)[order] for f in ("ex", "pay", "symbol", "amount")))
        return super().simulate(replace(plan, dividends=moved), cost, capital)


class NoCosts(NativeSimulator):
    """Charges nothing, though the run says that it trades at 10 basis points."""

    name = "own"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        return super().simulate(plan, LinearCost(fee_bps=0.0, half_spread_bps=0.0), capital)


class NoDelistingLoss(Execution):
    """Whoever holds a name that is delisted gets its last price, whatever the fact says of the proceeds."""

    def _endings(
        self, closes: Floats, panel: Panel | Market, delistings: Delistings
    ) -> list[tuple[int, int, int, float | None]]:
        found = super()._endings(closes, panel, delistings)
        return [(s, last, at, None if got is None else float(closes[s, last])) for s, last, at, got in found]


class Honest(Execution):
    """An execution of the user's own that changes nothing."""


def executed(cls: type, *overrides: str, **values: object) -> Walk:
    return Walk(cls, {"execution": named(cls, **values)}, overrides)


def simulated(cls: type, *overrides: str) -> Walk:
    return Walk(cls, {"simulator": named(cls)}, overrides)


HALTS = "+dataset.rates.gaps=25"
"""A name has no bar in a tenth of the sessions."""

THIN = ("execution.participation=0.0001", "execution.patience=2", "capital=100_000_000")

ENDINGS = ("dataset.seed=3", "portfolio=rank", "portfolio.side=long_only", "portfolio.quantile=1.0")
"""Two names are delisted within the account, for a share of their last price; every name is held."""


def pair(name: str, layer: str, leak: Walk, honest: Walk, hides: str = "") -> Pair:
    return Pair(name, HERE, layer, leak, honest, hides=hides)


PAIRS = (
    pair("run_fill_at_decision", "execution", simulated(DecisionClose), simulated(NextOpen)),
    pair("run_best_of_the_day", "execution", executed(BestOfTheDay), executed(Honest)),
    pair("run_no_losing_orders", "execution", executed(NoLosingOrders), executed(NoDearOrders)),
    pair("run_no_lag", "execution", executed(NoLag), executed(Honest)),
    pair("run_through_halts", "execution", executed(ThroughHalts, HALTS), executed(Honest, HALTS)),
    pair("run_over_volume", "execution", simulated(OverVolume, *THIN), simulated(NextOpen, *THIN)),
    pair("run_early_dividends", "account", simulated(EarlyDividends), simulated(NextOpen)),
    pair("run_no_costs", "account", simulated(NoCosts), simulated(NextOpen)),
    pair("run_no_delisting_loss", "account", executed(NoDelistingLoss, *ENDINGS), executed(Honest, *ENDINGS)),
)
