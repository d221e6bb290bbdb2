"""The paths of a cross-validation on the page: their Sharpe ratios as a chart, and in place of the tile that speaks of luck."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from backcast.engine.reports.axes import LEFT, RIGHT, WIDTH
from backcast.engine.reports.verdict import signed

HEIGHT = 74.0
MIDDLE, BASE = 26.0, 52.0
STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
MARKS = 12
"""Of the axis, at most."""


def path_tile(paths: dict[str, Any]) -> dict[str, str]:
    """How many paths lost; a chance of luck would be that of a track record, which a path is not."""
    known = [v for v in paths["sharpes"] if v is not None]
    below = sum(v < 0 for v in known)
    note = "no Sharpe ratio" if paths["mean"] is None else f"mean Sharpe {signed(paths['mean'])} a year"
    return {
        "name": "Paths below zero",
        "value": f"{below} of {len(known)}",
        "note": note,
        "mark": "bad" if below else "",
    }


def path_chart(paths: dict[str, Any]) -> Markup:
    """A dot a path on an axis of net Sharpe ratios a year, the first path filled, with quartiles as a box. Empty where no path
    has a ratio."""
    known = [v for v in paths["sharpes"] if v is not None]
    if not known:
        return Markup("")
    low, high = min(0.0, *known), max(0.0, *known)
    room = max(high - low, 0.1) * 0.06
    low, high = low - room, high + room

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    first, median, third = (x(value) for value in paths["quartiles"])
    box = f"M{first:.1f} {MIDDLE - 9}H{third:.1f}V{MIDDLE + 9}H{first:.1f}Z"
    parts = [*_axis(x, low, high), f'<path d="{box}" fill="#e8f2fa" stroke="#8a929a"/>']
    parts.append(f'<path d="M{median:.1f} {MIDDLE - 9}v18" stroke="#333a40" stroke-width="1.5"/>')
    for path, value in reversed(list(enumerate(paths["sharpes"]))):
        if value is not None:
            fill = "#005b96" if path == 0 else "#fff"
            dot = f'cx="{x(value):.1f}" cy="{MIDDLE}" r="4" fill="{fill}"'
            parts.append(f'<circle {dot} stroke="#005b96" stroke-width="1.3"/>')
    told = f"{len(known)} paths from {signed(min(known))} to {signed(max(known))}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-labelledby="paths-title paths-text" font-size="11"><title id="paths-title">Net Sharpe by path</title>'
        f'<desc id="paths-text">{told}</desc>'
    )
    return Markup(head + "".join(parts) + "</svg>")


def _axis(x: Callable[[float], float], low: float, high: float) -> list[str]:
    """A line with round marks below the dots; that of zero goes through them."""
    step = next((s for s in STEPS if (high - low) / s <= MARKS), (high - low) / MARKS)
    parts = [f'<path d="M{LEFT} {BASE}H{WIDTH - RIGHT}" stroke="#8a929a" stroke-width=".8"/>']
    for i in range(math.ceil(low / step), math.floor(high / step) + 1):
        at = f"{x(i * step):.1f}"
        top, colour = (BASE, "#5b646c") if i else (6, "#b34700")
        parts.append(f'<path d="M{at} {top}V{BASE + 4}" stroke="{colour}" stroke-width=".8"/>')
        text = signed(i * step)
        parts.append(f'<text x="{at}" y="{BASE + 16}" fill="#4a535b" text-anchor="middle">{text}</text>')
    return parts
