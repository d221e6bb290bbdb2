"""When a page may say "better than luck": the decision about one trial, given every trial that was counted.

The rule: the trial survives StepM at 5 % over the returns of all trials of the log, and its 95 % interval lies above zero. The
chance that a search without skill ends in one such page is then about 5 %, however many trials it had and whatever they share
(`make worlds` shows it). That holds for a search judged at its end: a page made on the way counted fewer trials. The deflated
Sharpe probability stands beside it: as a rule it is far stricter than its name.

Trials that count but have no comparable returns (they failed, or cover other sessions) cannot be put into the draws; each
counts like one of those that can: the p-value is multiplied by counted / compared, at least 1 (a union bound).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats
from backcast.engine.stats.multiple import step_m
from backcast.engine.stats.performance import MINIMUM_SESSIONS
from backcast.engine.stats.resampling import DRAWS, SEED

SIZE = 0.05
"""The chance of calling luck skill, over the whole search."""

MOST_DRAWS = 50_000

Dated = tuple[npt.NDArray[Any], Floats]
"""sessions (T,) datetime64[D], ascending, and returns (T,)."""


@dataclass(frozen=True)
class Luck:
    """names and p (K,) of the compared trials, adjusted for all `counted`; sessions and draws: how many they were compared
    on, and in."""

    names: tuple[str, ...]
    p: Floats
    counted: int
    sessions: int
    draws: int = DRAWS

    @property
    def compared(self) -> int:
        return len(self.names)

    def survivors(self, size: float = SIZE) -> tuple[str, ...]:
        """The trials that are better than luck."""
        return tuple(name for name, p in zip(self.names, self.p, strict=True) if p <= size)

    def of(self, name: str) -> float | None:
        """The p-value of one trial; None where it was not compared."""
        return float(self.p[self.names.index(name)]) if name in self.names else None


def luck_of(
    sessions: npt.NDArray[Any],
    trials: Mapping[str, Dated],
    counted: int,
    *,
    draws: int | None = None,
    seed: int = SEED,
) -> Luck:
    """StepM over the trials that have a return on each of `sessions`, for all trials `counted` in the log.

        luck = luck_of(sessions, log.by_trial(upto), log.count(upto).n)

    draws: `draws_for` so many, if not given. The answer does not depend on the order of the trials. Errors: InputError for
    fewer counted than there are returns of.
    """
    if counted < len(trials):
        raise InputError("counted", counted, f"at least the trials with returns, {len(trials)}")
    names, returns = aligned(sessions, trials)
    if not names:
        return Luck((), np.empty(0), counted, len(sessions))
    draws = draws_for(counted, len(names)) if draws is None else draws
    p = step_m(returns, draws=draws, seed=seed).p * max(counted / len(names), 1.0)
    return Luck(names, np.minimum(p, 1.0), counted, len(sessions), draws)


def draws_for(counted: int, compared: int) -> int:
    """The smallest p is counted / compared over the draws and one: so many draws that it lies below 1 %, at most 50,000."""
    return min(DRAWS * max(math.ceil(counted / compared / 10), 1), MOST_DRAWS)


def by_trial(table: pl.DataFrame) -> dict[str, Dated]:
    """Sessions and returns of each trial from rows of `trial`, `session` (a date) and `net_return`, as the trial log has them.

    The last of several rows of one trial and session counts.
    """
    names = np.unique(table["trial"].unique().to_numpy())
    codes = table["trial"].cast(pl.Enum(names.tolist())).to_physical().to_numpy().astype(np.int64)
    days = table["session"].to_numpy().astype("datetime64[D]")
    place = (codes << 32) + days.astype(np.int64)  # one number to sort by: five times as fast as two columns
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    kept = order[np.r_[ordered[1:] != ordered[:-1], True][: len(ordered)]]
    days, returns = days[kept], table["net_return"].cast(pl.Float64).to_numpy()[kept]
    bounds = np.searchsorted(codes[kept], np.arange(len(names) + 1))
    return {
        str(name): (days[begin:end], returns[begin:end])
        for name, begin, end in zip(names, bounds[:-1], bounds[1:], strict=True)
    }


def aligned(sessions: npt.NDArray[Any], trials: Mapping[str, Dated]) -> tuple[tuple[str, ...], Floats]:
    """Names, in their order, and (T, K) returns of the trials that are comparable on `sessions`.

    Comparable: a finite return on each session, and returns that vary. None where there are too few sessions.
    """
    kept = {name: found for name in sorted(trials) if (found := _on(sessions, *trials[name])) is not None}
    if len(sessions) < MINIMUM_SESSIONS or not kept:
        return (), np.empty((len(sessions), 0))
    return tuple(kept), np.stack(list(kept.values()), axis=1)


def _on(sessions: npt.NDArray[Any], own: npt.NDArray[Any], returns: Floats) -> Floats | None:
    """(T,) the returns on these sessions; None where one is missing or none differs from another."""
    if len(own) == 0 or len(sessions) == 0:
        return None
    at = np.minimum(np.searchsorted(own, sessions), len(own) - 1)
    there: Bools = own[at] == sessions
    chosen = returns[at]
    usable = there.all() and np.isfinite(chosen).all() and np.ptp(chosen) > 0
    return chosen if usable else None
