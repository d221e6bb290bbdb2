"""From a plan to the arrays that the kernel reads, checked first."""

from __future__ import annotations

from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints
from backcast.engine.costs.base import needs
from backcast.engine.costs.charge import Rates
from backcast.engine.simulators.kernel import state
from backcast.engine.simulators.kernel.extent import extent
from backcast.engine.simulators.kernel.state import GONE, Given, Log
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Dividends, Plan

KIND = {WEIGHTS: state.WEIGHTS, SHARES: state.SHARES, ORDERS: state.ORDERS}

SIGNS = {
    "split": "above 0",
    "half_spread": "at least 0",
    "exits": "at least 0",
    "capacity": "at least 0",
    "volatility": "at least 0",
    "traded": "at least 0",
    "borrow_rate": "at least 0",
    "years": "at least 0",
}
"""What the numbers of an array must be, where they are known."""


def checked(plan: Plan, rates: Rates, capital: float) -> None:
    """Errors: InputError for a plan that could not be traded: wrong shapes or signs, or without what its costs need."""
    if not 0 < capital < np.inf:
        raise InputError("capital", capital, "a positive amount")
    if plan.kind not in KIND:
        raise InputError("plan.kind", plan.kind, f"one of {', '.join(KIND)}")
    for name in sorted(needs(rates)):
        if getattr(plan, name) is None:
            raise InputError(
                f"plan.{name}",
                None,
                "an array, since the costs depend on it",
                "Choose other costs, or data that have it.",
            )
    _check_shapes(plan)
    _check_values(plan)
    _check_forced(plan)
    _check_rules(plan)


def _check_shapes(plan: Plan) -> None:
    shape = plan.weights.shape
    for name in ("fill_price", "tradable", "mark_price", "exits", "forced", "split", "capacity", "volatility", "traded",
                 "half_spread", "borrowable", "borrow_rate", "decided", "deposit", "years"):  # fmt: skip
        array = getattr(plan, name)
        wanted = shape[:1] if name in ("decided", "deposit", "years") else shape
        if array is not None and array.shape != wanted:
            raise InputError(f"plan.{name}", array.shape, f"an array of shape {wanted}")


def _check_values(plan: Plan) -> None:
    if np.inf in (abs(end) for end in _ends(plan.weights)):
        raise _wrong(plan, "weights", np.isinf(plan.weights), "finite, or NaN for no order")
    for name in ("fill_price", "mark_price"):
        low, high = _ends(getattr(plan, name))
        if not (low >= 0 and high < np.inf):
            wrong = (getattr(plan, name) < 0) | np.isinf(getattr(plan, name))
            raise _wrong(plan, name, wrong, "at least 0, and finite")
    if not plan.fill_price.min(initial=1.0) > 0:
        unpriced = ~(plan.fill_price > 0) & plan.tradable
        if unpriced.any():
            raise _wrong(plan, "fill_price", unpriced, "a price above 0 where it is tradable")
    for name, wanted in SIGNS.items():
        array = getattr(plan, name)
        if array is None or not array.size:
            continue
        low, high = extent(np.atleast_2d(_floats(array)))
        zero, endless = wanted == "above 0", name == "capacity"
        if low < 0 or (zero and low == 0) or (high == np.inf and not endless):
            raise _wrong(
                plan, name, (array < 0) | (zero & (array == 0)) | np.isinf(array) & (not endless), wanted
            )
    for name in ("deposit", "years"):
        array = getattr(plan, name)
        if array is not None and not np.isfinite(array).all():
            raise _wrong(plan, name, ~np.isfinite(array), "finite")


def _check_forced(plan: Plan) -> None:
    if plan.forced is None:
        return
    closed = ~np.isnan(plan.forced)
    for name, wrong, wanted in (
        ("forced", closed & ~((plan.forced >= 0) & (plan.forced <= 1)), "a share of the price, from 0 to 1"),
        ("tradable", closed & plan.tradable, "false where what is held is closed by force"),
        ("fill_price", closed & ~(plan.fill_price > 0), "a price above 0 to close at"),
    ):
        if wrong.any():
            raise _wrong(plan, name, wrong, wanted)


def _ends(array: Floats) -> tuple[float, float]:
    """The least and the largest number, NaN left out; 0 where there is none."""
    if array.size and np.isnan(array.min()):  # quick where there is no NaN, and then right
        array = array[array == array]
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


