"""The page's tiles and tables as words: what stands in each cell, and whether it is good or bad news."""

from __future__ import annotations

from typing import Any

from backcast.engine.audit.universe import SURVIVORS
from backcast.engine.reports.audit_panel import chosen_words, cut, delay_words
from backcast.engine.reports.verdict import BAR, chance, percent
from backcast.engine.reports.words import MINUS, event_words, interval, ratio, share
from backcast.engine.stats.luck import SIZE

SHADES = 5
"""Steps of colour in the monthly table, each way."""


def tiles(report: dict[str, Any]) -> list[dict[str, str]]:
    """The six numbers: name, value, what it means, and mark (bad or empty)."""
    own = report["strategy"]
    return [_sharpe_tile(own), _luck_tile(report), _return_tile(own), _drawdown_tile(own), _turnover_tile(own),
            _cost_tile(own)]  # fmt: skip


def _tile(name: str, value: str, note: str, bad: bool = False) -> dict[str, str]:
    return {"name": name, "value": value, "note": note, "mark": "bad" if bad else ""}


def _sharpe_tile(own: dict[str, Any]) -> dict[str, str]:
    low, high = own["sharpe_low_per_year"], own["sharpe_high_per_year"]
    note = f"95%: {interval(low, high)}" if low is not None else own["undefined"]
    return _tile("Net Sharpe, a year", ratio(own["sharpe_per_year"]), note, low is None or low <= 0)


def _luck_tile(report: dict[str, Any]) -> dict[str, str]:
    """What decides: the chance of luck, or the deflated probability where the folder has none."""
    own, n, p = report["strategy"], report["trust"]["trials"], report["significance"]["luck"]
    after = f"after {n:,} trial{'s' if n > 1 else ''}, bar "
    if p is not None:
        return _tile("Chance of luck", chance(p), f"{after}{SIZE:.0%}", p > SIZE)
    deflated = own["deflated_probability"]
    shown = "n/a" if deflated is None else percent(deflated)
    note = own["undefined"] or f"{after}{BAR:.0%}"
    return _tile("Deflated probability", shown, note, deflated is None or deflated < BAR)


def _return_tile(own: dict[str, Any]) -> dict[str, str]:
    note = f"volatility {share(own['volatility_per_year'])}"
    value = own["return_per_year"]
    return _tile("Net return, a year", share(value), note, value is None or value < 0)


def _drawdown_tile(own: dict[str, Any]) -> dict[str, str]:
    days = own["under_water_days"]
    length = f"{days / 365.25:.1f} years" if days > 730 else f"{days:,} days"
    note = f"{length} under water{'' if own['under_water_recovered'] else ', not over'}"
    return _tile("Worst drawdown", share(own["max_drawdown"]), note)


def _turnover_tile(own: dict[str, Any]) -> dict[str, str]:
    bps = own["break_even_bps"]
    note = (
        "never traded"
        if bps is None
        else f"break-even cost {bps:.0f} bp"
        if bps > 0
        else "loses before costs"
    )
    return _tile("Turnover, a year", _times(own["turnover_per_year"]), note, bps is None or bps <= 0)


def _cost_tile(own: dict[str, Any]) -> dict[str, str]:
    value = f"{ratio(own['gross_sharpe_per_year'])} → {ratio(own['sharpe_per_year'])}"
    return _tile("Sharpe before → after costs", value, f"costs take {share(own['cost_per_year'])} a year")


def _times(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.1f}x" if value < 10 else f"{value:,.0f}x"


def rival_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The strategy, its challengers and the benchmark, a row each."""
    own = {**_row(report["strategy"], "this run"), "gap": "", "gap_interval": "", "mark": "own"}
    rows = [own, *({**_row(c["figures"], "challenger"), **_gap(c)} for c in report["challengers"])]
    if report["benchmark"]:
        held = {"turnover": "–", "deflated": "–"}
        rows.append(
            {**_row(report["benchmark"]["figures"], "benchmark"), **_gap(report["benchmark"]), **held}
        )
    return rows


def _row(figures: dict[str, Any], role: str) -> dict[str, str]:
    chance = figures["deflated_probability"]
    return {
        "name": figures["name"],
        "role": role,
        "sharpe": ratio(figures["sharpe_per_year"]),
        "interval": interval(figures["sharpe_low_per_year"], figures["sharpe_high_per_year"]),
        "deflated": "n/a" if chance is None else percent(chance),
        "growth": share(figures["return_per_year"]),
        "volatility": share(figures["volatility_per_year"]),
        "drawdown": share(figures["max_drawdown"]),
        "turnover": _times(figures["turnover_per_year"]),
    }


def _gap(rival: dict[str, Any]) -> dict[str, str]:
    """The strategy's Sharpe less the rival's: good news only where the whole interval lies above zero."""
    low, high = rival["low_per_year"], rival["high_per_year"]
    mark = "" if low is None else "good" if low > 0 else "bad" if high < 0 else ""
    return {
        "gap": ratio(rival["difference_per_year"], "+"),
        "gap_interval": interval(low, high, "+"),
        "mark": mark,
    }


def cost_row(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Net Sharpe by cost per unit traded; `here` marks what the run was charged, where it is one of them."""
    return [
        {
            "bps": f"{bps:g}",
            "sharpe": ratio(value),
            "here": _charged(report, bps),
            "bad": value is None or value <= 0,
        }
        for bps, value in report["cost_sensitivity"]
    ]


