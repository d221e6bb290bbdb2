"""What the loop reads, what it carries from session to session, and what it writes down.

A session's inputs and the state of each symbol lie in one `sheet` (ROWS, S), so that functions pass few arrays: Numba's time to
compile grows with every one of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.signals.kernels.cache import compiled_within

ROUNDING = 1e-9
"""A limit may be exceeded by this share of it and still count as kept: the last digits of sums differ."""

WEIGHTS, SHARES, ORDERS = 0.0, 1.0, 2.0

EQUITY, CASH, OWED, FEE, SPREAD, IMPACT, TRADED, BORROW, DIVIDEND, INTEREST = range(10)
"""The rows of the account by session."""

PARTIAL, CAPACITY, DROPPED, NOT_BORROWABLE, LEVERAGE, BELOW_LOT, UNKNOWN_COST = (
    0.0,
    1.0,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
)
MARGIN_CALL, NOT_TRADABLE, EXIT, LIEU, OVERDRAWN, BANKRUPT, VANISHED, WITHDRAWN = (
    7.0,
    8.0,
    9.0,
    10.0,
    11.0,
    12.0,
    13.0,
    14.0,
)
"""Kinds of event; what their two figures mean is said in `events.py`. Floats: Numba compiles a function again for each literal
integer that it is called with."""
KINDS = 15
GONE = 2 + KINDS
"""Where a log that is not kept counts the fills of earlier sessions."""

CAPITAL, HAS_MARGIN, KIND, LOT, MAX_LEVERAGE, MAINTENANCE, PATIENCE, OFFSET, KEEP, NOW, DECIDED = range(11)
"""The terms of trading (11,): numbers of the plan and its rules; OFFSET: the clock index of its first session; KEEP: whether
the whole log is kept, or the last session's alone; NOW and DECIDED: the session, and the decision behind its orders."""

(COST_FEE, COST_SPREAD, COST_IMPACT, COST_KNOWN, HELD, ASKED, REST, REST_LEFT, REST_FROM, SOURCE, DONE, WEIGHT, PRICE, TRADABLE,
 ROOM, VOLATILITY, VALUE_TRADED, HALF_SPREAD, BORROWABLE) = range(19)  # fmt: skip
"""The rows of the sheet. State: shares HELD; what is ASKED for now and what it costs (KNOWN: 1 if all that was needed is);
the REST of an order that is still worked, the sessions LEFT for it and the decision it comes FROM; SOURCE: the decision
behind what is asked; DONE: what a margin call has traded. Then the session's row of each array of the plan; ROOM is its
capacity."""
ROWS = 19


class Given(NamedTuple):
    """A plan as arrays of one type each; one that is absent has length 0. pay_order: the dividends in order of pay."""

    decided: Ints
    weights: Floats
    fill_price: Floats
    tradable: Bools
    mark_price: Floats
    exits: Floats
    forced: Floats
    split: Floats
    capacity: Floats
    volatility: Floats
    traded: Floats
    half_spread: Floats
    borrowable: Bools
    borrow_rate: Floats
    deposit: Floats
    years: Floats
    ex: Ints
    pay: Ints
    pay_order: Ints
    symbol: Ints
    amount: Floats


class Log(NamedTuple):
    """fills: of (3, N) decided, session, symbol and (4 or 5, N) quantity, price, fee, spread, impact; events: of (5, M)
    session, symbol, kind and two figures; used (3 + KINDS,): how many of N and of M, of each kind of event, and `GONE`."""

    fills: Ints
    figures: Floats
    events: Floats
    used: Ints


@compiled_within
def worth(total: float, shares: Floats, prices: Floats) -> float:
    """Cash and positions; a price that nobody holds may be missing. Four sums at once: each waits for its own last addition."""
    first, second, third, fourth, even = 0.0, 0.0, 0.0, 0.0, len(shares) // 4 * 4
    for s in range(
        0, even, 4
    ):  # multiplied first, chosen after: a branch that depends on the data would cost more
        a, b, c, d = shares[s], shares[s + 1], shares[s + 2], shares[s + 3]
        w, x, y, z = a * prices[s], b * prices[s + 1], c * prices[s + 2], d * prices[s + 3]
        first += w if a != 0.0 else 0.0
        second += x if b != 0.0 else 0.0
        third += y if c != 0.0 else 0.0
        fourth += z if d != 0.0 else 0.0
    for s in range(even, len(shares)):
        first += shares[s] * prices[s] if shares[s] != 0.0 else 0.0
    return total + ((first + second) + (third + fourth))


@compiled_within
def exposure(shares: Floats, prices: Floats) -> float:
    """What is held and what is short, added up."""
    total = 0.0
    for s in range(len(shares)):
        if shares[s] != 0.0:
            total += abs(shares[s]) * prices[s]
    return total


@compiled_within
def wider(old: Floats, used: int, room: int) -> Floats:
    """The same entries with room for more."""
    new = np.empty((old.shape[0], room))
    for i in range(old.shape[0]):
        for k in range(used):
            new[i, k] = old[i, k]
    return new


@compiled_within
def wider_ints(old: Ints, used: int, room: int) -> Ints:
    """As `wider`, of integers."""
    new = np.empty((old.shape[0], room), dtype=np.int64)
    for i in range(old.shape[0]):
        for k in range(used):
            new[i, k] = old[i, k]
    return new


@compiled_within
def asks(weight: float, held: float, kind: float) -> bool:
    """Whether a target or an order may be for a trade: one of nothing is not, unless something is held."""
    return weight == weight and (weight != 0.0 or (kind != ORDERS and held != 0.0))


@compiled_within
def note(t: float, s: int, kind: float, first: float, second: float, events: Floats, used: Ints) -> None:
    """Writes an event down."""
    m = used[1]
    events[0, m] = t
    events[1, m] = s
    events[2, m] = kind
    events[3, m] = first
    events[4, m] = second
    used[1] = m + 1
    used[2 + int(kind)] += 1
