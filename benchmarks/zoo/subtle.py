"""Leaks that are small, rare or indirect: one symbol, one date, one part in ten thousand, order, calendar, presence, groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

from zoo.weights import long_only, long_short, moves, pair, shared


def one_symbol(prices: pd.DataFrame) -> dict[str, Any]:
    """One column of another feed, stamped a day early.

    Twenty-three columns are right. The twenty-fourth was added later, from a source that stamps a bar with the day on which it
    begins, in another time zone.
    """
    return _patched(prices, -1)


def every_symbol_alike(prices: pd.DataFrame) -> dict[str, Any]:
    """The column is stamped as the others are."""
    return _patched(prices, 0)


def _patched(prices: pd.DataFrame, shift: int) -> dict[str, Any]:
    feed = prices.copy()
    feed["S13"] = prices["S13"].shift(shift)
    score = moves(feed, 5)
    return {"features": {"momentum": score}, "weights": long_short(-score)}


def one_date(prices: pd.DataFrame) -> dict[str, Any]:
    """One of three yearly rebalances that uses the next close.

    A file of prices for rebalances is kept by hand; that of the second year was saved a day late.
    """
    return _yearly(prices, late=1)


def every_date_alike(prices: pd.DataFrame) -> dict[str, Any]:
    """All rebalances use the close of their day."""
    return _yearly(prices, late=0)


def _yearly(prices: pd.DataFrame, late: int) -> dict[str, Any]:
    """Reversal of the last five days, rebalanced every 240 rows."""
    weights = prices * np.nan
    score = -moves(prices, 5)
    for n, row in enumerate(range(120, len(prices), 240)):
        used = min(row + (late if n == 1 else 0), len(prices) - 1)
        weights.iloc[row] = long_short(score.iloc[[used]]).iloc[0]
    return {"weights": weights.ffill().fillna(0.0)}


def one_in_ten_thousand(prices: pd.DataFrame) -> dict[str, Any]:
    """A feature with one part in ten thousand of tomorrow.

    A smoother with weights 1e-4, 0.9998, 1e-4 around each row: symmetric, nearly nothing, and in the price data of a vendor who
    "removes bounce".
    """
    steps = moves(prices)
    score = 0.9998 * steps + 1e-4 * (steps.shift(1).fillna(0.0) + steps.shift(-1).fillna(0.0))
    return {"features": {"smooth": score}, "weights": long_short(-score)}


def ten_thousand_of_itself(prices: pd.DataFrame) -> dict[str, Any]:
    """The smoother looks back only."""
    steps = moves(prices)
    score = 0.9998 * steps + 2e-4 * steps.shift(1).fillna(0.0)
    return {"features": {"smooth": score}, "weights": long_short(-score)}


def ties_by_winner(prices: pd.DataFrame) -> dict[str, Any]:
    """Ties broken by the order of columns, which are sorted by the final result.

    The table was sorted by total return for a plot. The score is a count of up-days, full of ties, and `rank(method="first")`
    gives them to the later winners.
    """
    total = prices.ffill().iloc[-1] / prices.bfill().iloc[0]
    return _counted(prices, prices.columns[np.argsort(-total.fillna(0.0).to_numpy(), kind="stable")])


def ties_by_name(prices: pd.DataFrame) -> dict[str, Any]:
    """Ties are broken by name."""
    return _counted(prices, prices.columns.sort_values())


def _counted(prices: pd.DataFrame, order: pd.Index) -> dict[str, Any]:
    ups = (moves(prices) > 0).astype(float).rolling(5).sum().where(prices.notna())[order]
    place = ups.rank(axis=1, method="first", ascending=False)
    return {"weights": shared((place <= 5).astype(float)).reindex(columns=prices.columns)}


def month_end_by_data(prices: pd.DataFrame) -> dict[str, Any]:
    """The last session of a month found as the last row of it.

    `groupby(month).tail(1)` marks month-ends. Whether today is one shows when tomorrow's row is there, or is not: on the last
    day of the data the strategy always rebalances.
    """
    month = prices.index.to_period("M")
    last = ~pd.Series(month).duplicated(keep="last").to_numpy()
    return _rebalanced(prices, last)


def month_begin_by_data(prices: pd.DataFrame) -> dict[str, Any]:
    """It rebalances on the first row of a month."""
    month = prices.index.to_period("M")
    return _rebalanced(prices, ~pd.Series(month).duplicated(keep="first").to_numpy())


def _rebalanced(prices: pd.DataFrame, when: np.ndarray) -> dict[str, Any]:
    target = long_short(moves(prices, 20))
    return {"weights": target[when].reindex(prices.index, method="ffill").fillna(0.0)}


def quoted_tomorrow(prices: pd.DataFrame) -> dict[str, Any]:
    """Names that will have no bar tomorrow are left out.

    "An order that cannot be filled is not sent": the mask of tradable names is the presence of the next row's price.
    """
    score = moves(prices, 5)
    return {"weights": long_short(-score.where(prices.shift(-1).notna()))}


def quoted_today(prices: pd.DataFrame) -> dict[str, Any]:
    """Names without a bar today are left out."""
    score = moves(prices, 5)
    return {"weights": long_short(-score.where(prices.notna()))}


def joined_with_labels(prices: pd.DataFrame) -> dict[str, Any]:
    """Features kept where their label is known.

    Features and labels are joined and `dropna()` cleans both. A row without a label, because the name will be delisted or
    halted five days on, has no features either.
    """
    label = moves(prices, 5).shift(-5)
    score = moves(prices, 10).where(label.notna())
    return {"features": {"momentum": score}, "weights": long_short(-score)}


def joined_with_nothing(prices: pd.DataFrame) -> dict[str, Any]:
    """Features are kept where they are known."""
    score = moves(prices, 10)
    return {"features": {"momentum": score}, "weights": long_short(-score)}


def grouped_by_clusters(prices: pd.DataFrame) -> dict[str, Any]:
    """Sectors found by clustering the correlations of the whole sample.

    No sector data at hand, so groups come from a hierarchical clustering of all returns; scores are relative to the group.
    """
    steps = moves(prices).clip(-0.3, 0.3)
    return _relative(prices, prices * 0 + _clusters(steps, prices.columns))


def grouped_by_past_clusters(prices: pd.DataFrame) -> dict[str, Any]:
    """Clustered each 120 rows, from the rows before."""
    steps = moves(prices).clip(-0.3, 0.3)
    groups = prices * np.nan
    for begin in range(120, len(prices), 120):
        groups.iloc[begin : begin + 120] = _clusters(steps.iloc[:begin], prices.columns).to_numpy()
    return _relative(prices, groups)


def _clusters(steps: pd.DataFrame, symbols: pd.Index) -> pd.Series:
    """Up to four groups of the symbols with forty returns; the others are alone, in group zero."""
    known = steps.columns[steps.count() >= 40]
    if len(known) < 3:
        return pd.Series(0.0, symbols)
    away = 1 - steps[known].corr().fillna(0.0).to_numpy()
    found = fcluster(linkage(away[np.triu_indices(len(known), 1)], "average"), 4, "maxclust")
    firsts = pd.Series(found, known).rank(method="dense")
    return firsts.reindex(symbols).fillna(0.0)


def _relative(prices: pd.DataFrame, groups: pd.DataFrame) -> dict[str, Any]:
    momentum = moves(prices, 20).clip(-0.5, 0.5)
    mean = momentum * np.nan
    for code in range(5):
        inside = groups == code
        mean = mean.mask(inside, momentum.where(inside).mean(axis=1), axis=0)
    return {"features": {"relative": momentum - mean}, "weights": long_short(momentum - mean)}


def time_as_share(prices: pd.DataFrame) -> dict[str, Any]:
    """Time as a number from 0 to 1.

    `np.linspace(0, 1, len(prices))` as a feature for the drift. It says how near the end of the data is.
    """
    time = np.linspace(0, 1, len(prices))
    return _leaned(prices, time)


def time_in_years(prices: pd.DataFrame) -> dict[str, Any]:
    """Time in years from the first row."""
    return _leaned(prices, (prices.index - prices.index[0]).days.to_numpy() / 365.25)


def _leaned(prices: pd.DataFrame, time: np.ndarray) -> dict[str, Any]:
    feature = pd.DataFrame(np.repeat(time[:, None], prices.shape[1], axis=1), prices.index, prices.columns)
    return {"features": {"time": feature.where(prices.notna())}, "weights": long_only(moves(prices, 60))}


def columns_ever(prices: pd.DataFrame) -> dict[str, Any]:
    """A share for every name there will ever be.

    Capital is divided by `prices.shape[1]`: names that list in three years hold their part in cash.
    """
    up = (moves(prices, 20) > 0).astype(float)
    return {"weights": up / prices.shape[1]}


def columns_then(prices: pd.DataFrame) -> dict[str, Any]:
    """A share for every name with a price on the row."""
    up = (moves(prices, 20) > 0).astype(float)
    return {"weights": up.div(prices.notna().sum(axis=1).clip(lower=1), axis=0)}


def worst_days_avoided(prices: pd.DataFrame) -> dict[str, Any]:
    """Flat on the eve of the ten worst days.

    "Without the ten worst days": a filter that was meant for a chart is left in the strategy, or outliers are dropped as errors
    before positions are made.
    """
    market = moves(prices).mean(axis=1)
    eve = (market.rank() <= 10).shift(-1, fill_value=False)
    return {"weights": _invested(prices).mul(1.0 - eve, axis=0)}


def every_day_borne(prices: pd.DataFrame) -> dict[str, Any]:
    """Flat after a day that was among the worst of those so far."""
    market = moves(prices).mean(axis=1)
    bad = market < market.expanding(60).quantile(0.02)
    return {"weights": _invested(prices).mul(1.0 - bad, axis=0)}


def _invested(prices: pd.DataFrame) -> pd.DataFrame:
    return shared(prices.notna().astype(float))


def complete_rows(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Indicators over the rows that are complete on both sides.

    Rows in which a symbol goes missing are dropped together with the row before them, "to keep pairs of returns": the row
    before knows that something will be missing.
    """
    return _on_rows(prices["close"], 1)


