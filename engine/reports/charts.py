"""The charts of the page: plain SVG text, no script, no font and no file of its own.

Colours are told apart by the colour-blind and have a contrast of at least 4.5 on white; every line has a dash pattern
and a name at its end too. All lengths are in units of the page's width, `axes.WIDTH`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from backcast.engine.reports.axes import LEFT, RIGHT, TOP, WIDTH, Scale, grid_values, spread_out

EQUITY_HEIGHT, DRAWDOWN_HEIGHT = 300.0, 92.0
AXIS, LABEL_GAP = 18.0, 13.0
EPOCH = dt.date(1970, 1, 1)
DEPTHS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
STYLES = {"net": ("#005b96", "", 2.0), "gross": ("#005b96", "2 3", 1.1), "benchmark": ("#333a40", "7 3", 1.1)}
CHALLENGERS = (("#b34700", "5 2 1 2", 1.3), ("#006b50", "9 3", 1.3), ("#8f3d73", "3 2", 1.3))


def equity_chart(curves: Sequence[dict[str, Any]], folds: Sequence[Sequence[int]]) -> Markup:
    """Growth of 1 on a log scale. curves: name, kind, days, values, as in report.json; folds: (first, last) days."""
    drawn = [_positive(c) for c in curves]
    values = [v for c in drawn for v in c["values"]]
    low, high = math.log(min(values)), math.log(max(values))
    room = max(high - low, 0.02) * 0.04
    scale = Scale(*_span(drawn), low - room, high + room, EQUITY_HEIGHT - AXIS)
    lines = [(c, _style(c, drawn)) for c in drawn]
    parts = [_shading(folds, scale), *_value_grid(scale), *_date_axis(scale)]
    parts += [_line(c, style, scale) for c, style in reversed(lines)]
    parts += _end_labels(lines, scale)
    text = "; ".join(f"{_label(c)} ends at {c['values'][-1]:.2f} times its start" for c in drawn)
    return drawing("equity", EQUITY_HEIGHT, "Equity, log scale", text, parts)


def drawdown_chart(curve: dict[str, Any], folds: Sequence[Sequence[int]]) -> Markup:
    """Equity below its former peak as an area, its deepest point marked."""
    deepest = min(curve["values"])
    scale = Scale(*_span([curve]), min(deepest * 1.12, -0.005), 0.0, DRAWDOWN_HEIGHT)
    points = " ".join(
        f"{scale.x(d):.1f} {scale.y(v):.1f}" for d, v in zip(curve["days"], curve["values"], strict=True)
    )
    base = f"{scale.y(0.0):.1f}"
    area = f"M{scale.x(scale.first):.1f} {base} {points} {scale.x(scale.last):.1f} {base}Z"
    parts = [_shading(folds, scale), *_depth_grid(scale)]
    parts.append(f'<path d="{area}" fill="#e3a574" stroke="#b34700" stroke-width=".6"/>')
    worst = curve["days"][curve["values"].index(deepest)]
    x, y, when = scale.x(worst), scale.y(deepest), _date(worst)
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="#8a3600"/>')
    side, anchor = (6, "start") if x < WIDTH / 2 else (-6, "end")
    parts.append(
        caption(x + side, y + 3.5, f"worst −{-deepest:.1%}, {when:%b %Y}", "#8a3600", anchor, "bold")
    )
    text = f"The largest drawdown is {-deepest:.1%}, reached on {when.isoformat()}"
    return drawing("drawdown", DRAWDOWN_HEIGHT, "Drawdown", text, parts)


def _span(curves: Sequence[dict[str, Any]]) -> tuple[int, int]:
    return min(c["days"][0] for c in curves), max(c["days"][-1] for c in curves)


def _positive(curve: dict[str, Any]) -> dict[str, Any]:
    """Without what a log scale cannot show: the last point of an account that lost everything."""
    kept = [(d, v) for d, v in zip(curve["days"], curve["values"], strict=True) if v > 0] or [
        (curve["days"][0], 1.0)
    ]
    return {**curve, "days": [d for d, _ in kept], "values": [v for _, v in kept]}


def _style(curve: dict[str, Any], curves: Sequence[dict[str, Any]]) -> tuple[str, str, float]:
    if curve["kind"] in STYLES:
        return STYLES[curve["kind"]]
    challengers = [c["name"] for c in curves if c["kind"] == "challenger"]
    return CHALLENGERS[challengers.index(curve["name"]) % len(CHALLENGERS)]


def _label(curve: dict[str, Any]) -> str:
    """What stands at the end of a line; long names are cut."""
    if curve["kind"] == "gross":
        return "before costs"
    return f"{_cut(curve['name'], 10)} net" if curve["kind"] == "net" else _cut(curve["name"], 16)


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _line(curve: dict[str, Any], style: tuple[str, str, float], scale: Scale) -> str:
    colour, dashes, width = style
    points = " ".join(
        f"{scale.x(d):.1f} {scale.y(math.log(v)):.1f}"
        for d, v in zip(curve["days"], curve["values"], strict=True)
    )
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M{points}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dash}/>'


def _end_labels(lines: Sequence[tuple[dict[str, Any], tuple[str, str, float]]], scale: Scale) -> list[str]:
    """A name at each line's end, moved apart where ends lie close, with a sample of the line leading to it."""
    ends = [scale.y(math.log(c["values"][-1])) for c, _ in lines]
    places = spread_out(ends, TOP + 5, scale.height - 3, LABEL_GAP)
    parts = []
    for (curve, (colour, dashes, width)), end, place in zip(lines, ends, places, strict=True):
        x = scale.x(curve["days"][-1])
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(
            f'<path d="M{x:.1f} {end:.1f} {WIDTH - RIGHT + 6:.1f} {place:.1f} {WIDTH - RIGHT + 24:.1f} {place:.1f}"'
            f' fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'
        )
        weight = "bold" if curve["kind"] == "net" else "normal"
        text = f"{_label(curve)} {curve['values'][-1]:.2f}x"
        parts.append(caption(WIDTH - RIGHT + 27, place + 3.5, text, colour, weight=weight))
    return parts


