"""Alpha158 by qlib's conventions on a panel, and as a live state: one row at a time, the same bits."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints, Panel
from backcast.signals.kernels import qlib_series as of
from backcast.signals.kernels.qlib import features, put
from backcast.signals.kernels.qlib_series import GAP, LONGEST, SERIES, advance, start
from backcast.signals.restate import Batch, Versions, batches, cells_as_known, versions_of
from backcast.signals.types import Features, answer

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
LOOKBACK = LONGEST + GAP - 1
"""Rows before a decision that decide what it sees: 60 of its windows, and 60 that say whether the symbol was listed."""
CHUNK = 256  # rows side by side: their scratch stays in cache
LARGEST = float(np.finfo(np.float64).max)
BLOCK = 16  # symbols per task of a thread
ROOM = 64  # rows that a live state takes in before it lets go of old ones
_GROUPS = (
    "bars",
    "trend",
    "extremes",
    "quantiles",
    "levels",
    "changes",
    "moves",
    "traded",
    "volume",
    "weight",
)


@dataclass(frozen=True)
class QlibFeatures:
    """Compiled features. names (F,) of the features `chosen` (F,) out of the 158, in qlib's order; fields of the panel.

    typical: (high + low + close) / 3 stands for the average price. Beside the six prices and volumes the field
    `factor`, where there is one, says that a symbol has a row.
    """

    names: tuple[str, ...]
    chosen: tuple[int, ...]
    fields: tuple[str, ...]
    typical: bool

    @property
    def lookback(self) -> int:
        """Rows before a decision that its features may depend on: lookback + 1 rows give one full answer."""
        return LOOKBACK

    @property
    def content(self) -> str:
        """SHA-256 of what is computed."""
        told = json.dumps([self.names, self.chosen, self.fields, self.typical])
        return hashlib.sha256(told.encode()).hexdigest()

    def evaluate(self, panel: Panel, threads: int = 1, out: npt.NDArray[Any] | None = None) -> Features:
        """Every feature (F, S, T) at every decision, from what was known at that decision; NaN in place of infinities.

        A symbol's rows begin with the first that has a field known, and again after 61 without any; before, all is
        NaN. Within a window, a cell is the newest version known at the window's decision. The same bits for any
        number of threads and any cut of the panel at a decision. out: where the answer goes, of float64 or of float32.
        """
        values = answer((len(self.names), *panel.member.shape), out)
        versions, rows = versions_of(panel, self.fields, LOOKBACK), len(panel.clock)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            list(pool.map(partial(self._block, panel, values), range(0, len(panel.symbols), BLOCK)))
            again = partial(self._restate, panel, versions, values)
            list(pool.map(again, batches(versions, rows, LOOKBACK)))
        return Features(self.names, panel.symbols, values)

    def live(self, symbols: int) -> Live:
        """A state that has seen no row yet."""
        return Live(self, symbols)

    def _block(self, panel: Panel, values: npt.NDArray[Any], first: int) -> None:
        run = _Run(self)
        for symbol in range(first, min(first + BLOCK, len(panel.symbols))):
            run.over(panel.values[:, symbol], values, symbol, 0, 0)

    def _restate(self, panel: Panel, versions: Versions, values: npt.NDArray[Any], batch: Batch) -> None:
        """The decisions that new versions of their cells change, again."""
        cells, run = cells_as_known(panel, versions, batch, LOOKBACK, np.nan), _Run(self)
        for k, (symbol, decision, stop) in enumerate(
            zip(batch.symbols, batch.decisions, batch.stops, strict=True)
        ):
            run.over(cells[:, : stop - batch.begin, k], values, int(symbol), batch.begin, int(decision))

    def columns(self) -> tuple[Ints, Ints, Ints]:
        """Where each of the 158 goes, how many windows each group needs, and where the fields lie; -1: nowhere."""
        places = np.full(158, -1)
        places[list(self.chosen)] = np.arange(len(self.chosen))
        groups = np.zeros(len(_GROUPS), dtype=np.int64)
        for f in self.chosen:
            group = _group(f)
            groups[group] = max(groups[group], _window(f))
        where = [self.fields.index(n) if n in self.fields else -1 for n in (*FIELDS, "factor")]
        return places, groups, np.array(where)


def _group(f: int) -> int:
    """The group of kernels that gives feature f."""
    if of.QUANTILES <= f < of.RANK:
        return _GROUPS.index("quantiles")
    if of.RANK <= f < of.PLACES:
        return _GROUPS.index("trend")
    begins = (of.BARS, of.MA, of.EXTREMES, of.CORR, of.CORD, of.COUNTS, of.VMA, of.WVMA, of.VSUMP)
    names = ("bars", "trend", "extremes", "levels", "changes", "moves", "volume", "weight", "traded")
    return _GROUPS.index(names[int(np.searchsorted(begins, f, side="right")) - 1])


def _reads_logs(groups: Ints) -> bool:
    """Whether a group that is wanted reads logarithms, which cost more than all else of a row."""
    return bool(groups[_GROUPS.index("levels")] or groups[_GROUPS.index("changes")])


def _window(f: int) -> int:
    """How many windows, the shortest first, give feature f."""
    return 1 + (f - of.ROC) % len(of.WINDOWS) if f >= of.ROC else 1


class _Run:
    """Scratch for one symbol at a time: LONGEST rows of history and CHUNK new ones, of every series."""

    def __init__(self, made: QlibFeatures) -> None:
        self.typical, (self.places, self.groups, self.where) = made.typical, made.columns()
        self.logs = _reads_logs(self.groups)
        self.rows = np.empty((SERIES, LONGEST + CHUNK))
        self.sums, self.work = np.empty((of.SUMS, CHUNK)), np.empty((LONGEST + 1, CHUNK))
        self.answers = np.empty((len(made.names), 1, CHUNK))

    def over(self, cells: Floats, values: npt.NDArray[Any], symbol: int, begin: int, skip: int) -> None:
        """cells (F, T'): a symbol's rows from `begin` on, from nothing known; answers from row `skip` on."""
        cells, rows = np.ascontiguousarray(cells), self.rows
        start(rows)
        for t in range(0, cells.shape[1], CHUNK):
            n = min(CHUNK, cells.shape[1] - t)
            advance(cells, self.where, self.typical, self.logs, t, n, rows, LONGEST, 1)
            first = max(skip - begin - t, 0)
            if first < n:
                target = (self.answers, self.places, self.sums[-1], 0, 0, n - first)
                features((rows, LONGEST + first, 1), self.sums, self.work, self.groups, target)
                largest = float(np.finfo(values.dtype).max)
                put(self.answers, n - first, largest, values, symbol, begin + t + first)
            rows[:, :LONGEST] = rows[:, n : n + LONGEST]


class Live:
    """The state of one row of decisions after another: what the last 60 rows of every symbol were made into.

    A step gives the bits of the batch. After a restatement the state is wrong for the symbols that it concerns: `replay` the
    rows as known now, at least `lookback` + 1 of them, and the next steps are those of the batch again.
    """

    def __init__(self, made: QlibFeatures, symbols: int) -> None:
        if symbols < 1:
            raise InputError("symbols", symbols, "at least one symbol")
        self.made, self.symbols, self.row = made, symbols, LONGEST
        self.places, self.groups, self.where = made.columns()
        self.logs = _reads_logs(self.groups)
        self.rows = np.empty((SERIES, (LONGEST + ROOM) * symbols))
        self.sums, self.work = np.empty((of.SUMS, symbols)), np.empty((LONGEST + 1, symbols))
        self.answers = np.empty((len(made.names), 1, symbols))
        start(self.rows)

    def step(self, cells: Floats) -> Floats:
        """The features (F, S) of the next row, from its fields (fields of the panel, S) as known at its decision."""
        if cells.shape != (len(self.made.fields), self.symbols):
            raise InputError(
                "cells", cells.shape, f"({len(self.made.fields)}, {self.symbols}): fields x symbols"
            )
        target = (self.answers, self.places, self.sums[-1], 0, 0, self.symbols)
        features((self.rows, self._take(cells), self.symbols), self.sums, self.work, self.groups, target)
        out = np.empty((len(self.made.names), 1, self.symbols))
        put(self.answers, self.symbols, LARGEST, out, 0, 0)
        return out[:, 0]

    def replay(self, cells: Floats) -> None:
        """Forget everything, then see the rows of cells (F, S, T) in turn."""
        start(self.rows)
        self.row = LONGEST
        for t in range(cells.shape[2]):
            self._take(cells[:, :, t])

    def save(self, path: Path) -> None:
        """One .npz file: names, number of symbols and the last 60 rows."""
        first = self.row - LONGEST
        rows = self.rows[:, first * self.symbols : self.row * self.symbols]
        with path.open("wb") as file:
            np.savez(file, rows=rows, names=np.array(self.made.names), symbols=self.symbols)

    def load(self, path: Path) -> None:
        """The state that `save` wrote; InputError where it was of other features or another number of symbols."""
        with np.load(path, allow_pickle=False) as kept:
            same = tuple(kept["names"]) == self.made.names and int(kept["symbols"]) == self.symbols
            if not same:
                raise InputError("state", str(path), f"the state of these features of {self.symbols} symbols")
            self.rows[:, : LONGEST * self.symbols] = kept["rows"]
        self.row = LONGEST

    def _take(self, cells: Floats) -> int:
        """The next row of every series, and its first column."""
        if self.row == LONGEST + ROOM:
            self.rows[:, : LONGEST * self.symbols] = self.rows[:, ROOM * self.symbols :]
            self.row = LONGEST
        at, n = self.row * self.symbols, self.symbols
        advance(np.ascontiguousarray(cells), self.where, self.made.typical, self.logs, 0, n, self.rows, at, n)
        self.row += 1
        return at
