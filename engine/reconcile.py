"""Every cent explained: an account rebuilt from what it traded and from what happened, without any simulator.

Of the account under test only the quantities of its fills are taken; prices are the plan's, costs and rates the cost's:

    costs  = of each fill, by the plain formula, at the plan's fill price
    shares = shares x split (parts of a lot are paid out at the last mark), less what an exit takes, plus fills
    owed   = owed + dividends past ex (by the shares before the split) - dividends paid
    cash   = cash + deposit + interest - borrow fee + dividends paid + exits and parts of lots - fills and their costs
    equity = cash + owed + shares x mark
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.engine.bills import bills
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates
from backcast.engine.types import Account, Dividends, Fills, Plan

TOLERANCE = 1e-9
"""Of the equity, or of the capital where that is more, and of the price of a fill: the last digits of sums differ."""

COSTS = ("fee", "spread", "impact")
FILLS = ("fills.price", *(f"fills.{name}" for name in COSTS))
ACCOUNT = (*COSTS, "borrow", "interest", "dividend", "deposit", "owed", "cash", "equity")
ROWS = (*FILLS, *ACCOUNT)
"""What is compared, by session, causes before what they cause: the fill log, then the account."""


def unexplained(plan: Plan, account: Account, cost: Cost) -> Floats:
    """(R, T) of each row and session what the account says less what explains it: of FILLS the largest of the session, prices
    as shares of the price, the rest as shares of equity or capital; infinite where nothing can explain it.

    An account that went bankrupt is explained until then: at that close its positions are gone, and only its equity counts.
    """
    rates, fills, sessions = cost.rates(), account.fills, len(plan.weights)
    prices, allowed = _prices(plan, fills)
    t = fills.session - plan.offset
    costs = bills(rates, plan, t, fills.symbol, fills.quantity, prices)
    rebuilt = _rebuilt(plan, account, rates, prices, costs)
    scale = np.maximum(np.abs(account.equity), account.capital)
    apart = np.stack([(getattr(account, name) - rebuilt[name]) / scale for name in ACCOUNT])
    paid = np.stack([getattr(fills, name) for name in COSTS])
    beside = (fills.price - prices) / np.where(prices > 0, prices, 1.0)
    log = np.vstack([np.where(allowed, beside, np.inf), (paid - costs) / scale[t]])
    broke = np.flatnonzero(account.equity <= 0)
    if len(broke):
        end = int(broke[0])
        apart[:, end + 1 :] = 0.0
        apart[[ACCOUNT.index("owed"), ACCOUNT.index("cash")], end] = 0.0
        log[:, t > end] = np.inf  # nothing trades any more
    largest = np.zeros((len(FILLS), sessions))
    for row, values in zip(largest, np.where(np.isnan(log), np.inf, np.abs(log)), strict=True):
        np.maximum.at(row, t, values)
    return np.vstack([largest, np.where(np.isnan(apart), np.inf, apart)])


def _prices(plan: Plan, fills: Fills) -> tuple[Floats, Bools]:
    """(N,) what each fill should have paid before costs, and whether it could be. What vanished is closed at a price that its
    haircut makes worse for the side."""
    t, s = fills.session - plan.offset, fills.symbol
    price, allowed = plan.fill_price[t, s], plan.tradable[t, s]
    if plan.forced is None:
        return price, allowed
    haircut = plan.forced[t, s]
    forced = np.isfinite(haircut) & (fills.decided < 0)
    worse = 1 + np.sign(fills.quantity) * np.where(forced, haircut, 0.0)
    return price * worse, allowed | forced


def _rebuilt(plan: Plan, account: Account, rates: Rates, prices: Floats, costs: Floats) -> dict[str, Floats]:
    """(T,) each of `ACCOUNT`."""
    sessions = len(plan.weights)
    fills, at = account.fills, account.fills.session - plan.offset
    deposit, stop = _deposits(plan, account)
    shares, exits = _shares(plan, _traded(plan, account), stop)
    before = np.vstack([np.zeros(shares.shape[1]), shares[:-1]])
    dividend, paid = _dividends(plan, before, stop)
    borrow = _borrow(plan, rates, before, stop)
    spent = np.bincount(at, weights=fills.quantity * prices + costs.sum(axis=0), minlength=sessions)
    inflow = deposit - borrow + paid + exits - spent
    years = np.zeros(sessions) if plan.years is None else plan.years
    interest, cash = _cash(account.capital, rates, years, inflow, stop)
    owed = np.cumsum(dividend - paid)
    held = np.where(shares != 0.0, shares * plan.mark_price, 0.0).sum(axis=1)
    equity = cash + owed + held
    rows = {
        "borrow": borrow,
        "interest": interest,
        "dividend": dividend,
        "owed": owed,
        "cash": cash,
        "equity": equity,
    }
    for values in rows.values():
        values[stop:] = 0.0
    charged = {k: np.bincount(at, weights=v, minlength=sessions) for k, v in zip(COSTS, costs, strict=True)}
    return {**charged, **rows, "deposit": deposit}


def _deposits(plan: Plan, account: Account) -> tuple[Floats, int]:
    """(T,) what is paid in and taken out, and the first session of which nothing is left because all is taken out, and no
    more; the number of sessions where that does not happen."""
    deposit = np.zeros(len(plan.weights))
    if plan.deposit is not None:
        deposit += plan.deposit
    there = np.r_[account.capital, account.equity[:-1]]
    over = np.flatnonzero(-deposit >= there)
    if not len(over):
        return deposit, len(deposit)
    stop = int(over[0])
    deposit[stop], deposit[stop + 1 :] = -there[stop], 0.0
    return deposit, stop


def _shares(plan: Plan, traded: Floats, stop: int) -> tuple[Floats, Floats]:
    """(T, S) shares held at each close, and (T,) the cash for what splits and exits took. Between sessions with a split or an
    exit shares are sums."""
    sessions, symbols = traded.shape
    event = np.zeros(sessions, dtype=bool)
    if plan.split is not None:
        event |= (plan.split != 1.0).any(axis=1)
    if plan.exits is not None:
        event |= np.isfinite(plan.exits).any(axis=1)
    begins = np.unique(np.r_[0, np.flatnonzero(event[:stop])])[:stop]
    shares, cash, held = np.zeros(traded.shape), np.zeros(sessions), np.zeros(symbols)
    for begin, end in zip(begins, [*begins[1:], stop], strict=True):
        held, cash[begin] = _opened(plan, held, int(begin))
        shares[begin:end] = np.cumsum(np.vstack([held + traded[begin], traded[begin + 1 : end]]), axis=0)
        held = shares[end - 1]
    return shares, cash


def _dividends(plan: Plan, before: Floats, stop: int) -> tuple[Floats, Floats]:
    """(T,) what becomes due at each open by the shares of the close before, and what of it is paid; from `stop` on neither."""
    due, sessions = plan.dividends or Dividends.none(), len(before)
    there = (due.ex >= 0) & (due.ex < stop)
    ex, pay = due.ex[there], due.pay[there]
    amount = due.amount[there] * before[ex, due.symbol[there]]
    comes = (pay >= ex) & (pay < stop)
    return (
        np.bincount(ex, weights=amount, minlength=sessions).astype(np.float64),
        np.bincount(pay[comes], weights=amount[comes], minlength=sessions).astype(np.float64),
    )


def _borrow(plan: Plan, rates: Rates, before: Floats, stop: int) -> Floats:
    """(T,) the fee for what was short at the close before, at its mark; a rate that is not known costs nothing."""
    fee = np.zeros(len(before))
    t, s = np.nonzero(before[:stop] < 0.0)
    if plan.years is None or not len(t):
        return fee
    per_year = np.full(len(t), rates.borrow)
    if rates.borrow_data > 0 and plan.borrow_rate is not None:
        per_year += rates.borrow_data * np.nan_to_num(plan.borrow_rate[t, s])
    np.add.at(fee, t, -before[t, s] * plan.mark_price[t - 1, s] * per_year * plan.years[t])
    return fee


def _cash(capital: float, rates: Rates, years: Floats, inflow: Floats, stop: int) -> tuple[Floats, Floats]:
    """(T,) interest on the cash of the close before, and cash; inflow (T,): everything else that comes or goes."""
    interest, cash, now = np.zeros(len(inflow)), np.zeros(len(inflow)), capital
    for t, (year, came) in enumerate(zip(years[:stop].tolist(), inflow[:stop].tolist(), strict=True)):
        earned = now * (rates.cash if now > 0 else rates.margin) * year
        now += earned + came
        interest[t], cash[t] = earned, now
    return interest, cash


def held_shares(plan: Plan, account: Account) -> Floats:
    """(T, S) shares held at each close, by splits, exits and fills; what rounding leaves of a closed position is none."""
    traded, shares = _traded(plan, account), np.zeros(plan.weights.shape[1])
    held, most = np.zeros(plan.weights.shape), np.zeros(plan.weights.shape[1])
    for t in range(len(held)):
        shares = _opened(plan, shares, t)[0] + traded[t]
        most = most if plan.split is None else most * plan.split[t]
        most = np.where(shares == 0.0, 0.0, np.maximum(most, np.abs(shares)))
        shares = np.where(np.abs(shares) <= TOLERANCE * most, 0.0, shares)
        held[t] = shares
        if account.equity[t] <= 0:
            held[t] = 0.0
            break
    return held


def _traded(plan: Plan, account: Account) -> Floats:
    """(T, S) shares bought less shares sold."""
    fills = account.fills
    traded = np.zeros(plan.weights.shape)
    np.add.at(traded, (fills.session - plan.offset, fills.symbol), fills.quantity)
    return traded


def _opened(plan: Plan, shares: Floats, t: int) -> tuple[Floats, float]:
    """Shares after a session's splits and exits, and the cash for what went."""
    shares, cash_of_parts = after_split(plan, t, shares)
    cash = float(cash_of_parts.sum())
    if plan.exits is not None:
        gone = np.isfinite(plan.exits[t]) & (shares != 0.0)
        cash += float(shares[gone] @ plan.exits[t, gone])
        shares = np.where(np.isfinite(plan.exits[t]), 0.0, shares)
    return shares, cash


def after_split(plan: Plan, t: int, held: Floats, columns: slice = slice(None)) -> tuple[Floats, Floats]:
    """(S,) each, of the plan's symbols in `columns`: shares after a session's splits, and the cash for parts of a lot, at the
    last mark."""
    cash = np.zeros(len(held))
    if plan.split is None:
        return held, cash
    ratio, unit = plan.split[t, columns], min(plan.rules.lot, 1.0)
    shares, split = held * ratio, ratio != 1.0
    if unit <= 0 or not split.any():
        return shares, cash
    whole = np.sign(shares) * np.floor(np.abs(shares) / unit + TOLERANCE) * unit
    part = split & (np.abs(shares - whole) > TOLERANCE * unit)
    cash[part] = (shares - whole)[part] * plan.mark_price[t - 1, columns][part] / ratio[part]
    return np.where(split, whole, shares), cash
