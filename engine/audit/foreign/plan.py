"""Which replays are made, planned before the first: their cost is the sum of their shares of all rows.

Instants are taken where a look ahead shows: rows at which the output changes (a rebalance), each just before something becomes
known; the rest evenly. Deterministic by seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.audit.foreign.bars import presence
from backcast.engine.audit.foreign.calling import Output
from backcast.engine.audit.foreign.frames import Table
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.tables import Tables, known_column

BUDGET = {"quick": 0.9, "full": 9.0}
"""Replayed rows over all rows."""

FULL = 15
"""Stretches of the whole length, each of which is looked into."""


@dataclass(frozen=True)
class Replay:
    """Another future from a bar on."""

    row: int
    future: Future


ITEMS = 8
"""Kinds of facts that are told apart, at most."""

RARE = 4.0
"""What a happening counts at most: one at a sixteenth of all bars or fewer; those at more bars count for less."""

QUIET = ((0.0, 0.2), (0.2, 0.4))
"""Of the rows: where `full` cuts at a quiet bar."""

PULSES = 4.0
"""Of the budget of `full`, what goes to replays of single bars, where they pay."""


def planned(tables: Tables, score: Floats, level: str, seed: int, spent: float = 0.0) -> list[Replay]:
    """The replays of a level, for what is left of its budget."""
    if level == "quick":
        return _quick(tables, score, seed, BUDGET["quick"] - spent)
    return _full(tables, score, seed, BUDGET["full"] - spent)


def check_level(level: str) -> None:
    """Errors: InputError for a level that there is not."""
    if level not in BUDGET:
        raise InputError("level", level, " or ".join(BUDGET))


def _quick(tables: Tables, score: Floats, seed: int, budget: float) -> list[Replay]:
    """Three in the first third of what is decided, or what of them fits, and one on a quiet bar with what is left; at least
    one, whatever it costs."""
    rows, short = len(tables), max(3, len(tables) // 50)
    kinds = (
        Future("scrambled", until=short, seed=seed),
        Future("truncated", seed=seed),
        Future("scrambled", until=short, seed=seed + 1, unlisted=True),
    )
    made: list[Replay] = []
    spent, left = 0.0, score.copy()
    for number, future in enumerate(kinds):
        share = (budget - spent) / (len(kinds) - number)
        for limit in (share, budget - spent):
            row = best(left, 0, int(limit * rows) - 1 - (future.until or 0))
            if row is not None:
                break
        if row is None:
            continue
        made.append(Replay(row, future))
        spent += future.share(tables, row)
        used(left, row)
    row = best(quiet(left), 0, int((budget - spent) * rows) - 1)
    if made and row is not None:
        made.append(Replay(row, Future("truncated", seed=seed)))
    if not made:
        row = best(left, 0, rows)
        made = [Replay(row, Future("truncated", seed=seed))] if row is not None else []
    return made


def _full(tables: Tables, score: Floats, seed: int, budget: float) -> list[Replay]:
    """Over the whole length, every third of them cut short by nothing but its end; cheap ones fill what is left."""
    rows, short = len(tables), max(3, len(tables) // 50)
    made: list[Replay] = []
    spent, left = 0.0, score.copy()
    for low, high in QUIET:
        row = best(quiet(score), int(low * rows), int(high * rows))
        if row is not None:
            made.append(Replay(row, Future("truncated", seed=seed)))
            spent += made[-1].future.share(tables, row)
    places = [(k + 0.5) / FULL for k in range(FULL)]
    order = [*places[::3], *places[1::3], *places[2::3]] * 3
    for number, place in enumerate(order):
        whole = number in (1, 4)
        future = (
            Future("truncated", seed=seed)
            if number % 2
            else Future(
                "scrambled", until=None if whole else short, seed=seed + number, unlisted=number % 4 == 2
            )
        )
        row = best(left, int((place - 0.5 / FULL) * rows), int((place + 0.5 / FULL) * rows))
        if row is None or spent + future.share(tables, row) > budget:
            continue
        made.append(Replay(row, future))
        spent += future.share(tables, row)
        used(left, row)
    return made


def best(score: Floats, low: int, high: int) -> int | None:
    """The bar with the highest score from low to high, None where none has any."""
    low, high = max(low, 1), min(high, len(score) - 2)
    if high < low or score[low : high + 1].max() <= 0:
        return None
    return low + int(np.argmax(score[low : high + 1]))


def quiet(score: Floats) -> Floats:
    """Where least shows comes first: what is done on the last row of the data shows where nothing else is done."""
    return np.where(score > 0, score.max() + 1.0 - score, 0.0)


def used(score: Floats, row: int) -> None:
    """What was looked at is worth less beside itself."""
    near = np.abs(np.arange(len(score)) - row)
    score *= np.where(near == 0, 0.0, 1.0 - 0.9 * np.exp(-near / max(len(score) / 20, 1.0)))


def scores(tables: Tables, recorded: Output) -> Floats:
    """(T,) how much a look ahead would show in a bar: its output changes, something is about to be known, or has happened and
    is not known yet. 0 before the first output and where there is no future."""
    size = changes(tables, recorded)
    score = np.where(size > 0, 1.0 + size / max(float(size.max()), 1.0), 0.05)
    score += 2.0 * oddities(tables, recorded)
    events = np.zeros(len(tables))
    for one in happenings(tables):
        if one.max() > 0:
            events += one / one.max() * min(RARE, RARE / 16 / float((one > 0).mean()))
    score = score * (1.0 + 2.0 * events)
    score[: int(np.argmax(size > 0))] = 0.0
    return score * np.linspace(0.8, 1.0, len(score))


def happenings(tables: Tables) -> list[Floats]:
    """(T,) each: rows of a table that will be known at the next bar; rows that have happened, and are not known; prices that
    are missing now and will be there again; symbols that begin or end at the next bar."""
    made = []
    for name, table in tables.others.items():
        known = np.minimum(tables.known_rows(name), len(tables))
        for rows in items(table):
            next_one = np.bincount(known[rows], minlength=len(tables) + 1)[1:].astype(np.float64)
            made.append(next_one)
        every = np.bincount(known, minlength=len(tables) + 1)[1:].astype(np.float64)
        made.append(every * odd_hours(tables))
        column = "event_at" if "event_at" in table.columns else "period" if "period" in table.columns else ""
        if column and column != known_column(table) and (column == "event_at" or _is_time(table, column)):
            begun = np.minimum(tables.knows(table.instants(column)), known)
            flight = np.cumsum(
                np.bincount(begun, minlength=len(tables) + 1) - np.bincount(known, minlength=len(tables) + 1)
            )
            made.append(flight[: len(tables)].astype(np.float64))
    return made + _gaps(tables)


def items(table: Table) -> list[Ints]:
    """The rows of each item (or kind) of a table, so that rare filings count beside daily news; all, where there are many."""
    names = [c for c in ("item", "kind") if c in table.columns]
    kinds = table.words(names[0]) if names else np.zeros(len(table), dtype=object)
    different = list(dict.fromkeys(kinds.tolist()))
    return [np.flatnonzero(kinds == kind) for kind in different] if len(different) <= ITEMS else [np.arange(len(table))]


def odd_hours(tables: Tables) -> Floats:
    """(T,) 1 where a bar ends at another time of day than most (a half day), else 0."""
    local = tables.times.local
    hours = (local - local.astype("datetime64[D]")).astype(np.int64)
    _, which, many = np.unique(hours, return_inverse=True, return_counts=True)
    return (many[which] < 0.1 * len(hours)).astype(np.float64)


def _is_time(table: Table, column: str) -> bool:
    try:
        table.instants(column)
    except InputError:
        return False
    return True


def _gaps(tables: Tables) -> list[Floats]:
    there = presence(tables)
    seen, again = np.logical_or.accumulate(there, axis=0), np.logical_or.accumulate(there[::-1], axis=0)[::-1]
    missing = (~there & again).sum(axis=1).astype(np.float64)
    ends = np.zeros(len(tables))
    ends[:-1] = ((there[1:] & ~seen[:-1]) | (again[:-1] & ~again[1:])).sum(axis=1)
    return [missing, ends]


def oddities(tables: Tables, recorded: Output) -> Floats:
    """(T,) 0 to 1: how far the largest step of a cell at a bar stands out from the steps of its column."""
    odd = np.zeros(len(tables))
    for frames in recorded.values():
        for wide in frames:
            at = np.searchsorted(tables.times.instants, wide.at, side="right") - 1
            steps = np.abs(np.diff(np.nan_to_num(wide.values), axis=0, prepend=0.0))
            usual = np.array([np.median(c[c > 0]) if (c > 0).any() else 1.0 for c in steps.T])
            ratio = (steps / usual).max(axis=1)
            top = float(ratio.max())
            inside = (at > 0) & (at < len(tables))
            if top > 0:
                np.maximum.at(odd, at[inside], ratio[inside] / top)
    return odd


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
