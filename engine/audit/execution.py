"""Whether every fill could have been had: after its decision, at a price of its bar, in a bar that traded, within its volume.

The plan is not believed: a user's own execution made it. Everything is held against the market as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backcast.data.market import Market
from backcast.data.types import Bools, Clock, Floats, Ints, Panel
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.execution import PRICES, Execution
from backcast.engine.orders import carried
from backcast.engine.sessions import latest_decisions
from backcast.engine.types import Account, Fills

TOLERANCE = 1e-9
"""Of a price, or of a volume."""

NEARLY_ALL, CHOICES = 0.8, 20
"""More than this share of buys or of sells at the better of two prices is no chance, once there are so many."""

MEANS = {**PRICES, "mean of the bar": ("open", "high", "low", "close"), "middle of the bar": ("high", "low")}
"""Prices that nobody had to choose: the fields whose mean each is. The least or the best of a bar is none of them."""

AFTER, PRICE, TRADED, VOLUME = (
    "fills after their decisions",
    "fills at prices of their bars",
    "fills where something traded",
    "fills within the volume",
)


@dataclass(frozen=True)
class Filled:
    """Fills beside the market: t and s (N,) index bars, (S, T) of the market; own: decided by a strategy, not the engine's;
    free: a user's execution declares their prices, which may be any of their bars (a mean of minutes, a limit)."""

    fills: Fills
    market: Market
    t: Ints
    s: Ints
    own: Bools
    point: str
    prices: Floats
    free: bool

    @property
    def price(self) -> Floats:
        """(N,) what the bar of each fill gives at the point at which all fill; NaN without one."""
        return self.prices[self.s, self.t]


def checks(execution: Execution, panel: Panel, market: Market, account: Account) -> list[Check]:
    """The checks of a fill log; a volume's where the execution has a cap on it."""
    filled = _filled(execution, panel, market, account.fills)
    found = [after_decisions(filled), at_prices(filled), where_traded(filled)]
    return [*found, within_volume(filled, execution.participation)] if execution.participation else found


def _filled(execution: Execution, panel: Panel, market: Market, fills: Fills) -> Filled:
    """The fills, beside the point that they have in common, or that the execution names where they have none."""
    prices, fitting = common_point(execution, panel, market, fills)
    point = (fitting or list(prices))[0]
    free = not type(execution).__module__.startswith("backcast.")
    return Filled(fills, market, fills.session, fills.symbol, fills.decided >= 0, point, prices[point], free)


def common_point(
    execution: Execution, panel: Panel, market: Market, fills: Fills
) -> tuple[dict[str, Floats], list[str]]:
    """The prices (S, T) at each point of a bar, the one that the execution names first; and the first that every decided fill
    has, a list of one name, empty without one."""
    named = execution.resolve(panel)
    there = [name for name, fields in MEANS.items() if set(fields) <= set(market.fields)]
    prices = {
        name: np.mean([market.field(field) for field in MEANS[name]], axis=0)
        for name in sorted(there, key=lambda name: name != named)
    }
    own = fills.decided >= 0
    at = fills.symbol[own], fills.session[own]
    fitting = [name for name, point in prices.items() if _equal(fills.price[own], point[at]).all()]
    return prices, fitting[:1]


def _equal(price: Floats, other: Floats) -> Bools:
    return np.asarray(np.abs(price - other) <= TOLERANCE * np.abs(other))


def after_decisions(filled: Filled) -> Check:
    """Every fill comes in a bar after that of its decision, at a price made of nothing before the instant of the decision."""
    early = came_early(filled.fills, filled.market.clock, filled.point)
    check = Check(AFTER, "execution", "every fill", len(early), int(early.sum()))
    return _accused(
        check,
        filled,
        early,
        lambda i: f"Fill {i + 1:,} of the log comes at a price from before its decision.",
        "Fill at the next bar (execution.fill), or decide earlier (dataset.decision_delay).",
    )


def came_early(fills: Fills, clock: Clock, point: str) -> Bools:
    """(N,) fills that come no later than their decision's bar, or at a price made before the instant of the decision."""
    latest = latest_decisions(clock, point)[fills.session]
    early = (fills.session <= fills.decided) | (latest < clock.decides_at[fills.decided])
    return np.asarray((fills.decided >= 0) & early)


def at_prices(filled: Filled) -> Check:
    """Every fill has the price of its bar at the point at which all fill; that of a user's own execution may lie anywhere in
    its bar, unless it is always the best of it, or of the decision's bar. What vanished is closed no better than last seen."""
    fills, known = filled.fills, np.isfinite(filled.price)
    wrong = known & ~_equal(fills.price, filled.price)
    if filled.free:
        wrong &= ~filled.own | _unfair(filled, wrong)
    closed = np.flatnonzero(~filled.own & ~known)
    if len(closed):
        market = filled.market
        last = carried(market.field("close").T, market.split.T)[filled.t[closed], filled.s[closed]]
        gain = np.sign(fills.quantity[closed]) * (fills.price[closed] / last - 1)
        wrong[closed] = ~(gain >= -TOLERANCE)
    check = Check(PRICE, "execution", f"{filled.point.replace('_', ' ')} of each fill's bar", len(wrong))
    check.changed = int(wrong.sum())
    return _accused(
        check,
        filled,
        wrong,
        lambda i: (
            f"Fill {i + 1:,} of the log is at {fills.price[i]:.6g}, {_whose(filled, i)}; its bar's "
            f"{_point(filled.point)} is {filled.price[i]:.6g}."
        ),
        "Fill every order at one point of its bar: the open, the close, or a mean of the bar.",
    )


