"""The power curves of `worlds.py` as one SVG: a panel a kind of world and size of sweep, a line a rule."""

from __future__ import annotations

from typing import Any

COLOURS = {"bonferroni": "#9aa0a6", "stepm": "#7fb3d5", "verdict": "#1f5fa8", "deflated": "#c0504d"}
NAMES = {
    "bonferroni": "Bonferroni, true variance known",
    "stepm": "StepM at 5 %",
    "verdict": "the page's verdict",
    "deflated": "deflated Sharpe of 95 %",
}
WIDE, HIGH, GAP, LEFT, TOP = 220, 150, 50, 60, 60


def power_chart(totals: dict[str, Any], worlds: int, skills: tuple[float, ...]) -> str:
    """Rows are kinds, columns sizes of sweep; x is the planted Sharpe ratio a year, y the share of worlds that find it."""
    sizes = list(next(iter(totals.values()))["found"]["verdict"])
    width, height = LEFT + len(sizes) * (WIDE + GAP) + 10, TOP + len(totals) * (HIGH + 45) + 10
    title = f"Share of {worlds} worlds that find one planted skill, by its Sharpe ratio a year"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{title}</text>',
        *_legend(),
    ]
    for row, (kind, total) in enumerate(totals.items()):
        for column, size in enumerate(sizes):
            x, y = LEFT + column * (WIDE + GAP), TOP + row * (HIGH + 45)
            lines = {rule: [total["found"][rule][size][s] / worlds for s in skills] for rule in COLOURS}
            parts.extend(_panel(x, y, f"{kind}, {size:,} trials", lines, skills))
    return "\n".join([*parts, "</svg>"])


def _legend() -> list[str]:
    parts, x = [], LEFT
    for rule, colour in COLOURS.items():
        parts.append(f'<line x1="{x}" x2="{x + 18}" y1="34" y2="34" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 22}" y="38">{NAMES[rule]}</text>')
        x += 40 + 6 * len(NAMES[rule])
    return parts


def _panel(x: int, y: int, title: str, lines: dict[str, list[float]], skills: tuple[float, ...]) -> list[str]:
    parts = [f'<text x="{x}" y="{y + 10}" font-weight="bold">{title}</text>']
    top, bottom = y + 18, y + HIGH

    def at(skill: float, share: float) -> str:
        return f"{x + WIDE * skill / max(skills):.1f},{bottom - (bottom - top) * share:.1f}"

    for share in (0, 0.5, 1):
        level = bottom - (bottom - top) * share
        parts.append(f'<line x1="{x}" x2="{x + WIDE}" y1="{level}" y2="{level}" stroke="#e0e0e0"/>')
        parts.append(f'<text x="{x - 4}" y="{level + 4}" text-anchor="end">{share:.0%}</text>')
    for skill in range(int(max(skills)) + 1):
        across = f"{x + WIDE * skill / max(skills):.1f}"
        parts += [f'<text x="{across}" y="{bottom + 14}" text-anchor="middle">{skill}</text>']
    for rule, shares in lines.items():
        path = " ".join(at(skill, share) for skill, share in zip(skills, shares))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[rule]}" stroke-width="2"/>')
    return parts
