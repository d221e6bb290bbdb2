"""Where things lie in a chart: scales, round gridlines, labels that keep apart. Lengths are in units of `WIDTH`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, LEFT, RIGHT = 960.0, 34.0, 142.0
TOP = 6.0
GRIDS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
"""Gridlines within a factor of ten, coarse to fine."""
STEPS = (1.0, 0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
"""Distances of gridlines where all values lie within a factor of `NARROW`, coarse to fine."""
NARROW = 4.0


@dataclass(frozen=True)
class Scale:
    """Maps days and values to places in the drawing."""

    first: int
    last: int
    low: float
    high: float
    height: float

    def x(self, day: float) -> float:
        return LEFT + (day - self.first) / max(self.last - self.first, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (self.height - TOP)


def grid_values(low: float, high: float, most: int = 8) -> list[float]:
    """The finest set of round values between two positive ones that has at most `most` of them."""
    best: list[float] = []
    for inside in _narrow_grids(low, high) if high / low < NARROW else _wide_grids(low, high):
        if len(inside) > most:
            break
        best = inside
    return best


def _narrow_grids(low: float, high: float) -> Iterator[list[float]]:
    for step in STEPS:
        yield [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _wide_grids(low: float, high: float) -> Iterator[list[float]]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for grid in GRIDS:
        yield [m * 10.0**p for p in powers for m in grid if low <= m * 10.0**p <= high]


def spread_out(wanted: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Places near the wanted ones, in their order, at least `gap` apart and within bounds where there is room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    floor = low
    for i in order:
        places[i] = max(wanted[i], floor)
        floor = places[i] + gap
    ceiling = high
    for i in reversed(order):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places
