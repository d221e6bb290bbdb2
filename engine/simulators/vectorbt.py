"""vectorbt as the second simulator: the same plan through somebody else's accounting."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates
from backcast.engine.simulators.arrays import checked
from backcast.engine.simulators.base import Simulator, account, spent_by_session
from backcast.engine.simulators.events import Row, merged
from backcast.engine.simulators.kernel import state
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Account, Events, Fills, Plan


class VectorbtSimulator(Simulator):
    """`Portfolio.from_orders` of vectorbt: targets or orders, cash shared, sells first; fees by value and by order,
    half-spreads, exits.

    One thing it does otherwise: it makes no sale whose fee by order is above its proceeds.
    """

    name: ClassVar[str] = "vectorbt"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        """Errors: InputError without the extra, and for what vectorbt cannot express."""
        rates = cost.rates()
        checked(plan, rates, capital)
        refuse(plan, rates)
        portfolio = from_orders(plan, cost, capital)
        equity = np.array(portfolio.value(), dtype=np.float64).ravel()
        cash = np.array(portfolio.cash(), dtype=np.float64).ravel()
        fills, exits = _fills(portfolio, plan, rates)
        over = np.flatnonzero(equity <= 0)
        if len(over):  # vectorbt trades on
            fills = _until(fills, plan.offset + int(over[0]))
            equity[over[0] + 1 :] = cash[over[0] + 1 :] = equity[over[0]]
        rows = np.zeros((10, len(equity)))
        rows[state.EQUITY], rows[state.CASH] = equity, cash
        for row, spent in zip(
            (state.FEE, state.SPREAD, state.IMPACT, state.TRADED), spent_by_session(plan, fills)
        ):
            rows[row] = spent
        return account(plan, capital, rows, fills, _events(plan, rates, fills, exits, capital, equity))


def refuse(plan: Plan, rates: Rates) -> None:
    """Errors: InputError naming the first thing that vectorbt cannot express."""
    found = {
        "borrow": plan.margin,
        "pay interest or borrow fees": plan.years is not None
        and any((rates.borrow, rates.borrow_data, rates.cash, rates.margin)),
        "split shares": plan.split is not None and bool((plan.split != 1).any()),
        "pay dividends": plan.dividends is not None and len(plan.dividends.ex) > 0,
        "work an order within the volume": plan.capacity is not None,
        "refuse a short sale": plan.borrowable is not None and not bool(plan.borrowable.all()),
        "take deposits": plan.deposit is not None and bool(plan.deposit.any()),
        "trade in lots": plan.rules.lot > 0,
        "make margin calls": plan.rules.maintenance > 0,
        "charge by share, by tier, at least or at most": len(rates.fees) > 1
        or rates.per_share > 0
        or rates.minimum > 0
        or rates.maximum < np.inf,
        "close at a price that depends on the side": plan.forced is not None
        and bool((plan.forced > 0).any())
        and (plan.kind == ORDERS or bool((plan.weights < 0).any())),
        "sell for nothing": plan.forced is not None and bool((plan.forced >= 1).any()),
        "move prices": rates.impact_linear > 0 or rates.impact_power > 0,
    }
    for what, there in found.items():
        if there:
            raise InputError("simulator", "vectorbt", "native", f"vectorbt cannot {what}.")


def from_orders(plan: Plan, cost: Cost, capital: float) -> Any:
    """The vectorbt portfolio of a plan. A cell without an order is an amount of 0: a NaN would break vectorbt's order of
    sells before buys. An exit is a target of 0 at its price, free of cost."""
    try:
        import vectorbt
    except ImportError as error:
        raise InputError(
            "simulator", "vectorbt", "an installed package", "Run: pip install 'backcast[vectorbt]'"
        ) from error
    from vectorbt.portfolio.enums import SizeType

    kinds = {WEIGHTS: SizeType.TargetPercent, SHARES: SizeType.TargetAmount, ORDERS: SizeType.Amount}
    rates, out = cost.rates(), _exits(plan)
    orders, closed = np.isfinite(plan.weights) & plan.tradable, _closed(plan)
    price, spread = _fill_prices(plan), half_spreads(plan, rates)
    plain = not out.any()
    return vectorbt.Portfolio.from_orders(
        close=_priced(plan.mark_price),
        size=np.where(orders & ~out, plan.weights, 0.0),
        size_type=np.where(
            out | closed, SizeType.TargetAmount, np.where(orders, kinds[plan.kind], SizeType.Amount)
        ),
        price=price,
        val_price=price,
        fees=float(rates.fees[0]) if plain else np.where(out, 0.0, rates.fees[0]),
        fixed_fees=rates.per_order if plain else np.where(out, 0.0, rates.per_order),
        slippage=spread if plain else np.where(out, 0.0, spread),
        init_cash=capital,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1D",
    )


def half_spreads(plan: Plan, rates: Rates) -> Any:
    """The half-spread: a number, or (T, S); what is not known costs nothing."""
    total: Any = rates.half_spread
    if rates.spread_volatility > 0 and plan.volatility is not None:
        total = total + rates.spread_volatility * np.nan_to_num(plan.volatility)
    if rates.spread_data > 0 and plan.half_spread is not None:
        total = total + rates.spread_data * np.nan_to_num(plan.half_spread)
    return total


def _exits(plan: Plan) -> Bools:
    """(T, S) where shares are taken for cash. Errors: InputError where an order would follow in the same session."""
    if plan.exits is None:
        return np.zeros(plan.weights.shape, dtype=bool)
    out = np.isfinite(plan.exits)
    if (out & np.isfinite(plan.weights) & plan.tradable & (plan.weights != 0)).any():
        raise InputError(
            "simulator", "vectorbt", "native", "vectorbt cannot trade a symbol in the session of its exit."
        )
    return out


def _closed(plan: Plan) -> Bools:
    """(T, S) where what is held is closed by force."""
    return np.zeros(plan.weights.shape, dtype=bool) if plan.forced is None else np.isfinite(plan.forced)


def _fill_prices(plan: Plan) -> Floats:
    price = plan.fill_price if plan.exits is None else np.where(_exits(plan), plan.exits, plan.fill_price)
    return _priced(price if plan.forced is None else price * (1 - np.nan_to_num(plan.forced)))


def _priced(prices: Any) -> Any:
    """Prices without gaps: before a symbol's first price nothing is held, and any number will do."""
    return np.where(np.isfinite(prices), prices, 1.0)


