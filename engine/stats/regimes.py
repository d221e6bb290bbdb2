"""Regimes by a rule that was known at the time: a session's regime depends on the market up to the session before, no later.

Volatility: the market's volatility over the last 21 sessions, against the terciles of all such volatilities until then: calm,
normal or stormy. Trend: whether the market gained over the last 126 sessions: rising or falling. A session without enough
history is in no regime, and counted as such.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats
from backcast.engine.stats import ratios, returns
from backcast.engine.stats.figure import Convention, Figure, Unit

VOLATILITY_WINDOW, TREND_WINDOW = 21, 126
LEAST = 63
"""Volatilities that must be known before one of them is called calm or stormy."""
UNKNOWN = "unknown"
VOLATILITY, TREND = ("calm", "normal", "stormy"), ("rising", "falling")

_RULE = "regimes of the market's trailing volatility and return, as of the session before"
SHARE = Convention("regime_share", Unit.SHARE, f"share of sessions; {_RULE}")
SHARPE = Convention(
    "regime_sharpe", Unit.RATIO_PER_YEAR, f"as sharpe, of the regime's sessions joined; {_RULE}"
)
MEAN = Convention(
    "regime_return_per_year",
    Unit.SHARE_PER_YEAR,
    f"as arithmetic return per year, of the excess returns of the regime's sessions; {_RULE}",
)
Names = npt.NDArray[np.object_]


def volatility(market: Floats) -> Names:
    """(T,) the regime of each session; market (T,) simple returns, NaN = not known."""
    names, trailing = (
        np.full(len(market), UNKNOWN, dtype=object),
        _trailing(market, VOLATILITY_WINDOW, np.std),
    )
    past: list[float] = []
    for t, now in enumerate(trailing.tolist()):
        if now != now:
            continue
        if len(past) >= LEAST:
            names[t] = VOLATILITY[min(3 * bisect_left(past, now) // len(past), 2)]
        insort(past, now)
    return names


def trend(market: Floats) -> Names:
    """(T,) the regime of each session."""
    gained = _trailing(market, TREND_WINDOW, lambda w, axis: np.prod(1 + w, axis=axis) - 1)
    chosen = np.where(gained > 0, *TREND)
    return np.where(np.isnan(gained), UNKNOWN, chosen).astype(object)


def of_market(market: Floats) -> dict[str, Names]:
    """Both, by name."""
    return {"volatility": volatility(market), "trend": trend(market)}


def each(regimes: dict[str, Names]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Each regime's name, such as `volatility: calm`, and its sessions (T,); what is unknown last."""
    for kind, names in regimes.items():
        for name in (*(VOLATILITY if kind == "volatility" else TREND), UNKNOWN):
            yield f"{kind}: {name}", names == name


def figures(excess: Floats, regimes: dict[str, Names], year: float) -> list[Figure]:
    """Share, mean return and Sharpe ratio of each; excess returns (T,)."""
    found = []
    for name, here in each(regimes):
        part = excess[here]
        sharpe, mean = ratios.sharpe(part, year), returns.arithmetic(part, year)
        found += [
            (SHARE.figure(float(here.mean())) if len(here) else SHARE.none("no sessions")).of(name),
            MEAN.restated(mean).of(name),
            SHARPE.restated(sharpe).of(name),
        ]
    return found


def _trailing(market: Floats, window: int, function: object) -> Floats:
    """(T,) function of the `window` sessions before each; NaN where they are not all known."""
    found = np.full(len(market), np.nan)
    if len(market) > window:
        windows = np.lib.stride_tricks.sliding_window_view(market, window)[:-1]
        found[window:] = function(windows, axis=1)  # type: ignore[operator]  # np.std, or one of ours
    return found
