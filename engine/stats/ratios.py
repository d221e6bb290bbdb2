"""Return per unit of risk: Sharpe with four kinds of error, Sortino, Calmar, omega.

Returns (T,) are simple excess returns per session: net of the risk-free rate where one is given, else as they are.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.hac import automatic_lags, long_run_covariance
from backcast.engine.stats.performance import MINIMUM_SESSIONS, Z_95

DRAWS = 2000
SEED = 19940101

_RATIO = "mean / standard deviation (ddof 1) of simple excess returns x sqrt(sessions a year)"
SHARPE_SESSION = Convention(
    "sharpe_per_session",
    Unit.RATIO_PER_SESSION,
    "mean / standard deviation (ddof 1) of simple excess returns",
)
SHARPE = Convention(
    "sharpe", Unit.RATIO_PER_YEAR, f"{_RATIO}; error for independent returns of any distribution: Mertens (2002), "
    "sqrt((1 - skew SR + (plain kurtosis - 1) / 4 SR^2) / (T - 1)) a session"
)  # fmt: skip
SHARPE_NORMAL = Convention(
    "sharpe_normal_error", Unit.RATIO_PER_YEAR, f"{_RATIO}; error for independent normal returns: Lo (2002), "
    "sqrt((1 + SR^2 / 2) / (T - 1)) a session"
)  # fmt: skip
SHARPE_HAC = Convention(
    "sharpe_hac_error", Unit.RATIO_PER_YEAR, f"{_RATIO}; error for autocorrelated returns: Lo (2002), delta method on the "
    "Newey-West covariance of (return, return^2), lags 4 (T/100)^(2/9)"
)  # fmt: skip
SHARPE_LO = Convention(
    "sharpe_autocorrelation_adjusted", Unit.RATIO_PER_YEAR, "Lo (2002): SR x q / sqrt(q + 2 sum_k (q - k) rho_k), q = sessions "
    "a year, rho_k the sample autocorrelations up to lag 4 (T/100)^(2/9), zero beyond"
)  # fmt: skip
SHARPE_BOOTSTRAP = Convention(
    "sharpe_bootstrap", Unit.RATIO_PER_YEAR, f"{_RATIO}; interval: percentiles of {DRAWS:,} stationary bootstrap draws, mean "
    "block length by Politis and White (2004) rounded up, both through arch; a fixed seed"
)  # fmt: skip
SORTINO = Convention(
    "sortino", Unit.RATIO_PER_YEAR, "mean / sqrt(mean of min(r, 0)^2 over all sessions) of simple excess returns x "
    "sqrt(sessions a year); the target is 0"
)  # fmt: skip
CALMAR = Convention("calmar", Unit.RATIO, "compound return per year / depth of the deepest drawdown")
OMEGA = Convention(
    "omega", Unit.RATIO, "sum of gains / sum of losses of simple excess returns; the threshold is 0"
)


def lacking(returns: Floats) -> str:
    """Why no ratio is worth printing; empty where it is."""
    return performance.undefined(returns)


def sharpe_session(returns: Floats) -> Figure:
    """The ratio per session, with Mertens' error."""
    if lacking(returns):
        return SHARPE_SESSION.none(lacking(returns))
    ratio = performance.sharpe_per_session(returns)
    return SHARPE_SESSION.figure(ratio, _mertens(returns, ratio))


def sharpe(returns: Floats, year: float) -> Figure:
    """The ratio a year with its error and a normal 95 % interval, for returns that are independent but not normal."""
    if lacking(returns):
        return SHARPE.none(lacking(returns))
    ratio = performance.sharpe_per_session(returns)
    return _with_error(SHARPE, ratio, _mertens(returns, ratio), year)


def sharpe_normal(returns: Floats, year: float) -> Figure:
    """The same with the error that normal returns would have."""
    if lacking(returns):
        return SHARPE_NORMAL.none(lacking(returns))
    ratio = performance.sharpe_per_session(returns)
    error = performance.sharpe_error_per_session(ratio, 0.0, 3.0, len(returns))
    return _with_error(SHARPE_NORMAL, ratio, error, year)


def sharpe_hac(returns: Floats, year: float) -> Figure:
    """The same with an error that holds for autocorrelated returns."""
    if lacking(returns):
        return SHARPE_HAC.none(lacking(returns))
    ratio = performance.sharpe_per_session(returns)
    return _with_error(SHARPE_HAC, ratio, hac_error(returns, automatic_lags(len(returns))), year)


def hac_error(returns: Floats, lags: int) -> float:
    """Standard error per session. Gradient of m / sqrt(s - m^2) in the first two moments m, s at their estimates."""
    mean, square = float(returns.mean()), float((returns**2).mean())
    spread = square - mean**2
    gradient = np.array([square, -mean / 2]) / spread**1.5
    moments = np.column_stack([returns - mean, returns**2 - square])
    return float(np.sqrt(max(gradient @ long_run_covariance(moments, lags) @ gradient, 0.0) / len(returns)))


