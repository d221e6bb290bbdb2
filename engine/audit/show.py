"""The audit on a terminal: a table of checks, then each finding in words."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(found: dict[str, Any]) -> None:
    """What `audit.json` holds, as a table and sentences."""
    table = Table("layer", "check", "cells", "changed", "state")
    for c in found["checks"]:
        table.add_row(c["layer"], c["name"], f"{c['cells']:,}", f"{c['changed']:,}", c["state"])
    console = Console()
    console.print(table)
    for c in found["checks"]:
        if c["finding"]:
            one = c["finding"]
            where = ", ".join(one[k] for k in ("column", "symbol", "at") if one[k])
            console.print(escape(f"{c['layer']}: {one['sentence']} First: {where}. {one['remedy']}"))
    console.print({True: "Passed.", False: "FAILED.", None: "Nothing was audited."}[found["passed"]])
