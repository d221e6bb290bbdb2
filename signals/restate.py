"""Which decisions see other cells than those first known, and what they see.

1. A job is a symbol and a decision that is the first to know new versions of some of its cells. It holds until that
   symbol's next job, or until no window covers a revised cell any more.
2. Jobs are put in order of their decisions and cut into batches: jobs of one batch are evaluated side by side, as if they
   were symbols, each on its symbol's cells as known at its decision. The same symbol may be in a batch many times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats, Ints, Panel
from backcast.signals.kernels.revised import cells_of, put

LANES = 240  # jobs in a batch, at most: rows of a power of two would fall on the same lines of the cache
NEAR = 64  # decisions from a batch's first job to its last, or as many as windows reach: all begin before the first


@dataclass(frozen=True)
class Versions:
    """The revisions of some fields that some decision knows, by symbol and then by decision; those of symbol s are first[s] to
    first[s + 1]. fields (F',) of the panel; `field` is an index into them."""

    fields: Ints
    first: Ints
    decision: Ints
    field: Ints
    time: Ints
    value: Floats


@dataclass(frozen=True)
class Batch:
    """Jobs side by side: their symbols, decisions and the decisions where they end (K,), and the rows that are evaluated for
    them, begin <= row < end."""

    symbols: Ints
    decisions: Ints
    stops: Ints
    begin: int
    end: int

    def put(self, block: Floats, start: int, out: npt.NDArray[np.floating]) -> None:
        """From a block (T', K), whose first row is `start`, the decisions of each job to out (T, S), of float64 or float32; NaN
        in place of what is too large for it."""
        put(block, start, self.symbols, self.decisions, self.stops, float(np.finfo(out.dtype).max), out)


def versions_of(panel: Panel, names: Iterable[str], reach: int) -> Versions:
    """The revisions of these fields of a panel by symbol. Those that no decision knows are left out, and those of cells that no
    window covers when they become known: windows look at most `reach` rows back."""
    r, (symbols, rows) = panel.revisions, panel.member.shape
    fields = np.array([panel.fields.index(name) for name in names], dtype=np.int64)
    place = np.full(len(panel.fields), -1)
    place[fields] = np.arange(len(fields))
    order = np.flatnonzero((r.decision < rows) & (r.time >= r.decision - reach) & (place[r.field] >= 0))
    order = order[
        np.lexsort((r.decision[order], r.symbol[order]))
    ]  # stable: the newest of a decision is last
    first = np.searchsorted(r.symbol[order], np.arange(symbols + 1))
    return Versions(fields, first, r.decision[order], place[r.field[order]], r.time[order], r.value[order])


def batches(versions: Versions, rows: int, reach: int) -> list[Batch]:
    """The jobs of all symbols, in order of their decisions, for windows that look `reach` rows back."""
    covered = versions.time >= versions.decision - reach  # by a window, when it becomes known
    symbol = np.repeat(np.arange(len(versions.first) - 1), np.diff(versions.first))[covered]
    if not len(symbol):
        return []
    decision, cell = versions.decision[covered], versions.time[covered]
    latest = (
        np.maximum.accumulate(cell + symbol * rows) - symbol * rows
    )  # of the symbol's cells revised so far
    last = np.flatnonzero(np.append((np.diff(symbol) != 0) | (np.diff(decision) != 0), True))
    symbol, decision, latest = symbol[last], decision[last], latest[last]
    until = np.append(np.where(np.diff(symbol) == 0, decision[1:], rows), rows)
    stop = np.minimum(until, latest + reach + 1)
    jobs = np.flatnonzero(stop > decision)
    jobs = jobs[np.argsort(decision[jobs], kind="stable")]
    made, k = [], 0
    while k < len(jobs):
        near = int(np.searchsorted(decision[jobs], decision[jobs[k]] + NEAR))
        mine = jobs[k : min(near, k + LANES)]
        begin = max(0, int(decision[mine[0]]) - reach)
        made.append(Batch(symbol[mine], decision[mine], stop[mine], begin, int(stop[mine].max())))
        k += len(mine)
    return made


def cells_as_known(panel: Panel, versions: Versions, batch: Batch, reach: int, unread: float) -> Floats:
    """(F', T', K) the cells of each job's symbol as known at its decision, the rows of the batch; NaN in place of infinities,
    and `unread` where no window of a job, which looks `reach` rows back, covers a row."""
    out = np.zeros((len(versions.fields), batch.end - batch.begin, len(batch.symbols)))
    if unread != 0.0:  # zeros are pages that nobody has touched yet
        out.fill(unread)
    revised = versions.first, versions.decision, versions.field, versions.time, versions.value
    jobs = batch.symbols, batch.decisions, batch.stops
    cells_of(panel.values, versions.fields, revised, *jobs, batch.begin, reach, out)
    return out
