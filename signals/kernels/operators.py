"""Every operator on blocks (T, B): which kernel computes it, and how much state it carries.

An operator's result is finite or NaN: a division by zero, the logarithm of what is not positive and an overflow are
"not known", so that no infinity reaches a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.types import Bools, Floats
from backcast.signals.kernels import (
    cross_section,
    exponential,
    moments,
    neutral,
    order,
    pair,
    partial,
    rolling,
    shape,
)
from backcast.signals.kernels.cache import compiled


@dataclass(frozen=True)
class Rolling:
    """A kernel(*inputs, slot, window, *literals, state, out), and the rows of its state: blocks * window + rows, all
    `unknown` at first. `partial`: it may answer before its window is full."""

    kernel: Callable[..., None]
    blocks: int
    rows: int
    unknown: float = math.nan
    partial: bool = False

    def state(self, window: int, lanes: int) -> Floats:
        """The state that knows nothing yet."""
        return np.full((self.blocks * window + self.rows, lanes), self.unknown)


ROLLING = {
    "ref": Rolling(rolling.ref, 1, 0),
    "ts_sum": Rolling(rolling.ts_sum, 2, 2),
    "ts_mean": Rolling(rolling.ts_mean, 2, 2),
    "ts_product": Rolling(rolling.ts_product, 2, 2),
    "ts_min": Rolling(rolling.ts_min, 2, 2),
    "ts_max": Rolling(rolling.ts_max, 2, 2),
    "ts_argmax": Rolling(rolling.ts_argmax, 3, 4),
    "ts_var": Rolling(moments.ts_var, 3, 7),
    "ts_std": Rolling(moments.ts_std, 3, 7),
    "ts_zscore": Rolling(moments.ts_zscore, 3, 7),
    "ts_demean": Rolling(moments.ts_demean, 3, 7),
    "ts_slope": Rolling(moments.ts_slope, 4, 7),
    "ts_skew": Rolling(shape.ts_skew, 5, 12),
    "ts_kurt": Rolling(shape.ts_kurt, 5, 12),
    "ts_corr": Rolling(pair.ts_corr, 7, 16),
    "ts_cov": Rolling(pair.ts_cov, 7, 16),
    "ts_rank": Rolling(order.ts_rank, 1, 0),
    "ts_quantile": Rolling(order.ts_quantile, 3, 6, math.inf),
    "ewm_mean": Rolling(exponential.ewm_mean, 4, 7, partial=True),
    "ewm_std": Rolling(exponential.ewm_std, 6, 13, partial=True),
    "ts_known": Rolling(partial.ts_known, 1, 1, partial=True),
    "ts_sum_known": Rolling(partial.ts_sum_known, 1, 1, partial=True),
    "ts_max_known": Rolling(partial.ts_max_known, 1, 1, partial=True),
    "ts_var_known": Rolling(partial.ts_var_known, 1, 4, partial=True),
}

CROSS_SECTION: dict[str, Callable[..., None]] = {
    "cs_rank": cross_section.cs_rank,
    "cs_zscore": cross_section.cs_zscore,
    "cs_demean": cross_section.cs_demean,
    "cs_scale": cross_section.cs_scale,
    "cs_winsorise": cross_section.cs_winsorise,
    "cs_bucket": cross_section.cs_bucket,
    "cs_neutralise": neutral.cs_neutralise,
    "cs_residual": neutral.cs_residual,
}
"""Kernels(*inputs, member, *literals, out)."""


def rolled(
    operator: str,
    inputs: Sequence[Floats],
    literals: Sequence[float],
    slot: int,
    state: Floats | None = None,
    out: Floats | None = None,
) -> Floats:
    """One rolling operator over a block: inputs (T, B) -> (T, B). `slot`: the first row's; `state` is carried on."""
    entry, window = ROLLING[operator], int(literals[0])
    kept = entry.state(window, inputs[0].shape[1]) if state is None else state
    answer = np.empty_like(inputs[0]) if out is None else out
    entry.kernel(*inputs, slot, window, *literals[1:], kept, answer)
    return answer


