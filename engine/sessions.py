"""Bars and sessions: accounts are kept by the bar; trials, ratios and reports are by the session.

Intraday, a session's return is compounded from those of its bars, its turnover is their sum, and a year has as many periods as
the exchange has sessions. A decision comes before the bar in which it fills opens, or closes where it fills at the close; on
bars that follow each other without a pause that leaves no room for a delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.calendar import sessions_per_year
from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Instants, Ints
from backcast.engine.execution import LAG
from backcast.signals.types import Fold


def periods_per_year(clock: Clock) -> float:
    """Sessions a year: what returns by session are annualised with."""
    return sessions_per_year(clock) if clock.intraday else clock.periods_per_year


def compounded(sessions: npt.NDArray[Any], returns: Floats) -> Floats:
    """(N,) the return of each session, from returns (T,) of its bars in order; sessions (T,) ascending. A session of one bar
    keeps its return to the bit."""
    starts = first_bars(sessions)
    if len(starts) == len(returns):
        return returns
    return np.asarray(np.multiply.reduceat(1 + returns, starts) - 1)


def summed(sessions: npt.NDArray[Any], values: Floats) -> Floats:
    """(N,) the sum over each session's bars, such as its turnover."""
    return np.asarray(np.add.reduceat(values, first_bars(sessions))) if len(values) else values


def first_bars(sessions: npt.NDArray[Any]) -> Ints:
    """(N,) where each session begins."""
    same = np.r_[False, sessions[1:] == sessions[:-1]] if len(sessions) else np.zeros(0, dtype=bool)
    return np.flatnonzero(~same)


def fill_instants(clock: Clock, fill: str) -> Instants:
    """(T,) when an order has filled in each bar: at its open with next_open, else by its close."""
    return clock.opens_at if fill == "next_open" else clock.closes_at


def latest_decisions(clock: Clock, fill: str) -> Instants:
    """(T,) the last instant at which an order of each bar can be decided: before anything that its price is made of. Only a
    close is made at the close; a typical price is made from the open on."""
    return clock.closes_at if fill == "next_close" else clock.opens_at


def refuse_early_fills(clock: Clock, folds: Sequence[Fold], fill: str) -> None:
    """Errors: InputError where a decision, or one that trains, would come after prices that it fills at."""
    decisions = np.unique(np.concatenate([part for fold in folds for part in (fold.train, fold.test)]))
    decisions = decisions[decisions + LAG < len(clock)]
    latest = latest_decisions(clock, fill)
    late = clock.decides_at[decisions] > latest[decisions + LAG]
    if not late.any():
        return
    t = int(decisions[late.argmax()])
    delay = (clock.decides_at[t] - clock.closes_at[t]) / np.timedelta64(1, "m")
    allowed = (latest[t + LAG] - clock.closes_at[t]) / np.timedelta64(1, "m")
    hint = "folds.every=session (and train_every) leaves a night between, execution.fill=next_close the length of a bar."
    raise InputError(
        "dataset.decision_delay",
        int(delay),
        f"at most {allowed:g} minutes: the decision of {clock.decides_at[t]} would fill before it was made, "
        f"at prices from {latest[t + LAG]} on",
        f"Ingest the data with dataset.decision_delay=0 under another name; or {hint}",
    )
