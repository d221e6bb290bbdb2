"""From targets to a plan: the only place that adds the lag.

A `Venue` is an execution at a market, with what decisions knew of it. Prices, endings, dividends and frictions of a plan do not
depend on the targets: they are made when the first come, and shared by all. Orders, and the events that say what
cannot be filled and what happens to a holding whose prices stop, are each target's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from backcast.data.market import Market
from backcast.data.types import Bools, Clock, Floats, Ints, Panel
from backcast.engine import cash_flows, frictions
from backcast.engine.checks import check_targets
from backcast.engine.costs.base import Cost, needs
from backcast.engine.orders import Orders, carried
from backcast.engine.types import WEIGHTS, Dividends, Events, Plan, Targets

if TYPE_CHECKING:
    from backcast.engine.execution import Execution

LAG = 1
"""Sessions from a decision to its fill."""

DAYS_A_YEAR = 365
"""Interest and borrow fees count calendar days over this many (act/365)."""

ENDINGS = {"delisted": "out at its proceeds", "merged": "paid out in cash"}
"""How a holder gets out of a symbol whose end is a fact. What vanished without one is closed by the simulator."""


class Venue:
    """An execution at a market. panel: what decisions knew; market: what really happened, on the same axes."""

    def __init__(self, execution: Execution, panel: Panel, market: Market, cost: Cost | None = None) -> None:
        self.execution, self.panel, self.market, self.cost = execution, panel, market, cost
        self._plans: dict[int, Plan] = {}

    def plan(self, targets: Targets) -> Plan:
        """See `Execution.plan`. Plans whose accounts begin in one session share every array but weights and `decided`."""
        check_targets(self.panel, targets)
        prices = self._prices
        orders = Orders(self.panel.clock, targets, targets.decisions + LAG)
        if targets.kind != WEIGHTS:
            orders.scale(self.market.split.T)
        orders.drop_untradable(self._untradable)
        self._end(orders)
        self._value_last(orders)
        orders.note_frozen(*self._unknown)
        offset = offset_of(self.panel.clock, int(targets.decisions[0]))
        self._note_pay_dates(orders, offset)
        part = slice(offset, len(self.panel.clock))
        return replace(
            self._fixed(offset, prices),
            weights=orders.weights[part],
            decided=orders.decided[part],
            events=orders.events(),
            kind=targets.kind,
        )

    @cached_property
    def _prices(self) -> _Prices:
        """The prices of trading, and how holders of what ended get out."""
        self.execution.check_data(self.panel, self.market, self.cost)
        prices = _prices(self.market, self.execution._price(self.market.values, self.market).T)
        for s, _, exit_at, proceeds in self._endings:
            if proceeds is None:  # what is held then, and on which side, only trading knows
                prices.fill[exit_at, s] = prices.mark[exit_at, s]
                prices.forced[exit_at, s] = self.execution.haircut
            else:
                prices.mark[exit_at:, s] = prices.exits[exit_at, s] = proceeds
        for s, _, proceeds in self._last:
            prices.mark[self._data_end :, s] = proceeds
        return prices

    @cached_property
    def _endings(self) -> list[tuple[int, int, int, float | None]]:
        market = self.market
        return self.execution._endings(market.field("close"), market, market.endings)

    @cached_property
    def _data_end(self) -> int:
        """The last session with a close."""
        known = np.isfinite(self.market.field("close"))
        return int(np.flatnonzero(known.any(axis=0))[-1]) if known.any() else 0

    @cached_property
    def _last(self) -> list[tuple[int, str, float]]:
        """Symbols that are delisted with the data's last session: place, kind of ending, and proceeds a share."""
        known, found = np.isfinite(self.market.field("close")), []
        for symbol, (final, proceeds) in self.market.endings.items():
            s = self.market.symbols.index(symbol)
            if final >= self._data_end and known[s].any():
                found.append((s, _ending(self.market, s), proceeds))
        return found

    @cached_property
    def _untradable(self) -> tuple[Ints, Ints]:
        """Sessions and symbols in which nothing trades."""
        sessions, symbols = np.nonzero(~self._prices.tradable)
        return sessions, symbols

    @cached_property
    def _unknown(self) -> tuple[Ints, Bools]:
        """The symbols that lack a close in any session (N,), and in which sessions they do (T, N)."""
        unknown = ~np.isfinite(self.market.field("close").T)
        columns = np.flatnonzero(unknown.any(axis=0))
        return columns, unknown[:, columns]

    def _end(self, orders: Orders) -> None:
        """No orders of what ended, and an event where its end is a fact and something is held."""
        for s, last, exit_at, proceeds in self._endings:
            position = orders.end(s, last, exit_at)
            if proceeds is not None and position:
                kind = _ending(self.market, s)
                since = f"no data after {self.market.clock.sessions[last]}"
                orders.note(exit_at, s, kind, f"{since}; {ENDINGS[kind]}")

    def _value_last(self, orders: Orders) -> None:
        """What is delisted with the data's last session is paid out after it: at that close it is worth its proceeds."""
        if not self._last:
            return
        held, ever = orders.held()[-1], orders.ever()
        for s, kind, proceeds in self._last:
            if held[s] or (
                self.execution.participation is not None and ever[s]
            ):  # volume may have kept what was to be sold
                detail = f"to be paid out after the data end; what is held is valued at its proceeds of {proceeds:g}"
                orders.note(self._data_end, s, kind, detail)

    def _note_pay_dates(self, orders: Orders, offset: int) -> None:
        """An event for each dividend that a holder gets on a day that the source does not say."""
        market = self.market
        if market.pay_by_rule is None:
            return
        ours = (market.ex >= offset) & market.pay_by_rule
        if not ours.any():
            return
        held = orders.held_before()
        detail = "the source gives no pay date; paid by our convention"
        for ex, s in zip(market.ex[ours].tolist(), market.symbol[ours].tolist(), strict=True):
            if held[ex, s]:
                orders.note(ex, s, "pay_date_by_rule", detail)

    def _fixed(self, offset: int, prices: _Prices) -> Plan:
        """The plan of an account that begins in a session, without orders."""
        if offset not in self._plans:
            self._plans[offset] = self._without_orders(offset, prices)
        return self._plans[offset]

    def _without_orders(self, offset: int, prices: _Prices) -> Plan:
        panel, market, execution = self.panel, self.market, self.execution
        part = slice(offset, len(panel.clock))
        split, exits, forced = market.split.T[part], prices.exits[part], prices.forced[part]
        return Plan(
            panel.clock,
            panel.symbols,
            offset,
            np.empty((0, 0)),
            np.empty(0, dtype=np.int64),
            prices.fill[part],
            (prices.tradable & np.isnan(prices.forced))[part],
            prices.mark[part],
            Events.empty(),
            execution.margin,
            exits=exits if np.isfinite(exits).any() else None,
            forced=forced if np.isfinite(forced).any() else None,
            split=split if (split != 1.0).any() else None,
            dividends=_dividends(market, offset),
            capacity=execution._capacity(market, part),
            patience=execution.patience,
            deposit=cash_flows.placed(execution.deposits, panel.clock, offset),
            years=_years(panel.clock)[part],
            rules=execution.rules,
            **self._frictions(part),
        )

    def _frictions(self, part: slice) -> dict[str, Any]:
        """What costs need, as known at the decision before each fill."""
        panel, cost, windows = self.panel, self.cost, self.execution.windows
        has_volume = {"traded"} if "volume" in panel.fields else set()
        asked = needs(cost.rates()) if cost else {"volatility"} | has_volume
        found: dict[str, Any] = {}
        if "volatility" in asked:
            found["volatility"] = _lagged(frictions.volatility(panel, windows["volatility"]))[part]
        if "traded" in asked:
            found["traded"] = _lagged(frictions.traded(panel, self.market, windows["traded"]))[part]
        for name in self.execution.columns:  # an order that needs what nobody knew is the simulator's event
            found[name] = _lagged(frictions.column(panel, self.execution.columns, name))[part]
        if "borrowable" in found:  # what nobody knew to be there cannot be borrowed
            found["borrowable"] = np.nan_to_num(found["borrowable"]) > 0
        return found


