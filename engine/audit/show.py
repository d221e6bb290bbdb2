"""The audit on a terminal: a table of checks, then each finding in words."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 128
LAST = {True: "Passed.", False: "FAILED.", None: "Nothing was audited."}


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """What `audit.json` holds, as a table and sentences."""
    console = console or Console()
    table = Table("layer", "check", "cells", "changed", "state")
    for c in found["checks"]:
        table.add_row(c["layer"], c["name"], f"{c['cells']:,}", f"{c['changed']:,}", c["state"])
    console.print(table)
    for c in found["checks"]:
        for line in lines(c):
            console.print(escape(line), soft_wrap=True)
    console.print(_last(found))


def text(found: dict[str, Any]) -> str:
    """The same as text."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    show(found, console)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue().rstrip("\n")


def lines(check: dict[str, Any]) -> list[str]:
    """A check's finding in words: what and where, what it was and became, what to do, how to see it again."""
    one = check["finding"]
    if not one:
        why = check["inconclusive"].rstrip(".")
        return [f"{check['layer']}: {check['name']} is inconclusive: {why}."] if why else []
    where = ", ".join(str(one[k]) for k in ("column", "symbol", "at") if one.get(k))
    said = f"{check['layer']}: {one['sentence']}" + (f" First: {where}." if where else "")
    if one.get("recorded") is not None or one.get("replayed") is not None:
        said += f" It was {_number(one.get('recorded'))} and became {_number(one.get('replayed'))}."
    facts = [f"{check['changed']:,} of {check['cells']:,} cells"] if check["cells"] else []
    facts += [f"depth {one['depth']:,}"] if one.get("depth") is not None else []
    facts += [f"through {one['through']}"] if one.get("through") else []
    made = [said, f"  {', '.join(facts)}. {one['remedy']}" if facts else f"  {one['remedy']}"]
    return [*made, f"  Again: {one['reproduce']}"] if one.get("reproduce") else made


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"


def _last(found: dict[str, Any]) -> str:
    if found["passed"] is None and found["checks"]:
        return "INCONCLUSIVE: no replay could be compared."
    return LAST[found["passed"]]
