"""The audit as a report believes it: read from audit.json, held against itself, and never better than what its checks say.

Whoever edits the file by hand can make it worse, not better: a leak among its checks fails it whatever `passed` says, and a
file that contradicts itself is shown as not audited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backcast.engine.audit.findings import INFORMATION, LAYERS, LEAK, WARNING

LEVELS = ("quick", "full", "off")
SEVERITIES = (LEAK, WARNING, INFORMATION)
WHERE = ("column", "symbol", "at", "through", "remedy", "reproduce")


@dataclass(frozen=True)
class Audited:
    """level: as configured; passed: None where nothing was audited, or the file cannot be believed, and `doubt` says why;
    checks in causal order: name, layer, detail, cells, changed, state, inconclusive, and finding (None, or its severity,
    sentence, depth and `WHERE`). delay, chance, selection: further facts, empty where there are none."""

    level: str
    passed: bool | None
    doubt: str
    checks: tuple[dict[str, Any], ...]
    delay: dict[str, Any]
    chance: dict[str, dict[str, float]]  # by layer, then by depth in bars
    selection: dict[str, Any]

    def found(self, severity: str) -> list[dict[str, Any]]:
        """The checks with a finding of a severity."""
        return [check for check in self.checks if check["state"] == severity]

    def named(self, name: str) -> dict[str, Any] | None:
        """A check by its name."""
        return next((check for check in self.checks if check["name"] == name), None)


def audited(value: Any) -> Audited:
    """What audit.json holds, of this version or an older one (checks with `first`, without `state`)."""
    if not isinstance(value, Mapping):
        return Audited("?", None, "audit.json is no audit", (), {}, {}, {})
    level, given = value.get("level"), value.get("checks")
    read = [_check(one) for one in given] if isinstance(given, list) else [None]
    checks = sorted((one for one in read if one is not None), key=lambda one: LAYERS.index(one["layer"]))
    leaks = any(check["state"] == LEAK for check in checks)
    doubt = _doubt(value, checks, whole=None not in read)
    passed = (
        False if leaks or (value.get("passed") is False and checks) else None if doubt else value["passed"]
    )
    return Audited(
        level if isinstance(level, str) and level in LEVELS else "?",
        passed,
        "" if leaks else doubt,
        tuple(checks),
        _mapping(value.get("delay")),
        _chances(value.get("chance")),
        _mapping(value.get("selection")),
    )


def _chances(value: Any) -> dict[str, dict[str, float]]:
    """Of layers that there are, the probabilities by depth; what is none is left out."""
    return {
        layer: {str(h): float(p) for h, p in _mapping(by_depth).items() if _number(p) and 0 <= p <= 1}
        for layer, by_depth in _mapping(value).items()
        if layer in LAYERS
    }


def _doubt(value: Mapping[str, Any], checks: list[dict[str, Any]], whole: bool) -> str:
    """Why the file's own word cannot be taken; empty where it can."""
    level, passed = value.get("level"), value.get("passed", "missing")
    if level not in LEVELS:
        return f"audit.json names no level of an audit ({str(level)[:40]!r})"
    if passed not in (True, False, None) or (isinstance(passed, int) and not isinstance(passed, bool)):
        return f"audit.json says neither that it passed nor that it failed ({str(passed)[:40]!r})"
    if not whole:
        return "audit.json holds a check that cannot be read"
    if level == "off":
        return "audit.json is off and holds checks all the same" if checks or passed is not None else ""
    if not checks:
        return "" if passed is None else "audit.json holds no check"
    if passed is None:
        return "audit.json holds checks and no verdict"
    compared = any(check["cells"] or check["state"] == "proved" for check in checks)
    return "" if compared else "nothing was compared"


def _check(one: Any) -> dict[str, Any] | None:
    """One check in today's shape; None where it cannot be read."""
    if not isinstance(one, Mapping):
        return None
    name, layer, cells, changed = (one.get(k) for k in ("name", "layer", "cells", "changed"))
    counted = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (cells, changed))
    if not isinstance(name, str) or layer not in LAYERS or not counted:
        return None
    told = one.get("finding", one.get("first"))
    finding = _finding(told, old="finding" not in one)
    if told is not None and finding is None:
        return None
    return {
        "name": name,
        "layer": layer,
        "detail": _text(one.get("detail")),
        "cells": cells,
        "changed": changed,
        "finding": finding,
        "inconclusive": _text(one.get("inconclusive")),
        "state": _state(one, finding),
    }


def _state(one: Mapping[str, Any], finding: dict[str, Any] | None) -> str:
    """Of its finding and its counts, never of its word: cells that changed are a leak where nothing says that they are less."""
    if finding is not None:
        return str(finding["severity"])
    if one["changed"]:
        return LEAK
    if one.get("inconclusive"):
        return "inconclusive"
    return "proved" if one.get("proved") is True else "passed"


def _finding(told: Any, old: bool) -> dict[str, Any] | None:
    """A finding, or the first cell of an older version as one."""
    if not isinstance(told, Mapping):
        return None
    severity = LEAK if old else told.get("severity")
    sentence = told.get("sentence", "Cells changed.") if old else told.get("sentence")
    if severity not in SEVERITIES or not isinstance(sentence, str):
        return None
    depth = told.get("depth")
    known = isinstance(depth, int) and not isinstance(depth, bool)
    words = {key: _text(told.get(key)) for key in WHERE}
    return {"severity": severity, "sentence": sentence, "depth": depth if known else None, **words}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
