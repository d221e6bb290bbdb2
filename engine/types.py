"""What travels inside the engine. Shapes: D decisions, T sessions, S symbols, N rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backcast.data.types import Bools, Clock, Floats, Ints

WEIGHTS, SHARES, ORDERS = "weights", "shares", "orders"


@dataclass(frozen=True)
class Targets:
    """decisions (D,) indices into the clock, ascending; weights (D, S), NaN = leave alone. kind says what they are: `weights`,
    a share of equity to hold; `shares`, a number of shares to hold; `orders`, a number of shares to buy (or sell, below 0)."""

    decisions: Ints
    symbols: tuple[str, ...]
    weights: Floats
    kind: str = WEIGHTS


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
class Rules:
    """What a broker allows. lot: shares come in multiples of it (0: fractions). max_leverage: gross exposure over equity
    that an order may reach where there is margin. maintenance: the least equity over gross exposure at a close; below it,
    every position is cut in proportion at the next fill point, back to max_leverage (a margin call, an event); 0: never."""

    lot: float = 0.0
    max_leverage: float = np.inf
    maintenance: float = 0.0


@dataclass(frozen=True)
class Dividends:
    """Cash that a share brings, (N,) each in order of ex: ex, the session at whose open a holder of the session before is
    entitled; pay, the session at whose open it is paid (at least ex; beyond the last session: still owed at the end); symbol an
    index; amount in currency for each share held before ex, in the shares of the session before. A short position owes it.
    Sessions count from the plan's first."""

    ex: Ints
    pay: Ints
    symbol: Ints
    amount: Floats

    @staticmethod
    def none() -> Dividends:
        empty = np.empty(0, dtype=np.int64)
        return Dividends(empty, empty, empty, np.empty(0))


@dataclass(frozen=True)
class Plan:
    """Everything a simulator needs, the lag already added; all simulators trade the same plan. Prices and volumes are in the
    source's own units: of a raw source raw, with its splits and dividends beside them; else as they came, with neither.

    Sessions T run from the first fill to the last mark; `offset` is the clock index of the first.
    weights (T, S): target to trade to at this session's fill point, NaN = no order, in the unit that `kind` says (Targets);
    decided (T,): the clock index of the decision behind the session's orders (-1 = none). fill_price (T, S): price at the fill
    point, last known value where it does not trade (NaN before the first price); tradable (T, S): an order can fill;
    mark_price (T, S): price at the session's close, last known value where missing. events: what planning itself decided.
    margin: whether buying may take cash below zero.

    The rest may be absent (None: nothing of the kind). exits (T, S): cash a share for which every share held is taken away at
    the session's open, at no cost (a merger's or a delisting's proceeds); NaN = none. forced (T, S): a haircut, at
    which what is held of a symbol that vanished is closed at the session's fill point: the fill price worse by this share for
    the side that is held; NaN = none. No order trades there. split (T, S): new shares for an old one at the session's open,
    before everything else of that session. dividends. capacity (T, S): the most shares that may trade in the session (a share
    of its volume). patience: how many further sessions what is left of an order is worked, until a newer decision
    replaces it; 0 = the rest is dropped, an event. volatility (T, S): of a session's return, and traded (T, S): mean value
    traded a session, in currency, both as known at the decision before the fill: for costs. half_spread (T, S): from data, a
    share of the price. borrowable (T, S): a share may be sold short; borrow_rate (T, S): a year, from data. deposit (T,):
    cash added (withdrawn, below 0) at the session's open, before its orders. years (T,): time since the session
    before, for interest and borrow fees.
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
    kind: str = WEIGHTS
    exits: Floats | None = None
    forced: Floats | None = None
    split: Floats | None = None
    dividends: Dividends | None = None
    capacity: Floats | None = None
    patience: int = 0
    volatility: Floats | None = None
    traded: Floats | None = None
    half_spread: Floats | None = None
    borrowable: Bools | None = None
    borrow_rate: Floats | None = None
    deposit: Floats | None = None
    years: Floats | None = None
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Fills:
    """The fill log, (N,) each, in the order of trading: decided and session are clock indices (decided -1 = the engine's own: a
    vanished symbol, a margin call), symbol an index, quantity signed, price before costs; costs in currency, >= 0."""

    decided: Ints
    session: Ints
    symbol: Ints
    quantity: Floats
    price: Floats
    fee: Floats
    spread: Floats
    impact: Floats


@dataclass(frozen=True)
class Account:
    """The account at each session's close, (T,) each; sessions are clock indices.

    equity = cash + owed + positions at their marks; `owed` are dividends past their ex date and not paid yet (below 0: to be
    paid). With base[t] = equity[t-1] + deposit[t], the first from the capital: net[t] = equity[t] / base[t] - 1, gross[t] =
    net[t] + (fee + spread + impact + borrow)[t] / base[t], turnover[t]: traded value (buys and sells) over base[t]. In
    currency: fee, spread, impact, borrow >= 0, what they cost in the session; dividend, signed, at ex; interest,
    signed, received on cash and paid on what is borrowed; deposit, signed.
    """

    sessions: Ints
    symbols: tuple[str, ...]
    capital: float
    equity: Floats
    cash: Floats
    owed: Floats
    gross_return: Floats
    net_return: Floats
    turnover: Floats
    fee: Floats
    spread: Floats
    impact: Floats
    borrow: Floats
    dividend: Floats
    interest: Floats
    deposit: Floats
    fills: Fills
    events: Events
