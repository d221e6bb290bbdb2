"""What a simulator is: it trades a plan and keeps the account."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.costs.base import Cost
from backcast.engine.types import Account, Events, Fills, Plan


class Simulator(ABC):
    """Trades target weights.

    At a session's fill point the account is valued once at the fill prices; every order goes for weight x value / price shares.
    Sells come first, then buys, the smallest first where cash does not suffice for all; without margin a buy gets
    what cash there is. The half-spread worsens the price, the fee is taken of the traded value. An account worth
    nothing or less trades no more.
    """

    name: ClassVar[str]

    @abstractmethod
    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        """The account from the plan's first fill session to its last."""


def account(
    plan: Plan, capital: float, equity: Floats, cash: Floats, fills: Fills, events: Events
) -> Account:
    """The account of an equity curve and a fill log: returns, turnover and costs by session."""
    sessions = np.arange(plan.offset, plan.offset + len(equity))
    at = fills.session - plan.offset
    fee, spread, traded = (
        np.bincount(at, weights=values, minlength=len(equity)).astype(np.float64)
        for values in (fills.fee, fills.spread, np.abs(fills.quantity) * fills.price)
    )
    before = np.concatenate([[capital], equity[:-1]])
    solvent = before > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(solvent, equity / before - 1, 0.0)
        gross = np.where(solvent, net + (fee + spread) / before, 0.0)
        turnover = np.where(solvent, traded / before, 0.0)
    return Account(
        sessions, plan.symbols, capital, equity, cash, gross, net, turnover, fee, spread, fills, events
    )


def merged(
    plan: Plan, partial: Ints, partial_symbol: Ints, wanted: Floats, got: Floats, equity: Floats
) -> Events:
    """The plan's events with those of trading: partial fills, and the session at which the account was worth nothing."""
    rows = list(
        zip(plan.events.session.tolist(), plan.events.symbol.tolist(), plan.events.kind, plan.events.detail)
    )
    for t, s, asked, filled in zip(partial.tolist(), partial_symbol.tolist(), wanted, got):
        detail = f"cash for {filled:.6g} of {asked:.6g} shares"
        rows.append((t, s, "partial_fill", detail))
    broke = np.flatnonzero(equity <= 0)
    if len(broke):
        rows.append(
            (
                plan.offset + int(broke[0]),
                -1,
                "bankrupt",
                "the account is worth nothing or less; it trades no more",
            )
        )
    rows.sort()
    return Events(
        np.array([r[0] for r in rows], dtype=np.int64),
        np.array([r[1] for r in rows], dtype=np.int64),
        tuple(r[2] for r in rows),
        tuple(r[3] for r in rows),
    )
