"""Every cent explained: an account rebuilt from its own fill log and from what happened, without any simulator.

Session by session, from the log's quantities, prices and costs alone:

    shares = shares x split (parts of a lot are paid out at the last mark), less what an exit takes, plus fills
    owed   = owed + dividends past ex (by the shares before the split) - dividends paid
    cash   = cash + deposit + interest - borrow fee + dividends paid + exits and parts of lots - fills and their costs
    equity = cash + owed + shares x mark
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.types import Account, Dividends, Plan

TOLERANCE = 1e-9
"""Of the equity, or of the capital where that is more: the last digits of sums differ."""

ROWS = ("cash", "owed", "equity", "dividend")
"""What is compared, by session."""


def unexplained(plan: Plan, account: Account) -> Floats:
    """(4, T) of each row and session what the account says less what its log explains, as shares of equity or capital.

    An account that went bankrupt is explained until then: at that close its positions are gone, and only its equity counts.
    """
    explained = np.stack(_rebuilt(plan, account))
    recorded = np.stack([np.asarray(getattr(account, name), dtype=np.float64) for name in ROWS])
    apart = (recorded - explained) / np.maximum(np.abs(recorded[2]), account.capital)
    broke = np.flatnonzero(account.equity <= 0)
    if len(broke):
        end = int(broke[0])
        apart[:, end + 1 :] = 0.0
        apart[:2, end] = 0.0
        if "withdrawal_cut" in account.events.kind:  # nothing was left to be held over that session
            apart[:, end] = 0.0
    return np.asarray(apart)


def _rebuilt(plan: Plan, account: Account) -> tuple[Floats, Floats, Floats, Floats]:
    """(T,) each of `ROWS`."""
    sessions, symbols = plan.weights.shape
    dividends = plan.dividends or Dividends.none()
    entitled = np.zeros(len(dividends.ex))  # in currency, by the shares of the session before ex
    shares, cash, owed = np.zeros(symbols), account.capital, 0.0
    cash_at, owed_at, equity, dividend = (np.zeros(sessions) for _ in range(4))
    traded = _traded(plan, account)
    spent = np.bincount(
        account.fills.session - plan.offset,
        weights=account.fills.quantity * account.fills.price
        + account.fills.fee
        + account.fills.spread
        + account.fills.impact,
        minlength=sessions,
    )
    for t in range(sessions):
        due = np.flatnonzero(dividends.ex == t)
        entitled[due] = dividends.amount[due] * shares[dividends.symbol[due]]
        dividend[t] = entitled[due].sum()
        paid = entitled[(dividends.pay == t) & (dividends.ex <= t)].sum()
        owed += dividend[t] - paid
        cash += account.deposit[t] + account.interest[t] - account.borrow[t] + paid
        shares, out = _opened(plan, shares, t)
        cash += out - spent[t]
        shares = shares + traded[t]
        held = shares != 0.0
        cash_at[t], owed_at[t] = cash, owed
        equity[t] = cash + owed + shares[held] @ plan.mark_price[t, held]
    return cash_at, owed_at, equity, dividend


def _traded(plan: Plan, account: Account) -> Floats:
    """(T, S) shares bought less shares sold."""
    fills = account.fills
    traded = np.zeros(plan.weights.shape)
    np.add.at(traded, (fills.session - plan.offset, fills.symbol), fills.quantity)
    return traded


def _opened(plan: Plan, shares: Floats, t: int) -> tuple[Floats, float]:
    """Shares after a session's splits and exits, and the cash for what went."""
    cash = 0.0
    if plan.split is not None and (plan.split[t] != 1.0).any():
        shares = shares * plan.split[t]
        unit = min(plan.rules.lot, 1.0)
        if unit > 0:
            whole = np.sign(shares) * np.floor(np.abs(shares) / unit + TOLERANCE) * unit
            rest = np.where(
                (plan.split[t] != 1.0) & (np.abs(shares - whole) > TOLERANCE * unit), shares - whole, 0.0
            )
            some = rest != 0.0
            cash += float(rest[some] @ (plan.mark_price[t - 1, some] / plan.split[t, some]))
            shares = np.where(plan.split[t] != 1.0, whole, shares)
    if plan.exits is not None:
        gone = np.isfinite(plan.exits[t]) & (shares != 0.0)
        cash += float(shares[gone] @ plan.exits[t, gone])
        shares = np.where(np.isfinite(plan.exits[t]), 0.0, shares)
    return shares, cash
