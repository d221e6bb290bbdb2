"""One symbol's position through an account: what was held at each close, and what a position came to by its end.

Rebuilt from the plan (splits, dividends, exits, marks) and the fill log, as `engine/reconcile.py` rebuilds whole accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.reconcile import after_split
from backcast.engine.types import Dividends, Plan

ROUNDING = 1e-9
"""What is left of a position is nothing where it is this share of the most that was held: the last digits of sums differ."""


@dataclass(frozen=True)
class SymbolFills:
    """Fills of one symbol, (N,) each in order: session counts from the plan's first; cost is all of it, in currency."""

    session: Ints
    quantity: Floats
    price: Floats
    cost: Floats


@dataclass(frozen=True)
class SymbolPath:
    """(T,) each: shares at the open (after splits and exits, before fills) and at the close; cash from dividends and exits,
    from trades, and what trades cost, in currency."""

    opened: Floats
    closed: Floats
    dividend: Floats
    paid_out: Floats
    traded: Floats
    cost: Floats


@dataclass(frozen=True)
class Position:
    """One position from its opening fill to its closing one, sessions of the plan; still open: held at the last close, valued
    there. Shares are the most that were held, below 0 where sold short; in currency: what trades brought less what they
    took, dividends, what splits and endings paid out, costs of the fills. Borrow fees and interest are the account's."""

    begins: int
    ends: int
    open: bool
    shares: float
    traded: float
    dividends: float
    paid_out: float
    costs: float
    value: float

    @property
    def profit(self) -> float:
        return self.traded + self.dividends + self.paid_out - self.costs + self.value


def path_of(plan: Plan, s: int, fills: SymbolFills) -> SymbolPath:
    """The path of symbol s."""
    sessions = len(plan.weights)
    opened, closed, dividend, paid_out = (np.zeros(sessions) for _ in range(4))
    bought = _summed(fills.session, fills.quantity, sessions)
    traded = _summed(fills.session, -fills.quantity * fills.price, sessions)
    cost = _summed(fills.session, fills.cost, sessions)
    amounts = _by_session(plan.dividends or Dividends.none(), s, sessions)
    most = float(np.abs(fills.quantity).max()) if len(fills.quantity) else 0.0
    held = 0.0
    for t in range(sessions):
        dividend[t] = amounts[t] * held
        if plan.split is not None and plan.split[t, s] != 1.0:
            shares, cash = after_split(plan, t, np.array([held]), slice(s, s + 1))
            held, paid_out[t] = float(shares[0]), cash[0]
            most *= plan.split[t, s]
        if plan.exits is not None and np.isfinite(plan.exits[t, s]):
            paid_out[t] += held * plan.exits[t, s]
            held = 0.0
        opened[t] = held
        held += bought[t]
        most = max(most, abs(held))
        if abs(held) <= ROUNDING * most:
            held = 0.0
        closed[t] = held
    return SymbolPath(opened, closed, dividend, paid_out, traded, cost)


def _by_session(dividends: Dividends, s: int, sessions: int) -> Floats:
    """(T,) amount a share at ex."""
    mine = (dividends.symbol == s) & (dividends.ex < sessions)
    return _summed(dividends.ex[mine], dividends.amount[mine], sessions)


def _summed(session: Ints, values: Floats, sessions: int) -> Floats:
    return np.asarray(np.bincount(session, weights=values, minlength=sessions), dtype=np.float64)


def position_at(plan: Plan, s: int, path: SymbolPath, session: int) -> Position | None:
    """The position that is held at a session's close, or that ends in that session; None where there is none.

    One that turns from long to short, or back, ends there and another begins: of the fill that turns it, and of its cost, the
    position that it closes has the share that it closes.
    """
    sides = np.sign(path.closed)
    side = float(sides[session]) or float(np.sign(path.opened[session]))
    if side == 0.0:
        return None
    same = sides == side
    carried = same[1:] & same[:-1] & (path.opened[1:] * side > 0)  # what an ending took does not go on
    begins = ends = session if same[session] else session - 1
    while begins > 0 and carried[begins - 1]:
        begins -= 1
    while ends < len(carried) and carried[ends]:
        ends += 1
    still = ends + 1 == len(sides)
    most = float(np.abs(path.closed[begins : ends + 1]).max()) * side
    value = float(path.closed[ends] * plan.mark_price[ends, s]) if still else 0.0
    ends += 0 if still else 1
    part, later = slice(begins, ends + 1), slice(begins + 1, ends + 1)
    share = np.ones(ends + 1 - begins)
    share[0] = _share(path, begins, closing=False)
    if not still:
        share[-1] = _share(path, ends, closing=True)
    return Position(
        begins,
        ends,
        still,
        most,
        float(path.traded[part] @ share),
        float(path.dividend[later].sum()),
        float(path.paid_out[later].sum()),
        float(path.cost[part] @ share),
        value,
    )


def _share(path: SymbolPath, t: int, closing: bool) -> float:
    """The share of a session's fills that closes what was held at its open, or that opens what is held at its close."""
    before, after = float(path.opened[t]), float(path.closed[t])
    if before * after > 0:
        return 1.0
    mine = abs(before) if closing else abs(after)
    return mine / (abs(before) + abs(after)) if mine else 0.0
