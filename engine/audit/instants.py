"""Which decisions are replayed: the first, the last, and in turn those where leaks come from, up to the level's number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backcast.data.altered import Altered
from backcast.data.errors import InputError
from backcast.data.identity import instants as instants_of
from backcast.data.types import Bools, Clock, Floats, Ints, Panel
from backcast.engine.configure import AuditLevel
from backcast.signals.types import Forecast


def sample(forecast: Forecast, instants: int, seed: int, marks: Sequence[Ints] = ()) -> Ints:
    """Rows of the forecast to replay, ascending, at most `instants`: first, last, and then in turn a fold border, one of each
    marked kind, and any."""
    rows = len(forecast.decisions)
    generator = np.random.default_rng(seed)
    borders = np.flatnonzero(np.diff(forecast.fold, prepend=forecast.fold[0] - 1))
    kinds = [generator.permutation(kind).tolist() for kind in (borders, *marks, np.arange(rows))]
    chosen = {0, rows - 1}
    while len(chosen) < min(instants, rows):
        for kind in kinds:
            fresh = [row for row in kind if row not in chosen][:1]
            if len(chosen) < instants:
                chosen.update(fresh)
    return np.array(sorted(chosen), dtype=np.int64)


def marks_of(panel: Panel, forecast: Forecast, targets: Floats, tables: Altered) -> list[Ints]:
    """Rows (R,) of the forecast around corrections, actions and changes of the universe, and where targets (D, S) change."""
    clock, rows = panel.clock, len(forecast.decisions)
    ex = np.searchsorted(clock.closes_at, instants_of(tables.rows["actions"], "event_at"))
    moved = np.flatnonzero((panel.member[:, 1:] != panel.member[:, :-1]).any(axis=0)) + 1
    held = np.nan_to_num(targets)
    changes = np.flatnonzero((held[1:] != held[:-1]).any(axis=1)) + 1
    kinds = [_around(forecast, at) for at in (panel.revisions.decision, ex, moved)]
    return [kind[kind < rows] for kind in (*kinds, changes)]


def _around(forecast: Forecast, at: Ints) -> Ints:
    """The last decision before some rows of the clock, and the first at them or after."""
    here = np.searchsorted(forecast.decisions, np.unique(at))
    found: Ints = np.unique(np.r_[here - 1, here])
    return found[found >= 0]


def row_at(forecast: Forecast, clock: Clock, at: np.datetime64) -> int:
    """The decision at an instant, or the last before it. Errors: InputError where there is none."""
    instants = clock.decides_at[forecast.decisions]
    row = int(np.searchsorted(instants, at, side="right")) - 1
    if row < 0:
        raise InputError("at", str(at), f"an instant from the first decision on, {instants[0]}")
    return row


@dataclass(frozen=True)
class Plan:
    """What a level replays, as rows of the forecast: `looks`, decisions replayed from a panel that ends at them; `walks` (L,)
    which of these walk the portfolio there; `worlds`, kinds and rows of whole worlds, truncated or scrambled after the row,
    read through the data layer; `last`, how many decisions before each world's end are forecast again in it."""

    looks: Ints
    walks: Bools
    worlds: tuple[tuple[str, int], ...]
    last: int


WORLDS = {"quick": (1, 1.0), "full": (10, 5.0)}
"""The most whole worlds, and the most that they may cost: the sum of their shares of the clock's rows."""
LOOKS = {"quick": 0.9, "full": 3.0}
"""The same of features that are made again for decisions, and of portfolios walked to them."""
LAST = {"quick": 3, "full": 24}


def plan(
    panel: Panel, forecast: Forecast, marks: Sequence[Ints], level: AuditLevel, seed: int, window: int,
    memory: int | None,
) -> Plan:  # fmt: skip
    """What a level replays within its costs, which are counted in rows and not timed: the same pin gives the same audit.

    window: rows of which a decision's features are made; memory: how many decisions back a portfolio remembers.
    """
    clock, rows = len(panel.clock), len(forecast.decisions)
    most = max(2, int(LOOKS[level.level] * clock / max(window, 1)))
    looks = sample(forecast, min(level.instants, most), seed, marks)
    generator = np.random.default_rng([seed, 1])
    walked = (looks + 1) / rows if memory is None else np.full(len(looks), min(memory + 1, rows) / rows)
    walks = np.zeros(len(looks), dtype=bool)
    order = generator.permutation(len(looks))
    walks[order[np.cumsum(walked[order]) <= LOOKS[level.level]]] = True
    candidates = sample(forecast, 2 + len(looks), seed + 1, marks)[:-1] if rows > 2 else looks
    shares = (forecast.decisions[candidates] + 1) / clock
    worlds: list[tuple[str, int]] = []
    count, most_spent = WORLDS[level.level]
    spent = 0.0
    for n, i in enumerate(generator.permutation(len(candidates)).tolist()[:count]):
        if n and spent + shares[i] > most_spent:
            break
        spent += shares[i]
        worlds.append(("scrambled" if n % 2 == 0 else "truncated", int(candidates[i])))
    return Plan(looks, walks, tuple(worlds), LAST[level.level])


def plan_at(row: int) -> Plan:
    """Exactly one decision, by every means."""
    looks = np.array([row], dtype=np.int64)
    return Plan(looks, np.ones(1, dtype=bool), (("scrambled", row), ("truncated", row)), 1)