def _charged(report: dict[str, Any], bps: float) -> bool:
    """Whether a unit traded did cost that, to a twentieth of a basis point: fees are taken of a price with the spread in it."""
    return report["charged_bps"] is not None and abs(report["charged_bps"] - bps) < 0.05


def cost_note(report: dict[str, Any]) -> str:
    """What the run was charged, beside the costs that it is not one of."""
    if report["charged_bps"] is None:
        return ""
    if any(_charged(report, bps) for bps, _ in report["cost_sensitivity"]):
        return "boxed: as charged"
    return f"as charged: {report['charged_bps']:.1f} bp on average"


FLOWS = {"fee": "Fees", "spread": "Spread", "impact": "Impact", "borrow": "Borrow", "interest": "Interest",
         "dividend": "Dividends"}  # fmt: skip
"""What was paid and got by kind, and what it is called."""


def flow_row(report: dict[str, Any]) -> list[dict[str, str]]:
    """By kind what the account paid (below zero) and got, a year, as a share of equity."""
    told = {"total_return": "in prices", "split_adjusted": "missing"}
    basis = told.get(str(report["header"]["dataset"].get("price_basis")))
    row = []
    for kind, name in FLOWS.items():
        value = report["flows"].get(kind)
        signed_value = value if value is None or kind in ("dividend", "interest") else -value
        text = basis if kind == "dividend" and basis else share(signed_value, 2)
        row.append({"name": name, "value": text})
    return row


