"""What travels inside the engine. Shapes: D decisions, T sessions, S symbols, N rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Bools, Clock, Floats, Ints


@dataclass(frozen=True)
class Targets:
    """decisions (D,) indices into the clock, ascending; weights (D, S): target share of equity, NaN = leave alone."""

    decisions: Ints
    symbols: tuple[str, ...]
    weights: Floats


@dataclass(frozen=True)
class Events:
    """What the engine did on its own, a row each: session (N,) index, symbol (N,) index (-1 = none), kind, detail."""

    session: Ints
    symbol: Ints
    kind: tuple[str, ...]
    detail: tuple[str, ...]

    @staticmethod
    def empty() -> Events:
        none = np.empty(0, dtype=np.int64)
        return Events(none, none, (), ())

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class Plan:
    """Everything a simulator needs, the lag already added; both simulators trade the same plan.

    Sessions T run from the first fill to the last mark; `offset` is the clock index of the first.
    weights (T, S): target to trade to at this session's fill point, NaN = no order; decided (T,): the clock index of
    the decision behind the session's orders (-1 = none; a forced exit has no decision). fill_price (T, S): price at the
    fill point, last known value where it does not trade (NaN before the first price); tradable (T, S): an order can
    fill; mark_price (T, S): price at the session's close, last known value where missing.
    events: what planning itself decided (frozen prices, forced exits, symbols without data).
    margin: whether buying may take cash below zero.
    """

    clock: Clock
    symbols: tuple[str, ...]
    offset: int
    weights: Floats
    decided: Ints
    fill_price: Floats
    tradable: Bools
    mark_price: Floats
    events: Events
    margin: bool


@dataclass(frozen=True)
class Fills:
    """The fill log, (N,) each, in the order of trading: decided and session are clock indices (decided -1 = forced),
    symbol an index, quantity signed, price before the spread; costs in currency, >= 0."""

    decided: Ints
    session: Ints
    symbol: Ints
    quantity: Floats
    price: Floats
    fee: Floats
    spread: Floats


@dataclass(frozen=True)
class Account:
    """The account at each session's close, (T,) each; sessions are clock indices.

    gross_return + costs over equity give net_return: net[t] = equity[t] / equity[t-1] - 1 with the first taken
    against the capital; gross[t] = net[t] + (fee[t] + spread[t]) / equity[t-1]. turnover[t]: traded value (buys and sells)
    over equity[t-1]. fee, spread in currency.
    """

    sessions: Ints
    symbols: tuple[str, ...]
    capital: float
    equity: Floats
    cash: Floats
    gross_return: Floats
    net_return: Floats
    turnover: Floats
    fee: Floats
    spread: Floats
    fills: Fills
    events: Events
