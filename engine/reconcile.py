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
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates
from backcast.engine.simulators.reference_costs import bill
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
    costs = _costs(plan, fills, rates, prices)
    rebuilt = _rebuilt(plan, account, rates, prices, costs)
    scale = np.maximum(np.abs(account.equity), account.capital)
    apart = np.stack([(getattr(account, name) - rebuilt[name]) / scale for name in ACCOUNT])
    t = fills.session - plan.offset
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


def _costs(plan: Plan, fills: Fills, rates: Rates, prices: Floats) -> Floats:
    """(3, N) what each fill costs, by kind."""
    columns = (fills.session - plan.offset, fills.symbol, fills.quantity, prices)
    cells = zip(*(column.tolist() for column in columns))
    bills = [bill(rates, float, plan, *cell) for cell in cells]
    rows = [(one.fee, one.spread, one.impact) for one in bills]
    return np.array(rows, dtype=np.float64).reshape(-1, len(COSTS)).T


def _rebuilt(plan: Plan, account: Account, rates: Rates, prices: Floats, costs: Floats) -> dict[str, Floats]:
    """(T,) each of `ACCOUNT`."""
    sessions, symbols = plan.weights.shape
    dividends = plan.dividends or Dividends.none()
    entitled = np.zeros(len(dividends.ex))  # in currency, by the shares of the session before ex
    shares, cash, owed = np.zeros(symbols), account.capital, 0.0
    fills, at = account.fills, account.fills.session - plan.offset
    rows: dict[str, Floats] = {name: np.zeros(sessions) for name in ACCOUNT}
    for name, values in zip(COSTS, costs, strict=True):
        np.add.at(rows[name], at, values)
    if plan.deposit is not None:
        rows["deposit"] += plan.deposit
    traded = _traded(plan, account)
    spent = np.bincount(at, weights=fills.quantity * prices + costs.sum(axis=0), minlength=sessions)
    for t in range(sessions):
        there = float(account.equity[t - 1]) if t else account.capital
        if -rows["deposit"][t] >= there:  # all is taken out, and no more
            rows["deposit"][t], rows["deposit"][t + 1 :] = -there, 0.0
            break
        interest, borrow = _accrued(plan, rates, t, cash, shares)
        due = np.flatnonzero(dividends.ex == t)
        entitled[due] = dividends.amount[due] * shares[dividends.symbol[due]]
        dividend = entitled[due].sum()
        paid = entitled[(dividends.pay == t) & (dividends.ex <= t)].sum()
        owed += dividend - paid
        cash += rows["deposit"][t] + interest - borrow + paid
        shares, out = _opened(plan, shares, t)
        cash += out - spent[t]
        shares = shares + traded[t]
        held = shares != 0.0
        equity = cash + owed + shares[held] @ plan.mark_price[t, held]
        found = {"interest": interest, "borrow": borrow, "dividend": dividend, "owed": owed, "cash": cash}
        for name, amount in (*found.items(), ("equity", equity)):
            rows[name][t] = amount
    return rows


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


def _accrued(plan: Plan, rates: Rates, t: int, cash: float, shares: Floats) -> tuple[float, float]:
    """Interest and borrow fees of a session's open, by the cash, the shares and the marks of the close before."""
    years = 0.0 if plan.years is None else float(plan.years[t])
    interest = cash * (rates.cash if cash > 0 else rates.margin) * years
    short = shares < 0.0
    if not short.any():
        return interest, 0.0
    per_year = np.full(len(shares), rates.borrow)
    if rates.borrow_data > 0 and plan.borrow_rate is not None:
        per_year += rates.borrow_data * np.nan_to_num(plan.borrow_rate[t])  # what is not known costs nothing
    return interest, float(-shares[short] @ (plan.mark_price[t - 1, short] * per_year[short])) * years


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
