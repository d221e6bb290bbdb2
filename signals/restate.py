"""Which decisions see other cells than those first known, and what they see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Ints, Panel


@dataclass(frozen=True)
class Change:
    """New versions that the decision `decision` is the first to know, for some symbols of a block.

    lanes (K,): those symbols, counted from the block's first. until (K,): the first decision that knows still newer
    ones. last_cell (K,): the latest cell revised so far. values (F, B, T): the block as known then; valid until the
    next change.
    """

    decision: int
    lanes: Ints
    until: Ints
    last_cell: Ints
    values: Floats


def changes(panel: Panel, first: int, last: int) -> Iterator[Change]:
    """The changes of the symbols first <= s < last, by decision. Versions that no decision knows are left out."""
    r, rows = panel.revisions, len(panel.clock)
    known = np.flatnonzero((r.symbol >= first) & (r.symbol < last) & (r.decision < rows))
    if not len(known):
        return
    known = known[np.argsort(r.decision[known], kind="stable")]
    groups = np.split(known, np.flatnonzero(np.diff(r.decision[known])) + 1)
    values, latest = panel.values[:, first:last].copy(), np.full(last - first, -1)
    for group, (lanes, until) in zip(groups, _spans(panel, groups, first, last)):
        values[r.field[group], r.symbol[group] - first, r.time[group]] = r.value[
            group
        ]  # in order: the last one stays
        np.maximum.at(latest, r.symbol[group] - first, r.time[group])
        yield Change(int(r.decision[group[0]]), lanes, until, latest[lanes], values)


def _spans(panel: Panel, groups: list[Ints], first: int, last: int) -> list[tuple[Ints, Ints]]:
    """The lanes of each group, and the decision of each lane's next group."""
    following, spans = np.full(last - first, len(panel.clock)), []
    for group in reversed(groups):
        lanes = np.unique(panel.revisions.symbol[group]) - first
        spans.append((lanes, following[lanes]))
        following[lanes] = panel.revisions.decision[group[0]]
    return spans[::-1]
