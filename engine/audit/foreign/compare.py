"""Two answers of one function, one made with another future: which rows up to K are not the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from backcast.data.types import Bools, Floats, Instants
from backcast.engine.audit.foreign.calling import Output, Wide

RELATIVE, OF_ITS_KIND = 1e-9, 1e-11
"""Of a cell, and of the median size of its column or row: what the order of additions may change (matrix products do)."""


@dataclass(frozen=True)
class Cell:
    """The first cell of a layer that moved. row: of the frame as recorded."""

    frame: str
    column: str
    at: np.datetime64
    local: np.datetime64
    recorded: float
    replayed: float


@dataclass
class Moved:
    """Of one layer, in one replay: cells compared, cells that moved, and the first of them; rows: the instants that moved."""

    cells: int = 0
    changed: int = 0
    first: Cell | None = None
    rows: tuple[np.datetime64, ...] = ()


def compare(
    recorded: Output, again: Output, until: Instants, unseen: Collection[str] = ()
) -> dict[str, Moved]:
    """Layer -> what moved in rows up to `until`. unseen: symbols that the other future cannot know."""
    found = {}
    for layer, frames in recorded.items():
        moved = Moved()
        others = {wide.name: wide for wide in again.get(layer, [])}
        for wide in frames:
            _one(wide, others.get(wide.name), until, unseen, layer, moved)
        found[layer] = moved
    return found


def _one(
    wide: Wide, other: Wide | None, until: Instants, unseen: Collection[str], layer: str, moved: Moved
) -> None:
    old, new, at, local, columns = aligned(wide, other, until)
    if layer == "targets":
        old, new = np.nan_to_num(old), np.nan_to_num(new)  # nothing asked for, and nothing held, are alike
    wrong = differs(old, new)
    for c, name in enumerate(columns):
        if name in unseen:  # nobody is to say what is right for a symbol that is not there yet
            wrong[:, c] = False
    moved.cells += wrong.size
    moved.changed += int(wrong.sum())
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        moved.rows = tuple(sorted({*moved.rows, *at[rows]}))
        r = int(rows[0])
        c = int(np.flatnonzero(wrong[r])[0])
        cell = Cell(wide.name, columns[c], at[r], local[r], float(old[r, c]), float(new[r, c]))
        if moved.first is None or cell.at < moved.first.at:
            moved.first = cell


def aligned(
    wide: Wide, other: Wide | None, until: Instants
) -> tuple[Floats, Floats, Instants, Instants, list[str]]:
    """Both on the rows up to `until` that either has, and on the columns of both; NaN where one has none."""
    if other is None:
        other = Wide(wide.name, wide.at[:0], wide.local[:0], (), np.empty((0, 0)))
    columns = list(dict.fromkeys((*wide.columns, *other.columns)))
    at, index = np.unique(np.r_[wide.at, other.at], return_index=True)
    local = np.r_[wide.local, other.local][index]
    keep = at <= until
    at, local = at[keep], local[keep]
    return _placed(wide, at, columns), _placed(other, at, columns), at, local, columns


def _placed(wide: Wide, at: Instants, columns: list[str]) -> Floats:
    values = np.full((len(at), len(columns)), np.nan)
    rows = np.searchsorted(at, wide.at)
    inside = (
        (rows < len(at)) & (at[np.minimum(rows, len(at) - 1)] == wide.at)
        if len(at)
        else np.zeros(len(wide.at), bool)
    )
    place = {name: c for c, name in enumerate(columns)}
    index = np.array([place[name] for name in wide.columns], dtype=np.int64)
    if inside.any() and len(index):
        values[np.ix_(rows[inside], index)] = wide.values[inside]
    return values


def differs(old: Floats, new: Floats) -> Bools:
    """(R, C) cells that are not the same, beyond what the order of additions can change."""
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    if same.all():
        return ~same
    sizes = np.where(np.isfinite(old), np.abs(old), 0.0)
    usual = np.maximum(np.median(sizes, axis=0, keepdims=True), np.median(sizes, axis=1, keepdims=True))
    with np.errstate(invalid="ignore"):
        near = np.abs(old - new) <= RELATIVE * np.maximum(np.abs(old), np.abs(new)) + OF_ITS_KIND * usual
    return ~(same | near)
