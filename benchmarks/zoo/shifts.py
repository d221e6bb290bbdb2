"""A row that reads the rows after it: shifts, windows, filters and turning points."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.pair import Function, Pair

HERE = "shifts"


def negative_shift(prices: pd.DataFrame) -> dict[str, object]:
    """A label left among the features.

    The return of the next five days was made for training, kept under the name `momentum_5`, and the model sees it. In
    practice a column that was shifted up to line up with its target is joined back as a feature.
    """
    ahead = prices.pct_change(5, fill_method=None).shift(-5)
    return {"features": {"momentum_5": ahead}, "weights": long_short(ahead)}


def lagged_return(prices: pd.DataFrame) -> dict[str, object]:
    """The return of the last five days."""
    past = prices.pct_change(5, fill_method=None)
    return {"features": {"momentum_5": past}, "weights": long_short(past)}


def long_short(score: pd.DataFrame) -> pd.DataFrame:
    """Equal weights: long the third of the row with the highest scores, short the third with the lowest."""
    place = score.rank(axis=1, pct=True)
    side = (place > 2 / 3).astype(float) - (place <= 1 / 3).astype(float)
    return side.div(side.abs().sum(axis=1).replace(0, np.nan), axis=0).fillna(0.0)


PAIRS = (
    Pair(
        "negative_shift",
        HERE,
        "features",
        Function(negative_shift),
        Function(lagged_return),
        through="bars",
        depth=5,
    ),
)
