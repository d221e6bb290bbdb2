"""Panels, markets and targets written down by hand."""

from __future__ import annotations

import numpy as np

from backcast.data.market import Market
from backcast.data.types import Clock, Panel, Revisions
from backcast.engine.types import Plan, Targets


def panel_of(closes: list[list[float]], opens: list[list[float]] | None = None) -> Panel:
    """Rows are symbols."""
    fields = ("close",) if opens is None else ("open", "close")
    values = np.array([closes] if opens is None else [opens, closes], dtype=np.float64)
    sessions = values.shape[2]
    at = (np.datetime64("2020-01-01T21:00", "us") + np.arange(sessions) * np.timedelta64(1, "D"))  # fmt: skip
    clock = Clock(
        "24/7", at.astype("datetime64[D]"), at - np.timedelta64(7, "h"), at, at, np.arange(sessions), 252.0
    )
    none = np.empty(0, dtype=np.int64)
    revisions = Revisions(none, none, none, at[:0], none, np.empty(0))
    names = tuple("ABCDEF"[: values.shape[1]])
    return Panel(fields, names, clock, values, np.isfinite(values[-1]), revisions, "raw", 0.0)


def targets_of(panel: Panel, decisions: list[int], weights: list[list[float]]) -> Targets:
    return Targets(np.array(decisions, dtype=np.int64), panel.symbols, np.array(weights, dtype=np.float64))


def market_of(panel: Panel, endings: dict[str, tuple[int, float]] | None = None) -> Market:
    """A market at the panel's own prices, without actions."""
    none = np.empty(0, dtype=np.int64)
    ones = np.ones(panel.values.shape[1:])
    never = np.empty(0, dtype="datetime64[us]")
    return Market(
        panel.fields, panel.symbols, panel.clock, panel.values, ones, none, none, none, np.empty(0), never, endings or {},
        panel.price_basis,
    )  # fmt: skip


def events(plan: Plan) -> list[tuple[int, int, str]]:
    return list(zip(plan.events.session.tolist(), plan.events.symbol.tolist(), plan.events.kind, strict=True))
