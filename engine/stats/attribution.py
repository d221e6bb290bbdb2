"""What of a return is explained by factors that the user names: one regression, errors by Newey and West.

Returns (T,) and factors (T, K) simple per session, paired by session. The risk-free rate is taken off the returns only: factor
returns are taken to be of portfolios that finance themselves (long less short, or market less risk-free).
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.hac import Regression, automatic_lags, rank_deficient, regress
from backcast.engine.stats.performance import MINIMUM_SESSIONS, Z_95

_FIT = "least squares of simple excess returns on all factors and a constant"
_ERROR = "Newey-West error, Bartlett, lags 4 (T/100)^(2/9)"
ALPHA = Convention(
    "factor_alpha_per_year", Unit.SHARE_PER_YEAR, f"constant of {_FIT} x sessions a year; {_ERROR}"
)
ALPHA_T = Convention("factor_alpha_t", Unit.ERRORS, f"factor alpha over its {_ERROR}")
BETA = Convention("factor_beta", Unit.RATIO, f"slope of {_FIT}; {_ERROR}")
BETA_T = Convention("factor_beta_t", Unit.ERRORS, f"factor beta over its {_ERROR}")
PART = Convention(
    "factor_contribution_per_year", Unit.SHARE_PER_YEAR, "factor beta x mean factor return x sessions a year; with alpha these "
    "add up to the arithmetic mean excess return a year"
)  # fmt: skip
R2 = Convention("factor_r2", Unit.SHARE, f"share of variance that {_FIT} explains; not adjusted")
RESIDUAL = Convention(
    "factor_residual_volatility_per_year", Unit.SHARE_PER_YEAR, f"standard deviation (ddof 1) of the residuals of {_FIT} x "
    "sqrt(sessions a year)"
)  # fmt: skip
ALL = (ALPHA, ALPHA_T, R2, RESIDUAL, BETA, BETA_T, PART)


def figures(returns: Floats, factors: Floats, names: tuple[str, ...], year: float) -> list[Figure]:
    """Alpha and its t, r2 and residual volatility, then beta, t and contribution of each factor (`item`)."""
    lacking = _lacking(returns, factors, names)
    if lacking:
        return [one.none(lacking) for one in ALL]
    fit = regress(returns, factors, automatic_lags(len(returns)))
    alpha, error = float(fit.coefficients[0]), float(fit.errors[0])
    half = Z_95 * error
    found = [
        ALPHA.figure(alpha * year, error * year, (alpha - half) * year, (alpha + half) * year),
        _t(ALPHA_T, alpha, error, returns),
        R2.figure(fit.r2),
        RESIDUAL.figure(float(fit.residuals.std(ddof=1)) * float(np.sqrt(year))),
    ]
    for k, name in enumerate(names):
        found += [one.of(name) for one in _of_factor(fit, k, returns, factors[:, k], year)]
    return found


def _of_factor(fit: Regression, k: int, returns: Floats, factor: Floats, year: float) -> list[Figure]:
    beta, error = float(fit.coefficients[1 + k]), float(fit.errors[1 + k])
    return [
        BETA.figure(beta, error, beta - Z_95 * error, beta + Z_95 * error),
        _t(BETA_T, beta, error, returns / max(float(np.abs(factor).max()), np.finfo(float).tiny)),
        PART.figure(beta * float(factor.mean()) * year),
    ]


def _t(convention: Convention, value: float, error: float, scale: Floats) -> Figure:
    if error <= 1e-12 * max(abs(value), float(np.abs(scale).max())):
        return convention.none("the factors explain every return")
    return convention.figure(value / error)


def _lacking(returns: Floats, factors: Floats, names: tuple[str, ...]) -> str:
    fewest = MINIMUM_SESSIONS + len(names)
    if len(returns) < fewest:
        return f"fewer than {fewest} sessions with all factors"
    constant = [name for name, column in zip(names, factors.T, strict=True) if np.ptp(column) == 0]
    if constant:
        return f"{constant[0]} does not vary"
    if rank_deficient(factors):
        return "the factors are collinear: leave one of them out"
    return performance.undefined(returns)
