"""From decisions to fills: the only place that adds the lag.

A decision at clock index t fills in session t + 1, at its open, or at its close where the source has no open. What cannot be
filled, and what happens to a holding whose prices stop, is decided here and said in events; simulators only trade the plan.
"""

from __future__ import annotations

import numpy as np

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Panel
from backcast.engine.portfolio import Portfolio
from backcast.engine.types import Events, Plan, Targets
from backcast.signals.types import FillTable

LAG = 1
"""Sessions from a decision to its fill."""

FOREVER = np.datetime64("9999-12-31", "us")

Delistings = dict[str, tuple[int, float]]
"""Of each delisted symbol: its last session's index, and what a holder got for a share."""


class Execution:
    """How decisions become fills.

    fill: next_open, next_close, or auto (the open where the source has one). exit_after, haircut: a holding whose data end
    without a delisting fact is sold so many sessions after its last bar, at its last price less this share.
    margin: whether buying may take cash below zero.
    """

    def __init__(
        self, fill: str = "auto", exit_after: int = 5, haircut: float = 0.0, margin: bool = False
    ) -> None:
        if fill not in ("auto", "next_open", "next_close"):
            raise InputError("execution.fill", fill, "auto, next_open or next_close")
        if isinstance(exit_after, bool) or not isinstance(exit_after, int) or not 1 <= exit_after <= 1000:
            raise InputError("execution.exit_after", exit_after, "a number of sessions from 1 to 1000")
        if isinstance(haircut, bool) or not isinstance(haircut, int | float) or not 0 <= haircut <= 1:
            raise InputError("execution.haircut", haircut, "a share from 0 to 1")
        if not isinstance(margin, bool):
            raise InputError("execution.margin", margin, "true or false")
        self.fill, self.exit_after, self.haircut, self.margin = fill, exit_after, float(haircut), margin

    def resolve(self, panel: Panel) -> str:
        """next_open or next_close, by what the panel has. Errors: InputError for next_open without an open."""
        has_open = "open" in panel.fields
        if self.fill == "next_open" and not has_open:
            raise InputError("execution.fill", self.fill, "next_close or auto, since the source has no open")
        return "next_open" if has_open and self.fill != "next_close" else "next_close"

    def check(self, portfolio: Portfolio) -> None:
        """Errors: InputError for a portfolio that this execution could never fill."""
        if portfolio.borrows and not self.margin:
            raise InputError(
                "portfolio.gross",
                portfolio.gross,
                "at most 1 (max_gross too, with a volatility target) for a long-only portfolio without borrowing",
                "Set execution.margin=true to let buying take cash below zero.",
            )

    def fill_table(self, values: Floats, panel: Panel, delistings: Delistings) -> FillTable:
        """The fill price of each decision (S, T), from values (F, S, T) as known at one instant: what labels are made of.

        A holder of a symbol whose data ended gets its proceeds, or its last price less the haircut once `exit_after`
        sessions without data are known; decisions that would fill in between get that price, known at that session.
        """
        closes = values[panel.fields.index("close")]
        price = values[panel.fields.index(self._field(panel))]
        symbols, sessions = price.shape
        fills = np.full((symbols, sessions), np.nan)
        fills[:, :-LAG] = price[:, LAG:]
        known = np.minimum(np.arange(sessions) + LAG, sessions)
        whole = np.repeat(known[None], symbols, axis=0)
        for s, last, exit_at, proceeds in self._endings(closes, panel.symbols, delistings):
            fills[s, last : exit_at - LAG + 1] = proceeds
            whole[s, last : exit_at - LAG + 1] = exit_at
        return FillTable(fills, whole)

    def plan(self, panel: Panel, targets: Targets, delistings: Delistings) -> Plan:
        """What a simulator trades: orders on their fill sessions, prices of the newest version, and what could not be done.

        Errors: InputError for targets that no panel could have given.
        """
        _check(panel, targets)
        values = asof.as_known(panel, FOREVER)
        closes, prices = (
            values[panel.fields.index("close")].T,
            values[panel.fields.index(self._field(panel))].T,
        )
        _refuse_worthless(panel, closes, prices)
        mark = _carried(closes)
        before = np.vstack([np.full((1, mark.shape[1]), np.nan), mark[:-1]])
        fill = np.where(np.isfinite(prices), prices, before)
        tradable = np.isfinite(prices)
        orders = _Orders(panel, targets)
        orders.drop_untradable(tradable)
        for s, last, exit_at, proceeds in self._endings(closes.T, panel.symbols, delistings):
            orders.force(s, last, exit_at, panel.symbols[s] in delistings)
            fill[exit_at, s] = proceeds
            tradable[exit_at, s] = True
            mark[exit_at:, s] = proceeds
        orders.note_frozen(np.isfinite(closes))
        offset = int(min(targets.decisions[0] + LAG, len(panel.clock) - 1))
        part = slice(offset, len(panel.clock))
        return Plan(
            panel.clock,
            panel.symbols,
            offset,
            orders.weights[part],
            orders.decided[part],
            fill[part],
            tradable[part],
            mark[part],
            orders.events(),
            self.margin,
        )

    def _field(self, panel: Panel) -> str:
        return self.resolve(panel).removeprefix("next_")

    def _endings(
        self, closes: Floats, symbols: tuple[str, ...], delistings: Delistings
    ) -> list[tuple[int, int, int, float]]:
        """Of each symbol whose data end early enough to be sold: symbol, last session, session and price of the exit."""
        known = np.isfinite(closes)
        if not known.any():
            return []
        end = int(np.flatnonzero(known.any(axis=0))[-1])
        last = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        found = []
        for s in np.flatnonzero(known.any(axis=1) & (last < end)).tolist():
            fact = delistings.get(symbols[s])
            exit_at = int(last[s]) + (1 if fact else self.exit_after)
            if exit_at <= end:
                price = fact[1] if fact else float(closes[s, last[s]]) * (1 - self.haircut)
                found.append((s, int(last[s]), exit_at, price))
        return found


