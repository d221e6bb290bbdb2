"""The figures of one account, and of one against another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backcast.data.types import Floats
from backcast.engine.reports.folder import Track
from backcast.engine.stats import performance, significance
from backcast.engine.stats.sharpe_tests import trials_variance


@dataclass(frozen=True)
class Figures:
    """The figures of one series; None where undefined or not applicable, `undefined` says why.

    Units are in the names; shares are fractions (0.1 = 10 %); see `engine/stats/performance.py` for the conventions.
    """

    name: str
    sessions: int
    sharpe_per_session: float | None
    sharpe_per_year: float | None
    sharpe_error_per_year: float | None
    sharpe_low_per_year: float | None
    sharpe_high_per_year: float | None
    probabilistic_probability: float | None
    deflated_probability: float | None
    return_per_year: float | None
    volatility_per_year: float | None
    max_drawdown: float | None
    under_water_sessions: int
    under_water_days: int
    under_water_recovered: bool
    gross_sharpe_per_year: float | None
    turnover_per_year: float | None
    cost_per_year: float | None
    break_even_bps: float | None
    undefined: str


@dataclass(frozen=True)
class Rival:
    """A challenger or the benchmark beside the strategy: its figures, and the strategy's Sharpe less its own."""

    figures: Figures
    difference_per_year: float | None
    low_per_year: float | None
    high_per_year: float | None


def figures_of(track: Track, years: float, trials: dict[str, Any]) -> Figures:
    """`years`: sessions in a year; trials: n and sharpe_variance, as in trials.json."""
    sharpe = performance.sharpe(track.net, years)
    water = performance.longest_under_water(track.net, track.sessions)
    against_zero, deflated = _probabilities(track.net, trials)
    return Figures(
        name=track.name,
        sessions=len(track.net),
        sharpe_per_session=number(sharpe.per_session),
        sharpe_per_year=number(sharpe.per_year),
        sharpe_error_per_year=number(sharpe.error_per_year),
        sharpe_low_per_year=number(sharpe.low_per_year),
        sharpe_high_per_year=number(sharpe.high_per_year),
        probabilistic_probability=against_zero,
        deflated_probability=deflated,
        return_per_year=number(performance.return_per_year(track.net, years)),
        volatility_per_year=number(performance.volatility_per_year(track.net, years)),
        max_drawdown=number(performance.drawdown(track.net).min()),
        under_water_sessions=water.sessions,
        under_water_days=water.days,
        under_water_recovered=water.recovered,
        gross_sharpe_per_year=number(performance.sharpe(track.gross, years).per_year),
        turnover_per_year=number(performance.mean_per_year(track.turnover, years)),
        cost_per_year=number(performance.mean_per_year(track.gross - track.net, years)),
        break_even_bps=number(performance.break_even_bps(track.before_trading, track.turnover)),
        undefined=performance.undefined(track.net),
    )


def _probabilities(net: Floats, trials: dict[str, Any]) -> tuple[float | None, float | None]:
    """Probabilistic (against zero) and deflated Sharpe probability, both with the error at the estimate."""
    if performance.undefined(net):
        return None, None
    ratio, sessions = performance.sharpe_per_session(net), len(net)
    skew, kurt = performance.skewness(net), performance.kurtosis(net)
    variance = trials_variance(net, trials["sharpe_variance"])
    zero = performance.SharpePerSession(0.0)
    return (
        number(significance.probabilistic_sharpe(ratio, zero, skew, kurt, sessions)),
        number(significance.deflated_sharpe(ratio, trials["n"], variance, skew, kurt, sessions)),
    )


def rival_of(own: Track, other: Track, years: float, trials: dict[str, Any]) -> Rival:
    """Paired on the sessions that both have."""
    _, mine, theirs = np.intersect1d(own.sessions, other.sessions, assume_unique=True, return_indices=True)
    gap = significance.sharpe_difference(own.net[mine], other.net[theirs])
    scaled = [number(value * math.sqrt(years)) for value in (gap.estimate, gap.low, gap.high)]
    return Rival(figures_of(other, years, trials), *scaled)


def number(value: float) -> float | None:
    """A plain float, None where not finite."""
    return float(value) if math.isfinite(value) else None
