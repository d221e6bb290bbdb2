"""Statistics as words: a strip of the most wanted on the first page, and all that the report holds on the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backcast.engine.reports.verdict import percent
from backcast.engine.reports.words import ratio, share
from backcast.engine.stats.figure import Unit

NAMES = {
    "sharpe": "Sharpe; error for independent returns (Mertens)",
    "sharpe_hac_error": "Sharpe; error for autocorrelated ones (Newey-West)",
    "sharpe_autocorrelation_adjusted": "Sharpe, scaled by its autocorrelation (Lo)",
    "value_at_risk_95": "Value at risk, 95%",
    "expected_shortfall_95": "Expected shortfall, 95%",
    "alpha_per_year": "Alpha, a year",
    "tracking_error_per_year": "Tracking error, a year",
    "ic": "IC",
    "rank_ic": "Rank IC",
    "icir": "ICIR, a decision",
    "rank_icir": "Rank ICIR, a decision",
}
"""What a figure is called where its own name will not do."""

STRIP = (
    ("Sharpe, Lo-adjusted", ("sharpe_autocorrelation_adjusted",)),
    ("Sortino", ("sortino",)),
    ("Calmar", ("calmar",)),
    ("Hit rate", ("hit_rate",)),
    ("Worst 5% of sessions", ("expected_shortfall_95",)),
    ("Skew; excess kurtosis", ("skew", "excess_kurtosis")),
    ("Beta", ("beta",)),
    ("Alpha, a year (t)", ("alpha_per_year", "alpha_t")),
    ("Rank IC (t)", ("rank_ic", "rank_ic_t")),
)
"""The cells of the first page, and the figures that each shows."""

_SHARES = {Unit.SHARE: 1, Unit.SHARE_PER_SESSION: 2, Unit.SHARE_PER_YEAR: 1, Unit.SHARE_PER_HORIZON: 2}
_PROBABILITIES = ("probabilistic_sharpe", "deflated_sharpe", "deflated_sharpe_families")
"""Figures that are never 0% or 100%."""
_LOSSES = ("value_at_risk_95", "expected_shortfall_95")
"""Figures that are losses where they are above 0."""


def strip(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A cell each: name, value and the conventions behind it; those without any value are left out."""
    known = {one["name"]: one for part in parts for one in part["figures"]}
    cells = []
    for name, wanted in STRIP:
        found = [known[one] for one in wanted if one in known]
        if not found or found[0]["value"] is None:
            continue
        cells.append({"name": name, "value": _joined(found), "convention": _told(found)})
    return cells


def _joined(found: Sequence[Mapping[str, Any]]) -> str:
    first, *rest = (_value(one, one["value"]) for one in found)
    if not rest:
        return first
    return f"{first} ({rest[0]})" if found[1]["unit"] == Unit.ERRORS else f"{first}; {rest[0]}"


def _told(found: Sequence[Mapping[str, Any]]) -> str:
    return ". ".join(f"{name_of(one)}: {one['convention']}" for one in found)


def tables(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each part its title and rows: name, value, error, interval, convention, and why there is no value."""
    return [{"title": part["title"], "rows": rows(part["figures"])} for part in parts]


def rows(figures: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row a figure, in words. What is a figure over its error stands in the row of that figure."""
    ratios = {_plain(one["name"].removesuffix("_t")): one for one in figures if one["unit"] == Unit.ERRORS}
    found = []
    for one in figures:
        if one["unit"] == Unit.ERRORS:
            continue
        t = ratios.get(_plain(one["name"]))
        bounds = (
            ""
            if one["low"] is None or one["high"] is None
            else f"{_value(one, one['low'])} to {_value(one, one['high'])}"
        )
        found.append({
            "name": name_of(one),
            "value": "n/a" if one["value"] is None else _value(one, one["value"]),
            "error": "" if one["error"] is None else f"± {_value(one, one['error'])}",
            "t": "" if t is None or t["value"] is None else f"t {ratio(t['value'])}",
            "interval": bounds,
            "convention": one["convention"],
            "reason": one["reason"] if one["value"] is None else "",
        })  # fmt: skip
    return found


def _plain(name: str) -> str:
    """alpha_per_year and alpha_t are of one thing."""
    return name.removesuffix("_per_year")


def name_of(figure: Mapping[str, Any]) -> str:
    """A figure's name in words."""
    plain = str(figure["name"]).replace("_", " ").capitalize().replace("sharpe", "Sharpe")
    name = NAMES.get(figure["name"], plain)
    return f"{name} ({figure['item']})" if figure.get("item") else name


def _value(figure: Mapping[str, Any], value: float | None) -> str:
    """A value in its unit; losses with their sign."""
    if value is None:
        return "n/a"
    unit = Unit(figure["unit"])
    if figure["name"] in _PROBABILITIES:
        return percent(value)
    if unit in _SHARES:
        return share(-value if figure["name"] in _LOSSES else value, _SHARES[unit])
    if unit == Unit.TRIALS:
        return f"{value:,.0f}"
    if unit in (Unit.SESSIONS, Unit.DAYS, Unit.DATES):
        return f"{value:,.0f} {unit}"
    return ratio(value) if unit != Unit.CORRELATION or abs(value) >= 0.1 else f"{value:.3f}".replace("-", "−")
