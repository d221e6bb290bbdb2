"""Prices and outputs as arrays on the bars of the prices.

Grammar of shapes: T bars, S symbols, C columns of an output.
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.engine.audit.foreign.calling import Wide
from backcast.engine.audit.foreign.tables import Tables


def presence(tables: Tables) -> Bools:
    """(T, S) whether a symbol has a price in a bar."""
    made = np.zeros((len(tables), len(tables.symbols)), dtype=bool)
    place = {s: i for i, s in enumerate(tables.symbols)}
    for table in tables.prices.values():
        at = np.searchsorted(tables.times.instants, table.times().instants)
        if not tables.wide:
            made[at, [place[w] for w in table.words("symbol")]] = True
            continue
        made[np.ix_(at, np.array([place[c] for c in table.columns]))] |= ~np.isnan(table.block(table.columns))
    return made


def field(tables: Tables, name: str) -> Floats | None:
    """(T, S) a field of the prices; a frame of closes is the close."""
    table = tables.prices.get(name) or tables.prices.get("")
    if table is None or (tables.wide and "" in tables.prices and name != "close"):
        return None
    values = np.full((len(tables), len(tables.symbols)), np.nan)
    at = np.searchsorted(tables.times.instants, table.times().instants)
    place = {s: i for i, s in enumerate(tables.symbols)}
    if not tables.wide:
        column = next((c for c in table.columns if c.lower() == name), None)
        if column is None:
            return None
        values[at, [place[w] for w in table.words("symbol")]] = table.numbers(column)
        return values
    values[np.ix_(at, np.array([place[c] for c in table.columns]))] = table.block(table.columns)
    return values


def simple(prices: Floats) -> Floats:
    """(T, S) returns of each bar over the last price before it; NaN in the first."""
    rows = np.maximum.accumulate(np.where(np.isnan(prices), 0, np.arange(len(prices))[:, None]), axis=0)
    known = np.take_along_axis(prices, rows, axis=0)
    with np.errstate(all="ignore"):
        return np.vstack([np.full((1, known.shape[1]), np.nan), known[1:] / known[:-1] - 1.0])


def on_bars(tables: Tables, wide: Wide) -> Floats:
    """(T, C) an output's rows on the bars of the prices, NaN where it has none."""
    values = np.full((len(tables), len(wide.columns)), np.nan)
    at = np.searchsorted(tables.times.instants, wide.at)
    inside = (at < len(tables)) & (tables.times.instants[np.minimum(at, len(tables) - 1)] == wide.at)
    values[at[inside]] = wide.values[inside]
    return values


def held(tables: Tables, wide: Wide) -> Floats:
    """(T, S) weights on the symbols of the prices; those of the last row before, on bars without a row."""
    values = np.full((len(tables), len(tables.symbols)), np.nan)
    last = (
        np.searchsorted(
            wide.at, tables.times.ends() if tables.times.daily else tables.times.instants, side="right"
        )
        - 1
    )
    place = {name: c for c, name in enumerate(wide.columns)}
    chosen = [(s, place[name]) for s, name in enumerate(tables.symbols) if name in place]
    for s, c in chosen:
        values[last >= 0, s] = wide.values[last[last >= 0], c]
    return np.nan_to_num(values)
