"""Whether one strategy's Sharpe ratio differs from another's, paired by session, by block bootstraps.

Two intervals: `sharpe_difference` is the percentile interval that the page shows; `studentised_difference` is the test of
Ledoit and Wolf (2008), which scales each draw by its own standard error and therefore holds its level on fewer sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.stats.performance import sharpe_per_session, undefined
from backcast.engine.stats.resampling import SEED, block_length, block_starts

DIFFERENCE_DRAWS = 2000


@dataclass(frozen=True)
class Difference:
    """A difference of two Sharpe ratios per session with its bootstrap 95 % interval; NaN where undefined."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Studentised(Difference):
    """The same with a two-sided p-value against no difference; the interval is symmetric around the estimate."""

    p: float


def sharpe_difference(ours: Floats, theirs: Floats, seed: int = SEED) -> Difference:
    """Sharpe ratio of `ours` less that of `theirs`, paired by session, with a percentile interval.

    Circular blocks of length `block_length`, 2,000 draws, the same blocks for both series, so that what the two share
    cancels. Source: Politis and Romano (1992) for the blocks; Ledoit and Wolf (2008) for their use on Sharpe ratios.
    """
    if undefined(ours) or undefined(theirs):
        nan = float("nan")
        return Difference(nan, nan, nan)
    estimate = sharpe_per_session(ours) - sharpe_per_session(theirs)
    length = block_length(len(ours))
    starts = block_starts(len(ours), length, DIFFERENCE_DRAWS, seed)
    draws = _resampled_sharpe(ours, starts, length) - _resampled_sharpe(theirs, starts, length)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Difference(float(estimate), float(low), float(high))


def studentised_difference(
    ours: Floats, theirs: Floats, length: int | None = None, seed: int = SEED
) -> Studentised:
    """Sharpe ratio of `ours` less that of `theirs` with the studentised block bootstrap's p-value and symmetric interval.

    ours, theirs (T,) returns of the same sessions; length: sessions in a block, `block_length` of T if not given. T is cut to
    whole blocks in the draws, as in the paper. NaN where a ratio is undefined; p = 1 and no width where the two are the same.
    Source: Ledoit and Wolf (2008), "Robust performance hypothesis testing with the Sharpe ratio", section 3.2; the error of the
    estimate itself by Bartlett weights over a block's length, of each draw by its blocks (their equation 8).
    Errors: InputError for series of unequal lengths, or a block longer than half of them.
    """
    if ours.shape != theirs.shape:
        raise InputError("theirs", theirs.shape, f"returns of the same sessions as ours, {ours.shape}")
    if undefined(ours) or undefined(theirs):
        nan = float("nan")
        return Studentised(nan, nan, nan, nan)
    length = block_length(len(ours)) if length is None else length
    if not 1 <= length <= len(ours) // 2:
        raise InputError("length", length, f"sessions in a block, from 1 to {len(ours) // 2}")
    estimate, error = _estimate(ours, theirs, length)
    unbiased = np.sqrt(1 - 1 / len(ours))  # ddof 1, as everywhere
    if error < 1e-12:
        return Studentised(estimate * unbiased, estimate * unbiased, estimate * unbiased, 1.0)
    distances = _studentised_draws(ours, theirs, length, estimate, seed)
    p = (1 + int((distances >= abs(estimate) / error).sum())) / (len(distances) + 1)
    half = float(np.quantile(distances, 0.95)) * error
    low, high = (float((estimate + side * half) * unbiased) for side in (-1, 1))
    return Studentised(float(estimate * unbiased), low, high, p)


def _estimate(ours: Floats, theirs: Floats, length: int) -> tuple[float, float]:
    """The difference (population moments) and its standard error by Bartlett weights."""
    moments = _moments(ours, theirs)
    centre = moments.mean(axis=0)
    influence = (moments - centre) @ _gradient(centre[None])[0]
    sessions = len(ours)
    variance = influence @ influence / sessions
    for lag in range(1, length):
        variance += 2 * (1 - lag / length) * (influence[lag:] @ influence[:-lag]) / sessions
    return float(_difference(centre[None])[0]), float(np.sqrt(max(variance, 0.0) / sessions))


def _studentised_draws(ours: Floats, theirs: Floats, length: int, estimate: float, seed: int) -> Floats:
    """(draws,) distances of each draw's difference from the estimate, in the draw's own standard errors."""
    blocks = len(ours) // length
    starts = block_starts(len(ours), length, DIFFERENCE_DRAWS, seed)[:, :blocks]
    moments = _moments(ours, theirs)
    running = np.zeros((len(ours) + length + 1, 4))
    np.cumsum(np.concatenate([moments, moments[:length]]), axis=0, out=running[1:])
    sums = running[starts + length] - running[starts]  # (draws, blocks, 4)
    centre = sums.mean(axis=1) / length
    spread = (sums - length * centre[:, None]) / np.sqrt(length)
    influence = np.einsum("dbm,dm->db", spread, _gradient(centre))
    error = np.sqrt((influence**2).mean(axis=1) / (blocks * length))
    return np.abs(_difference(centre) - estimate) / np.maximum(error, np.finfo(float).tiny)


def _moments(ours: Floats, theirs: Floats) -> Floats:
    """(T, 4) both returns and their squares, each scaled to unit variance so that no digit is lost."""
    a, b = ours / ours.std(), theirs / theirs.std()
    return np.stack([a, b, a**2, b**2], axis=1)


def _difference(centre: Floats) -> Floats:
    """(N,) differences of Sharpe ratios from (N, 4) first and second moments."""
    a, b, aa, bb = centre.T
    return np.asarray(a / np.sqrt(aa - a**2) - b / np.sqrt(bb - b**2))


def _gradient(centre: Floats) -> Floats:
    """(N, 4) derivatives of the difference by each moment."""
    a, b, aa, bb = centre.T
    mine, theirs = (aa - a**2) ** -1.5, (bb - b**2) ** -1.5
    return np.stack([aa * mine, -bb * theirs, -a * mine / 2, b * theirs / 2], axis=1)


def _resampled_sharpe(returns: Floats, starts: Ints, length: int) -> Floats:
    """(draws,) Sharpe ratios of series joined from blocks; the last block of each is cut so that T sessions remain.

    A block's sums are differences of running sums of the centred returns, so a draw costs one look-up a block.
    """
    sessions, mean = len(returns), float(returns.mean())
    centred = np.r_[returns, returns[:length]] - mean
    cut = sessions - (starts.shape[1] - 1) * length
    first, second = (
        _block_totals(moment, starts, length, cut) / sessions for moment in (centred, centred**2)
    )
    variance = np.maximum(second - first**2, np.finfo(float).tiny) * sessions / (sessions - 1)
    return np.asarray((first + mean) / np.sqrt(variance))


def _block_totals(values: Floats, starts: Ints, length: int, cut: int) -> Floats:
    running = np.r_[0.0, np.cumsum(values)]
    whole, last = starts[:, :-1], starts[:, -1]
    totals = (running[whole + length] - running[whole]).sum(axis=1) + running[last + cut] - running[last]
    return np.asarray(totals)