def rows_as_they_come(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Only the incomplete row itself is dropped."""
    return _on_rows(prices["close"], 0)


def _on_rows(close: pd.DataFrame, before: int) -> dict[str, Any]:
    late = close.notna().cumsum() > 0
    holes = (close.isna() & late & close.shift(1).notna()).sum(axis=1) > 0
    dropped = holes | holes.shift(-before, fill_value=False)
    score = moves(close[~dropped], 3).reindex(close.index)
    return {"features": {"reversal": -score}, "weights": long_short(-score)}


PAIRS = (
    pair(one_symbol, every_symbol_alike, "features", depth=1, hides="one symbol of twenty-four"),
    pair(one_date, every_date_alike, "targets", depth=1, hides="one row of 720, one bar ahead"),
    pair(one_in_ten_thousand, ten_thousand_of_itself, "features", depth=1, hides="one part in ten thousand"),
    pair(ties_by_winner, ties_by_name, "targets", hides="only who wins ties"),
    pair(month_end_by_data, month_begin_by_data, "targets", depth=1,
         hides="only whether a row follows in the month, never what is in it"),
    pair(quoted_tomorrow, quoted_today, "targets", depth=1, hides="only the rows before gaps look ahead"),
    pair(joined_with_labels, joined_with_nothing, "features", depth=5, hides="only five rows before gaps look ahead"),
    pair(grouped_by_clusters, grouped_by_past_clusters, "features"),
    pair(time_as_share, time_in_years, "features", hides="only how many rows there will be"),
    pair(columns_ever, columns_then, "targets", hides="only which symbols there will be"),
    pair(worst_days_avoided, every_day_borne, "targets", hides="ten rows of 720"),
    pair(complete_rows, rows_as_they_come, "features", shape="fields", depth=1, hides="only the rows before gaps look ahead"),
)  # fmt: skip
