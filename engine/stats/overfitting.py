"""The probability of backtest overfitting: how often the best in one half of the sessions is below the median in the other.

Combinatorially symmetric cross-validation: the sessions are cut into S blocks, and each of the C(S, S/2) ways to take half of
them is a split. A split's Sharpe ratios come from sums of S/2 block sums, so all splits are one product of a 0/1 matrix.
Source: Bailey, Borwein, Lopez de Prado and Zhu (2016), "The probability of backtest overfitting".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats.resampling import SEED, block_length, block_starts

BLOCKS = 16
AT_ONCE = 32
"""Pairs of splits at once: few enough that their ratios stay in a core's cache (three times faster than 512 at once)."""


@dataclass(frozen=True)
class Overfitting:
    """probability: share of splits in which the best in sample ranks at or below the median out of sample.

    All by split: logits of the relative rank out of sample, chosen the index of the best in sample, inside and outside its
    Sharpe ratios per session. loss: share of splits in which it loses money out of sample; slope: of outside on inside.
    """

    probability: float
    loss: float
    slope: float
    logits: Floats
    chosen: Ints
    inside: Floats
    outside: Floats


def overfitting(returns: Floats, blocks: int = BLOCKS) -> Overfitting:
    """Runs every split of (T, K) returns. Blocks are consecutive sessions and differ by one session at most.

    Equal ratios share their mean rank. Errors: InputError for an odd number of blocks, blocks of fewer than two sessions, fewer
    than two strategies, holes, and strategies that do not vary within some half.
    """
    _check(returns, blocks)
    sums = _BlockSums(returns, blocks)
    halves = _halves(blocks)
    count = len(halves)
    logits, inside, outside = np.empty(2 * count), np.empty(2 * count), np.empty(2 * count)
    chosen = np.empty(2 * count, dtype=np.int64)
    for first in range(0, count, AT_ONCE):
        part = halves[first : first + AT_ONCE]
        here, there = sums.sharpes(part), sums.sharpes(~part)
        rows = np.arange(first, first + len(part))
        for at, train, test in ((rows, here, there), (2 * count - 1 - rows, there, here)):
            chosen[at], inside[at], outside[at], logits[at] = _judged(train, test)
    spread = np.ptp(inside)
    slope = float(np.polyfit(inside, outside, 1)[0]) if spread > 0 else float("nan")
    return Overfitting(
        float((logits <= 0).mean()), float((outside < 0).mean()), slope, logits, chosen, inside, outside
    )


def overfitting_of_noise(
    returns: Floats, blocks: int = BLOCKS, worlds: int = 60, confidence: float = 0.95, seed: int = SEED
) -> tuple[float, float, float]:
    """The null band: low, median and high of the probability where no strategy is better than another.

    Each world draws circular blocks of the same returns, scaled and with their means taken off, so that what the strategies
    share is kept. A probability inside the band says nothing: on pure noise it is 0.50 +- 0.13.
    """
    _check(returns, blocks)
    sessions, length = len(returns), block_length(len(returns))
    scaled = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    found = np.empty(worlds)
    for world, starts in enumerate(block_starts(sessions, length, worlds, seed)):
        taken = (starts[:, None] + np.arange(length)).ravel()[:sessions] % sessions
        found[world] = overfitting(scaled[taken], blocks).probability
    low, median, high = np.quantile(found, [(1 - confidence) / 2, 0.5, (1 + confidence) / 2])
    return float(low), float(median), float(high)


class _BlockSums:
    """Sums of scaled returns and of their squares by block, and the Sharpe ratios of any choice of blocks."""

    def __init__(self, returns: Floats, blocks: int) -> None:
        bounds = np.arange(blocks + 1) * len(returns) // blocks
        spread = returns.std(axis=0)
        self.mean = returns.mean(axis=0) / spread
        scaled = returns / spread - self.mean
        self.sessions = np.diff(bounds).astype(np.float64)
        self.first = np.add.reduceat(scaled, bounds[:-1], axis=0)
        self.second = np.add.reduceat(scaled**2, bounds[:-1], axis=0)

    def sharpes(self, halves: Bools) -> Floats:
        """(N, K) Sharpe ratios of N choices of blocks."""
        weights = halves.astype(np.float64)
        sessions = (weights @ self.sessions)[:, None]
        mean = weights @ self.first
        mean /= sessions
        variance = weights @ self.second
        variance /= sessions
        variance -= mean**2
        variance *= sessions / (sessions - 1)
        if not (variance > 1e-12).all():
            column = int(np.argwhere(variance <= 1e-12)[0, 1])
            raise InputError("returns", column, "strategies that vary in every half of the sessions")
        mean += self.mean
        mean /= np.sqrt(variance, out=variance)
        return mean


def _halves(blocks: int) -> Bools:
    """(C(S, S/2) / 2, S) the splits that train on the first block, in lexicographic order; the others are their complements."""
    chosen = np.array([c for c in combinations(range(blocks), blocks // 2) if c[0] == 0])
    made = np.zeros((len(chosen), blocks), dtype=bool)
    np.put_along_axis(made, chosen, True, axis=1)
    return made


def _judged(train: Floats, test: Floats) -> tuple[Ints, Floats, Floats, Floats]:
    """Of each split the best in `train`, its ratio there and in `test`, and the logit of its relative rank in `test`."""
    best = train.argmax(axis=1)
    rows = np.arange(len(train))
    own = test[rows, best]
    below = np.count_nonzero(test < own[:, None], axis=1)
    upto = np.count_nonzero(test <= own[:, None], axis=1)
    share = (below + upto + 1) / 2 / (test.shape[1] + 1)
    return best, train[rows, best], own, np.log(share / (1 - share))


def _check(returns: Floats, blocks: int) -> None:
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise InputError(
            "returns", returns.shape, "a row a session, a column a strategy, at least two strategies"
        )
    if blocks < 2 or blocks % 2 or 2 * blocks > len(returns):
        raise InputError("blocks", blocks, f"an even number from 2 to {len(returns) // 2}")
    if not np.isfinite(returns).all():
        raise InputError("returns", "NaN or infinite", "a return of every strategy on every session")
    still = np.flatnonzero(np.ptp(returns, axis=0) == 0)
    if len(still):
        raise InputError("returns", int(still[0]), "series that vary", "Leave out those that never traded.")