def _value_grid(scale: Scale) -> list[str]:
    parts = []
    for value in grid_values(math.exp(scale.low), math.exp(scale.high)):
        start = abs(value - 1) < 1e-9
        parts.append(_rule(scale.y(math.log(value)), "#8a929a" if start else "#d9dde1"))
        parts.append(caption(LEFT - 4, scale.y(math.log(value)) + 3.5, f"{value:.4g}x", anchor="end"))
    return parts


def _depth_grid(scale: Scale) -> list[str]:
    step = next(
        s
        for s in (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
        if -scale.low / s <= 4 or s == 1.0
    )
    parts = []
    for i in range(int(-scale.low * 0.95 / step) + 1):  # the last label needs room below its line
        parts.append(_rule(scale.y(-i * step), "#8a929a" if i == 0 else "#d9dde1"))
        parts.append(caption(LEFT - 4, scale.y(-i * step) + 3.5, _depth(i * step), anchor="end"))
    return parts


def _depth(value: float) -> str:
    return f"−{value * 100:.3g}%" if value else "0%"


def _date_axis(scale: Scale) -> list[str]:
    """Names of years, or of months where there are few, as many as there is room for."""
    first, last = _date(scale.first), _date(scale.last)
    if (last - first).days > 800:
        marks = [(dt.date(year, 1, 1), str(year)) for year in range(first.year + 1, last.year + 1)]
    else:
        months = range(first.year * 12 + first.month, last.year * 12 + last.month)
        marks = [
            (dt.date(m // 12, m % 12 + 1, 1), f"{dt.date(m // 12, m % 12 + 1, 1):%b %Y}") for m in months
        ]
    room = 36 if (last - first).days > 800 else 58
    every = max(1, math.ceil(room * len(marks) / (WIDTH - LEFT - RIGHT)))
    y = scale.height
    parts = []
    for day, name in marks[::every]:
        x = scale.x((day - EPOCH).days)
        parts.append(f'<path d="M{x:.1f} {y:.1f}v4" stroke="#5b646c" stroke-width=".8"/>')
        parts.append(caption(x, y + 14, name, anchor="middle"))
    return parts


def _shading(folds: Sequence[Sequence[int]], scale: Scale) -> str:
    """Every second fold, from its first decision to the next fold's."""
    starts = [max(first, scale.first) for first, _ in folds] + [scale.last]
    bands = [
        f"M{scale.x(a):.1f} {TOP}H{scale.x(b):.1f}V{scale.height:.1f}H{scale.x(a):.1f}Z"
        for i, (a, b) in enumerate(itertools.pairwise(starts))
        if i % 2 and b > a
    ]
    return f'<path d="{"".join(bands)}" fill="#f0f2f4"/>'


def _rule(y: float, colour: str) -> str:
    return f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT:.1f}" stroke="{colour}" stroke-width=".8"/>'


def caption(
    x: float, y: float, text: str, colour: str = "#4a535b", anchor: str = "start", weight: str = "normal"
) -> str:
    """Escaped text with a white edge, so that lines below it do not cut it."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}"'
        f' stroke="#fff" stroke-width="2.5" paint-order="stroke">{escape(text)}</text>'
    )


def drawing(
    name: str, height: float, title: str, description: str, parts: Sequence[str], width: float = WIDTH
) -> Markup:
    """The parts as one picture, with a title and a description for those who cannot see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-text" font-size="11">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
    )
    return Markup(head + "".join(parts) + "</svg>")


def _date(day: int) -> dt.date:
    return EPOCH + dt.timedelta(days=day)
