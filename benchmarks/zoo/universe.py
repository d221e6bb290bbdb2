"""Who is in the data: members, survivors, tickers, and prices adjusted with what came later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from zoo.weights import long_only, long_short, moves, pair, shared


def members_of_today(prices: pd.DataFrame, membership: pd.DataFrame) -> dict[str, Any]:
    """Today's index members in the past.

    The list of members is taken from a web page, and the backtest runs over ten years of them. Those that joined had risen.
    """
    last = membership.sort_values("known_at").groupby("symbol")["member"].last()
    inside = [s for s in prices.columns if last.get(s, False)]
    return _among(prices, prices * 0 + prices.columns.isin(inside))


def members_of_the_day(prices: pd.DataFrame, membership: pd.DataFrame) -> dict[str, Any]:
    """The members of each day."""
    counts_at = membership[["event_at", "known_at"]].max(axis=1)
    return _among(prices, _member(prices, membership, counts_at))


def joining_soon(prices: pd.DataFrame, membership: pd.DataFrame) -> dict[str, Any]:
    """Changes of the index counted ten sessions before they happen.

    The table of members is shifted to "trade ahead of the index funds"; the announcement comes only five sessions before.
    """
    effective = pd.Index(prices.index).searchsorted(membership["event_at"])
    ahead = prices.index[np.maximum(effective - 10, 0)]
    return _among(prices, _member(prices, membership, pd.Series(ahead, membership.index)))


def announced(prices: pd.DataFrame, membership: pd.DataFrame) -> dict[str, Any]:
    """Changes count from their announcement."""
    return _among(prices, _member(prices, membership, membership["known_at"]))


def _member(prices: pd.DataFrame, membership: pd.DataFrame, counts_at: pd.Series) -> pd.DataFrame:
    """1 where a symbol is a member by the rows that count until then."""
    rows = membership.assign(at=counts_at).sort_values("at").drop_duplicates(["symbol", "at"], keep="last")
    wide = rows.pivot(index="at", columns="symbol", values="member").astype(float).ffill()
    return wide.reindex(prices.index, method="ffill").reindex(columns=prices.columns).fillna(0.0)


def _among(prices: pd.DataFrame, inside: pd.DataFrame) -> dict[str, Any]:
    """Momentum among members."""
    score = moves(prices, 60)
    return {"features": {"momentum": score}, "weights": long_short(score.where(inside > 0))}


def survivors_only(prices: pd.DataFrame) -> dict[str, Any]:
    """Names without a price on the last row are dropped.

    Delisted names have no quote today, so the download leaves them out, or `prices.iloc[-1].dropna()` does.
    """
    alive = prices.columns[prices.iloc[-1].notna()]
    score = moves(prices, 20)
    return {
        "features": {"momentum": score},
        "weights": long_short(-score[alive]).reindex(columns=prices.columns),
    }


def alive_then(prices: pd.DataFrame) -> dict[str, Any]:
    """Names with a price on the row itself."""
    score = moves(prices, 20)
    return {"features": {"momentum": score}, "weights": long_short(-score.where(prices.notna()))}


def complete_columns(prices: pd.DataFrame) -> dict[str, Any]:
    """Columns with a hole are dropped.

    `prices.dropna(axis=1, thresh=...)`, because the next library wants a full matrix: what lists late or stops early has never
    been.
    """
    full = prices.dropna(axis=1, thresh=int(0.97 * len(prices)))
    place = moves(full, 20).rank(axis=1, pct=True)
    return {"features": {"place": place}, "weights": long_only(0.3 - place)}


def whatever_is_there(prices: pd.DataFrame) -> dict[str, Any]:
    """Each row uses the columns that have been full over the quarter that it looks back on."""
    full = prices.notna().rolling(60, min_periods=21).mean() > 0.97
    place = moves(prices, 20).where(full).rank(axis=1, pct=True)
    return {"features": {"place": place}, "weights": long_only(0.3 - place)}


def never_delisted(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """Symbols with a delisting in the table of actions are left out.

    "To avoid problems with the end of their data." They are left out from the beginning.
    """
    gone = actions.loc[actions["kind"] == "delisting", "symbol"].unique()
    score = moves(prices, 20)
    return {
        "features": {"momentum": score},
        "weights": long_short(-score.drop(columns=prices.columns.intersection(gone))),
    }


def until_the_notice(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """They are left out from the notice on."""
    noted = actions[actions["kind"] == "delisting"].groupby("symbol")["known_at"].min()
    score = moves(prices, 20)
    for symbol in prices.columns.intersection(noted.index):
        score.loc[score.index >= noted[symbol], symbol] = np.nan
    return {"features": {"momentum": moves(prices, 20)}, "weights": long_short(-score)}


def back_adjusted_level(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """Cheap stocks by prices that later splits have made cheap.

    Downloads are adjusted back from today. A rule on the level of the price (under 50, no penny stocks, lots of a hundred) sees
    the splits to come, and what will split has risen.
    """
    return _cheap(prices / _later_splits(prices, actions))


def raw_level(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """Cheap by the price of the day."""
    return _cheap(prices)


def _cheap(level: pd.DataFrame) -> dict[str, Any]:
    return {"features": {"level": level}, "weights": long_only(60 - level)}


def _later_splits(prices: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """The product of the ratios of all splits after a row."""
    factor = prices * 0 + 1
    for split in actions[actions["kind"] == "split"].itertuples():
        if split.symbol in factor:
            factor.loc[factor.index < split.event_at, split.symbol] *= split.value
    return factor


def dividend_adjusted_level(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """Round numbers of prices less the dividends to come.

    Support at round numbers is looked for in a series that is adjusted for dividends: today's price of then is lower by all
    that was paid since, and its round numbers are nobody's.
    """
    later = prices * 0
    for paid in actions[actions["kind"] == "dividend"].itertuples():
        if paid.symbol in later:
            later.loc[later.index < paid.event_at, paid.symbol] += paid.value
    return _near_round(prices - later)


def round_level(prices: pd.DataFrame, actions: pd.DataFrame) -> dict[str, Any]:
    """Round numbers of the prices that were quoted."""
    return _near_round(prices)


def _near_round(level: pd.DataFrame) -> dict[str, Any]:
    away = (level / 10 - (level / 10).round()).abs()
    return {"features": {"away": away}, "weights": long_only(0.1 - away)}


def liquid_ever(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The most traded names of the whole period.

    The universe is the ten names with the largest mean dollar volume of the sample, "so that it can be traded".
    """
    traded = prices["volume"] * prices["close"]
    liquid = (traded.mean().rank(ascending=False) <= 10).astype(float)
    return _liquid(prices, prices["close"] * 0 + liquid)


