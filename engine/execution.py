"""From decisions to fills: how orders fill, and what happens to a holding whose prices stop.

A decision at clock index t fills in session t + 1: at its open, its close or its typical price, whole or a share of its volume
a session. The plan itself is made in `planning.py`; simulators only trade it. Labels are made of forward-adjusted prices; a
plan is in the source's own units, with the splits, dividends and endings of raw prices beside them.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Floats, Panel
from backcast.engine import cash_flows, frictions
from backcast.engine.checks import check_market
from backcast.engine.costs.base import Cost, needs
from backcast.engine.planning import LAG as LAG
from backcast.engine.planning import Venue, offset_of
from backcast.engine.portfolio import Portfolio
from backcast.engine.types import Plan, Rules, Targets
from backcast.signals.types import FillTable

PRICES = {"next_open": ("open",), "next_close": ("close",), "next_typical": ("high", "low", "close")}
"""Of each way to fill the fields whose mean is the price."""

Delistings = dict[str, tuple[int, float]]
"""Of each delisted symbol: its last session's index, and what a holder got for a share."""


class Execution:
    """How decisions become fills.

    fill: next_open, next_close, next_typical (the mean of high, low and close), or auto (the open where the source has one).
    participation, patience: at most this share of a session's volume trades, and what is left of an order is worked for so
    many further sessions; null: any number trades. lot: shares come in multiples of it; 0: fractions.
    margin: whether buying may take cash below zero; max_leverage: gross exposure over equity that orders may then reach;
    maintenance: least equity over gross exposure at a close, below which positions are cut.
    exit_after, haircut: a holding whose data end without a delisting fact is sold so many sessions after its last bar, at its
    last price less this share (a short position is bought back at as much above it).
    columns: of the data, for half_spread, borrow_rate and borrowable, as known at the decision. windows: sessions of volatility
    and traded value. deposits: dated amounts, taken out below 0.
    """

    def __init__(
        self,
        fill: str = "auto",
        exit_after: int = 5,
        haircut: float = 0.0,
        margin: bool = False,
        participation: float | None = None,
        patience: int = 0,
        lot: float = 0.0,
        max_leverage: float | None = None,
        maintenance: float = 0.0,
        columns: Any = None,
        windows: Any = None,
        deposits: Any = None,
    ) -> None:
        if fill not in ("auto", *PRICES):
            raise InputError("execution.fill", fill, f"auto, {', '.join(PRICES)}")
        self.fill, self.margin = fill, margin
        self.exit_after = _whole("exit_after", exit_after, 1)
        self.haircut = _number("haircut", haircut, 0.0, 1.0, "a share from 0 to 1")
        if not isinstance(margin, bool):
            raise InputError("execution.margin", margin, "true or false")
        self.participation = None
        if participation is not None:
            self.participation = _number(
                "participation", participation, 1e-9, 1.0, "a share above 0 and at most 1"
            )
        self.patience = _whole("patience", patience, 0)
        self.rules = _rules(lot, max_leverage, maintenance, margin)
        self.columns, self.windows = frictions.columns_of(columns), frictions.windows_of(windows)
        self.deposits = cash_flows.deposits_of(deposits)

    def with_haircut(self, haircut: float) -> Execution:
        """The same with another haircut, for the sensitivity to it."""
        other = copy(self)
        other.haircut = haircut
        return other

    def resolve(self, source: Panel | Market) -> str:
        """How it fills, by what the data have. Errors: InputError for a fill whose prices they lack."""
        name = self.fill
        if name == "auto":
            name = "next_open" if "open" in source.fields else "next_close"
        lacking = [field for field in PRICES[name] if field not in source.fields]
        if lacking:
            expected = f"next_close or auto, since the source has no {lacking[0]}"
            raise InputError("execution.fill", name, expected)
        return name

    def check_data(
        self, panel: Panel, market: Market, cost: Cost | None = None, first_decision: int | None = None
    ) -> None:
        """Before anything runs: InputError for a fill, a participation, a column or a cost that the data cannot serve, and for
        deposits outside of an account that begins with a decision's fill."""
        self.resolve(panel)
        check_market(market, panel)
        for name in self.columns:
            frictions.column(panel, self.columns, name)
        if self.participation is not None and "volume" not in panel.fields:
            raise InputError(
                "execution.participation", self.participation, "null, since the source has no volume"
            )
        asked = needs(cost.rates()) if cost else set()
        if "traded" in asked and "volume" not in panel.fields:
            hint = "Choose costs without impact, or data with volumes."
            raise InputError("costs.impact", "by traded value", "none, since the source has no volume", hint)
        for name in sorted(asked & set(frictions.COLUMNS) - set(self.columns)):
            expected = f"the name of an item of the facts, since the costs read {name} from there"
            raise InputError(f"execution.columns.{name}", None, expected)
        if first_decision is not None:
            cash_flows.placed(self.deposits, panel.clock, offset_of(panel.clock, first_decision))

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
        price = self._price(values, panel)
        symbols, sessions = price.shape
        fills = np.full((symbols, sessions), np.nan)
        fills[:, :-LAG] = price[:, LAG:]
        known = np.minimum(np.arange(sessions) + LAG, sessions)
        whole = np.repeat(known[None], symbols, axis=0)
        for s, last, exit_at, proceeds in self._endings(closes, panel, delistings):
            got = closes[s, last] * (1 - self.haircut) if proceeds is None else proceeds
            fills[s, last : exit_at - LAG + 1] = got
            whole[s, last : exit_at - LAG + 1] = exit_at
        return FillTable(fills, whole)

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        """What a simulator trades: orders on their fill sessions, prices of the newest version, and what could not be done.

        panel: what decisions knew; market: what really happened, on the same axes. Volatility and traded value are there where
        the cost needs them; without one, where the data have them. Errors: InputError for targets that no panel could have
        given, prices that cannot be, and settings that the data cannot serve.
        """
        return Venue(self, panel, market, cost).plan(targets)

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        """(S, T) the price at which orders of a session fill."""
        parts = [values[source.fields.index(field)] for field in PRICES[self.resolve(source)]]
        return parts[0] if len(parts) == 1 else np.asarray(sum(parts) / len(parts))

    def _capacity(self, market: Market, part: slice) -> Floats | None:
        """(T, S) the most shares that may trade by order."""
        if self.participation is None:
            return None
        return np.asarray(self.participation * np.nan_to_num(market.field("volume").T[part]))

    def _endings(
        self, closes: Floats, panel: Panel | Market, delistings: Delistings
    ) -> list[tuple[int, int, int, float | None]]:
        """Of each symbol whose data end early enough for its holders to get out: symbol, last session, session of the exit, and
        the proceeds a share by its fact, None without one."""
        known = np.isfinite(closes)
        if not known.any():
            return []
        end = int(np.flatnonzero(known.any(axis=0))[-1])
        last = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        found = []
        for s in np.flatnonzero(known.any(axis=1) & (last < end)).tolist():
            fact = delistings.get(panel.symbols[s])
            final = int(last[s]) if fact is None else max(int(last[s]), fact[0])  # halted before its end
            exit_at = panel.clock.after(final, self.exit_after) if fact is None else final + LAG
            if exit_at <= end:
                found.append((s, int(last[s]), exit_at, None if fact is None else fact[1]))
        return found


def _rules(lot: object, max_leverage: object, maintenance: object, margin: bool) -> Rules:
    """Errors: InputError for rules out of range, or that contradict each other."""
    share = _number("maintenance", maintenance, 0.0, 0.99, "a share of gross exposure from 0 to 0.99")
    most = np.inf
    if max_leverage is not None:
        if not margin:
            raise InputError(
                "execution.max_leverage", max_leverage, "null without margin", "Set execution.margin=true."
            )
        most = _number(
            "max_leverage", max_leverage, 1e-9, 100.0, "gross exposure over equity, above 0 and at most 100"
        )
    if share and most * share > 1:
        raise InputError(
            "execution.maintenance", share, f"a share with a max_leverage of at most {1 / share:g}, its reciprocal",
            "A margin call cuts back to max_leverage, which must be inside of what maintenance allows.",
        )  # fmt: skip
    return Rules(_number("lot", lot, 0.0, 1e9, "a number of shares, 0 for fractions"), most, share)


def _number(name: str, value: object, low: float, high: float, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"execution.{name}", value, expected)
    return float(value)


def _whole(name: str, value: object, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= 1000:
        raise InputError(f"execution.{name}", value, f"a number of sessions from {low} to 1000")
    return value