def across(operator: str, inputs: Sequence[Floats], member: Bools, literals: Sequence[float] = ()) -> Floats:
    """One cross-sectional operator: inputs (T, S), member (T, S) -> (T, S)."""
    out = np.empty_like(inputs[0])
    CROSS_SECTION[operator](*inputs, member, *literals, out)
    _finite(out)
    return out


@compiled
def _log(x: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        for b in range(x.shape[1]):
            out[t, b] = math.log(x[t, b]) if x[t, b] > 0.0 else math.nan


@compiled
def _exp(x: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        for b in range(x.shape[1]):
            out[t, b] = math.exp(x[t, b])


@compiled
def _power(x: Floats, y: Floats, out: Floats) -> None:
    for t in range(x.shape[0]):
        for b in range(x.shape[1]):
            out[t, b] = x[t, b] ** y[t, b] + (x[t, b] - x[t, b])  # NaN ** 0 is 1 in IEEE


def _compare(ufunc: Callable[..., Any]) -> Callable[[Floats, Floats, Floats], None]:
    """1.0 or 0.0, and NaN where either side is NaN."""

    def compared(x: Floats, y: Floats, out: Floats) -> None:
        out[:] = np.where(np.isnan(x) | np.isnan(y), np.nan, ufunc(x, y))

    return compared


def _both(x: Floats, y: Floats) -> Floats:
    return (x != 0.0) & (y != 0.0)


def _either(x: Floats, y: Floats) -> Floats:
    return (x != 0.0) | (y != 0.0)


def _not(x: Floats, out: Floats) -> None:
    out[:] = np.where(np.isnan(x), np.nan, x == 0.0)


def _where(condition: Floats, x: Floats, y: Floats, out: Floats) -> None:
    out[:] = np.where(np.isnan(condition), np.nan, np.where(condition != 0.0, x, y))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "neg": np.negative, "abs": np.abs, "sign": np.sign,
    "min": np.minimum, "max": np.maximum, "log": _log, "exp": _exp, "sqrt": np.sqrt, "power": _power, "where": _where,
    "and": _compare(_both), "or": _compare(_either), "not": _not,
    "<": _compare(np.less), "<=": _compare(np.less_equal), ">": _compare(np.greater),
    ">=": _compare(np.greater_equal), "==": _compare(np.equal), "!=": _compare(np.not_equal),
}  # fmt: skip


def mapped(operator: str, inputs: Sequence[Floats], out: Floats | None = None) -> Floats:
    """One element-wise operator; inputs and out are (T, B)."""
    answer = np.empty_like(inputs[0]) if out is None else out
    with np.errstate(all="ignore"):
        ELEMENTWISE[operator](*inputs, answer)
    _finite(answer)
    return answer


@compiled
def _finite(x: Floats) -> None:
    """Puts NaN in place of infinities."""
    for t in range(x.shape[0]):
        for b in range(x.shape[1]):
            x[t, b] = x[t, b] if x[t, b] - x[t, b] == 0.0 else math.nan


@compiled
def load(cells: Floats, field: int, first: int, start: int, out: Floats) -> None:
    """From cells (F, S, T) to a block (T', B): symbols side by side; infinities become NaN. By tiles, for the cache."""
    rows, lanes = out.shape
    for tile in range(0, rows, 32):
        for b in range(lanes):
            for t in range(tile, min(tile + 32, rows)):
                v = cells[field, first + b, start + t]
                out[t, b] = v if v - v == 0.0 else math.nan


def store(block: Floats, values: npt.NDArray[Any], place: int, first: int, start: int) -> None:
    """From a block (T', B) to values (F, S, T), float64 or float32; NaN in place of what is too large for them."""
    _store(block, values, place, first, start, float(np.finfo(values.dtype).max))


@compiled
def _store(
    block: Floats, values: npt.NDArray[Any], place: int, first: int, start: int, largest: float
) -> None:
    rows, lanes = block.shape
    for tile in range(0, rows, 32):
        for b in range(lanes):
            for t in range(tile, min(tile + 32, rows)):
                v = block[t, b]
                values[place, first + b, start + t] = v if abs(v) <= largest else math.nan
