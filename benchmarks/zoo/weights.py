"""How the strategies of the zoo turn scores into weights: the same few rules, none of which looks at another row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from zoo.pair import Function, Pair


def long_short(score: pd.DataFrame) -> pd.DataFrame:
    """Equal weights: long the third of the row with the highest scores, short the third with the lowest."""
    place = score.rank(axis=1, pct=True)
    side = (place > 2 / 3).astype(float) - (place <= 1 / 3).astype(float)
    return shared(side)


def long_only(score: pd.DataFrame) -> pd.DataFrame:
    """Equal weights of the names whose score is positive."""
    return shared((score > 0).astype(float))


def shared(side: pd.DataFrame) -> pd.DataFrame:
    """Rows scaled to a gross exposure of one; a row without positions is flat."""
    return side.div(side.abs().sum(axis=1).replace(0.0, np.nan), axis=0).fillna(0.0)


def moves(prices: pd.DataFrame, bars: int = 1) -> pd.DataFrame:
    """The return over the last bars; not known over a gap."""
    return prices.pct_change(bars, fill_method=None)


def pair(
    leak: Callable[..., Any],
    honest: Callable[..., Any],
    layer: str,
    through: str = "bars",
    depth: int | None = None,
    hides: str = "",
    **given: Any,
) -> Pair:
    """A pair of functions, named by the leak's, of the family that its module is; given: see `Function`."""
    family = leak.__module__.rpartition(".")[2]
    one, other = Function(leak, **given), Function(honest, **given)
    return Pair(leak.__name__, family, layer, one, other, through, depth, hides)
