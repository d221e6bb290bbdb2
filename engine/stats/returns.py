"""What an account earned: growth, means, volatility, hits, turnover, costs. Returns (T,) are simple, net, per session."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit

NO_SESSIONS = "no sessions"

TOTAL = Convention("total_return", Unit.SHARE, "product of (1 + simple return), less 1")
COMPOUND = Convention(
    "return_per_year", Unit.SHARE_PER_YEAR, "compound: total growth ** (sessions a year / sessions), less 1"
)
ARITHMETIC = Convention(
    "arithmetic_return_per_year",
    Unit.SHARE_PER_YEAR,
    "mean simple return x sessions a year; nothing reinvested",
)
LOGARITHMIC = Convention(
    "log_return_per_year", Unit.SHARE_PER_YEAR, "mean of ln(1 + simple return) x sessions a year"
)
VOLATILITY = Convention(
    "volatility_per_year",
    Unit.SHARE_PER_YEAR,
    "standard deviation (ddof 1) of simple returns x sqrt(sessions a year)",
)
HIT_RATE = Convention(
    "hit_rate", Unit.SHARE, "sessions that gained over sessions that gained or lost; flat ones are left out"
)
PAYOFF = Convention(
    "payoff", Unit.RATIO, "mean gain of the sessions that gained over mean loss of those that lost"
)
TURNOVER = Convention(
    "turnover_per_year",
    Unit.TIMES_PER_YEAR,
    "mean of (buys + sells) / equity a session x sessions a year: both sides count",
)
COST = Convention(
    "cost_per_year",
    Unit.SHARE_PER_YEAR,
    "mean of (gross - net return) x sessions a year: fees, spread, impact, borrow",
)
BREAK_EVEN = Convention(
    "break_even", Unit.BPS, "cost per unit traded at which the arithmetic mean net return is zero: sum of returns before "
    "trading costs / sum of turnover"
)  # fmt: skip


def total(returns: Floats) -> Figure:
    """Growth over the whole span."""
    return TOTAL.figure(float(np.prod(1 + returns)) - 1) if len(returns) else TOTAL.none(NO_SESSIONS)


def compound(returns: Floats, year: float) -> Figure:
    """Compound annual growth; -1 after a total loss. year: sessions in a year."""
    return (
        COMPOUND.figure(performance.return_per_year(returns, year))
        if len(returns)
        else COMPOUND.none(NO_SESSIONS)
    )


def arithmetic(returns: Floats, year: float) -> Figure:
    """Arithmetic mean a year."""
    return ARITHMETIC.figure(float(returns.mean()) * year) if len(returns) else ARITHMETIC.none(NO_SESSIONS)


def logarithmic(returns: Floats, year: float) -> Figure:
    """Mean log growth a year; none after a total loss."""
    if not len(returns):
        return LOGARITHMIC.none(NO_SESSIONS)
    if (returns <= -1).any():
        return LOGARITHMIC.none("everything was lost: its logarithm is not finite")
    return LOGARITHMIC.figure(float(np.log1p(returns).mean()) * year)


def volatility(returns: Floats, year: float) -> Figure:
    """Volatility a year; none for fewer than two sessions."""
    if len(returns) < 2:
        return VOLATILITY.none("fewer than 2 sessions")
    return VOLATILITY.figure(performance.volatility_per_year(returns, year))


def hit_rate(returns: Floats) -> Figure:
    """Share of sessions that gained, of those that moved at all."""
    gained, lost = int((returns > 0).sum()), int((returns < 0).sum())
    return (
        HIT_RATE.figure(gained / (gained + lost))
        if gained + lost
        else HIT_RATE.none("no session gained or lost")
    )


def payoff(returns: Floats) -> Figure:
    """What a good session brings over what a bad one costs."""
    gains, losses = returns[returns > 0], returns[returns < 0]
    if not len(gains) or not len(losses):
        return PAYOFF.none("no session gained" if len(losses) else "no session lost")
    return PAYOFF.figure(float(gains.mean() / -losses.mean()))


def turnover(traded: Floats, year: float) -> Figure:
    """traded (T,): buys plus sells over equity."""
    return TURNOVER.figure(float(traded.mean()) * year) if len(traded) else TURNOVER.none(NO_SESSIONS)


def cost(gross: Floats, net: Floats, year: float) -> Figure:
    """What trading and holding cost; gross, net (T,)."""
    return COST.figure(float((gross - net).mean()) * year) if len(net) else COST.none(NO_SESSIONS)


def break_even(before_trading: Floats, traded: Floats) -> Figure:
    """Negative where the strategy loses before costs; none without trades."""
    if not traded.sum() > 0:
        return BREAK_EVEN.none("nothing was traded")
    return BREAK_EVEN.figure(performance.break_even_bps(before_trading, traded))
