"""What costs depend on, as each decision knew it: volatility, traded value, and items of facts that the data bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.schema import BAR_FIELDS
from backcast.data.types import Floats, Panel
from backcast.signals.feature import FeatureSet

COLUMNS = ("half_spread", "borrow_rate", "borrowable")
"""What an item of the facts may give: a share of the price, a rate a year, and whether shares can be had to sell short."""

WINDOWS = {"volatility": 60, "traded": 20}
"""Sessions that volatility and traded value are measured over, unless set."""
LEAST = 5
"""Known sessions in a window from which on it says anything, or the whole window where that is shorter."""


def windows_of(given: Any) -> dict[str, int]:
    """Checked windows. Errors: InputError for another name, or a window out of range."""
    where = "execution.windows"
    if given is not None and not (isinstance(given, Mapping) and set(given) <= set(WINDOWS)):
        raise InputError(where, given, f"sessions by name: {', '.join(WINDOWS)}")
    found = {**WINDOWS, **(given or {})}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 1000:
            raise InputError(f"{where}.{name}", value, "a number of sessions from 2 to 1000")
    return found


def columns_of(given: Any) -> dict[str, str]:
    """Checked names of items; those that are null are not there."""
    if given is not None and not (isinstance(given, Mapping) and set(given) <= set(COLUMNS)):
        raise InputError("execution.columns", given, f"items of facts by name: {', '.join(COLUMNS)}")
    found = {name: column for name, column in (given or {}).items() if column is not None}
    for name, column in found.items():
        if not isinstance(column, str):
            raise InputError(f"execution.columns.{name}", column, "the name of an item of the data's facts")
    return found


def volatility(panel: Panel, window: int) -> Floats:
    """(S, T) standard deviation of a session's returns over the window, as each decision knew it; NaN where it knew too few."""
    return _feature(panel, f"ts_std(returns(close, 1), {window}, {min(LEAST, window)})")


def traded(panel: Panel, market: Market | None, window: int) -> Floats:
    """(S, T) mean value traded a session, in currency, as each decision knew it; NaN where it knew too few. Without a market
    (nobody who decides has one) by the panel's own unadjusted cells, which are the same."""
    first = None if market is None else market.first
    return _feature(
        first or panel.unadjusted or panel, f"ts_mean(close * volume, {window}, {min(LEAST, window)})"
    )


def _feature(panel: Panel, expression: str) -> Floats:
    """(S, T) through the feature engine, which knows what was restated when. Levels are in order: nobody learns from them."""
    graph = FeatureSet({"value": expression}).compile(panel.fields, "raw")
    return np.asarray(graph.evaluate(panel).values[0])


def column(panel: Panel, columns: Mapping[str, str], name: str) -> Floats:
    """(S, T) an item of the data's facts as each decision knew it; bars have no columns beside prices and volume. Errors:
    InputError for one that is not there, and for values that cannot be."""
    field = columns[name]
    items = [item for item in panel.fields if item not in BAR_FIELDS]
    if field not in items:
        expected = f"an item of the data's facts, as known ({', '.join(items) or 'it has none'})"
        hint = "Further columns of bars are not read: give them as facts (symbol, item, value)."
        raise InputError(f"execution.columns.{name}", field, expected, hint)
    values = panel.field(field)
    spread = name == "half_spread"
    wrong = (values < 0) | np.isinf(values) | (spread & (values >= 1))
    if wrong.any():
        s, t = (int(i) for i in np.argwhere(wrong)[0])
        expected = "a share of the price from 0 to below 1" if spread else "a finite number of at least 0"
        where = f"{field} of {panel.symbols[s]} on {panel.clock.sessions[t]}"
        raise InputError(where, float(values[s, t]), expected)
    return values
