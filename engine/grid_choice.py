"""Which cell of a grid is chosen: the best configuration over all of its seeds, and never its luckiest seed; or at each fold's
fit the best by what was known then.

Cells that differ in their seed alone are one configuration. It is ranked by the mean of its cells' net Sharpe ratios, and its
first seed in the grid's list stands for it. Where a grid does not vary the seed, a configuration is a cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.types import Floats
from backcast.engine.configure import digest
from backcast.engine.stats import performance

SEED = "seed"
LEAST = 63
"""Sessions before a fit from which on a choice is made by them."""

Returns = tuple[npt.NDArray[Any], Floats]
"""Days (T,) datetime64[D], ascending, and the net returns of each."""


@dataclass(frozen=True)
class Seeds:
    """The net Sharpe ratios of a configuration over its seeds: how many are defined, their mean, sample standard deviation
    (None below two), least and largest; None where none is."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None

    @staticmethod
    def of(sharpes: Sequence[float | None]) -> Seeds:
        """Of those that are defined."""
        known = np.array([sharpe for sharpe in sharpes if sharpe is not None])
        if not len(known):
            return Seeds(0, None, None, None, None)
        deviation = float(known.std(ddof=1)) if len(known) > 1 else None
        return Seeds(len(known), float(known.mean()), deviation, float(known.min()), float(known.max()))

    def to_json(self) -> dict[str, float | None]:
        """As a manifest holds it."""
        return {"n": self.n, "mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}


def configurations(values: Sequence[dict[str, Any]]) -> list[list[int]]:
    """The numbers of the cells of each configuration, in the order of their first; values: of each cell by dotted key."""
    found: dict[str, list[int]] = defaultdict(list)
    for n, own in enumerate(values):
        found[digest({key: value for key, value in own.items() if key != SEED})].append(n)
    return list(found.values())


def best(configured: Sequence[Sequence[int]], sharpe: Callable[[int], float | None]) -> int | None:
    """The first cell of the configuration with the highest mean Sharpe ratio, the first of equals; None where none has any.

    One that lacks a ratio for any of its seeds comes after all that have all of theirs: a mean over fewer seeds, of which one
    failed, is no fair rival.
    """
    ranked = []
    for order, members in enumerate(configured):
        found = [sharpe(n) for n in members]
        mean = Seeds.of(found).mean
        if mean is not None:
            first = next(n for n, one in zip(members, found, strict=True) if one is not None)
            ranked.append((None not in found, mean, -order, first))
    return max(ranked)[3] if ranked else None


@dataclass(frozen=True)
class Choice:
    """cell: the one that a fold's decisions are made by; sharpe: the net Sharpe ratio per session that it was chosen by (of its
    configuration, the mean over seeds), None where too little was known and it is the first of the grid; sessions: known."""

    cell: int
    sharpe: float | None
    sessions: int


def known_at(
    fit: np.datetime64, accounts: Mapping[int, Returns], configured: Sequence[Sequence[int]]
) -> Choice:
    """The best cell by what its account earned before the day of a fit; accounts: of each cell of the configurations.

    A session's return is known at its close; that of the fit's own day is left out, so that bars of a day raise no question.
    """
    before = {n: returns[days < fit] for n, (days, returns) in accounts.items()}
    first = configured[0][0]
    sessions = len(before[first])
    if sessions < LEAST:
        return Choice(first, None, sessions)
    sharpes = {n: _defined(performance.sharpe_per_session(returns)) for n, returns in before.items()}
    cell = best(configured, sharpes.__getitem__)
    if cell is None:
        return Choice(first, None, sessions)
    own = next(members for members in configured if cell in members)
    return Choice(cell, Seeds.of([sharpes[n] for n in own]).mean, sessions)


def _defined(sharpe: float) -> float | None:
    return float(sharpe) if np.isfinite(sharpe) else None


def spread_table(
    configured: Sequence[Sequence[int]],
    parameters: Mapping[str, Sequence[Any]],
    sharpe: Callable[[int], float | None],
) -> pl.DataFrame:
    """A row a configuration: its parameters but for the seed, how many of its seeds have a Sharpe ratio, and their spread.

    parameters: of every cell, by dotted key, as a table holds them.
    """
    found = [Seeds.of([sharpe(n) for n in members]).to_json() for members in configured]
    own = {key: [of[members[0]] for members in configured] for key, of in parameters.items() if key != SEED}
    schema = {"n": pl.Int64, **dict.fromkeys(("mean", "sd", "low", "high"), pl.Float64)}
    spread = pl.DataFrame(found, schema=schema)
    spread = spread.rename({name: "seeds" if name == "n" else f"sharpe_{name}" for name in schema})
    return pl.DataFrame(own).hstack(spread) if own else spread