def haircut_row(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Net Sharpe by the haircut on vanished holdings; `here` marks the run's own. Empty where none vanished."""
    own = float(report["header"]["execution"].get("haircut", 0.0))
    return [
        {"cut": share(cut, 0), "sharpe": ratio(value), "here": cut == own, "bad": value is None or value <= 0}
        for cut, value in report["haircut_sensitivity"]
    ]


def trust_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """Why to believe it or not: name, value and mark (good, bad or empty)."""
    trust, coverage = report["trust"], report["trust"]["coverage"]
    refits = f"{trust['refits']:,}; {trust['train_rows'] // trust['refits']:,} rows each on average"
    purged = f"{trust['purged_rows']:,} rows purged; embargo {trust['embargo_sessions']} sessions"
    return [
        _audit_row(trust),
        _fact("Trials counted on this data", _trial_words(trust, report["header"]["periods_per_year"])),
        *_luck_rows(report),
        *_seed_rows(report.get("seeds")),
        *_told_rows(trust),
        _survivorship_row(trust),
        _fact("Prices known by a rule, not observed", _rule(coverage, report["header"]["dataset"])),
        _fact("Refits", refits),
        _fact("Kept out of training", purged),
        _fact("Data", _counts(coverage, ("symbols", "symbols"), ("sessions", "sessions"), ("bars", "bars"))),
        _fact("Missing", _counts(coverage, ("missing_sessions", "sessions"), ("gaps", "gaps in bars"))),
        _fact("Warned of at ingest", event_words(trust["findings"])),
        _fact("Corrected later", _counts(coverage, ("revised_cells", "cells"))),
        _fact("Not forecast", _counts(coverage, ("warmup_cells", "warming up"), ("incomplete_cells", "incomplete"))),
        _fact("Not trained on", _counts(coverage, ("unlabelled_cells", "without a label"))),
        _fact("Events", event_words(trust["events"])),
    ]  # fmt: skip


def _fact(name: str, value: str, mark: str = "") -> dict[str, str]:
    return {"name": name, "value": value, "mark": mark}


def _trial_words(trust: dict[str, Any], periods_per_year: float) -> str:
    """How many, and how far apart: the two numbers that deflate the Sharpe ratio."""
    variance = trust["trials_variance"]
    spread = (
        "" if variance is None else f"; Sharpes differ by {(variance * periods_per_year) ** 0.5:.2f} (s.d.)"
    )
    return f"{trust['trials']:,}{spread}"


def _luck_rows(report: dict[str, Any]) -> list[dict[str, str]]:
    """How many trials the chance of luck compares, and both conventions of the probabilities that stand beside it."""
    own, found = report["strategy"], report["significance"]
    counts = (
        f"{found['compared']:,} of {found['counted']:,}, on {found['sessions']:,} sessions"
        if found["luck"] is not None
        else f"no: {found['without']}"
    )
    needed, years = found["needed_years"], own["sessions"] / report["header"]["periods_per_year"]
    record = "n/a" if needed is None else f"{needed:,.1f} years; there are {years:.1f}"
    names = (
        ("Deflated Sharpe probability", "deflated"),
        ("Probabilistic, were it the only trial", "probabilistic"),
    )
    return [
        _fact("Compared for the chance of luck", counts),
        *(
            _fact(name, _conventions(own[f"{kind}_probability"], found[f"{kind}_at_benchmark"]))
            for name, kind in names
        ),
        _fact("Shortest record for a Sharpe above 0", record),
    ]  # fmt: skip


def _seed_rows(seeds: dict[str, Any] | None) -> list[dict[str, str]]:
    """How far the ratio moves with the seed alone."""
    if seeds is None:
        return []
    deviation = "" if seeds["sd"] is None else f", s.d. {seeds['sd']:.2f}"
    spread = interval(seeds["low"], seeds["high"]) or "n/a"
    return [
        _fact(f"Net Sharpe over {seeds['n']:,} seeds", f"{spread} (mean {ratio(seeds['mean'])}{deviation})")
    ]


def _conventions(estimate: float | None, benchmark: float | None) -> str:
    """Both published conventions of a probability, which differ in where they take the error of the ratio."""
    if estimate is None or benchmark is None:
        return "n/a"
    return f"{percent(estimate)} ({percent(benchmark)} with the null's error)"


def _audit_row(trust: dict[str, Any]) -> dict[str, str]:
    name = f"Leak audit ({trust['audit_level']})"
    if trust["audit_passed"] is None:
        return _fact(name, "not believed" if trust["audit_doubt"] else "not run", "bad")
    counted = f"{trust['audit_changed']:,} of {trust['audit_cells']:,} cells changed"
    warned = sum(check["state"] == "warning" for check in trust["audit_checks"])
    verdict = "passed" if trust["audit_passed"] else "FAILED"
    told = f" · {warned} warning{'s' if warned != 1 else ''}" if warned else ""
    return _fact(name, f"{verdict}: {counted}{told}", "good" if trust["audit_passed"] else "bad")


def _told_rows(trust: dict[str, Any]) -> list[dict[str, str]]:
    """What the audit tells besides, where it does."""
    told = {"Tried before on these sessions": chosen_words(trust["selection"]),
            "Decided one bar later, a year": delay_words(trust["delay"])}  # fmt: skip
    return [_fact(name, words) for name, words in told.items() if words]


def _survivorship_row(trust: dict[str, Any]) -> dict[str, str]:
    left, joined = trust["coverage"].get("left_universe"), trust["coverage"].get("joined")
    if trust["survivorship"]:
        return _fact(
            "Names that left the universe", f"{left if left is not None else '?'} (survivors)", "bad"
        )
    for check in trust["audit_checks"]:
        if check["name"] == SURVIVORS and check["finding"]:
            return _fact("Names that left the universe", cut(check["finding"]["sentence"], 80).rstrip("."))
    moves = "not recorded" if left is None else f"{left:,} left, {joined or 0:,} joined"
    return _fact("Names that left the universe", moves)


def _rule(coverage: dict[str, Any], dataset: dict[str, Any]) -> str:
    known = coverage.get("known_by_rule")
    if known is None:
        return "not recorded"
    rule = dataset.get("known_rule")
    return share(known, 0) + (f" ({rule})" if rule and known else "")


def _counts(coverage: dict[str, Any], *named: tuple[str, str]) -> str:
    """Counts with their names; one that the run did not record says so."""
    return " · ".join(f"{coverage[key]:,} {name}" if key in coverage else f"? {name}" for key, name in named)


def monthly_rows(monthly: dict[str, float], yearly: dict[str, float]) -> list[dict[str, Any]]:
    """A row a year: twelve cells and the year's total, each with its text and shade (u1 to u5, d1 to d5)."""
    sizes = sorted(abs(v) for v in monthly.values())
    full = sizes[-(-95 * (len(sizes) - 1) // 100)] if sizes else 1.0
    return [
        {
            "year": year,
            "cells": [_cell(monthly.get(f"{year}-{month:02d}"), full) for month in range(1, 13)],
            "total": _cell(total, full)["text"],
        }
        for year, total in yearly.items()
    ]


def _cell(value: float | None, full: float) -> dict[str, str]:
    if value is None:
        return {"text": "·", "shade": "none"}
    text = f"{abs(value) * 100:.1f}"
    if float(text) == 0 or full == 0:
        return {"text": text, "shade": ""}
    step = min(SHADES, 1 + int(SHADES * abs(value) / full))
    return {"text": f"{'+' if value > 0 else MINUS}{text}", "shade": f"{'u' if value > 0 else 'd'}{step}"}
