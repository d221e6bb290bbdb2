"""Whether one Sharpe ratio is more than luck, given how it was found. All ratios are per session, kurtosis is plain (normal =
3).

The probabilistic Sharpe ratio has two conventions in print, which differ on the same fund (0.913 and 0.987):
ESTIMATE takes the standard error at the estimated ratio with T - 1 (Bailey and Lopez de Prado 2012; what the page uses, and
QuantStats and vectorbt); BENCHMARK takes it at the benchmark ratio, which is what the null says, with T (Lopez de Prado, Lipton
and Zoonekynd 2025, "How to use the Sharpe ratio").
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.performance import SharpePerSession, SharpePerYear, sharpe_error_per_session

EULER = float(np.euler_gamma)
ESTIMATE: Literal["estimate"] = "estimate"
BENCHMARK: Literal["benchmark"] = "benchmark"


def probabilistic_sharpe(
    sharpe: SharpePerSession,
    benchmark: SharpePerSession,
    skew: float,
    kurt: float,
    sessions: int,
    error_at: Literal["estimate", "benchmark"] = ESTIMATE,
) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`, given one estimate.

    Source: Bailey and Lopez de Prado (2012), "The Sharpe ratio efficient frontier", equation 9; for `error_at="benchmark"`
    Lopez de Prado, Lipton and Zoonekynd (2025), "How to use the Sharpe ratio", for returns without autocorrelation.
    """
    from scipy.special import ndtr

    if error_at == ESTIMATE:
        error = sharpe_error_per_session(sharpe, skew, kurt, sessions)
    else:
        error = sharpe_error_per_session(benchmark, skew, kurt, sessions + 1)
    return float(ndtr((sharpe - benchmark) / error))


def expected_maximum(trials: int) -> float:
    """The largest of `trials` independent standard normal draws on average; zero for one.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2014), "Pseudo-mathematics and financial charlatanism", proposition 1.
    """
    from scipy.special import ndtri

    if trials <= 1:
        return 0.0
    return float((1 - EULER) * ndtri(1 - 1 / trials) + EULER * ndtri(1 - 1 / (trials * np.e)))


def expected_maximum_sharpe(trials: int, variance: float) -> SharpePerSession:
    """The largest Sharpe ratio that `trials` independent trials without skill would show on average.

    `variance`: of the trials' Sharpe ratios per session. Zero for one trial.
    Source: Bailey and Lopez de Prado (2014), "The deflated Sharpe ratio", equation 1.
    """
    return SharpePerSession(float(np.sqrt(variance)) * expected_maximum(trials))


def deflated_sharpe(
    sharpe: SharpePerSession,
    trials: int,
    variance: float,
    skew: float,
    kurt: float,
    sessions: int,
    error_at: Literal["estimate", "benchmark"] = ESTIMATE,
) -> float:
    """Probability that the true Sharpe ratio exceeds what the best of `trials` without skill would show on average.

    Equals the probabilistic Sharpe ratio against zero for one trial. As a test at 95 % it is far stricter than 5 %: it asks
    that the ratio lie above the mean of the maximum by its own whole error. Source: Bailey and Lopez de Prado (2014), "The
    deflated Sharpe ratio", equation 2.
    """
    bar = expected_maximum_sharpe(trials, variance)
    return probabilistic_sharpe(sharpe, bar, skew, kurt, sessions, error_at)


def trials_variance(net: Floats, known: float | None) -> float:
    """Of the trials' Sharpe ratios per session; where it is not known, the estimate's own: what trials without skill would show
    on as many sessions. net (T,) returns that vary."""
    if known is not None:
        return known
    ratio = performance.sharpe_per_session(net)
    skew, kurt = performance.skewness(net), performance.kurtosis(net)
    return sharpe_error_per_session(ratio, skew, kurt, len(net)) ** 2


def minimum_track_record(
    sharpe: SharpePerSession,
    benchmark: SharpePerSession,
    skew: float,
    kurt: float,
    confidence: float = 0.95,
) -> float:
    """Sessions from which the probabilistic Sharpe ratio reaches `confidence`, if the estimates stay as they are.

    Infinite where `sharpe` does not exceed `benchmark`. Not rounded. Source: Bailey and Lopez de Prado (2012), equation 11.
    """
    from scipy.special import ndtri

    _check_confidence(confidence)
    if not sharpe > benchmark:
        return float("inf")
    spread = sharpe_error_per_session(sharpe, skew, kurt, 2)  # of one session: T - 1 = 1
    return 1 + float((spread * ndtri(confidence) / (sharpe - benchmark)) ** 2)


def minimum_backtest_years(trials: int, sharpe: SharpePerYear) -> float:
    """Years below which the best of `trials` without skill is expected to show `sharpe` a year; zero for one trial.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2014), theorem 1. Errors: InputError for a ratio not above zero.
    """
    if not sharpe > 0:
        raise InputError("sharpe", sharpe, "a Sharpe ratio above 0 a year")
    return (expected_maximum(trials) / sharpe) ** 2


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError("confidence", confidence, "a probability between 0 and 1")
