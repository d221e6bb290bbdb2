"""What a strategy did: one convention a statistic, its units in its name.

Shapes: returns (T,) simple returns per session, of one account. No risk-free rate is taken off. A year is
`periods_per_year` sessions of the exchange calendar. Where a statistic is undefined it is NaN; `undefined` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NewType

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats

SharpePerSession = NewType("SharpePerSession", float)
"""Mean over standard deviation of returns per session."""
SharpePerYear = NewType("SharpePerYear", float)
"""The same times the square root of the sessions in a year."""

MINIMUM_SESSIONS = 20
"""Below this many returns neither a Sharpe ratio nor its error is worth printing."""
Z_95 = 1.959963984540054
BPS = 1e-4


@dataclass(frozen=True)
class SharpeEstimate:
    """A Sharpe ratio with its standard error and 95 % interval."""

    per_session: SharpePerSession
    per_year: SharpePerYear
    error_per_year: float
    low_per_year: SharpePerYear
    high_per_year: SharpePerYear


@dataclass(frozen=True)
class UnderWater:
    """The longest time below a former peak: sessions spent below it, and calendar days from the peak to the session
    that reached it again (or to the last session, where `recovered` is False)."""

    sessions: int
    days: int
    recovered: bool


def undefined(returns: Floats) -> str:
    """Why a Sharpe ratio of these returns is undefined; empty where it is defined."""
    if len(returns) < MINIMUM_SESSIONS:
        return f"fewer than {MINIMUM_SESSIONS} sessions"
    return "returns do not vary" if np.ptp(returns) == 0 else ""


def sharpe_per_session(returns: Floats) -> SharpePerSession:
    """Arithmetic mean over standard deviation (ddof 1); NaN where `undefined`."""
    if undefined(returns):
        return SharpePerSession(float("nan"))
    return SharpePerSession(float(returns.mean() / returns.std(ddof=1)))


def sharpe_per_year(sharpe: SharpePerSession, periods_per_year: float) -> SharpePerYear:
    """Scaled by the square root of time, as for returns without autocorrelation."""
    return SharpePerYear(sharpe * float(np.sqrt(periods_per_year)))


def skewness(returns: Floats) -> float:
    """Third standardised moment (population)."""
    return _standardised_moment(returns, 3)


def kurtosis(returns: Floats) -> float:
    """Fourth standardised moment (population), plain: 3 for a normal distribution."""
    return _standardised_moment(returns, 4)


def _standardised_moment(returns: Floats, order: Literal[3, 4]) -> float:
    centred = returns - returns.mean()
    square = centred * centred  # products are ten times as fast as powers
    power = square * centred if order == 3 else square * square
    return float(power.mean() / square.mean() ** (order / 2))


def sharpe_error_per_session(sharpe: SharpePerSession, skew: float, kurt: float, sessions: int) -> float:
    """Standard error for returns that are independent but not normal; `kurt` is plain.

    Source: Mertens (2002), Opdyke (2007); with T - 1 as in Bailey and Lopez de Prado (2012).
    """
    return float(np.sqrt((1 - skew * sharpe + (kurt - 1) / 4 * sharpe**2) / (sessions - 1)))


def sharpe(returns: Floats, periods_per_year: float) -> SharpeEstimate:
    """The Sharpe ratio with a normal 95 % interval around it; all NaN where `undefined`."""
    ratio = sharpe_per_session(returns)
    error = float("nan")
    if np.isfinite(ratio):
        error = sharpe_error_per_session(ratio, skewness(returns), kurtosis(returns), len(returns))
    bounds = [
        sharpe_per_year(SharpePerSession(ratio + z * error), periods_per_year) for z in (0.0, -Z_95, Z_95)
    ]
    centre = sharpe_per_year(ratio, periods_per_year)
    return SharpeEstimate(ratio, centre, error * float(np.sqrt(periods_per_year)), bounds[1], bounds[2])


def return_per_year(returns: Floats, periods_per_year: float) -> float:
    """Compound annual growth: total growth to the power of (sessions in a year / sessions). -1 after a total loss."""
    if len(returns) == 0:
        return float("nan")
    growth = float(np.prod(1 + returns))
    return growth ** (periods_per_year / len(returns)) - 1 if growth > 0 else -1.0


def volatility_per_year(returns: Floats, periods_per_year: float) -> float:
    """Standard deviation (ddof 1) times the square root of the sessions in a year."""
    if len(returns) < 2:
        return float("nan")
    return float(returns.std(ddof=1) * np.sqrt(periods_per_year))


def growth(returns: Floats) -> Floats:
    """(T,) equity over starting capital."""
    return np.asarray(np.cumprod(1 + returns), dtype=np.float64)


def drawdown(returns: Floats) -> Floats:
    """(T,) equity over its highest value so far, less one; the starting capital counts as a peak. At most 0."""
    curve = growth(returns)
    return curve / np.maximum(np.maximum.accumulate(curve), 1.0) - 1


def longest_under_water(returns: Floats, sessions: npt.NDArray[Any]) -> UnderWater:
    """The longest run of sessions below a former peak; sessions (T,) datetime64[D].

    The starting capital is a peak on the first session.
    """
    below = np.r_[False, drawdown(returns) < 0, False]
    begins, ends = np.flatnonzero(~below[:-1] & below[1:]), np.flatnonzero(below[:-1] & ~below[1:])
    if len(begins) == 0:
        return UnderWater(0, 0, True)
    longest = int(np.argmax(ends - begins))
    first, after = int(begins[longest]), int(ends[longest])
    recovered = after < len(returns)
    peak, end = sessions[max(first - 1, 0)], sessions[min(after, len(returns) - 1)]
    days = int((end - peak).astype("timedelta64[D]").astype(int))
    return UnderWater(after - first, days, recovered)


def mean_per_year(per_session: Floats, periods_per_year: float) -> float:
    """Arithmetic mean per session times the sessions in a year: turnover (buys plus sells over equity), costs."""
    return float(per_session.mean() * periods_per_year) if len(per_session) else float("nan")


def break_even_bps(gross: Floats, turnover: Floats) -> float:
    """Cost per unit traded, in basis points, at which the arithmetic mean net return is zero; NaN without trades.

    Negative where the strategy loses before costs.
    """
    traded = float(turnover.sum())
    return float(gross.sum()) / traded / BPS if traded > 0 else float("nan")


def cost_sensitivity(
    gross: Floats, turnover: Floats, costs_bps: tuple[float, ...], periods_per_year: float
) -> dict[float, SharpePerYear]:
    """Net Sharpe per year by cost per unit traded in basis points: the same trades, charged `cost * turnover`."""
    return {
        c: sharpe_per_year(sharpe_per_session(gross - c * BPS * turnover), periods_per_year)
        for c in costs_bps
    }


def by_month(returns: Floats, sessions: npt.NDArray[Any]) -> dict[str, float]:
    """Compound return by calendar month ("2010-01"), months with at least one session only."""
    return _compound_by(returns, sessions.astype("datetime64[M]"))


def by_year(returns: Floats, sessions: npt.NDArray[Any]) -> dict[str, float]:
    """Compound return by calendar year ("2010"), of the sessions that there were."""
    return _compound_by(returns, sessions.astype("datetime64[Y]"))


def _compound_by(returns: Floats, periods: npt.NDArray[Any]) -> dict[str, float]:
    names, first = np.unique(periods, return_index=True)
    products = np.multiply.reduceat(1 + returns, first) if len(first) else returns
    return {str(name): float(product - 1) for name, product in zip(names, products, strict=True)}
