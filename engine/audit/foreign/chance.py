"""The chance of catching a single leaked cell: one row that reads the bar h bars later, and no other row does.

It is no estimate. The replays are known: one that begins at K sees the row r where r <= K < r + h; a changed bar p sees it
where p = r + h. The chance is the share of rows with an output of which that is so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backcast.data.types import Bools
from backcast.engine.audit.foreign.calling import Output
from backcast.engine.audit.foreign.plan import Replay
from backcast.engine.audit.foreign.pulses import Pulses
from backcast.engine.audit.foreign.tables import Tables

DEPTHS = (1, 5, 21, 200)


def chance(tables: Tables, recorded: Output, replays: Sequence[Replay], pulsed: Pulses) -> dict[str, float]:
    """Depth in bars -> chance, for depths that the data are long enough for."""
    rows = len(tables)
    given = answered(tables, recorded)
    found = {}
    for depth in DEPTHS:
        reads = given & (np.arange(rows) + depth < rows)
        if not reads.any():
            continue
        seen = pulsed.tested(rows, depth)
        for replay in replays:
            seen[max(0, replay.row - depth + 1) : replay.row + 1] = True
        found[str(depth)] = float(seen[reads].mean())
    return found


def answered(tables: Tables, recorded: Output) -> Bools:
    """(T,) bars with a row of some output in which there is a number."""
    made = np.zeros(len(tables), dtype=bool)
    for layer, frames in recorded.items():
        for wide in frames if layer != "execution" else ():
            at = np.searchsorted(tables.times.instants, wide.at, side="right") - 1
            there = np.isfinite(wide.values).any(axis=1) & (at >= 0)
            made[at[there]] = True
    return made
