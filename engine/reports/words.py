"""What was configured and what happened, in words that a portfolio manager reads without a glossary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backcast.engine.reports.verdict import signed

MINUS = "−"
BASES = {
    "raw": "raw prices, dividends paid in cash",
    "total_return": "dividends are in the prices",
    "split_adjusted": "dividends are missing: prices are adjusted for splits alone",
}
"""What a price basis means for a holder."""

EVENTS = {
    "not_tradable": ("order while nothing traded", "orders while nothing traded"),
    "frozen_price": ("spell at an old price", "spells at an old price"),
    "vanished": ("vanished holding closed", "vanished holdings closed"),
    "delisted": ("delisting paid out", "delistings paid out"),
    "merged": ("merger paid in cash", "mergers paid in cash"),
    "unfilled_at_end": ("decision too late to fill", "decisions too late to fill"),
    "partial_fill": ("order cut for lack of cash", "orders cut for lack of cash"),
    "pay_date_by_rule": ("dividend without a pay date", "dividends without a pay date"),
    "margin_call": ("margin call", "margin calls"),
    "capacity": ("order cut for lack of volume", "orders cut for lack of volume"),
    "order_dropped": ("order given up unfinished", "orders given up unfinished"),
    "not_borrowable": ("short sale without shares to borrow", "short sales without shares to borrow"),
    "max_leverage": ("order cut by the leverage limit", "orders cut by the leverage limit"),
    "below_lot": ("order below a lot", "orders below a lot"),
    "cost_unknown": ("cost without its data", "costs without their data"),
    "cash_exit": ("holding paid out in cash", "holdings paid out in cash"),
    "cash_in_lieu": ("part of a share paid in cash", "parts of shares paid in cash"),
    "overdrawn": ("session with cash below zero", "sessions with cash below zero"),
    "withdrawal_cut": ("withdrawal of all that there was", "withdrawals of all that there was"),
    "bankrupt": ("bankruptcy", "bankruptcies"),
}
"""Kinds of event, one and many; another kind is called by its name."""


def event_words(events: Mapping[str, int], most: int = 5) -> str:
    """Kinds of events, the most frequent first."""
    ordered = sorted(events.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count:,} {event_name(kind, count)}" for kind, count in ordered[:most]]
    rest = len(ordered) - most
    return " · ".join([*named, *([f"{rest} more kinds"] if rest > 0 else [])]) or "none"


def event_name(kind: str, count: int) -> str:
    """One kind of event, of so many."""
    return EVENTS[kind][count != 1] if kind in EVENTS else kind.replace("_", " ")


def cost_words(costs: Mapping[str, Any]) -> str:
    """Costs as configured: "10 bp per unit traded (5 fee + 5 half-spread)", then what is not proportional."""
    return (
        ", ".join([*_proportional(costs), *_by_order(costs), *_by_market(costs), *_by_time(costs)]) or "none"
    )


def _proportional(costs: Mapping[str, Any]) -> list[str]:
    named = {
        k.removesuffix("_bps").replace("_", "-"): v for k, v in sorted(costs.items()) if k.endswith("_bps")
    }
    total, parts = sum(named.values()), [f"{v:g} {k}" for k, v in named.items() if v]
    return [f"{total:g} bp per unit traded ({' + '.join(parts)})"] if total else []


def _by_order(costs: Mapping[str, Any]) -> list[str]:
    words = {"fee_per_share": "{:g} a share", "fee_per_order": "{:g} an order", "fee_minimum": "at least {:g} an order",
             "fee_maximum": "at most {:.2%} of an order"}  # fmt: skip
    tiers = ["fees by tiers"] if costs.get("fee_tiers") else []
    return [word.format(costs[key]) for key, word in words.items() if costs.get(key)] + tiers


def _by_market(costs: Mapping[str, Any]) -> list[str]:
    found = []
    if costs.get("spread_volatility"):
        found.append(f"half-spread of {costs['spread_volatility']:g} x volatility")
    if costs.get("spread_from_data"):
        found.append("half-spread from data")
    if costs.get("impact"):
        found.append(f"{costs['impact']} impact")
    return found


def _by_time(costs: Mapping[str, Any]) -> list[str]:
    words = {"borrow_per_year": "shorts {:.2%} a year", "margin_per_year": "loans {:.2%} a year",
             "cash_per_year": "cash earns {:.2%} a year"}  # fmt: skip
    data = ["borrow rates from data"] if costs.get("borrow_from_data") else []
    return [word.format(costs[key]) for key, word in words.items() if costs.get(key)] + data


def _lots(lot: float | None) -> str:
    return "whole shares" if lot == 1 else f"lots of {lot:g}" if lot else ""


def execution_words(execution: Mapping[str, Any]) -> list[str]:
    """How orders are filled, each part on its own; empty for what is not asked for."""
    fill, share = str(execution.get("fill", "")).replace("_", " "), execution.get("participation")
    patience, most = execution.get("patience"), execution.get("max_leverage")
    worked = f", worked for {patience} more sessions" if share and patience else ""
    return [
        f"filled at the {fill}{' price' if fill.endswith('typical') else ''}" if fill else "",
        f"at most {share:.0%} of a session's volume{worked}" if share else "",
        _lots(execution.get("lot")),
        f"margin up to {most:g}x" if most else "on margin" if execution.get("margin") else "",
    ]


def share(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage with a true minus sign; n/a for None."""
    if value is None:
        return "n/a"
    text = f"{abs(value) * 100:,.{digits}f}"
    return f"{MINUS if value < 0 and float(text.replace(',', '')) else ''}{text}%"


def ratio(value: float | None, plus: str = "") -> str:
    """Two decimals with a true minus sign; n/a for None."""
    return "n/a" if value is None else signed(value, plus)


def interval(low: float | None, high: float | None, plus: str = "") -> str:
    """Both ends as ratios; empty where there is none."""
    return "" if low is None or high is None else f"{ratio(low, plus)} to {ratio(high, plus)}"
