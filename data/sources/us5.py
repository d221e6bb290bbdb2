"""Splits and dividends of `us5`, recovered from the file's own adjusted closes.

The source (Quandl's WIKI prices) multiplies its adjustment factor, adjusted close over close, by the split ratio and by
1 + dividend / close of the ex date, and gives it in double precision. So a day's step of the factor is its action: a step
that is a ratio of small whole numbers, and that the raw price shows too, is a split; what is left is a dividend, exact to
a ten-thousandth of a dollar. Checked against what the companies announced in `tests/unit/test_us5.py`.
"""

from __future__ import annotations

import polars as pl

from backcast.data.sources.base import closes

SMALLEST_STEP = 1e-9
"""Steps below it are the last digits of doubles; the smallest dividend of the file is a step of 1e-3."""

SPLITS = (2.0, 3.0, 1.5, 7.0)
DIVIDEND_DIGITS = 4


def actions(bars: pl.DataFrame) -> pl.DataFrame:
    """The actions of bars (symbol, date, close, adjusted) as rows of the store, known at the close before their ex date:
    companies announce both weeks ahead, but the file does not say when."""
    before = pl.col("close").shift(1).over("symbol")
    factor = pl.col("adjusted") / pl.col("close")
    steps = (
        bars.sort("symbol", "date")
        .with_columns(step=factor / factor.shift(1).over("symbol"), fall=before / pl.col("close"))
        .with_columns(before=pl.col("date").shift(1).over("symbol"))
        .filter((pl.col("step") - 1).abs() > SMALLEST_STEP)
        .with_columns(split=_split(pl.col("step"), pl.col("fall")))
    )
    paid = (pl.col("step") / pl.col("split") - 1) * pl.col("close")
    splits = steps.filter(pl.col("split") > 1).with_columns(kind=pl.lit("split"), value="split")
    dividends = steps.with_columns(kind=pl.lit("dividend"), value=paid.round(DIVIDEND_DIGITS)).filter(
        pl.col("value") > 0
    )
    found = pl.concat([splits, dividends]).sort("symbol", "date", "kind")
    known = closes("XNYS", found["before"], "Date").alias("known_at")
    return found.select("symbol", "kind", "value", "date").with_columns(
        closes("XNYS", found["date"], "Date"), known, pl.lit("rule").alias("known_basis")
    )


def _split(step: pl.Expr, fall: pl.Expr) -> pl.Expr:
    """The split in a step that the raw price shows too; 1 where there is none."""
    found = pl.lit(1.0)
    for ratio in SPLITS:
        is_split = ((step / ratio - 1).abs() < 0.02) & ((fall / ratio - 1).abs() < 0.2)
        found = pl.when(is_split).then(pl.lit(ratio)).otherwise(found)
    return found