@dataclass(frozen=True)
class _Prices:
    """Of a plan, (T, S) each: fill, mark, exits and forced as there; tradable: whether there is a price of the session."""

    fill: Floats
    mark: Floats
    tradable: Bools
    exits: Floats
    forced: Floats


def _prices(market: Market, prices: Floats) -> _Prices:
    """Prices of the newest version, the last known value where there is none, from those that orders of a session fill at."""
    closes, split = market.field("close").T, market.split.T
    if "volume" in market.fields:  # a bar without volume repeats a price at which nobody could trade
        volume = market.field("volume").T
        prices = np.where((volume == 0.0) & (volume > 0.0).any(axis=0), np.nan, prices)
    mark = carried(closes, split)
    before = np.vstack([np.full((1, mark.shape[1]), np.nan), mark[:-1]]) / split
    tradable = np.isfinite(prices)
    fill, exits = np.where(tradable, prices, before), np.full(mark.shape, np.nan)
    return _Prices(fill, mark, tradable, exits, exits.copy())


def _dividends(market: Market, offset: int) -> Dividends | None:
    """Those that a holder may get, in sessions of the plan."""
    here = market.ex >= offset
    if not here.any():
        return None
    return Dividends(
        market.ex[here] - offset, market.pay[here] - offset, market.symbol[here], market.amount[here]
    )


def offset_of(clock: Clock, first_decision: int) -> int:
    """The session in which an account begins: that of its first decision's fill, or the last one where the data end before."""
    return min(first_decision + LAG, len(clock) - 1)


def _lagged(values: Floats) -> Floats:
    """(T, S) at each fill session what the decision before it knew, from (S, T) by decision."""
    moved = np.full(values.T.shape, np.nan)
    moved[LAG:] = values.T[:-LAG]
    return moved


def _ending(market: Market, s: int) -> str:
    return "merged" if market.symbols[s] in market.merged else "delisted"


def _years(clock: Clock) -> Floats:
    """(T,) of each session the time since the one before; bars of one session are no time apart."""
    days = np.diff(clock.sessions, prepend=clock.sessions[:1]).astype("timedelta64[D]").astype(np.float64)
    return days / DAYS_A_YEAR
