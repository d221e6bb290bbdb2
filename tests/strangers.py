"""A market in frames, and functions of it that did not come from us: honest ones, and ones that look ahead.

Honest here means: a row reads bars up to its own, and facts and members by their known_at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SYMBOLS = list("ABCDEFGH")
ROWS = 320


@dataclass(frozen=True)
class Given:
    """prices: closes; volume: whole numbers; facts: quarterly, restated 30 days after; membership: joined and left."""

    prices: pd.DataFrame
    volume: pd.DataFrame
    facts: pd.DataFrame
    membership: pd.DataFrame

    def long(self) -> pd.DataFrame:
        """The closes in long form."""
        made = self.prices.stack().rename("close").reset_index()
        return made.set_axis(["date", "symbol", "close"], axis=1)


def market(seed: int = 1, holes: bool = False) -> Given:
    """holes: some prices are missing, a symbol lists at a third of the way and one leaves at two thirds."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2018-01-02", periods=ROWS, name="date")
    walk = np.cumsum(rng.normal(0.0, 0.01, (ROWS, len(SYMBOLS))), axis=0)
    prices = pd.DataFrame(100 * np.exp(walk), index=days, columns=SYMBOLS)
    if holes:
        prices = prices.mask(rng.random(prices.shape) < 0.02)
        prices.iloc[: ROWS // 3, 2] = np.nan
        prices.iloc[2 * ROWS // 3 :, 5] = np.nan
    volume = pd.DataFrame(rng.integers(1_000, 9_000, prices.shape), index=days, columns=SYMBOLS)
    return Given(prices, volume, _facts(rng), _membership(rng, days))


def _facts(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for symbol in SYMBOLS:
        for end in pd.date_range("2017-12-31", periods=5, freq="QE"):
            known = end + pd.Timedelta(days=int(rng.integers(20, 40)))
            value = rng.normal()
            rows.append((symbol, "earnings", end, known, value))
            rows.append((symbol, "earnings", end, known + pd.Timedelta(days=30), value + rng.normal()))
    made = pd.DataFrame(rows, columns=["symbol", "item", "event_at", "known_at", "value"])
    return made.sort_values("known_at", kind="stable", ignore_index=True)


def _membership(rng: np.random.Generator, days: pd.DatetimeIndex) -> pd.DataFrame:
    rows = []
    for number, symbol in enumerate(SYMBOLS):
        joined, left = rng.integers(0, 60), rng.integers(150, 280)
        rows.append((symbol, days[joined], days[joined], True))
        if number % 2:
            rows.append((symbol, days[left + 5], days[left], False))
    return pd.DataFrame(rows, columns=["symbol", "event_at", "known_at", "member"])


def returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Simple, of prices that are there."""
    return prices.pct_change(fill_method=None)


def as_known(prices: pd.DataFrame, table: pd.DataFrame, value: str) -> pd.DataFrame:
    """The newest row that was known at each date."""
    found = {}
    for symbol, rows in table.sort_values("known_at", kind="stable").groupby("symbol"):
        dates = pd.DataFrame({"t": prices.index})
        found[symbol] = pd.merge_asof(dates, rows, left_on="t", right_on="known_at")[value].to_numpy()
    return pd.DataFrame(found, index=prices.index).reindex(columns=prices.columns)


# Honest.


def rolling(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.rolling(20).mean() / prices - 1


def expanding(prices: pd.DataFrame) -> pd.DataFrame:
    r = returns(prices)
    return (r - r.expanding().mean()) / r.expanding().std()


def ranks(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.pct_change(20, fill_method=None).rank(axis=1, pct=True) - 0.5


def ridge(prices: pd.DataFrame) -> pd.DataFrame:
    """Refitted every month on the rows before; each month is forecast in one product of matrices."""
    r = returns(prices.ffill()).fillna(0.0).to_numpy()
    x = np.stack([np.roll(r, k, axis=0) for k in range(5)], axis=-1)
    made = np.full(r.shape, np.nan)
    for t in range(80, len(r), 21):
        known, next_one = x[20 : t - 1].reshape(-1, 5), r[21:t].reshape(-1)
        beta = np.linalg.solve(known.T @ known + 0.01 * np.eye(5), known.T @ next_one)
        made[t : t + 21] = (x[t : t + 21].reshape(-1, 5) @ beta).reshape(-1, r.shape[1])
    return pd.DataFrame(made, prices.index, prices.columns)


def monthly(prices: pd.DataFrame) -> pd.DataFrame:
    """Decided on the first session of each month, held until the next."""
    days = prices.index.to_series().groupby(prices.index.to_period("M")).first()
    return ranks(prices).loc[days].reindex(prices.index, method="ffill")


def month_ends(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.ffill().resample("ME").last().pct_change().rank(axis=1)


def folds(prices: pd.DataFrame) -> pd.DataFrame:
    """Borders of its folds are fixed dates."""
    return _ridge_by_fold(prices, ["2018-05-01", "2018-08-01", "2018-11-01", "2019-02-01"])


def _ridge_by_fold(prices: pd.DataFrame, borders: list[str]) -> pd.DataFrame:
    """Each row is forecast by the model of the last border before it, fitted on the rows before that border."""
    from sklearn.linear_model import Ridge

    r = returns(prices.ffill()).fillna(0.0)
    made = r * np.nan
    for begin, end in zip(borders, [*borders[1:], "2100-01-01"], strict=True):
        known, test = r[r.index < begin].to_numpy(), (r.index >= begin) & (r.index < end)
        if test.any():
            made.loc[test] = Ridge().fit(known[:-1], known[1:]).predict(r.to_numpy()[test])
    return made


def forest(prices: pd.DataFrame) -> pd.DataFrame:
    from sklearn.ensemble import RandomForestRegressor

    r = returns(prices.ffill()).fillna(0.0)
    made = r * np.nan
    for t in range(120, len(r), 100):
        model = RandomForestRegressor(5, max_depth=3, random_state=0)
        fitted = model.fit(r.to_numpy()[: t - 1], r.to_numpy()[1:t])
        made.iloc[t : t + 100] = fitted.predict(r.to_numpy()[t : t + 100])
    return made


def listed(prices: pd.DataFrame) -> pd.DataFrame:
    """Equal weights of those that have had a price."""
    there = (prices.notna().cumsum() > 0).astype(float)
    return there.div(there.sum(axis=1), axis=0)


def turn_of_month(prices: pd.DataFrame) -> pd.DataFrame:
    """The last three business days of a month, by the calendar."""
    ends = prices.index + pd.offsets.BMonthEnd(0)
    held = (np.busday_count(prices.index.values.astype("M8[D]"), ends.values.astype("M8[D]")) < 3)[
        :, None
    ] * 0.1
    return pd.DataFrame(np.repeat(held, prices.shape[1], axis=1), prices.index, prices.columns)


def facts_as_known(prices: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    return as_known(prices, facts, "value")


def members_as_known(prices: pd.DataFrame, membership: pd.DataFrame) -> pd.DataFrame:
    member = as_known(prices, membership, "member") == True  # noqa: E712 (missing is no member)
    return ranks(prices).where(member)


HONEST: tuple[Callable[..., Any], ...] = (
    rolling, expanding, ranks, ridge, monthly, month_ends, folds, forest, listed, turn_of_month,
    facts_as_known, members_as_known,
)  # fmt: skip

# They look ahead.


def shifted(prices: pd.DataFrame) -> pd.DataFrame:
    return np.sign(returns(prices).shift(-1))


def centred(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.rolling(11, center=True).mean() / prices - 1


def whole_sample(prices: pd.DataFrame) -> pd.DataFrame:
    r = returns(prices)
    return (r - r.mean()) / r.std()


def back_filled(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.bfill().pct_change(fill_method=None)


def labelled_left(prices: pd.DataFrame) -> pd.DataFrame:
    return (
        prices.ffill()
        .resample("MS")
        .last()
        .pct_change(fill_method=None)
        .reindex(prices.index, method="ffill")
    )


def members_of_today(prices: pd.DataFrame, membership: pd.DataFrame) -> pd.DataFrame:
    last = membership.groupby("symbol").member.last()
    return ranks(prices) * last.reindex(prices.columns).astype(float)


def final_facts(prices: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """The first date is right, the value is that of the last restatement."""
    first = facts.groupby(["symbol", "event_at"], as_index=False).known_at.first()
    last = facts.groupby(["symbol", "event_at"], as_index=False).value.last()
    return as_known(prices, first.merge(last), "value")


def facts_by_period(prices: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    wide = facts.groupby(["symbol", "event_at"]).value.first().unstack(0)
    return wide.reindex(prices.index, method="ffill").reindex(columns=prices.columns)


def survivors(prices: pd.DataFrame) -> pd.DataFrame:
    return ranks(prices.dropna(axis=1, thresh=int(0.9 * len(prices))))


def one_symbol(prices: pd.DataFrame) -> pd.DataFrame:
    made = ranks(prices)
    made["D"] = returns(prices)["D"].shift(-1)
    return made


def far(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.ffill().shift(-100) / prices.ffill() - 1


def faint(prices: pd.DataFrame) -> pd.DataFrame:
    """One part in 10,000."""
    return ranks(prices) + 1e-4 * np.sign(prices.ffill().diff().shift(-1))


# They depend on how many rows come, which is the future as well: a month end that is seen by what follows it, borders of folds
# that are shares of the sample.


def month_end_by_rows(prices: pd.DataFrame) -> pd.DataFrame:
    """Decided on the last session of each month that the data have: on the last row of the data, always."""
    days = prices.index.to_series().groupby(prices.index.to_period("M")).last()
    return ranks(prices).loc[days].reindex(prices.index, method="ffill")


def folds_by_rows(prices: pd.DataFrame) -> pd.DataFrame:
    from sklearn.model_selection import TimeSeriesSplit

    starts = [str(prices.index[test[0]].date()) for _, test in TimeSeriesSplit(4).split(prices)]
    return _ridge_by_fold(prices, starts)


def turn_by_rows(prices: pd.DataFrame) -> pd.DataFrame:
    left = pd.Series(1, prices.index).groupby(prices.index.to_period("M")).cumcount(ascending=False)
    held = (left.to_numpy() < 3)[:, None] * 0.1
    return pd.DataFrame(np.repeat(held, prices.shape[1], axis=1), prices.index, prices.columns)


LEAKS: dict[Callable[..., Any], tuple[str, int | None]] = {
    shifted: ("bars", 1), centred: ("bars", 5), whole_sample: ("bars", None), back_filled: ("bars", None),
    labelled_left: ("bars", None), members_of_today: ("membership", None), final_facts: ("facts", None),
    facts_by_period: ("facts", None), survivors: ("bars", None), one_symbol: ("bars", 1), far: ("bars", 100),
    faint: ("bars", 1), month_end_by_rows: ("bars", None), folds_by_rows: ("bars", None), turn_by_rows: ("bars", None),
}  # fmt: skip
"""Function -> the table that it looks through, and how many bars, where that is one number."""
