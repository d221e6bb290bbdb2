"""Many strategies tested at once: which of them are better than luck, when all that were tried are counted.

`step_m` is the project's own StepM on Sharpe ratios, one matrix product for thousands of trials; `superior_ability` (White,
Hansen) and `confidence_set` (Hansen, Lunde, Nason) are `arch`'s, on returns scaled to unit variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats.resampling import (
    DRAWS,
    SEED,
    block_counts,
    block_length,
    block_starts,
    resampled_sharpes,
)

PAIRED = 100
"""Strategies up to which a confidence set compares every pair of them."""
ROUNDED = 9
"""Decimals, in standard deviations, to which the returns of one strategy and of its copy or multiple agree."""


@dataclass(frozen=True)
class StepM:
    """sharpes (K,) per session; p (K,) adjusted p-values: the smallest family-wise error rate at which each is declared."""

    sharpes: Floats
    p: Floats

    def survivors(self, size: float = 0.05) -> Bools:
        """(K,) those declared better than luck while the chance of any false one is at most `size`."""
        return self.p <= size


@dataclass(frozen=True)
class SuperiorAbility:
    """P-values of the best of many being no better than the benchmark: White's reality check, Hansen's consistent SPA test,
    and its lower bound."""

    reality_check: float
    consistent: float
    lower: float


@dataclass(frozen=True)
class ConfidenceSet:
    """members: indices of the strategies that cannot be told from the best; p (K,) the level at which each drops out."""

    members: tuple[int, ...]
    p: Floats


def step_m(returns: Floats, *, length: int | None = None, draws: int = DRAWS, seed: int = SEED) -> StepM:
    """Which of K trials have a Sharpe ratio above zero, with the family-wise error rate controlled whatever their dependence.

    returns (T, K) per session, all trials on the same sessions. The bar is what the largest Sharpe ratio of the same returns
    with their means taken off shows over circular blocks of `length` sessions; once a trial is declared, the bar falls to that
    of the others. A trial that is certainly bad does not raise the bar (`certainly_bad`), nor does one that is the result of a
    single session (`of_one_session`), such as an account that was lost, which counts by the union bound: the p of both is 1.
    Source: Romano and Wolf (2005), "Stepwise multiple testing as formalized data snooping"; adjusted p-values as in Romano and
    Wolf (2016). Errors: InputError for holes, series that do not vary, or fewer sessions than three blocks.
    """
    _check(returns)
    sessions = len(returns)
    length = luck_block_length(sessions) if length is None else length
    if not 1 <= length <= sessions // 3:
        raise InputError("length", length, f"sessions in a block, from 1 to {sessions // 3}")
    starts = block_starts(sessions, length, draws, seed)
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    kept, p = np.flatnonzero(~of_one_session(returns)), np.ones(len(sharpes))
    if len(kept):
        judged = returns[:, kept] if len(kept) < len(p) else returns
        bad = certainly_bad(judged)
        means = np.where(bad, judged.mean(axis=0), 0.0)
        reached = np.zeros(len(kept), dtype=np.int64)
        for first in range(0, draws, DRAWS):  # at a time, so that memory does not grow with their number
            counts = block_counts(starts[first : first + DRAWS], length, sessions)
            reached += _reached(sharpes[kept], resampled_sharpes(judged, counts, means))
        found = np.minimum(_stepped(sharpes[kept], reached, draws) * len(p) / len(kept), 1.0)
        p[kept] = np.where(
            bad, 1.0, found
        )  # a bad one was drawn around its own mean, which half of its draws exceed
    return StepM(sharpes, p)


def luck_block_length(sessions: int) -> int:
    """Sessions in a block of `step_m`: half as many again as the usual `block_length`, at most a third of the sessions.

    Blocks cut dependence off at their ends, so short ones call luck skill where returns are autocorrelated; long ones make each
    trial's error itself uncertain and cost power among thousands. Chosen between the two (`benchmarks/worlds.py`).
    """
    return max(1, min(3 * block_length(sessions) // 2, sessions // 3))


def certainly_bad(returns: Floats) -> Bools:
    """(K,) trials whose t-ratio lies below -sqrt(2 log log T), which keep their means in the draws.

    Source: Hansen (2005), "A test for superior predictive ability", the consistent choice.
    """
    sessions = len(returns)
    ratios = returns.mean(axis=0) / returns.std(axis=0) * np.sqrt(sessions)
    return np.asarray(ratios < -np.sqrt(2 * np.log(np.log(sessions))))


def of_one_session(returns: Floats) -> Bools:
    """(K,) trials of which one session holds more than half of the squared deviations from the mean.

    A third of all draws (1/e) lack that session and look like skill or ruin, so that nothing can be said of such a trial, and
    with it in the draws nothing of any other.
    """
    mean = returns.mean(axis=0)
    farthest = np.maximum(returns.max(axis=0) - mean, mean - returns.min(axis=0))
    return np.asarray(farthest**2 > returns.var(axis=0) * len(returns) / 2)


def step_down(observed: Floats, drawn: npt.NDArray[Any]) -> Floats:
    """(K,) adjusted p-values of `observed` statistics, given (draws, K) of the same statistics without skill.

    From the largest down: the share of draws in which the largest of this one and all smaller ones reaches it (the estimate
    counted as a draw, so that no p is zero), never below the p of a larger one. Declaring all with p <= size is StepM.
    Source: Romano and Wolf (2016), "Efficient computation of adjusted p-values for resampling-based stepdown multiple testing".
    """
    return _stepped(observed, _reached(observed, drawn), len(drawn))


def _reached(observed: Floats, drawn: npt.NDArray[Any]) -> Ints:
    """(K,) from the largest down, in how many draws the largest of this one and all smaller ones reaches it."""
    rising = np.argsort(-observed, kind="stable")[::-1]
    highest = drawn[:, rising]
    np.maximum.accumulate(highest, axis=1, out=highest)
    return np.asarray((highest >= observed[rising].astype(drawn.dtype)).sum(axis=0)[::-1], dtype=np.int64)


def _stepped(observed: Floats, reached: Ints, draws: int) -> Floats:
    p = np.empty(len(observed))
    p[np.argsort(-observed, kind="stable")] = np.maximum.accumulate((1 + reached) / (draws + 1))
    return p


def superior_ability(
    returns: Floats, benchmark: Floats | None = None, *, draws: int = DRAWS, seed: int = SEED
) -> SuperiorAbility:
    """Whether the best of K strategies beats the benchmark: White (2000) and Hansen (2005), by `arch.bootstrap.SPA`.

    returns (T, K); benchmark (T,) returns, zero if not given. Each difference is scaled to unit variance. Stationary blocks of
    mean length `block_length`. Minutes for thousands of strategies: `step_m` is for those.
    """
    from arch.bootstrap import SPA

    gains = returns if benchmark is None else returns - benchmark[:, None]
    _check(gains)
    test = SPA(
        np.zeros(len(gains)), -gains / gains.std(axis=0), block_size=block_length(len(gains)), reps=draws, seed=seed
    )  # fmt: skip
    test.compute()
    found = test.pvalues
    return SuperiorAbility(float(found["upper"]), float(found["consistent"]), float(found["lower"]))


def confidence_set(
    returns: Floats, size: float = 0.05, *, draws: int = DRAWS, seed: int = SEED
) -> ConfidenceSet:
    """The strategies among which the best lies with probability 1 - size, by `arch.bootstrap.MCS`.

    returns (T, K), K >= 2, scaled to unit variance. Up to 100 strategies the range statistic, which compares every pair;
    beyond, the weaker maximum, whose memory grows with K and not with its square. Strategies with the same returns (seeds that
    change nothing, other leverage) are compared as one. Source: Hansen, Lunde and Nason (2011), "The model confidence set".
    """
    _check(returns)
    if returns.shape[1] < 2:
        raise InputError("returns", returns.shape, "at least two strategies")
    scaled = returns / returns.std(axis=0)
    seen: dict[bytes, int] = {}
    place = np.array([seen.setdefault(one.tobytes(), len(seen)) for one in scaled.round(ROUNDED).T + 0.0])
    first = np.unique(place, return_index=True)[1]
    p = _set_p(scaled[:, first], draws, seed)[place]
    return ConfidenceSet(tuple(int(k) for k in np.flatnonzero(p > size)), p)


def _set_p(scaled: Floats, draws: int, seed: int) -> Floats:
    """(K,) the level at which each of distinct strategies drops out; a single one never does."""
    from arch.bootstrap import MCS

    if scaled.shape[1] == 1:
        return np.ones(1)
    method: Literal["R", "max"] = "R" if scaled.shape[1] <= PAIRED else "max"
    length = block_length(len(scaled))
    test = MCS(-scaled, 0.05, reps=draws, block_size=length, method=method, seed=seed)
    test.compute()
    return np.asarray(test.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64))


def _check(returns: Floats) -> None:
    if returns.ndim != 2 or not returns.size:
        raise InputError("returns", returns.shape, "a row a session, a column a strategy")
    holes = ~np.isfinite(returns)
    if holes.any():
        row, column = (int(i) for i in np.argwhere(holes)[0])
        raise InputError(
            f"returns[{row}, {column}]", float(returns[row, column]), "a return of every strategy on every session"
        )  # fmt: skip
    still = np.flatnonzero(np.ptp(returns, axis=0) == 0)
    if len(still):
        raise InputError("returns", int(still[0]), "series that vary", "Leave out those that never traded.")
