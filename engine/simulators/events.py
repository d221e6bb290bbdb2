"""What trading could not do, or did on its own, in words."""

from __future__ import annotations

import numpy as np

from backcast.engine.simulators.kernel import state
from backcast.engine.types import Events, Plan

WORDS: dict[float, tuple[str, str]] = {
    state.PARTIAL: ("partial_fill", "cash for {1:.6g} of {0:.6g} shares"),
    state.CAPACITY: ("capacity", "volume for {1:.6g} of {0:.6g} shares"),
    state.DROPPED: ("order_dropped", "{0:.6g} shares of an order were still to trade"),
    state.NOT_BORROWABLE: ("not_borrowable", "{1:.6g} of {0:.6g} shares sold: no more can be borrowed"),
    state.LEVERAGE: ("max_leverage", "leverage for {1:.6g} of {0:.6g} shares"),
    state.BELOW_LOT: ("below_lot", "{0:.6g} shares asked for, less than a lot of {1:.6g}"),
    state.UNKNOWN_COST: ("cost_unknown", "{0:.6g} shares: data that a cost needs are missing; not charged"),
    state.MARGIN_CALL: ("margin_call", "equity was {0:.6g} of gross exposure at the close before; {1:.6g} of each is kept"),
    state.NOT_TRADABLE: ("not_tradable", "no price at the fill: a target, order or cut of {0:.6g} not done"),
    state.EXIT: ("cash_exit", "{0:.6g} shares taken for {1:.6g} each"),
    state.LIEU: ("cash_in_lieu", "{0:.6g} of a share paid in cash at {1:.6g} each"),
    state.OVERDRAWN: ("overdrawn", "cash is {0:.6g} without margin"),
    state.VANISHED: ("vanished", "{0:.6g} shares closed at {1:.6g} each, long after the last price: worse by the haircut"),
    state.WITHDRAWN: ("withdrawal_cut", "{0:.6g}, all that there was, taken out of {1:.6g} asked for; the account ends"),
    state.BANKRUPT: ("bankrupt", "the account is worth nothing or less; it trades no more"),
}  # fmt: skip
"""The name of each kind of event, and what its two figures say."""

KINDS = tuple(WORDS[float(kind)][0] for kind in range(state.KINDS))

Row = tuple[int, int, float, float, float]
"""Session of the plan, symbol (-1 = none), kind, and its two figures."""


def merged(plan: Plan, rows: list[Row]) -> Events:
    """The plan's events with those of trading, by session and symbol."""
    planned, write = plan.events, {kind: words.format for kind, (_, words) in WORDS.items()}
    kinds = [*planned.kind, *(WORDS[row[2]][0] for row in rows)]
    details = [*planned.detail, *(write[kind](first, second) for _, _, kind, first, second in rows)]
    session = np.concatenate(
        [planned.session, np.array([row[0] + plan.offset for row in rows], dtype=np.int64)]
    )
    symbol = np.concatenate([planned.symbol, np.array([row[1] for row in rows], dtype=np.int64)])
    order = np.lexsort((symbol, session))  # as they came where both are the same
    at = order.tolist()
    return Events(session[order], symbol[order], tuple(kinds[i] for i in at), tuple(details[i] for i in at))
