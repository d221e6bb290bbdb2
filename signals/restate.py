"""Which decisions of a symbol see other cells than those first known, and what they see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Panel


@dataclass(frozen=True)
class Change:
    """A symbol's cells as known at the decisions `decision` <= i < `until`; differs from the first-known cells at
    `last_cell` at the latest. values (F, T)."""

    decision: int
    until: int
    last_cell: int
    values: Floats


def changes_of(panel: Panel) -> list[list[Change]]:
    """For each symbol, its changes in order of decision. Versions that no decision of the panel knows are left out."""
    changes: list[list[Change]] = [[] for _ in panel.symbols]
    revisions, rows = panel.revisions, len(panel.clock)
    known = np.flatnonzero(revisions.decision < rows)
    order = known[np.lexsort((known, revisions.decision[known], revisions.symbol[known]))]
    symbols = revisions.symbol[order]
    for symbol in np.unique(symbols):
        changes[int(symbol)] = _changes(panel, int(symbol), order[symbols == symbol])
    return changes


def _changes(panel: Panel, symbol: int, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[Change]:
    revisions, values = panel.revisions, panel.values[:, symbol].copy()
    decisions = np.unique(revisions.decision[order])
    changes, last_cell = [], -1
    for place, decision in enumerate(decisions):
        fresh = order[revisions.decision[order] == decision]
        for n in fresh:
            values[revisions.field[n], revisions.time[n]] = revisions.value[n]
        last_cell = max(last_cell, int(revisions.time[fresh].max()))
        until = int(decisions[place + 1]) if place + 1 < len(decisions) else len(panel.clock)
        changes.append(Change(int(decision), until, last_cell, values.copy()))
    return changes
