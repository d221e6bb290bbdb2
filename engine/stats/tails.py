"""The ends of the distribution of returns (T,), simple and per session."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.performance import MINIMUM_SESSIONS

TAIL = 0.05

SKEW = Convention(
    "skew", Unit.RATIO, "third central moment / variance ** 1.5, both of the population (ddof 0)"
)
KURTOSIS = Convention(
    "excess_kurtosis",
    Unit.RATIO,
    "fourth central moment / variance ** 2, both of the population (ddof 0), less 3: normal = 0",
)
VALUE_AT_RISK = Convention(
    "value_at_risk_95",
    Unit.SHARE_PER_SESSION,
    "historical: less the 5 % quantile (linear) of simple returns; a loss is above 0",
)
SHORTFALL = Convention(
    "expected_shortfall_95", Unit.SHARE_PER_SESSION, "historical: less the mean of the returns at or below the 5 % quantile; a "
    "loss is above 0"
)  # fmt: skip
TAIL_RATIO = Convention(
    "tail_ratio", Unit.RATIO, "95 % quantile / -(5 % quantile) of simple returns, both linear"
)
BEST = Convention("best_session", Unit.SHARE_PER_SESSION, "the largest simple return")
WORST = Convention("worst_session", Unit.SHARE_PER_SESSION, "the smallest simple return")

FEW = f"fewer than {MINIMUM_SESSIONS} sessions"


def skew(returns: Floats) -> Figure:
    """Below 0: losses reach further than gains."""
    lacking = performance.undefined(returns)
    return SKEW.none(lacking) if lacking else SKEW.figure(performance.skewness(returns))


def excess_kurtosis(returns: Floats) -> Figure:
    """Above 0: more extremes than a normal distribution. (`performance.kurtosis` is plain.)"""
    lacking = performance.undefined(returns)
    return KURTOSIS.none(lacking) if lacking else KURTOSIS.figure(performance.kurtosis(returns) - 3)


def value_at_risk(returns: Floats) -> Figure:
    """The loss that one session in twenty exceeds; below 0 where even that one gained."""
    if len(returns) < MINIMUM_SESSIONS:
        return VALUE_AT_RISK.none(FEW)
    return VALUE_AT_RISK.figure(-float(np.quantile(returns, TAIL)))


def expected_shortfall(returns: Floats) -> Figure:
    """The mean loss of the worst twentieth of sessions."""
    if len(returns) < MINIMUM_SESSIONS:
        return SHORTFALL.none(FEW)
    return SHORTFALL.figure(-float(returns[returns <= np.quantile(returns, TAIL)].mean()))


def tail_ratio(returns: Floats) -> Figure:
    """How far gains reach over how far losses do; none where one session in twenty did not lose."""
    if len(returns) < MINIMUM_SESSIONS:
        return TAIL_RATIO.none(FEW)
    low, high = np.quantile(returns, [TAIL, 1 - TAIL])
    return (
        TAIL_RATIO.figure(float(high / -low)) if low < 0 else TAIL_RATIO.none("the 5 % quantile is no loss")
    )


def extremes(returns: Floats) -> tuple[Figure, Figure]:
    """The best and the worst session."""
    if not len(returns):
        return BEST.none("no sessions"), WORST.none("no sessions")
    return BEST.figure(float(returns.max())), WORST.figure(float(returns.min()))
