"""Whether forecast quantiles are what they say: shares of outcomes at or below them, and the pinball loss.

Shapes: D decisions, S symbols, Q levels. quantiles (D, S, Q) in units of the outcome (D, S); NaN = none.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.information import Coefficients, mean_figures

_ERROR = "Newey-West error with the lags of the IC, of the shares by decision"
BELOW = Convention(
    "outcomes_below",
    Unit.SHARE,
    f"share of outcomes at or below the forecast quantile by decision, mean over decisions; {_ERROR}",
)
MISS = Convention(
    "outcomes_below_t", Unit.ERRORS, f"outcomes below less the quantile's level, over its {_ERROR}"
)
PINBALL = Convention(
    "pinball_loss",
    Unit.SHARE_PER_HORIZON,
    "mean over all forecasts of max(level x e, (level - 1) x e), e = outcome - quantile",
)
SKILL = Convention(
    "pinball_skill",
    Unit.SHARE,
    "1 - pinball loss / that of the outcomes' own quantile in hindsight, one number for all forecasts",
)
INTERVAL = Convention(
    "interval_coverage",
    Unit.SHARE,
    f"share of outcomes within the interval of two levels, mean over decisions; {_ERROR}",
)
INTERVAL_T = Convention(
    "interval_coverage_t", Unit.ERRORS, f"interval coverage less its level, over its {_ERROR}"
)
CROSSED = Convention(
    "quantiles_crossed", Unit.SHARE, "share of forecasts in which a higher level has a lower quantile"
)
ALL = (BELOW, MISS, PINBALL, SKILL, INTERVAL, INTERVAL_T, CROSSED)


def figures(quantiles: Floats, outcome: Floats, levels: tuple[float, ...], overlap: int) -> list[Figure]:
    """By level (`item`), then of the intervals between the outermost levels inwards."""
    known = np.isfinite(outcome) & np.isfinite(quantiles).all(axis=2)
    if not known.any():
        return [one.none("no forecast quantile with an outcome") for one in ALL]
    y, sizes = outcome[known], known.sum(axis=1)
    q = [quantiles[:, :, k][known] for k in range(len(levels))]
    below = [y <= column for column in q]
    hindsight = np.quantile(y, levels)
    found = []
    for k, level in enumerate(levels):
        share = _by_decision(below[k], sizes)
        found += [one.of(f"{level:g}") for one in _against(share, level, overlap, BELOW, MISS)]
        found += [one.of(f"{level:g}") for one in _pinball(y, q[k], float(hindsight[k]), level)]
    for k in range(len(levels) // 2):
        last = len(levels) - 1 - k
        name, width = f"{levels[k]:g} to {levels[last]:g}", levels[last] - levels[k]
        share = _by_decision((y >= q[k]) & below[last], sizes)
        found += [one.of(name) for one in _against(share, width, overlap, INTERVAL, INTERVAL_T)]
    crossed = np.logical_or.reduce([high < low for low, high in pairwise(q)])
    found.append(CROSSED.figure(float(crossed.mean())))
    return found


def pinball(outcome: Floats, quantile: Floats | float, level: float) -> float:
    """Mean pinball loss, outcome and quantile (N,) or one number. Source: Koenker and Bassett (1978)."""
    error = outcome - quantile
    return float(level * error.mean() - np.minimum(error, 0.0).mean())


def _pinball(y: Floats, q: Floats, hindsight: float, level: float) -> list[Figure]:
    loss, fixed = pinball(y, q, level), pinball(y, hindsight, level)
    return [
        PINBALL.figure(loss),
        SKILL.figure(1 - loss / fixed) if fixed > 0 else SKILL.none("outcomes do not vary"),
    ]


def _by_decision(hits: Bools, sizes: Ints) -> Coefficients:
    """The share of each decision's forecasts; hits (N,) in the order of decisions, sizes (D,) of them each."""
    ends = np.cumsum(sizes)
    counted = np.r_[0, np.cumsum(hits)]
    shares = np.full(len(sizes), np.nan)
    np.divide(counted[ends] - counted[ends - sizes], sizes, out=shares, where=sizes > 0)
    return Coefficients(shares, np.isnan(shares).astype(np.int64))


def _against(
    shares: Coefficients, level: float, overlap: int, mean: Convention, t: Convention
) -> list[Figure]:
    """The mean share, and how many errors it is off its level."""
    centred = Coefficients(shares.values - level, shares.codes)
    miss, errors = mean_figures(centred, overlap, mean, t)
    if miss.value is None:
        return [miss, errors]
    bounds = [None if x is None else x + level for x in (miss.low, miss.high)]
    return [mean.figure(miss.value + level, miss.error, *bounds), errors]