def _wrong(plan: Plan, name: str, wrong: Any, wanted: str) -> InputError:
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f" of {plan.symbols[at[1]]}" if len(at) == 2 else ""
    session = plan.clock.sessions[plan.offset + at[0]]
    return InputError(f"plan.{name}{where} on {session}", float(getattr(plan, name)[at]), wanted)


def _check_rules(plan: Plan) -> None:
    rules, dividends = plan.rules, plan.dividends or Dividends.none()
    if not 0 <= rules.lot < np.inf:
        raise InputError("rules.lot", rules.lot, "a number of shares, 0 for fractions")
    if not rules.max_leverage > 0:
        raise InputError("rules.max_leverage", rules.max_leverage, "above 0")
    if not 0 <= rules.maintenance < 1:
        raise InputError("rules.maintenance", rules.maintenance, "a share from 0 to 1")
    patience = plan.patience
    if isinstance(patience, bool) or not isinstance(patience, int | np.integer) or patience < 0:
        raise InputError("plan.patience", patience, "a whole number of sessions, at least 0")
    ex, pay, symbol = dividends.ex, dividends.pay, dividends.symbol
    if (np.diff(ex) < 0).any() or (ex < 0).any() or (pay < ex).any():
        raise InputError("plan.dividends", len(ex), "dividends in order of ex, each paid at its ex or later")
    if ((symbol < 0) | (symbol >= len(plan.symbols))).any() or not np.isfinite(dividends.amount).all():
        raise InputError("plan.dividends", len(ex), "dividends of symbols of the plan, of known amounts")


def given_of(plan: Plan) -> Given:
    """The plan's arrays, each contiguous and of one type."""
    dividends = plan.dividends or Dividends.none()
    return Given(
        decided=_ints(plan.decided),
        weights=_floats(plan.weights),
        fill_price=_floats(plan.fill_price),
        tradable=_flags(plan.tradable),
        mark_price=_floats(plan.mark_price),
        exits=_floats(plan.exits),
        forced=_floats(plan.forced),
        split=_floats(plan.split),
        capacity=_floats(plan.capacity),
        volatility=_floats(plan.volatility),
        traded=_floats(plan.traded),
        half_spread=_floats(plan.half_spread),
        borrowable=_flags(plan.borrowable),
        borrow_rate=_floats(plan.borrow_rate),
        deposit=_floats(plan.deposit, axes=1),
        years=_floats(plan.years, axes=1),
        ex=_ints(dividends.ex),
        pay=_ints(dividends.pay),
        pay_order=np.argsort(_ints(dividends.pay), kind="stable"),
        symbol=_ints(dividends.symbol),
        amount=_floats(dividends.amount, axes=1),
    )


def terms_of(plan: Plan, capital: float, keep: bool) -> Floats:
    """How a plan is traded, in plain numbers, in the order of the names in `kernel.state`."""
    rules = plan.rules
    numbers = (
        capital,
        plan.margin,
        KIND[plan.kind],
        rules.lot,
        rules.max_leverage,
        rules.maintenance,
        plan.patience,
        plan.offset,
    )
    return np.array([*numbers, keep, 0, -1], dtype=np.float64)


def log_of(plan: Plan, rates: Rates, keep: bool) -> Log:
    """An empty log, with room for every order of the plan where it is kept (memory that is not written to costs nothing), and
    an impact only where there can be one."""
    symbols = len(plan.symbols)
    orders = int(np.count_nonzero(plan.tradable & ~np.isnan(plan.weights))) if keep else 0
    rows = 5 if rates.impact_linear > 0 or rates.impact_power > 0 else 4
    return Log(
        np.empty((3, orders + 2 * symbols), dtype=np.int64),
        np.empty((rows, orders + 2 * symbols)),
        np.empty((5, 14 * symbols + 8)),
        np.zeros(GONE + 1, dtype=np.int64),
    )


def _floats(array: Floats | None, axes: int = 2) -> Floats:
    return np.empty((0,) * axes) if array is None else np.ascontiguousarray(array, dtype=np.float64)


def _flags(array: Bools | None) -> Bools:
    return np.empty((0, 0), dtype=np.bool_) if array is None else np.ascontiguousarray(array, dtype=np.bool_)


def _ints(array: Ints) -> Ints:
    return np.ascontiguousarray(array, dtype=np.int64)
