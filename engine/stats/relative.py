"""A strategy beside a benchmark: alpha, beta, tracking, capture. Returns and benchmark (T,) simple per session, paired."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.hac import automatic_lags, regress
from backcast.engine.stats.performance import MINIMUM_SESSIONS, Z_95

_LINE = "least squares of simple excess returns on the benchmark's"
_ERROR = "Newey-West error, Bartlett, lags 4 (T/100)^(2/9)"
ALPHA = Convention(
    "alpha_per_year", Unit.SHARE_PER_YEAR, f"constant of {_LINE} x sessions a year (arithmetic); {_ERROR}"
)
ALPHA_T = Convention("alpha_t", Unit.ERRORS, f"alpha over its {_ERROR}")
BETA = Convention("beta", Unit.RATIO, f"slope of {_LINE}; {_ERROR}")
CORRELATION = Convention(
    "correlation", Unit.CORRELATION, "Pearson's, of simple excess returns with the benchmark's"
)
TRACKING = Convention(
    "tracking_error_per_year",
    Unit.SHARE_PER_YEAR,
    "standard deviation (ddof 1) of return - benchmark x sqrt(sessions a year)",
)
INFORMATION = Convention(
    "information_ratio",
    Unit.RATIO_PER_YEAR,
    "mean / standard deviation (ddof 1) of return - benchmark x sqrt(sessions a year)",
)
UP = Convention(
    "up_capture",
    Unit.RATIO,
    "compound mean return per session over the benchmark's, in sessions where the benchmark gained",
)
DOWN = Convention(
    "down_capture",
    Unit.RATIO,
    "compound mean return per session over the benchmark's, in sessions where the benchmark lost",
)
ALL = (ALPHA, ALPHA_T, BETA, CORRELATION, TRACKING, INFORMATION, UP, DOWN)


def figures(returns: Floats, benchmark: Floats, risk_free: Floats, year: float) -> list[Figure]:
    """All of them; risk_free (T,) per session is taken off both for alpha, beta and correlation only (it cancels elsewhere)."""
    lacking = performance.undefined(returns)
    if len(returns) >= MINIMUM_SESSIONS and np.ptp(benchmark) == 0:
        lacking = "the benchmark does not vary"
    if len(returns) < MINIMUM_SESSIONS:
        lacking = f"fewer than {MINIMUM_SESSIONS} sessions with a benchmark"
    if lacking:
        return [one.none(lacking) for one in ALL]
    excess, market = returns - risk_free, benchmark - risk_free
    return [
        *_regression(excess, market, year),
        CORRELATION.figure(float(np.corrcoef(excess, market)[0, 1])),
        *_active(returns - benchmark, year),
        _capture(UP, returns, benchmark, benchmark > 0, "the benchmark never gained"),
        _capture(DOWN, returns, benchmark, benchmark < 0, "the benchmark never lost"),
    ]


def none(reason: str) -> list[Figure]:
    """All of them without a value."""
    return [one.none(reason) for one in ALL]


def _regression(excess: Floats, market: Floats, year: float) -> list[Figure]:
    line = regress(excess, market[:, None], automatic_lags(len(excess)))
    (alpha, beta), (alpha_error, beta_error) = line.coefficients.tolist(), line.errors.tolist()
    exact = alpha_error <= 1e-12 * max(abs(alpha), float(np.abs(excess).max()))
    t = ALPHA_T.none("the benchmark explains every return") if exact else ALPHA_T.figure(alpha / alpha_error)
    half = Z_95 * alpha_error
    return [
        ALPHA.figure(alpha * year, alpha_error * year, (alpha - half) * year, (alpha + half) * year),
        t,
        BETA.figure(beta, beta_error, beta - Z_95 * beta_error, beta + Z_95 * beta_error),
    ]


def _active(active: Floats, year: float) -> list[Figure]:
    error = float(active.std(ddof=1))
    tracking = TRACKING.figure(error * float(np.sqrt(year)))
    if np.ptp(active) == 0:
        return [tracking, INFORMATION.none("the difference to the benchmark does not vary")]
    return [tracking, INFORMATION.figure(float(active.mean()) / error * float(np.sqrt(year)))]


def _capture(convention: Convention, returns: Floats, benchmark: Floats, chosen: Bools, never: str) -> Figure:
    if not chosen.any():
        return convention.none(never)
    if (returns[chosen] <= -1).any() or (benchmark[chosen] <= -1).any():
        return convention.none("everything was lost in one of these sessions")
    own, theirs = (float(np.expm1(np.log1p(x[chosen]).mean())) for x in (returns, benchmark))
    return convention.figure(own / theirs)