class _Orders:
    """The orders of a plan (T, S), and the events of making them."""

    def __init__(self, panel: Panel, targets: Targets) -> None:
        sessions = len(panel.clock)
        self.weights = np.full((sessions, len(panel.symbols)), np.nan)
        self.decided = np.full(sessions, -1, dtype=np.int64)
        self._rows: list[tuple[int, int, str, str]] = []
        filled = targets.decisions + LAG
        inside = filled < sessions
        self.weights[filled[inside]] = targets.weights[inside]
        self.decided[filled[inside]] = targets.decisions[inside]
        for decision in targets.decisions[~inside]:
            at = panel.clock.decides_at[decision]
            self._rows.append(
                (sessions - 1, -1, "unfilled_at_end", f"the decision of {at} would fill after the data end")
            )

    def held(self) -> Bools:
        """(T, S) whether the last order of each symbol so far asked for a position."""
        return np.nan_to_num(_carried(self.weights)) != 0.0

    def drop_untradable(self, tradable: Bools) -> None:
        """Takes out orders of symbols that do not trade at the fill; those that would have traded are events."""
        missing = np.isfinite(self.weights) & ~tradable
        before = np.vstack([np.zeros((1, self.weights.shape[1]), dtype=bool), self.held()[:-1]])
        wanted = missing & ((self.weights != 0.0) | before)
        for t, s in np.argwhere(wanted).tolist():
            self._rows.append(
                (t, s, "not_tradable", f"no price at the fill; weight {self.weights[t, s]:.4f} not set")
            )
        self.weights[missing] = np.nan

    def force(self, s: int, last: int, exit_at: int, delisted: bool) -> None:
        """Sells what is left of a symbol whose data ended."""
        was_held = self.held()[exit_at, s]
        self.weights[last + 1 :, s] = np.nan
        self.weights[exit_at, s] = 0.0
        if was_held:
            kind = "delisted" if delisted else "vanished"
            how = "at its proceeds" if delisted else "at its last price less the haircut"
            self._rows.append((exit_at, s, kind, f"no data after session {last}; sold {how}"))

    def note_frozen(self, known: Bools) -> None:
        """An event for each spell in which a holding is valued at an old price."""
        frozen = self.held() & ~known
        begins = frozen & ~np.vstack([np.zeros((1, frozen.shape[1]), dtype=bool), frozen[:-1]])
        for t, s in np.argwhere(begins).tolist():
            rest = frozen[t:, s]
            length = len(rest) if rest.all() else int((~rest).argmax())
            self._rows.append((t, s, "frozen_price", f"valued at its last price for {length} sessions"))

    def events(self) -> Events:
        """All events in order of session, symbol and kind."""
        rows = sorted(self._rows)
        return Events(
            np.array([r[0] for r in rows], dtype=np.int64),
            np.array([r[1] for r in rows], dtype=np.int64),
            tuple(r[2] for r in rows),
            tuple(r[3] for r in rows),
        )


def _carried(values: Floats) -> Floats:
    """(T, S) the last value seen, carried forward in time."""
    at = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    np.maximum.accumulate(at, axis=0, out=at)
    return np.asarray(np.take_along_axis(values, at, axis=0))


def _check(panel: Panel, targets: Targets) -> None:
    d = targets.decisions
    if targets.symbols != panel.symbols or targets.weights.shape != (len(d), len(panel.symbols)):
        raise InputError("targets.symbols", len(targets.symbols), "the symbols of the panel, in its order")
    if not len(d):
        raise InputError("targets", 0, "at least one decision")
    if (np.diff(d) <= 0).any():
        raise InputError("targets.decisions", d[:5].tolist(), "decisions in ascending order, each once")
    if d[0] < 0 or d[-1] >= len(panel.clock):
        raise InputError(
            "targets.decisions", int(d[-1]), f"decisions of the data's {len(panel.clock)} sessions"
        )
    if np.isinf(targets.weights).any():
        row, s = np.argwhere(np.isinf(targets.weights))[0]
        raise InputError(
            f"weight of {panel.symbols[s]}", float(targets.weights[row, s]), "a finite share of equity"
        )


def _refuse_worthless(panel: Panel, *prices: Floats) -> None:
    for values in prices:
        wrong = values <= 0
        if wrong.any():
            t, s = np.argwhere(wrong)[0]
            raise InputError(
                f"price of {panel.symbols[s]} on {panel.clock.sessions[t]}", float(values[t, s]), "above 0"
            )
