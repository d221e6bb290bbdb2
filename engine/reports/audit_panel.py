"""The audit's sheet: each check with its count and state, each finding in words, and what else the audit says of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backcast.engine.audit.findings import LEAK, WARNING

STATES = {
    LEAK: "LEAK",
    WARNING: "warning",
    "information": "information",
    "inconclusive": "not concluded",
    "proved": "proved",
    "passed": "passed",
}
MARKS = {LEAK: "leak", WARNING: "bad", "inconclusive": "bad", "proved": "good", "passed": "good"}
ORDER = [*(word.lower() for word in STATES.values()), "changed", "nothing to check"]
LONGEST = 400
"""Characters of a text that comes from data: more of it is no news."""


def audit_panel(trust: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows: head (one line), rows (a check each, with the findings' words) and lines."""
    return {
        "head": head(trust),
        "rows": [_row(check) for check in trust["audit_checks"]],
        "lines": [line for line in (_chance(trust), _unseen(trust)) if line],
    }


def head(trust: Mapping[str, Any]) -> str:
    """The verdict of the audit in a line."""
    checks, passed = trust["audit_checks"], trust["audit_passed"]
    if passed is None:
        return f"Not audited: {trust['audit_doubt'] or 'the audit was off'}."
    words = [shown(check)[0].lower() for check in checks]
    counts = sorted(
        {word: words.count(word) for word in words}.items(), key=lambda pair: ORDER.index(pair[0])
    )
    told = ", ".join(f"{n} {word}" for word, n in counts)
    verdict = "Passed" if passed else "FAILED"
    return f"{verdict} at level {trust['audit_level']}: {len(checks)} checks ({told})."


def _row(check: Mapping[str, Any]) -> dict[str, Any]:
    state, mark = shown(check)
    return {
        "layer": check["layer"],
        "name": check["name"],
        "detail": cut(check["detail"]),
        "cells": f"{check['cells']:,}",
        "changed": f"{check['changed']:,}",
        "state": state,
        "mark": mark,
        "words": _words(check),
    }


def shown(check: Mapping[str, Any]) -> tuple[str, str]:
    """The state of a check as the page calls it, and its mark."""
    state = str(check["state"])
    if state == "passed" and not check["cells"]:
        return "nothing to check", ""
    if state == LEAK and not check["finding"]:
        return "changed", MARKS[LEAK]
    return STATES[state], MARKS.get(state, "")


def _words(check: Mapping[str, Any]) -> list[str]:
    """The finding: what, where, what to do, and how to see it again."""
    if check["inconclusive"] and not check["finding"]:
        return [f"Not run to its end: {cut(check['inconclusive'])}."]
    if not check["finding"]:
        return ["A consequence of what leaks above it."] if check["changed"] else []
    one = check["finding"]
    told = [f"{cut(one['sentence'])} {where(one)}".strip(), cut(one["remedy"])]
    return [text for text in [*told, f"See it again: {one['reproduce']}" if one["reproduce"] else ""] if text]


def where(finding: Mapping[str, Any]) -> str:
    """First cell, depth and table: "First: close of AAPL at 2020-03-04; it looks 5 bars ahead, through bars." """
    if not finding["symbol"] and not finding["at"] and finding["severity"] != LEAK:
        return ""
    place = " of ".join(cut(finding[key], 80) for key in ("column", "symbol") if finding[key])
    at = finding["at"].replace("T", " ").removesuffix(".000000")
    first = " at ".join(part for part in (place, cut(at, 40)) if part)
    depth, through = finding["depth"], finding["through"]
    ahead = "" if depth is None else f"it looks {depth:,} bar{'s' if depth != 1 else ''} ahead"
    parts = [
        f"first: {first}" if first else "",
        ahead,
        f"through the table of {through}" if through and finding["severity"] == LEAK else "",
    ]
    said = "; ".join(part for part in parts if part)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def cut(text: str, most: int = LONGEST) -> str:
    """A text, or its beginning."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _chance(trust: Mapping[str, Any]) -> str:
    chances = trust["audit_chance"]
    if not chances or trust["audit_passed"] is None:
        return ""
    layers = [f"of {layer} {_by_depth(found)}" for layer, found in chances.items() if found]
    return f"Probability that this level catches a single leaked cell: {'; '.join(layers)}."


def _by_depth(found: Mapping[str, float]) -> str:
    """Each depth with its probability; one where all are the same."""
    depths = sorted((h for h in found if h.isdecimal()), key=int)
    if len({found[h] for h in depths}) == 1:
        return f"{_share(found[depths[0]])} at any depth"
    return ", ".join(f"{_share(found[h])} at {h} bar{'s' if h != '1' else ''}" for h in depths)


def _share(chance: float) -> str:
    """Never rounded up to certainty."""
    return "100%" if chance == 1 else f"{int(chance * 1000) / 10:g}%"


def _unseen(trust: Mapping[str, Any]) -> str:
    if trust["audit_passed"] is None:
        return ""
    return (
        "What no audit of data sees: facts dated a day before they were filed, an idea that was read in the results of these "
        "very years, and data that its vendor changed before it came."
    )


def delay_words(delay: Mapping[str, Any]) -> str:
    """Sharpe and return had every decision come a bar later; empty where it was not told."""
    names = ("sharpe_per_year", "return_per_year")
    values = [delay.get(f"{prefix}{name}") for name in names for prefix in ("", "delayed_")]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return ""
    sharpe, later, earned, then = (float(v) for v in values if v is not None)
    return f"Sharpe {_signed(sharpe)} → {_signed(later)}, return {_percent(earned)} → {_percent(then)}"


def chosen_words(selection: Mapping[str, Any]) -> str:
    """How many others were tried before on these sessions, and where this one stands; empty where it was not told."""
    others, rank, of = (selection.get(key) for key in ("others", "rank", "of"))
    if not isinstance(others, int) or isinstance(others, bool):
        return ""
    if others == 0:
        return "none"
    place = (
        f"; its Sharpe is number {rank:,} of {of:,}" if isinstance(rank, int) and isinstance(of, int) else ""
    )
    return f"{others:,} other configuration{'s' if others != 1 else ''}{place}"


def _signed(value: float) -> str:
    return f"{'−' if round(value, 2) < 0 else ''}{abs(value):.2f}"


def _percent(value: float) -> str:
    return f"{'−' if round(value, 3) < 0 else ''}{abs(value):.1%}"
