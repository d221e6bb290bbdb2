"""Which replays are made, planned before the first: their cost is the sum of their shares of all rows.

Instants are taken where a look ahead shows: rows at which the output changes (a rebalance), each just before something becomes
known; the rest evenly. Deterministic by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.audit.foreign.calling import Output
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.tables import Tables

BUDGET = {"quick": 0.9, "full": 9.0}
"""Replayed rows over all rows."""


@dataclass(frozen=True)
class Replay:
    """Another future from a bar on."""

    row: int
    future: Future


def planned(tables: Tables, recorded: Output, level: str, seed: int) -> list[Replay]:
    """The replays of a level, cheap ones first. Errors: InputError for a level that there is not."""
    if level not in BUDGET:
        raise InputError("level", level, " or ".join(BUDGET))
    rows = candidates(tables, recorded, seed)
    return _quick(tables, rows, seed) if level == "quick" else _full(tables, rows, seed)


def _quick(tables: Tables, rows: Ints, seed: int) -> list[Replay]:
    """Two truncations and a scramble: one in the first quarter, one in the first third, and values over a short future."""
    made: list[Replay] = []
    for target, future in (
        (0.28, Future("truncated", seed=seed)),
        (0.33, Future("scrambled", until=max(3, len(tables) // 50), seed=seed)),
        (0.2, Future("truncated", seed=seed + 1)),
    ):
        row = nearest(rows, target * len(tables), {r.row for r in made})
        if row is not None:
            made.append(Replay(row, future))
    return within(tables, made, BUDGET["quick"])


def _full(tables: Tables, rows: Ints, seed: int) -> list[Replay]:
    made: list[Replay] = []
    shares = np.r_[np.linspace(0.06, 0.98, 12), 0.5, 0.75, 0.3, 0.9]
    for number, share in enumerate(shares):
        row = nearest(rows, share * len(tables), {r.row for r in made})
        if row is None:
            continue
        short = max(3, len(tables) // 20)
        kind = (
            Future("scrambled", until=short, seed=seed + number)
            if number % 3 == 2
            else Future("truncated", seed=seed)
        )
        made.append(Replay(row, kind))
    return within(tables, made, BUDGET["full"])


def within(tables: Tables, made: Sequence[Replay], budget: float) -> list[Replay]:
    """As many as the budget holds, in their order."""
    kept, spent = [], 0.0
    for replay in made:
        cost = replay.future.share(tables, replay.row)
        if spent + cost <= budget + 1e-9:
            kept.append(replay)
            spent += cost
    return kept


def nearest(rows: Ints, target: float, taken: set[int]) -> int | None:
    """The candidate closest to a row, that is not taken."""
    free = np.array([r for r in rows.tolist() if r not in taken], dtype=np.int64)
    return int(free[np.argmin(np.abs(free - target))]) if len(free) else None


def candidates(tables: Tables, recorded: Output, seed: int) -> Ints:
    """Bars at which to change the future: where the output changes and there is a bar before and after it."""
    size = changes(tables, recorded)
    inner = np.arange(1, len(tables) - 1)
    moving = inner[size[inner] > 0]
    return moving if len(moving) else inner


def changes(tables: Tables, recorded: Output) -> Floats:
    """(T,) how many cells of the output change at a bar, from the row before."""
    size = np.zeros(len(tables))
    for frames in recorded.values():
        for wide in frames:
            at = np.searchsorted(tables.times.instants, wide.at, side="right") - 1
            values = np.nan_to_num(wide.values)
            moved = np.r_[(values[:1] != 0).sum(axis=1), (np.diff(values, axis=0) != 0).sum(axis=1)]
            inside = (at >= 0) & (at < len(tables))
            np.add.at(size, at[inside], moved[inside])
    return size
