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
    plan: Plan, capital: float, equity: Floats, cash: Floats, spent: Floats, fills: Fills, events: Events
) -> Account:
    """The account of an equity curve: spent (3, T) are fees, spreads and traded value by session."""
    sessions = np.arange(plan.offset, plan.offset + len(equity))
    before = np.concatenate([[capital], equity[:-1]])
    solvent = before > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.where(solvent, equity / before - 1, 0.0)
        gross = np.where(solvent, net + (spent[0] + spent[1]) / before, 0.0)
        turnover = np.where(solvent, spent[2] / before, 0.0)
    none = np.zeros(len(equity))
    return Account(
        sessions, plan.symbols, capital, equity, cash, none, gross, net, turnover, spent[0], spent[1],
        none, none, none, none, none, fills, events,
    )  # fmt: skip


def spent_by_session(plan: Plan, fills: Fills) -> Floats:
    """(3, T) fees, spreads and traded value of a fill log."""
    at, value = fills.session - plan.offset, np.abs(fills.quantity) * fills.price
    parts = (fills.fee, fills.spread, value)
    return np.stack([np.bincount(at, weights=part, minlength=len(plan.weights)) for part in parts])


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
