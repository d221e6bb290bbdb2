"""Sweeps of trials without skill, to prove a rule with: what it declares here is false.

Each kind gives (T, K) returns per session with mean 0 and variance 1. Trials come in an order such that the first of them are a
sweep of the same kind. `long_run` is the true standard deviation of sqrt(T) x mean, which only the maker of a world knows.
"""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats

FAMILY = 20
"""Trials of a family: configurations that differ in one parameter."""
KINDS = {
    "normal": 0.0,
    "fat": 0.0,
    "skewed": 0.0,
    "families": 0.0,
    "autocorrelated": 0.2,
    "market": 0.1,
}
"""The kinds, and the autocorrelation of their returns from one session to the next."""


def noise(kind: str, sessions: int, trials: int, generator: np.random.Generator) -> Floats:
    """(T, K) returns without skill.

    normal, fat (Student's t, 4 degrees of freedom) and skewed (a Gamma of shape 4 turned over: skew -1, kurtosis 4.5) trials
    are independent; families share a market (correlation 0.3) and within 20 neighbours more (0.9); autocorrelated: 0.2 from a
    session to the next; market: families with fat tails, autocorrelation 0.1, and one volatility for all that clusters.
    """
    if kind not in KINDS:
        raise InputError("kind", kind, f"one of {', '.join(KINDS)}")
    if kind == "fat":
        return generator.standard_t(4, (sessions, trials)) / np.sqrt(2)
    if kind == "skewed":
        return (4 - generator.standard_gamma(4, (sessions, trials))) / 2
    made = generator.standard_normal((sessions, trials))
    if kind in ("families", "market"):
        made = _families(made, generator)
    if kind == "market":
        made *= _volatility(sessions, generator)
        made /= np.sqrt(
            generator.chisquare(8, (sessions, 1)) / 6
        )  # days of Student's t, 8 degrees, for all alike
    return _smoothed(made, KINDS[kind], generator)


def long_run(kind: str) -> float:
    """The true standard deviation of sqrt(T) x mean of returns of variance 1."""
    return float(np.sqrt((1 + KINDS[kind]) / (1 - KINDS[kind])))


def _families(own: Floats, generator: np.random.Generator) -> Floats:
    sessions, trials = own.shape
    market = generator.standard_normal((sessions, 1))
    shared = generator.standard_normal((sessions, -(-trials // FAMILY)))
    return (
        np.sqrt(0.3) * market
        + np.sqrt(0.6) * np.repeat(shared, FAMILY, axis=1)[:, :trials]
        + np.sqrt(0.1) * own
    )


def _volatility(sessions: int, generator: np.random.Generator) -> Floats:
    """(T, 1) a volatility whose logarithm has standard deviation 0.4 and autocorrelation 0.97, of mean square one."""
    logs = _smoothed(generator.standard_normal((sessions, 1)), 0.97, generator) * 0.4
    return np.asarray(np.exp(logs - 0.4**2))


def _smoothed(shocks: Floats, autocorrelation: float, generator: np.random.Generator) -> Floats:
    """A first-order autoregression of variance one, in its steady state from the first session."""
    from scipy.signal import lfilter

    if autocorrelation == 0:
        return shocks
    before = generator.standard_normal((1, shocks.shape[1]))
    fresh = np.sqrt(1 - autocorrelation**2)
    made, _ = lfilter([fresh], [1.0, -autocorrelation], shocks, axis=0, zi=autocorrelation * before)
    return np.asarray(made)
