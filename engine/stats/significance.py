"""Whether a Sharpe ratio is more than luck. All Sharpe ratios here are per session, kurtosis is plain (normal = 3).

Of the two published conventions of the probabilistic Sharpe ratio this is the one of Bailey and Lopez de Prado (2012):
the standard error is taken at the estimated ratio, not at the benchmark ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.stats.performance import (
    SharpePerSession,
    sharpe_error_per_session,
    sharpe_per_session,
    undefined,
)

EULER = float(np.euler_gamma)
DRAWS = 2000
SEED = 19920101


@dataclass(frozen=True)
class Difference:
    """A difference of two Sharpe ratios per session with its bootstrap 95 % interval; NaN where undefined."""

    estimate: float
    low: float
    high: float


def probabilistic_sharpe(
    sharpe: SharpePerSession, benchmark: SharpePerSession, skew: float, kurt: float, sessions: int
) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`, given one estimate.

    Source: Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient frontier", equation 9.
    """
    from scipy.special import ndtr

    error = sharpe_error_per_session(sharpe, skew, kurt, sessions)
    return float(ndtr((sharpe - benchmark) / error))


def expected_maximum_sharpe(trials: int, variance: float) -> SharpePerSession:
    """The largest Sharpe ratio that `trials` independent trials without skill would show on average.

    `variance`: of the trials' Sharpe ratios per session. Zero for one trial.
    Source: Bailey and Lopez de Prado (2014), "The deflated Sharpe ratio", equation 1.
    """
    from scipy.special import ndtri

    if trials <= 1:
        return SharpePerSession(0.0)
    quantiles = (1 - EULER) * ndtri(1 - 1 / trials) + EULER * ndtri(1 - 1 / (trials * np.e))
    return SharpePerSession(float(np.sqrt(variance) * quantiles))


def deflated_sharpe(
    sharpe: SharpePerSession, trials: int, variance: float, skew: float, kurt: float, sessions: int
) -> float:
    """Probability that the true Sharpe ratio exceeds what the best of `trials` without skill would show.

    Equals the probabilistic Sharpe ratio against zero for one trial.
    Source: Bailey and Lopez de Prado (2014), "The deflated Sharpe ratio", equation 2.
    """
    return probabilistic_sharpe(sharpe, expected_maximum_sharpe(trials, variance), skew, kurt, sessions)


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
    starts = np.random.default_rng(seed).integers(0, len(ours), size=(DRAWS, -(-len(ours) // length)))
    draws = _resampled_sharpe(ours, starts, length) - _resampled_sharpe(theirs, starts, length)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Difference(float(estimate), float(low), float(high))


def block_length(sessions: int) -> int:
    """Sessions in a block: the cube root of their number, rounded up."""
    return int(np.ceil(round(sessions ** (1 / 3), 9)))


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