def autocorrelations(returns: Floats, lags: int) -> Floats:
    """(lags,) sample autocorrelations at 1, 2, ... with the whole sample's mean and variance."""
    centred = returns - returns.mean()
    total = float(centred @ centred)
    return np.array([float(centred[k:] @ centred[:-k]) / total for k in range(1, lags + 1)])


def lo_factor(correlations: Floats, periods: int) -> float:
    """What a Sharpe ratio per session is multiplied with to be one over `periods`; NaN where the variance is not above 0.

    correlations (L,) at lags 1 ... L, zero beyond. sqrt(periods) where all are zero. Source: Lo (2002), equation 20.
    """
    used = correlations[: periods - 1]
    k = np.arange(1, len(used) + 1)
    variance = periods + 2 * float(((periods - k) * used).sum())
    return periods / float(np.sqrt(variance)) if variance > 0 else float("nan")


def sharpe_lo(returns: Floats, year: float) -> Figure:
    """The ratio over a year of returns that are correlated in time: momentum in them makes it smaller than sqrt(time) says."""
    if lacking(returns):
        return SHARPE_LO.none(lacking(returns))
    factor = lo_factor(autocorrelations(returns, automatic_lags(len(returns))), round(year))
    if not np.isfinite(factor):
        return SHARPE_LO.none("autocorrelations so negative that the variance of a year is not above 0")
    return SHARPE_LO.figure(performance.sharpe_per_session(returns) * factor)


def sharpe_bootstrap(returns: Floats, year: float, draws: int = DRAWS, seed: int = SEED) -> Figure:
    """The ratio with a percentile interval that assumes neither a distribution nor independence; draws 0: no interval."""
    if lacking(returns):
        return SHARPE_BOOTSTRAP.none(lacking(returns))
    if draws == 0:
        return SHARPE_BOOTSTRAP.none("no bootstrap was asked for")
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    block = max(math.ceil(optimal_block_length(returns)["stationary"].iloc[0]), 1)
    bootstrap = StationaryBootstrap(block, returns, seed=np.random.default_rng(seed))
    drawn = ((data[0][0].mean(), data[0][0].std(ddof=1)) for data in bootstrap.bootstrap(draws))
    mean, spread = np.array(list(drawn)).T
    ratios = np.divide(mean, spread, out=np.full(draws, np.nan), where=spread > 0)
    low, high = np.nanquantile(ratios, [0.025, 0.975]) * np.sqrt(year)
    centre = performance.sharpe_per_session(returns) * np.sqrt(year)
    return SHARPE_BOOTSTRAP.figure(centre, float(np.nanstd(ratios, ddof=1) * np.sqrt(year)), low, high)


def sortino(returns: Floats, year: float) -> Figure:
    """Mean over downside deviation."""
    if len(returns) < MINIMUM_SESSIONS:
        return SORTINO.none(f"fewer than {MINIMUM_SESSIONS} sessions")
    downside = float(np.sqrt((np.minimum(returns, 0.0) ** 2).mean()))
    if downside == 0:
        return SORTINO.none("no session lost")
    return SORTINO.figure(float(returns.mean()) / downside * float(np.sqrt(year)))


def calmar(returns: Floats, year: float) -> Figure:
    """Growth over the worst that happened; of net returns, nothing taken off."""
    if len(returns) < MINIMUM_SESSIONS:
        return CALMAR.none(f"fewer than {MINIMUM_SESSIONS} sessions")
    depth = -float(performance.drawdown(returns).min())
    if depth == 0:
        return CALMAR.none("no drawdown")
    return CALMAR.figure(performance.return_per_year(returns, year) / depth)


def omega(returns: Floats) -> Figure:
    """Gains over losses."""
    losses = -float(np.minimum(returns, 0.0).sum())
    if losses == 0:
        return OMEGA.none("no session lost")
    return OMEGA.figure(float(np.maximum(returns, 0.0).sum()) / losses)


def _mertens(returns: Floats, ratio: performance.SharpePerSession) -> float:
    skew, kurtosis = performance.skewness(returns), performance.kurtosis(returns)
    return performance.sharpe_error_per_session(ratio, skew, kurtosis, len(returns))


def _with_error(
    convention: Convention, ratio: performance.SharpePerSession, error: float, year: float
) -> Figure:
    scale = float(np.sqrt(year))
    return convention.figure(
        ratio * scale, error * scale, (ratio - Z_95 * error) * scale, (ratio + Z_95 * error) * scale
    )