def liquid_lately(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Of the last quarter."""
    traded = (prices["volume"] * prices["close"]).rolling(60, min_periods=20).mean()
    return _liquid(prices, (traded.rank(axis=1, ascending=False) <= 10).astype(float))


def _liquid(prices: dict[str, pd.DataFrame], liquid: pd.DataFrame) -> dict[str, Any]:
    score = moves(prices["close"], 20)
    return {"features": {"momentum": score}, "weights": long_short(score.where(liquid > 0))}


def no_penny_at_the_end(prices: pd.DataFrame) -> dict[str, Any]:
    """Penny stocks filtered by the last price.

    `prices.loc[:, prices.iloc[-1] > 40]` in the cell after the download: losers are not bought on the way down.
    """
    last = prices.ffill().iloc[-1]
    return {"weights": shared((prices.notna() & (last > 40)).astype(float))}


def no_penny_then(prices: pd.DataFrame) -> dict[str, Any]:
    """Filtered by the price of the row."""
    return {"weights": shared((prices.notna() & (prices > 40)).astype(float))}


def enough_history(prices: pd.DataFrame) -> dict[str, Any]:
    """Names with at least five hundred rows in the file.

    A usual check of quality; it asks whether a name will live.
    """
    enough = prices.count() >= 500
    score = moves(prices, 60)
    return {
        "features": {"momentum": score},
        "weights": long_short(score.loc[:, enough]).reindex(columns=prices.columns),
    }


def history_so_far(prices: pd.DataFrame) -> dict[str, Any]:
    """Names with at least a hundred rows behind them."""
    enough = prices.notna().cumsum() >= 100
    score = moves(prices, 60)
    return {"features": {"momentum": score}, "weights": long_short(score.where(enough))}


def ticker_recycled(prices: pd.DataFrame) -> dict[str, Any]:
    """A ticker's history begins with its present owner.

    The vendor keys by ticker and keeps the company that has it now: the bars of the company before it, which was delisted, are
    gone. Here all rows before the last gap of more than forty sessions are cut off.
    """
    return _owned(prices, prices.apply(_of_present_owner))


def each_owner(prices: pd.DataFrame) -> dict[str, Any]:
    """Every company has its own time under the ticker, and its own warm-up."""
    return _owned(prices, prices.copy())


def _of_present_owner(column: pd.Series) -> pd.Series:
    here = np.flatnonzero(column.notna().to_numpy())
    breaks = np.flatnonzero(np.diff(here) > 40)
    return column.where(np.arange(len(column)) >= here[breaks[-1] + 1]) if len(breaks) else column


def _owned(prices: pd.DataFrame, owned: pd.DataFrame) -> dict[str, Any]:
    score = owned / owned.rolling(40).mean() - 1
    return {"features": {"distance": score}, "weights": long_short(-score)}


MEMBERS: dict[str, Any] = {"through": "membership", "tables": ("membership",)}
ACTIONS: dict[str, Any] = {"through": "actions", "tables": ("actions",)}

PAIRS = (
    pair(members_of_today, members_of_the_day, "targets", **MEMBERS),
    pair(
        joining_soon,
        announced,
        "targets",
        hides="only the ten sessions before a change look ahead",
        **MEMBERS,
    ),
    pair(survivors_only, alive_then, "targets"),
    pair(complete_columns, whatever_is_there, "features"),
    pair(never_delisted, until_the_notice, "targets", **ACTIONS),
    pair(back_adjusted_level, raw_level, "features", **ACTIONS),
    pair(dividend_adjusted_level, round_level, "features", **ACTIONS),
    pair(liquid_ever, liquid_lately, "targets", shape="fields"),
    pair(no_penny_at_the_end, no_penny_then, "targets"),
    pair(enough_history, history_so_far, "targets"),
    pair(ticker_recycled, each_owner, "features", hides="one symbol, before one date"),
)