def _fills(portfolio: Any, plan: Plan, rates: Rates) -> tuple[Fills, list[Row]]:
    """vectorbt's order records as our log, in order of session, sells first, the price before the spread; and the exits."""
    records = portfolio.orders.values
    t, s = records["idx"].astype(np.int64), records["col"].astype(np.int64)
    quantity = records["size"] * np.where(records["side"] == 0, 1.0, -1.0)
    order = np.lexsort((s, quantity > 0, t))
    t, s, quantity, fees = t[order], s[order], quantity[order], records["fees"][order]
    price, out = _fill_prices(plan)[t, s], _exits(plan)[t, s]
    gone = zip(t[out].tolist(), s[out].tolist(), quantity[out].tolist(), price[out].tolist())
    exits: list[Row] = [(at, symbol, state.EXIT, -shares, each) for at, symbol, shares, each in gone]
    t, s, quantity, price, fees = (x[~out] for x in (t, s, quantity, price, fees))
    forced = _closed(plan)[t, s]
    gone = zip(t[forced].tolist(), s[forced].tolist(), quantity[forced].tolist(), price[forced].tolist())
    exits += [(at, symbol, state.VANISHED, -shares, each) for at, symbol, shares, each in gone]
    share = np.broadcast_to(half_spreads(plan, rates), plan.weights.shape)[t, s]
    spread = np.abs(quantity) * price * share
    return Fills(
        np.where(forced, -1, plan.decided[t]),
        t + plan.offset,
        s,
        quantity,
        price,
        fees,
        spread,
        np.zeros(len(t)),
    ), exits


def _until(fills: Fills, session: int) -> Fills:
    kept = fills.session <= session
    return Fills(*(getattr(fills, name)[kept] for name in fills.__dataclass_fields__))


def _events(
    plan: Plan, rates: Rates, fills: Fills, exits: list[Row], capital: float, equity: Floats
) -> Events:
    """The plan's events and trading's; vectorbt marks no partial fill, so each buy is compared with its target."""
    got, gone = np.zeros_like(plan.weights), np.zeros_like(plan.weights)
    got[fills.session - plan.offset, fills.symbol] = fills.quantity
    paid = fills.quantity * fills.price + fills.fee + fills.spread
    flows = np.bincount(fills.session - plan.offset, weights=paid, minlength=len(got))
    for t, s, kind, quantity, price in exits:
        if kind == state.EXIT:  # what is closed by force is a fill
            gone[t, s] = quantity
            flows[t] -= quantity * price
    shares, cash, rows, got_for = np.zeros(len(plan.symbols)), capital, list(exits), _fill_prices(plan)
    for t in range(len(got)):
        prices, held = plan.fill_price[t], shares != 0
        value = cash + shares[held] @ got_for[t, held]
        shares -= gone[t]
        asked = np.where(plan.tradable[t], _asked(plan, t, value, shares), np.nan)
        short = (asked > 0) & (asked > got[t] * (1 + 1e-6)) & (asked * prices > 1e-9 * value) & (value > 0)
        rows += [
            (t, s, state.PARTIAL, float(asked[s]), float(got[t, s])) for s in np.flatnonzero(short).tolist()
        ]
        missed = np.isfinite(plan.weights[t]) & ~plan.tradable[t] & (value > 0)
        missed &= (plan.weights[t] != 0) | ((plan.kind != ORDERS) & (shares + got[t] != 0))
        rows += [
            (t, s, state.NOT_TRADABLE, float(plan.weights[t, s]), 0.0)
            for s in np.flatnonzero(missed).tolist()
        ]
        shares += got[t]
        cash -= flows[t]
        if equity[t] <= 0:
            rows.append((t, -1, state.BANKRUPT, float(equity[t]), 0.0))
            break
    return merged(plan, rows)


def _asked(plan: Plan, t: int, value: float, shares: Floats) -> Floats:
    """(S,) the quantities that the session's targets ask for."""
    if plan.kind == WEIGHTS:
        return plan.weights[t] * value / plan.fill_price[t] - shares
    return plan.weights[t] - shares if plan.kind == SHARES else plan.weights[t]
