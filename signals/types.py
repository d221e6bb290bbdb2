"""What travels from the signal layer upward. Shapes: F features, S symbols, T decisions, Q quantile levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from backcast.data.types import Bools, Floats, Instants, Ints, Panel

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The levels every model gives."""


@dataclass(frozen=True)
class Features:
    """values (F, S, T) float64: feature f of symbol s as known at decision t; NaN where not known or warming up."""

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    values: Floats


def answer(shape: tuple[int, int, int], out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """Where values (F, S, T) go: `out`, or fresh float64. Errors: ValueError for an out that does not fit."""
    values = np.asarray(np.empty(shape) if out is None else out)
    if values.shape != shape or values.dtype not in (np.float64, np.float32):
        raise ValueError("out must be (features, symbols, rows) of float64 or float32")
    return values


class Compiled(Protocol):
    """Features made for the fields of one panel. `lookback`: rows before a decision that its features may depend on."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def lookback(self) -> int: ...

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        """Every feature at every decision, from what was known at that decision."""


@runtime_checkable
class Reproducible(Compiled, Protocol):
    """Features whose answer is told by what they are: they can be kept and found again. fields: of a panel, those that they
    read, in the order in which a live state wants them."""

    @property
    def fields(self) -> tuple[str, ...]: ...

    @property
    def content(self) -> str | None:
        """SHA-256 of what is computed, whatever it was spelt like; None where it cannot be told (features in Python)."""

    def evaluate(self, panel: Panel, threads: int = 1, out: npt.NDArray[Any] | None = None) -> Features:
        """out (F, S, T): where the answer goes, of float64 or float32; NaN where it is too large for it."""


class FeatureSource(ABC):
    """What the group `features` of the configuration describes. expressions: name -> definition in our language."""

    expressions: Mapping[str, str]

    @abstractmethod
    def compile(self, fields: tuple[str, ...], price_basis: str) -> Compiled:
        """For panels with these fields; InputError where they cannot give it, or the price basis does not allow it."""


@dataclass(frozen=True)
class FillTable:
    """The price at which a decision would fill, as known at one instant: what labels are made of.

    price (S, T): fill price of a decision at t, NaN = it would not fill. known (S, T): the index of the
    first decision that knows that price (T where none does). `engine/execution.py` makes it: only there is the lag added.
    """

    price: Floats
    known: Ints


@dataclass(frozen=True)
class Labels:
    """values (S, T): the label of the decision at t, NaN = none. known (S, T): index of the first decision that
    knows the label's last input (T = not yet)."""

    values: Floats
    known: Ints


@dataclass(frozen=True)
class Fold:
    """One fit and the decisions it serves. All are indices into the clock's decisions.

    The fit happens at decision `fit_at` (known: everything as of that instant); `train` are the candidate decision
    indices; `test` the decision indices that this fit forecasts, of a walk forward all >= fit_at. `embargo`: sessions left out
    between the last label's end and the fit; `known_by`: the decision by which a training label must be known, which is
    fit_at - embargo where a session is one bar.
    """

    number: int
    fit_at: int
    train: Ints
    test: Ints
    embargo: int
    known_by: int | None = None

    @property
    def labels_until(self) -> int:
        """Labels known by this decision train."""
        return self.fit_at - self.embargo if self.known_by is None else self.known_by

    @property
    def labels_at(self) -> int:
        """The decision as of which labels that train are known: that of the fit."""
        return self.fit_at

    def kept_out(self, labels: Labels, member: Bools) -> dict[str, Bools]:
        """Which cells (S, fit_at + 1) may not train because of their labels, by reason. labels and member are (S, T)."""
        return {"purged": labels.known[:, : self.fit_at + 1] > self.labels_until}


@dataclass(frozen=True)
class TrainingSet:
    """What a fit may see: features (F, S, fit_at + 1) and labels (S, fit_at + 1), and which cells are samples.

    rows (S, fit_at + 1): True where the cell is a training sample (in the fold, a member, every feature present,
    label known). Nothing known after the fit instant is in it.
    """

    features: Floats
    labels: Floats
    rows: Bools
    names: tuple[str, ...]
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Forecast:
    """decisions (D,) indices into the clock, ascending; mean (D, S); quantiles (D, S, Q) at `QUANTILES`; fold (D,).

    NaN where a symbol had no forecast. In units of the label (a return over the horizon, unless the label says else).
    """

    decisions: Ints
    symbols: tuple[str, ...]
    mean: Floats
    quantiles: Floats
    fold: Ints

    @cached_property
    def ranking(self) -> Ranking:
        """Where each mean stands among those of its decision; made once, however many portfolios ask."""
        return Ranking.of(self.mean)


@dataclass(frozen=True)
class Ranking:
    """place (D, S): how many better scores a finite score has in its row; equal scores rank in the order of their columns; S
    where a score is not finite. count (D,): finite scores of a row."""

    place: npt.NDArray[np.int32]
    count: Ints

    @staticmethod
    def of(scores: Floats) -> Ranking:
        """Of rows (D, S); each row's depends on that row alone."""
        finite = np.isfinite(scores)
        order = np.argsort(np.where(finite, -scores, np.nan), axis=1, kind="stable")
        columns = np.arange(scores.shape[1], dtype=np.int32)
        place = np.empty(scores.shape, dtype=np.int32)
        np.put_along_axis(place, order, np.broadcast_to(columns, scores.shape), axis=1)
        place[~finite] = scores.shape[1]
        return Ranking(place, finite.sum(axis=1))


def decision_instants(forecast: Forecast, decides_at: Instants) -> npt.NDArray[np.datetime64]:
    """(D,) the instants of a forecast's decisions."""
    return np.asarray(decides_at[forecast.decisions])
