"""Targets and prices that cannot be: one error each, before anything trades."""

from __future__ import annotations

import numpy as np

from backcast.data.adjust import PRICES
from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Bools, Panel
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Targets

UNITS = {WEIGHTS: "weight", SHARES: "shares", ORDERS: "order"}


def check_targets(panel: Panel, targets: Targets) -> None:
    """Refuses targets that no panel could have given.

    Errors: InputError for another kind, other symbols or shapes than the panel's, no decision, decisions twice, out of order
    or outside of the data, and values that are infinite.
    """
    if targets.kind not in UNITS:
        raise InputError("targets.kind", targets.kind, f"one of {', '.join(UNITS)}")
    if targets.symbols != panel.symbols:
        unknown = sorted(set(targets.symbols) - set(panel.symbols))
        raise InputError("targets.symbols", unknown or len(targets.symbols),
                         f"the symbols of the panel, in its order ({len(panel.symbols)})")  # fmt: skip
    d = targets.decisions
    if targets.weights.shape != (len(d), len(panel.symbols)):
        raise InputError("targets.weights", targets.weights.shape, "a row a decision, a column a symbol")
    if not len(d):
        raise InputError("targets", 0, "at least one decision")
    _check_decisions(panel, targets)
    _refuse(panel, targets, np.isinf(targets.weights), "a finite number")


def _check_decisions(panel: Panel, targets: Targets) -> None:
    d = targets.decisions
    wrong = np.flatnonzero(np.diff(d) <= 0)
    if len(wrong):
        at = int(wrong[0])
        raise InputError(
            "targets.decisions", d[at : at + 2].tolist(), "decisions in ascending order, each once"
        )
    if d[0] < 0 or d[-1] >= len(panel.clock):
        at = d[0] if d[0] < 0 else d[-1]
        raise InputError("targets.decisions", int(at), f"decisions of the data's {len(panel.clock)} sessions",
                         f"The data end at {panel.clock.decides_at[-1]}.")  # fmt: skip


def _refuse(panel: Panel, targets: Targets, wrong: Bools, expected: str) -> None:
    if wrong.any():
        row, s = (int(i) for i in np.argwhere(wrong)[0])
        when = panel.clock.decides_at[targets.decisions[row]]
        name = f"{UNITS[targets.kind]} of {panel.symbols[s]} decided at {when}"
        raise InputError(name, float(targets.weights[row, s]), expected)


def check_market(market: Market, panel: Panel) -> None:
    """Refuses prices of zero, below it or infinite, volumes below zero, and a market on other axes than the panel's."""
    if market.symbols != panel.symbols or len(market.clock) != len(panel.clock):
        raise InputError(
            "market", (len(market.symbols), len(market.clock)), "a market on the axes of the panel"
        )
    for f, name in enumerate(market.fields):
        if name in PRICES:
            values, expected = market.values[f], "a price above 0"
            wrong = (values <= 0) | np.isinf(values)
        elif name == "volume":
            values, expected = market.values[f], "a volume of at least 0"
            wrong = (values < 0) | np.isinf(values)
        else:
            continue
        if wrong.any():
            s, t = (int(i) for i in np.argwhere(wrong)[0])
            where = f"{name} of {market.symbols[s]} on {market.clock.sessions[t]}"
            raise InputError(where, float(values[s, t]), expected, "Correct the row, or leave it out.")
