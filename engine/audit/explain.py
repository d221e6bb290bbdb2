"""What a replay found, for whoever has to mend it: how far the first cell looks ahead, and through which table.

Both are asked only after something was caught. Depth: the panel is cut later and later after the cell's decision, by bisection,
until the cell is what was recorded. Table: one table at a time gets another future, until the cell moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.altered import TABLES_READ, Held
from backcast.engine.audit import path
from backcast.engine.audit.findings import LEAK, Finding, number
from backcast.engine.audit.path import Other, Recorded

SEEDS = 3
"""How many other futures of each table are tried: one may happen to leave the cell's symbol alone."""


@dataclass(frozen=True)
class Spot:
    """A cell that moved: its layer, column (also as a number), symbol and row of the clock, what was recorded and what the
    replay gave, and the world that gave it: its kind, and the row after which it is another."""

    layer: str
    place: int
    column: str
    symbol: int
    t: int
    recorded: float | None
    replayed: float | None
    kind: str
    k: int


TOLD = {
    "data": (
        "Cells of the panel change with what became known after their decision.",
        "The data layer is ours: report it as a bug, with the data set.",
    ),
    "universe": (
        "Members of the universe change with what became known after their decision.",
        "Let membership be dated by when it was known (known_at), never by today's list.",
    ),
    "features": (
        "A feature changes with what became known after its decision.",
        "Let it read its own row and earlier ones alone: no negative shift, no back-fill, no statistic of the whole sample.",
    ),
    "restart": (
        "A feature changes with where the data begin, though its look-back is complete: it keeps what it does not say.",
        "Say the look-back that it has, and keep no state beyond it: what runs live would differ.",
    ),
    "forecasts": (
        "A saved model's forecast changes with what became known after its decision, though its features do not.",
        "Let the model read the window that it is given alone: no global, no file, no statistic of all rows.",
    ),
    "targets": (
        "Weights change with what became known after their decision, though the forecasts do not.",
        "Let the portfolio read the panel up to its decision alone (known.history), and say what it remembers (memory).",
    ),
}
"""Of each layer what was found, and what to do."""


def finding_of(recorded: Recorded, held: Held, spot: Spot, restart: bool = False) -> Finding:
    """The finding of a cell that moved; restart: because its rows start later, not because of the future."""
    if spot.kind == "live":
        restart = _same(recorded, path.ending(recorded, spot.t), spot)
    sentence, remedy = TOLD["restart" if restart else spot.layer]
    at = recorded.instant(spot.t)
    return Finding(
        LEAK,
        sentence,
        remedy,
        column=spot.column,
        symbol=recorded.panel.symbols[spot.symbol],
        at=str(at),
        depth=None if restart else _depth(recorded, spot),
        through="" if restart else _through(recorded, held, spot),
        recorded=spot.recorded,
        replayed=spot.replayed,
        reproduce=f"{recorded.command} --at {str(recorded.instant(spot.k))[:19]}",
    )


def _depth(recorded: Recorded, spot: Spot) -> int | None:
    """The fewest bars after its own with which the cell is what was recorded; None where cutting does not show it."""
    if spot.layer in ("data", "universe") or _same(recorded, path.ending(recorded, spot.t), spot):
        return None
    wrong, right = 0, len(recorded.panel.clock) - 1 - spot.t
    if right < 1 or not _same(recorded, path.ending(recorded, spot.t + right), spot):
        return None
    while right - wrong > 1:
        middle = (wrong + right) // 2
        if _same(recorded, path.ending(recorded, spot.t + middle), spot):
            right = middle
        else:
            wrong = middle
    return right


def _through(recorded: Recorded, held: Held, spot: Spot) -> str:
    """The first table whose other future moves the cell; empty where none alone does."""
    end = len(recorded.panel.clock)
    several = [(seed, table) for seed in range(SEEDS) for table in TABLES_READ]
    for seed, table in several:
        if not held.whole.rows[table].num_rows and table != "actions":
            continue
        if not _same(recorded, path.scrambled(recorded, held, spot.t, end, seed, (table,)), spot):
            return table
    return ""


def _same(recorded: Recorded, other: Other, spot: Spot) -> bool:
    """Whether a cell is in another world what was recorded; not where its code cannot run there."""
    try:
        return number(_cell(recorded, other, spot)) == spot.recorded
    except Exception:
        return False


def _cell(recorded: Recorded, other: Other, spot: Spot) -> float:
    """A cell of a world, on the recorded axes."""
    place = other.place[spot.symbol]
    if spot.layer == "data":
        return float(other.panel.values[spot.place, place, spot.t]) if place >= 0 else np.nan
    if spot.layer == "universe":
        return float(other.panel.member[place, spot.t]) if place >= 0 else 0.0
    rows = np.array([recorded.rows_until(spot.t) - 1])
    if spot.layer == "targets":
        return float(path.targets(recorded, other, rows)[0, spot.symbol])
    made = path.features(recorded, other, 0)
    if spot.layer == "features":
        return float(made[spot.place, place, spot.t]) if place >= 0 else np.nan
    return float(path.forecasts(recorded, other, made, 0, rows)[0, spot.symbol, spot.place])
