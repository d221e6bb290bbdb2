"""Drawdowns: each fall from a peak, how deep, how long down and how long back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit

DEPTH = Convention(
    "max_drawdown",
    Unit.SHARE,
    "deepest fall of compound equity from a former peak; the start is a peak; at most 0",
)
MEAN_DEPTH = Convention(
    "mean_drawdown", Unit.SHARE, "mean over all sessions of equity over its peak so far, less 1; at most 0"
)
LENGTH = Convention(
    "longest_drawdown",
    Unit.SESSIONS,
    "most sessions in a row below a former peak; one that has not recovered counts too",
)
RECOVERY = Convention(
    "deepest_recovery",
    Unit.SESSIONS,
    "of the deepest drawdown, sessions from its trough to the session that is back at the peak",
)
NOW = Convention(
    "drawdown_at_end", Unit.SHARE, "equity over its peak so far, less 1, at the last session; at most 0"
)


@dataclass(frozen=True)
class Drawdown:
    """One fall. peak: the session before it (None: the start); trough: the lowest; recovered: the session that is back at the
    peak, None where none is. depth at most 0. sessions below the peak; of these to the trough (with it); and from there to
    the session of recovery."""

    peak: str | None
    trough: str
    recovered: str | None
    depth: float
    sessions: int
    to_trough: int
    to_recovery: int | None


def drawdowns(returns: Floats, sessions: npt.NDArray[Any]) -> list[Drawdown]:
    """All of them, in order of time; returns (T,), sessions (T,) datetime64[D]."""
    path = performance.drawdown(returns)
    below = np.r_[False, path < 0, False]
    begins, ends = np.flatnonzero(~below[:-1] & below[1:]), np.flatnonzero(below[:-1] & ~below[1:])
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        trough = begin + int(np.argmin(path[begin:end]))
        back = end < len(returns)
        found.append(
            Drawdown(
                str(sessions[begin - 1]) if begin else None,
                str(sessions[trough]),
                str(sessions[end]) if back else None,
                float(path[trough]),
                end - begin,
                trough - begin + 1,
                end - trough if back else None,
            )
        )
    return found


def figures(returns: Floats, found: list[Drawdown]) -> list[Figure]:
    """Depth, mean, length, recovery and where it stands."""
    if not len(returns):
        return [one.none("no sessions") for one in (DEPTH, MEAN_DEPTH, LENGTH, RECOVERY, NOW)]
    path = performance.drawdown(returns)
    return [
        DEPTH.figure(float(path.min())),
        MEAN_DEPTH.figure(float(path.mean())),
        LENGTH.figure(max((one.sessions for one in found), default=0)),
        _recovery(found),
        NOW.figure(float(path[-1])),
    ]


def _recovery(found: list[Drawdown]) -> Figure:
    if not found:
        return RECOVERY.none("no drawdown")
    deepest = min(found, key=lambda one: one.depth)
    return (
        RECOVERY.none("not recovered yet")
        if deepest.to_recovery is None
        else RECOVERY.figure(deepest.to_recovery)
    )


def table(found: list[Drawdown]) -> pl.DataFrame:
    """A row a drawdown, the deepest first."""
    schema = {
        "peak": pl.String, "trough": pl.String, "recovered": pl.String, "depth": pl.Float64, "sessions": pl.Int64,
        "to_trough": pl.Int64, "to_recovery": pl.Int64,
    }  # fmt: skip
    rows = [vars(one) for one in sorted(found, key=lambda one: one.depth)]
    return pl.DataFrame(rows, schema=schema)