def _unfair(filled: Filled, off: Bools) -> Bools:
    """(N,) of fills off the point in common: those at better than their bar; and of buys or sells that are nearly all so,
    those at the best of the bar, at a price of their decision's own bar, or at the better of open and close."""
    market, t, s, price = filled.market, filled.t, filled.s, filled.fills.price
    there = {name: market.field(name) for name in ("open", "high", "low", "close") if name in market.fields}
    buys = filled.fills.quantity > 0
    decided = np.maximum(filled.fills.decided, 0)
    kinds = [(off, np.any([_equal(price, field[s, decided]) for field in there.values()], axis=0), 5)]
    best = filled.price
    if {"low", "high"} <= set(there):
        best = np.where(buys, there["low"][s, t], there["high"][s, t])
        kinds.append((off, _equal(price, best), 5))
    if "open" in there:
        one, two = there["open"][s, t], there["close"][s, t]
        kinds.append(
            (filled.own, _equal(price, np.where(buys, np.fmin(one, two), np.fmax(one, two))), CHOICES)
        )
    unfair: Bools = np.where(buys, best - price, price - best) > TOLERANCE * np.abs(best)
    for side in (buys, ~buys):
        for of, kind, many in kinds:
            asked, found = side & of & filled.own, side & of & filled.own & kind
            if found.sum() >= many and found.sum() > NEARLY_ALL * asked.sum():
                unfair = unfair | found
    return unfair


def _point(name: str) -> str:
    return name.removeprefix("next_") + (" price" if name.endswith("typical") else "")


def _whose(filled: Filled, i: int) -> str:
    """What a wrong price is, in words."""
    market, t, s, price = filled.market, int(filled.t[i]), int(filled.s[i]), filled.fills.price[i]
    decided = int(filled.fills.decided[i])
    rows = [("its bar's", t), ("the next bar's", t + 1)]
    rows[:0] = [("its decision's own", decided)] if decided >= 0 else []
    for whose, at in rows:
        for field in ("low", "high", "close", "open"):
            inside = field in market.fields and 0 <= at < len(market.clock)
            if inside and _equal(np.array(price), np.array(market.field(field)[s, at])):
                return f"{whose} {field}"
    if {"low", "high"} <= set(market.fields) and not np.isnan(filled.price[i]):
        low, high = market.field("low")[s, t], market.field("high")[s, t]
        return "outside of its bar's low to high" if not low <= price <= high else "inside of its bar"
    return "a price of no bar" if not np.isnan(filled.price[i]) else "better than its last price"


def where_traded(filled: Filled) -> Check:
    """No order fills without a bar, nor in one without volume."""
    market = filled.market
    nothing: Bools = np.isnan(filled.price)
    if "volume" in market.fields:
        volume = market.field("volume")
        counted: Bools = np.any(
            volume > 0, axis=1
        )  # a source that has no volume of a symbol says nothing about it
        nothing |= (volume[filled.s, filled.t] == 0.0) & counted[filled.s]
    wrong = nothing & filled.own
    check = Check(TRADED, "execution", "a bar with volume under each fill", len(wrong), int(wrong.sum()))
    return _accused(
        check,
        filled,
        wrong,
        lambda i: f"Fill {i + 1:,} of the log comes where nothing traded: {_silence(filled, i)}.",
        "Take untradable bars out of the plan (Plan.tradable); what is dropped is an event.",
    )


def _silence(filled: Filled, i: int) -> str:
    s, t = int(filled.s[i]), int(filled.t[i])
    there = np.flatnonzero(np.isfinite(filled.prices[s]))
    if not len(there) or t < there[0]:
        return "before the symbol's first bar"
    if t > there[-1]:
        return "after the symbol's last bar"
    return "its bar has no volume" if t in there else "the symbol has no bar then"


def within_volume(filled: Filled, share: float) -> Check:
    """What is traded of a symbol in a bar is at most the configured share of its volume."""
    volume = np.nan_to_num(filled.market.field("volume"))
    traded = np.zeros(volume.shape)
    own = filled.own
    np.add.at(traded, (filled.s[own], filled.t[own]), np.abs(filled.fills.quantity[own]))
    most: Bools = traded > share * volume * (1 + TOLERANCE) + TOLERANCE
    over = own & most[filled.s, filled.t]
    check = Check(
        VOLUME, "execution", f"at most {share:.3g} of each bar's volume", len(over), int(over.sum())
    )
    return _accused(
        check,
        filled,
        over,
        lambda i: (
            f"Fill {i + 1:,} of the log is part of {traded[filled.s[i], filled.t[i]]:,.6g} shares, of a volume of "
            f"{volume[filled.s[i], filled.t[i]]:,.6g}."
        ),
        "Cut orders to what the plan's capacity allows (Plan.capacity).",
    )


def _accused(check: Check, filled: Filled, wrong: Bools, say: Callable[[int], str], remedy: str) -> Check:
    """The check with its first wrong fill named."""
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        price = filled.price[i]
        check.finding = Finding(
            LEAK,
            say(i),
            remedy,
            column="fills.price",
            symbol=filled.market.symbols[filled.s[i]],
            at=str(filled.market.clock.closes_at[filled.t[i]]),
            recorded=float(filled.fills.price[i]),
            replayed=float(price) if np.isfinite(price) else None,
        )
    return check
