"""A trace on the terminal: one section a step of the story, each a small table or a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backcast.engine.trace.inputs import KNOWN
from backcast.engine.trace.types import Trace

WIDTH = 150
LAST = 5
"""Bars of the look-back that the terminal shows; all that were corrected are shown, and `--json` gives every one."""


def draw(found: Trace, console: Console | None = None) -> None:
    """The whole story."""
    out = console or _console()
    out.print(_title(found))
    _inputs(found, out)
    _features(found, out)
    _forecast(found, out)
    _weights(found, out)
    _trading(found, out)
    _position(found, out)
    _rows("Events", found.events, out, "no event of the symbol around it")
    for note in found.notes:
        out.print(Text(f"Note: {note}"))
    if found.differences:
        for words in found.differences:
            out.print(Text(f"DIFFERENT from what the run recorded: {words}", style="bold red"))
    else:
        out.print("What was computed again here equals what the run recorded, to the bit.")


def _title(found: Trace) -> Text:
    member = "a member of the universe then" if found.member else "NOT a member of the universe then"
    pin = ", ".join(f"{table} v{version}" for table, version in sorted(found.pin.items()))
    text = Text(
        f"{found.symbol}, decided at {_time(found.decided_at)} UTC on the session {found.session}",
        style="bold",
    )
    text.append(f"\n{member} · run {found.run} · data {found.dataset} ({pin})", style="not bold")
    return text


def _inputs(found: Trace, out: Console) -> None:
    inputs = found.inputs
    odd = {row["event_at"] for row in inputs.bars if row["status"] != KNOWN}
    tail = {row["event_at"] for row in inputs.bars[-LAST:]}
    shown = [row for row in inputs.bars if row["event_at"] in odd | tail]
    count = len({row["event_at"] for row in inputs.bars})
    title = f"Bars of its look-back ({inputs.lookback} before the decision's; {count} known, {len(odd)} with other versions)"
    _rows(title, shown, out, "no bar of it is in the look-back", skip=("symbol",))
    if inputs.used and len(inputs.fields):
        _rows(
            "The same as features used them, adjusted by the actions known then", inputs.used[-LAST:], out, ""
        )
    if inputs.actions:
        _rows("Splits, dividends and other actions", inputs.actions, out, "")
    if inputs.facts:
        _rows("Facts", inputs.facts, out, "")


def _features(found: Trace, out: Console) -> None:
    rows = [{"feature": f.name, "value": f.value, "definition": f.definition} for f in found.features]
    _rows("Features", rows, out, "none: nothing was computed")


def _forecast(found: Trace, out: Console) -> None:
    made = found.forecast
    if made is None:
        _rows("Forecast", [], out, "none")
        return
    row = {"mean": made.mean, **made.quantiles, "rank": f"{made.rank} of {made.among}", "fold": made.fold}
    _rows(f"Forecast of the label, {made.horizon} bars ahead", [row], out, "")


def _weights(found: Trace, out: Console) -> None:
    rows: list[dict[str, Any]] = [
        {"step": "held at the decision", "weight": found.held_before, "gross of all": ""}
    ]
    rows += [{"step": s.stage, "weight": s.weight, "gross of all": s.gross} for s in found.stages]
    _rows("Weight after each step", rows, out, "")


def _trading(found: Trace, out: Console) -> None:
    order = found.order
    if order is not None:
        asked = "left alone" if order.target is None else f"{order.kind} {_shown(order.target)}"
        row = {"asked": asked, "to fill in": order.session, "shares before": order.shares_before}
        _rows("Order", [{**row, "shares after": order.shares_after}], out, "")
    _rows("Fills", found.fills, out, "none: nothing was to be traded, or it could not be", skip=("symbol",))
    if found.fills:
        costs = ", ".join(f"{kind} {_shown(value)}" for kind, value in found.costs.items())
        out.print(Text(f"  Costs in all: {costs} (currency of the prices)\n"))


def _position(found: Trace, out: Console) -> None:
    held = found.position
    if held is None:
        _rows("Position", [], out, "none was held")
        return
    row = {
        "shares at most": held.shares,
        "opened": held.opened,
        "closed": f"open on {held.closed}" if held.still_open else held.closed,
        "bought and sold": held.traded,
        "dividends": held.dividends,
        "paid out": held.paid_out,
        "costs": -held.costs,
        "value at the end": held.value,
        "profit": held.profit,
    }
    _rows("Position (profit is the sum of the five before it; borrow fees are the account's)", [row], out, "")


def _rows(
    title: str, rows: Iterable[dict[str, Any]], out: Console, none: str, skip: Sequence[str] = ()
) -> None:
    rows = list(rows)
    out.print(Text(title, style="bold"))
    if not rows:
        out.print(Text(f"  {none}\n"))
        return
    names = [name for name in rows[0] if name not in skip and any(row.get(name) is not None for row in rows)]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for name in names:
        number = any(isinstance(row.get(name), float) for row in rows)
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        style = "" if row.get("status", KNOWN) == KNOWN else "yellow"
        table.add_row(*(Text(_shown(row.get(name))) for name in names), style=style)
    out.print(table)
    out.print()


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1e4 else f"{value:.6g}"
    text = str(value)
    return _time(text) if len(text) >= 19 and text[10:11] == "T" else text


def _time(iso: str) -> str:
    """An instant without the seconds' zeros."""
    return iso.replace("T", " ").removesuffix(".000000")


def _console() -> Console:
    """The terminal; where there is none, a page wide enough for a table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
