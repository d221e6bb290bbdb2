"""The chance that a level catches the smallest leak there is: one cell, of one symbol at one decision, that looks ahead.

A world that is another after row k sees a cell of row t that looks h bars ahead if it was compared there and t <= k < t + h.
What is proved, or replayed bar by bar, is seen whatever it looks at. The chance is the share of cells that some world
sees, among those that have a bar so far ahead; leaks of more cells are caught with more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backcast.data.types import Ints

DEPTHS = (1, 5, 20, 200)
"""The depths, in bars, that are stated."""


def caught(
    seen: Sequence[tuple[int, int]], cells: Ints, depth: int, rows: int, every: int | None = None
) -> float:
    """The share of cells (N,), rows of a clock of so many rows, of which a look-ahead of `depth` bars is seen.

    seen: first and last compared row of each world, which is another after the last; every: the row from which on each
    cell is compared with what was known then. 0 where the clock has no bar so far ahead.
    """
    there = cells[cells + depth < rows]
    if not len(there):
        return 0.0
    found = np.zeros(len(there), dtype=bool) if every is None else there >= every
    for first, last in seen:
        found |= (there >= first) & (there <= last) & (there + depth > last)
    return float(found.mean())


def chances(
    seen: Mapping[str, Sequence[tuple[int, int]]], decisions: Ints, rows: int, every: int | None
) -> dict[str, dict[str, float]]:
    """By layer and depth. every: from which row on features are proved or replayed bar by bar; None: not at all."""
    cells = {"features": np.arange(rows), "forecasts": decisions, "targets": decisions}
    return {
        layer: {
            str(h): round(caught(seen[layer], at, h, rows, every if layer == "features" else None), 4)
            for h in DEPTHS
            if (at + h < rows).any()
        }
        for layer, at in cells.items()
    }
