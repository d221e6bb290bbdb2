"""Which parameters mattered: the Sharpe ratios by the values of each, and how much of their spread it explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from markupsafe import Markup

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.reports.charts import caption, drawing
from backcast.engine.reports.verdict import signed
from backcast.engine.stats.explained import Explained, explained

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460.0, 170.0, 36.0, 8.0, 8.0, 22.0
BINS, MOST_VALUES = 6, 10
"""Numbers with more values than that are put into bins of about equal counts."""
DOTS = 400
"""Results up to which each is a dot; beyond, a bar from the 10th to the 90th percentile stands for those of a value."""
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
INK, MEAN, GREY = "#005b96", "#b34700", "#d9dde1"


@dataclass(frozen=True)
class Parameter:
    """names: of settings that always change together; labels: its values in order; group (N,) of each result the index of its
    value; found: None where it explains nothing that could be told."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    group: Ints
    found: Explained | None


def parameters(settings: pl.DataFrame, sharpes: Floats) -> list[Parameter]:
    """Those that vary, the one that explains most first (adjusted for its number of values). settings: a column of text each;
    sharpes (N,) finite, a year."""
    made: dict[bytes, Parameter] = {}
    for name in settings.columns:
        labels, group = _values(settings[name].fill_null("").to_list())
        if len(labels) < 2:
            continue
        key = _partition(group)
        names = (*made[key].names, name) if key in made else (name,)
        first = made[key] if key in made else Parameter(names, labels, group, explained(sharpes, group))
        made[key] = Parameter(names, first.labels, first.group, first.found)
    return sorted(made.values(), key=_order)


def _order(one: Parameter) -> tuple[bool, float, float]:
    """By what it explains beyond chance; those that do not, by what they explain."""
    found = one.found
    return (True, 0.0, 0.0) if found is None else (False, -max(found.adjusted, 0.0), -found.share)


def _partition(group: Ints) -> bytes:
    """The same for groupings that differ in their labels alone."""
    first = np.unique(group, return_index=True)[1]
    return first[np.unique(group, return_inverse=True)[1]].tobytes()


def _values(texts: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """Labels in order, numbers by their size before what is none, and of each text the index of its label."""
    distinct = sorted(set(texts), key=_place)
    if len(distinct) > MOST_VALUES and math.isfinite(_number(distinct[-1])):
        return _binned(np.array([_number(text) for text in texts]))
    place = {text: n for n, text in enumerate(distinct)}
    return tuple(text or "none" for text in distinct), np.array(
        [place[text] for text in texts], dtype=np.int64
    )


def _binned(values: Floats) -> tuple[tuple[str, ...], Ints]:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    bins = np.searchsorted(edges[1:-1], values, side="right")
    there, group = np.unique(bins, return_inverse=True)
    bounds = [(values[bins == n].min(), values[bins == n].max()) for n in there]
    return tuple(f"{a:.4g}–{b:.4g}" if a < b else f"{a:.4g}" for a, b in bounds), group.astype(np.int64)


def _place(text: str) -> tuple[bool, float, str]:
    number = _number(text)
    known = math.isfinite(number)
    return not known, number if known else 0.0, text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def chart(number: int, parameter: Parameter, sharpes: Floats, survivors: Bools) -> Markup:
    """Sharpe ratios by value on one scale for all parameters; dots (survivors darker) or bars, and the mean of each value."""
    scale = _Scale(sharpes)
    kept = _drawn(parameter)
    slot = (WIDTH - LEFT - RIGHT) / len(kept)
    parts, told = scale.grid(), []
    for place, value in enumerate(kept):
        mine = np.flatnonzero(parameter.group == value)
        middle = LEFT + (place + 0.5) * slot
        parts += _dots(mine, middle, slot, sharpes, survivors, scale) if len(sharpes) <= DOTS else [
            _bar(sharpes[mine], middle, slot, scale)
        ]  # fmt: skip
        mean = float(sharpes[mine].mean())
        half = min(slot * 0.35, 26.0)
        parts.append(
            f'<path d="M{middle - half:.1f} {scale.y(mean):.1f}h{2 * half:.1f}" stroke="{MEAN}" stroke-width="2.2"/>'
        )
        label = _cut(parameter.labels[value], max(int(slot / 6.2), 3))
        parts.append(caption(middle, HEIGHT - 7, label, anchor="middle"))
        told.append(f"{parameter.labels[value]}: {signed(mean)} ({len(mine)})")
    name = " and ".join(parameter.names)
    return drawing(
        f"parameter-{number}", HEIGHT, name, f"Mean net Sharpe by value: {'; '.join(told)}", parts, WIDTH
    )


def _drawn(parameter: Parameter) -> list[int]:
    """The values that there is room for: the most frequent ones."""
    counts = np.bincount(parameter.group, minlength=len(parameter.labels))
    return sorted(np.argsort(-counts, kind="stable")[:MOST_VALUES].tolist())


def _dots(
    mine: Ints, middle: float, slot: float, sharpes: Floats, survivors: Bools, scale: _Scale
) -> list[str]:
    """Spread out sideways from the middle by a fixed pattern, so that the same results give the same picture."""
    made = []
    for n, i in enumerate(mine.tolist()):
        x = middle + ((0.5 + n * 0.618034) % 1 - 0.5) * min(slot * 0.6, 60.0)
        look = f'r="3.2" fill="{INK}"' if survivors[i] else f'r="2.2" fill="{INK}" fill-opacity=".4"'
        made.append(f'<circle cx="{x:.1f}" cy="{scale.y(float(sharpes[i])):.1f}" {look}/>')
    return made


def _bar(values: Floats, middle: float, slot: float, scale: _Scale) -> str:
    low, high = (float(v) for v in np.quantile(values, [0.1, 0.9]))
    width = min(slot * 0.4, 30.0)
    top, height = scale.y(high), max(scale.y(low) - scale.y(high), 1.0)
    return (
        f'<rect x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="{INK}" fill-opacity=".3"/>'
    )


class _Scale:
    """From Sharpe ratios to heights."""

    def __init__(self, sharpes: Floats) -> None:
        low, high = min(float(sharpes.min()), 0.0), max(float(sharpes.max()), 0.0)
        room = max(high - low, 0.1) * 0.06
        self.low, self.high = low - room, high + room

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        """Lines at round values, zero darker."""
        step = next((s for s in STEPS if (self.high - self.low) / s <= 6), STEPS[-1])
        parts = []
        for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            y, colour = self.y(n * step), GREY if n else "#8a929a"
            parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{colour}" stroke-width=".8"/>')
            parts.append(caption(LEFT - 4, y + 3.5, signed(n * step), anchor="end"))
        return parts


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
