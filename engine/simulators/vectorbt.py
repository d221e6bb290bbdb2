"""vectorbt as the second simulator: the same plan through somebody else's accounting."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.costs.base import Cost
from backcast.engine.simulators.base import Simulator, account, merged, spent_by_session
from backcast.engine.types import Account, Events, Fills, Plan


class VectorbtSimulator(Simulator):
    """`Portfolio.from_orders` of vectorbt, target percent, cash shared, sells first."""

    name: ClassVar[str] = "vectorbt"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        """Errors: InputError without the extra, and for a plan that borrows, which vectorbt cannot express."""
        if plan.margin:
            raise InputError(
                "simulator", "vectorbt", "native where execution.margin is true", "vectorbt cannot borrow."
            )
        portfolio = from_orders(plan, cost, capital)
        equity = np.asarray(portfolio.value(), dtype=np.float64).ravel()
        cash = np.asarray(portfolio.cash(), dtype=np.float64).ravel()
        fills = _fills(portfolio, plan, cost)
        spent = spent_by_session(plan, fills)
        return account(plan, capital, equity, cash, spent, fills, _events(plan, fills, capital, equity))


def from_orders(plan: Plan, cost: Cost, capital: float) -> Any:
    """The vectorbt portfolio of a plan. A cell without an order is an amount of 0: a NaN would break vectorbt's order of
    sells before buys."""
    try:
        import vectorbt
    except ImportError as error:
        raise InputError(
            "simulator", "vectorbt", "an installed package", "Run: pip install 'backcast[vectorbt]'"
        ) from error
    from vectorbt.portfolio.enums import SizeType

    orders = np.isfinite(plan.weights) & plan.tradable
    return vectorbt.Portfolio.from_orders(
        close=_priced(plan.mark_price),
        size=np.where(orders, plan.weights, 0.0),
        size_type=np.where(orders, SizeType.TargetPercent, SizeType.Amount),
        price=_priced(plan.fill_price),
        val_price=_priced(plan.fill_price),
        fees=cost.fee_bps / 1e4,
        slippage=cost.half_spread_bps / 1e4,
        init_cash=capital,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1D",
    )


def _priced(prices: Any) -> Any:
    """Prices without gaps: before a symbol's first price nothing is held, and any number will do."""
    return np.where(np.isfinite(prices), prices, 1.0)


def _fills(portfolio: Any, plan: Plan, cost: Cost) -> Fills:
    """vectorbt's order records as our log: the price before the spread, in order of session, sells first."""
    records = portfolio.orders.values
    t, s = records["idx"].astype(np.int64), records["col"].astype(np.int64)
    quantity = records["size"] * np.where(records["side"] == 0, 1.0, -1.0)
    order = np.lexsort((s, quantity > 0, t))
    t, s, quantity = t[order], s[order], quantity[order]
    price = plan.fill_price[t, s]
    spread = np.abs(quantity) * price * cost.half_spread_bps / 1e4
    fees = records["fees"][order]
    return Fills(plan.decided[t], t + plan.offset, s, quantity, price, fees, spread, np.zeros(len(t)))


def _events(plan: Plan, fills: Fills, capital: float, equity: Floats) -> Events:
    """The plan's events and trading's; vectorbt marks no partial fill, so each buy is compared with its target."""
    got = np.zeros_like(plan.weights)
    got[fills.session - plan.offset, fills.symbol] = fills.quantity
    paid = fills.quantity * fills.price + fills.fee + fills.spread
    flows = np.bincount(fills.session - plan.offset, weights=paid, minlength=len(got))
    shares, cash, rows = np.zeros(len(plan.symbols)), capital, []
    for t in np.flatnonzero((np.isfinite(plan.weights) & plan.tradable).any(axis=1)):
        prices, held = plan.fill_price[t], shares != 0
        value = cash + shares[held] @ prices[held]
        asked = np.where(plan.tradable[t], plan.weights[t] * value / prices - shares, np.nan)
        short = (asked > 0) & (asked > got[t] * (1 + 1e-6)) & (asked * prices > 1e-9 * value) & (value > 0)
        rows += [(float(t), float(s), asked[s], got[t, s]) for s in np.flatnonzero(short)]
        shares += got[t]
        cash -= flows[t]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 4)
    at, of = table[:, 0].astype(np.int64) + plan.offset, table[:, 1].astype(np.int64)
    return merged(plan, at, of, table[:, 2], table[:, 3], equity)
