"""Many instants in one replay: where a function forgets, single bars far apart are changed, and each tests the rows before it.

1. A first replay changes a few bars, far apart. How long rows after each go on to move is the function's memory L; where it
   remembers for longer than a part of the stretch, this way does not pay and ends.
2. Each further replay changes as many bars as lie more than L apart, just after rows that would show a look ahead.
3. A row that moves before a changed bar, and more than L after the one before, is a suspect. It is no proof: memory may vary. A
   plain scramble that begins there decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.engine.audit.findings import Check
from backcast.engine.audit.foreign.calling import call
from backcast.engine.audit.foreign.compare import Moved, compare
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.plan import Replay

if TYPE_CHECKING:
    from backcast.engine.audit.foreign.audit import Session

FIRST = 6
"""Bars that the first replay changes."""

FORGETS = 0.6
"""Of the distance between them, by when their effects must have ended."""

CONFIRMED = 3
"""Suspects that are replayed on their own, at most."""


@dataclass
class Pulses:
    """What was tested: memory in bars, and of each replay the bars that it changed; runs: replays of all rows."""

    memory: int = 0
    rounds: list[tuple[int, ...]] = field(default_factory=list)
    runs: int = 0

    def clean(self, at: tuple[int, ...], number: int) -> tuple[int, int]:
        """The rows from .. to (without) that only a look ahead to the bar of this number could move."""
        begin = at[number - 1] + self.memory + 1 if number else 0
        return begin, at[number]

    def tested(self, rows: int, ahead: int) -> Bools:
        """(T,) rows of which a look at the bar `ahead` bars later was tested."""
        made = np.zeros(rows, dtype=bool)
        for at in self.rounds:
            for number, bar in enumerate(at):
                row, (begin, end) = bar - ahead, self.clean(at, number)
                if begin <= row < end:
                    made[row] = True
        return made


def pulses(session: Session, score: Floats, budget: float, seed: int) -> tuple[Pulses, list[Replay]]:
    """What was tested, and the suspects, each as the replay that decides about it. Stops at a budget of whole replays."""
    made, rows = Pulses(), len(session.tables)
    left, suspects = score.copy(), []
    bars = _spaced(left, rows // FIRST, FIRST)
    while bars and made.runs + 1 <= budget:
        moved = _moved(session, bars, seed + made.runs)
        made.runs += 1
        if moved is None:
            break
        if made.runs == 1:
            made.memory = _memory(moved, bars, rows)
            if made.memory > FORGETS * rows / FIRST:
                made.rounds.append(bars[:1])
                suspects += _suspects(made, bars[:1], moved)
                break
        made.rounds.append(bars)
        suspects += _suspects(made, bars, moved)
        bars = _spaced(left, made.memory + made.memory // 4 + 3, rows)
    _note(session, made)
    futures = [Replay(row, Future("scrambled", seed=seed + 50 + n)) for n, row in enumerate(suspects)]
    return made, futures[:CONFIRMED]


def _spaced(left: Floats, distance: int, most: int) -> tuple[int, ...]:
    """Bars at least so far apart, each after a row with a high score; the rows are used up."""
    open_rows = left.copy()
    chosen: list[int] = []
    open_rows[-1] = 0.0
    while len(chosen) < most and open_rows.max() > 0:
        row = int(np.argmax(open_rows))
        chosen.append(row + 1)
        open_rows[max(0, row - distance) : row + distance + 1] = 0.0
    for bar in chosen:
        left[bar - 1] *= 0.05
    return tuple(sorted(chosen))


def _moved(session: Session, bars: tuple[int, ...], seed: int) -> Bools | None:
    """(T,) rows that move when these bars do, in any layer; None where f raises."""
    first = session.tables.decides == "before"
    changed = tuple(bar - 1 for bar in bars) if first else bars
    tables = Future("pulsed", seed=seed, bars=changed, only=("bars",)).of(session.tables, changed[0])
    session.runs += 1
    try:
        again = call(session.f, tables, session.names)
    except Exception:  # nothing is said about what cannot be run
        return None
    decided = {layer: frames for layer, frames in session.recorded.items() if layer != "execution"}
    found = compare(decided, again, session.tables.times.ends()[-1] + np.timedelta64(4000, "D"))
    return _rows(session, found)


def _rows(session: Session, found: dict[str, Moved]) -> Bools:
    times = session.tables.times
    made = np.zeros(len(session.tables), dtype=bool)
    for moved in found.values():
        at = np.array(moved.rows, dtype="datetime64[us]")
        place = np.searchsorted(times.ends() if times.daily else times.instants, at)
        made[place[place < len(made)]] = True
    return made


def _memory(moved: Bools, bars: tuple[int, ...], rows: int) -> int:
    """Bars for which the longest effect lasts, among those that have as long to show it."""
    lasting = []
    for bar, end in zip(bars, (*bars[1:], rows), strict=True):
        rest = np.flatnonzero(moved[bar:end])
        lasting.append(int(rest[-1]) + 1 if len(rest) else 0)
    return max(lasting)


def _suspects(made: Pulses, bars: tuple[int, ...], moved: Bools) -> list[int]:
    """Rows just before a changed bar, where a row moves that should not."""
    found = []
    for number in range(len(bars)):
        begin, end = made.clean(bars, number)
        if begin < end and moved[begin:end].any():
            found.append(end - 1)
    return found


def _note(session: Session, made: Pulses) -> None:
    """The check that says what was looked at."""
    at = [made.clean(bars, n) for bars in made.rounds for n in range(len(bars))]
    check = Check(
        "pulse replay", "targets", f"{len(at):,} single bars changed, memory of {made.memory:,} bars"
    )
    check.layer = (
        next(layer for layer in session.recorded if layer != "execution") if session.recorded else "targets"
    )
    check.cells = sum(max(0, end - begin) for begin, end in at)
    if check.cells:
        session.checks["pulses", check.layer] = check
