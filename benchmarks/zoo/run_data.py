"""Whole runs on data with a condition that makes results too good: nothing in the strategy is wrong, the rows are.

No change of the future moves anything here. What can be said is that the data look like it, which is a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from backcast.data.calendar import clock
from zoo.pair import Pair
from zoo.walk import Refused, Walk

HERE = "run_data"
SESSIONS, NAMES = 504, 120
"""240 symbol-years: enough that nobody leaving is improbable, and little enough for a run of a second."""

LAST = {3: 290, 18: 350, 32: 380, 47: 410, 60: 333, 75: 450, 99: 222}
"""The last sessions of those that are delisted, by their place."""


@dataclass(frozen=True)
class Rows:
    """What a vendor gives: bars, actions, membership and facts in long form, as `backcast.ingest` takes them."""

    bars: pd.DataFrame
    actions: pd.DataFrame
    membership: pd.DataFrame
    facts: pd.DataFrame


@cache
def vendor() -> Rows:
    """An honest vendor's rows: raw prices in cents, splits and dividends as declared, seven names that leave with a delisting
    fact, index members as announced, earnings as filed in the evening with restatements."""
    draw = np.random.default_rng(5)
    made = clock("XNYS", np.datetime64("2016-01-04"), np.datetime64("2018-12-31"), 30).slice(0, SESSIONS)
    days = pd.DatetimeIndex(made.sessions.astype("datetime64[ns]"))
    closes_at = pd.DatetimeIndex(made.closes_at).tz_localize("UTC")
    names = [f"V{i:03d}" for i in range(NAMES)]
    steps = 0.006 * draw.normal(size=(SESSIONS, 1)) + 0.013 * draw.normal(size=(SESSIONS, NAMES))
    close = draw.uniform(30, 150, NAMES) * np.exp(np.cumsum(steps, axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(0.004 * draw.normal(size=close.shape))
    last = LAST
    actions, factor = _actions(draw, days, closes_at, names, close, last)
    bars = _bars(draw, days, closes_at, names, opened / factor, close / factor, last)
    return Rows(bars, actions, _membership(days, closes_at, names, last), _facts(draw, names, last, days))


def _actions(
    draw: np.random.Generator,
    days: pd.DatetimeIndex,
    closes_at: pd.DatetimeIndex,
    names: list[str],
    close: np.ndarray,
    last: dict[int, int],
) -> tuple[pd.DataFrame, np.ndarray]:
    """Splits and quarterly dividends, known ten sessions before their ex date; delistings, known three sessions before."""
    factor, rows = np.ones(close.shape), []
    for s, t, ratio in ((1, 120, 2.0), (6, 220, 3.0), (10, 330, 2.0), (55, 100, 2.0), (80, 400, 4.0)):
        factor[t:, s] *= ratio
        rows.append((days[t], names[s], "split", ratio, closes_at[t - 10]))
    for s in (s for s in range(NAMES) if s % 4):
        for t in range(40 + s % 20, last.get(s, SESSIONS), 63):
            amount = round(float(draw.uniform(0.2, 0.6)), 2)
            rows.append((days[t], names[s], "dividend", amount, closes_at[t - 10]))
    for s, t in last.items():
        proceeds = round(float(close[t, s] / factor[t, s]) * 0.4, 2)
        rows.append((days[t], names[s], "delisting", proceeds, closes_at[t - 3]))
    columns = ["date", "symbol", "kind", "value", "known_at"]
    return pd.DataFrame(rows, columns=columns), factor


def _bars(
    draw: np.random.Generator,
    days: pd.DatetimeIndex,
    closes_at: pd.DatetimeIndex,
    names: list[str],
    opened: np.ndarray,
    close: np.ndarray,
    last: dict[int, int],
) -> pd.DataFrame:
    """A row a name and session up to its last one, prices in cents, known a few minutes after the close."""
    reach = np.exp(np.abs(0.005 * draw.normal(size=(2, *close.shape))))
    high, low = np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1]
    volume = np.round(np.exp(draw.normal(13, 0.5, close.shape)))
    frames = []
    for s, name in enumerate(names):
        end = last.get(s, SESSIONS - 1) + 1
        prices = {
            field: np.round(values[:end, s], 2)
            for field, values in (("open", opened), ("high", high), ("low", low), ("close", close))
        }
        prices["high"] = np.maximum.reduce([prices["high"], prices["open"], prices["close"]])
        prices["low"] = np.minimum.reduce([prices["low"], prices["open"], prices["close"]])
        late = pd.to_timedelta(draw.integers(5, 25, end), unit="min")
        columns = {"date": days[:end], "symbol": name, **prices, "volume": volume[:end, s]}
        frames.append(pd.DataFrame({**columns, "known_at": closes_at[:end] + late}))
    return pd.concat(frames, ignore_index=True)


def _membership(
    days: pd.DatetimeIndex, closes_at: pd.DatetimeIndex, names: list[str], last: dict[int, int]
) -> pd.DataFrame:
    """A hundred members at first; two join, two leave while they still trade, those that are delisted leave with it."""
    rows = [(days[0], name, True, closes_at[0] - pd.Timedelta("5D")) for name in names[:100]]
    rows += [(days[t], names[s], True, closes_at[t - 5]) for s, t in ((114, 150), (115, 310))]
    rows += [(days[t], names[s], False, closes_at[t - 5]) for s, t in ((0, 150), (5, 310))]
    rows += [(days[t], names[s], False, closes_at[t - 3]) for s, t in last.items()]
    return pd.DataFrame(rows, columns=["date", "symbol", "member", "known_at"])


def _facts(
    draw: np.random.Generator, names: list[str], last: dict[int, int], days: pd.DatetimeIndex
) -> pd.DataFrame:
    """Quarterly earnings, filed on a weekday 25 to 70 days after the quarter at any hour from 12:00 to 22:00, a third restated
    later."""
    rows = []
    for s, name in enumerate(names):
        level, end = float(draw.uniform(1, 5)), days[last.get(s, SESSIONS - 1)]
        for quarter in pd.date_range("2015-09-30", end, freq="QE"):
            level *= float(np.exp(draw.normal(0.01, 0.1)))
            minutes = int(draw.integers(12 * 60, 22 * 60))
            day = pd.offsets.BDay().rollforward(quarter + pd.Timedelta(days=int(draw.integers(25, 70))))
            filed = (day + pd.Timedelta(minutes=minutes)).tz_localize("UTC")
            rows.append((quarter.tz_localize("UTC"), name, "earnings", round(level, 3), filed))
            if draw.random() < 0.35:
                later = filed + pd.Timedelta(
                    days=int(draw.integers(60, 150)), minutes=int(draw.integers(0, 300))
                )
                restated = round(level * float(np.exp(draw.normal(0, 0.2))), 3)
                rows.append((quarter.tz_localize("UTC"), name, "earnings", restated, later))
    facts = pd.DataFrame(rows, columns=["date", "symbol", "item", "value", "known_at"])
    return facts[facts["known_at"] < days[-1].tz_localize("UTC")].reset_index(drop=True)


def honest() -> Rows:
    """The rows of an honest vendor."""
    return vendor()


def members_of_today() -> Rows:
    """Index members are those of today, for all of time: `membership` has no row of anybody who left.

    The bars of those who left are there, so that it does not show in the number of symbols.
    """
    given = vendor()
    states = given.membership.sort_values("known_at").groupby("symbol")["member"].last()
    today = [name for name, member in states.items() if member]
    first = given.bars["date"].min()
    known = pd.Timestamp(first).tz_localize("UTC")
    rows = [(first, name, True, known) for name in today]
    return replace(given, membership=pd.DataFrame(rows, columns=given.membership.columns))


def delisted_missing() -> Rows:
    """The vendor serves active symbols only: whoever was delisted has no row at all."""
    given = vendor()
    gone = given.actions.loc[given.actions["kind"] == "delisting", "symbol"]
    return Rows(*(frame[~frame["symbol"].isin(gone)].reset_index(drop=True) for frame in _frames(given)))


def ticker_recycled() -> Rows:
    """A ticker was given to another company, months after the first one had gone, and both are one series of bars."""
    given = vendor()
    one, other = "V003", "V015"
    bars, start = given.bars, pd.Timestamp("2017-06-01")
    taken = bars[(bars["symbol"] == other) & (bars["date"] >= start)]
    kept = bars[~((bars["symbol"] == other) & (bars["date"] >= start))]
    actions = given.actions[~given.actions["symbol"].isin([one, other])]
    membership = given.membership[~given.membership["symbol"].isin([one, other])]
    begin = pd.Timestamp(bars["date"].min())
    more = pd.DataFrame([(begin, one, True, begin.tz_localize("UTC"))], columns=membership.columns)
    facts = given.facts[given.facts["symbol"] != other]
    return Rows(
        pd.concat([kept, taken.assign(symbol=one)], ignore_index=True),
        actions.reset_index(drop=True),
        pd.concat([membership, more], ignore_index=True),
        facts.reset_index(drop=True),
    )


def ticker_told_apart() -> Rows:
    """The same ticker of two companies, with the delisting of the first: they are two symbols."""
    mixed, given = ticker_recycled(), vendor()
    ends = given.actions[(given.actions["symbol"] == "V003") & (given.actions["kind"] == "delisting")]
    return replace(mixed, actions=pd.concat([mixed.actions, ends], ignore_index=True))


def adjusted_called_raw() -> Rows:
    """Prices are adjusted backwards by splits and dividends and called raw, and the strategy compares their levels."""
    given = vendor()
    bars = given.bars.copy()
    prices = ["open", "high", "low", "close"]
    for row in given.actions.itertuples():
        own = (bars["symbol"] == row.symbol) & (bars["date"] < row.date)
        if row.kind == "split":
            bars.loc[own, prices] /= row.value
            bars.loc[own, "volume"] *= row.value
        elif row.kind == "dividend" and own.any():
            bars.loc[own, prices] *= 1 - row.value / float(bars.loc[own, "close"].iloc[-1])
    ends = given.actions[given.actions["kind"] == "delisting"].reset_index(drop=True)
    return replace(given, bars=bars, actions=ends)


def facts_at_period_end() -> Rows:
    """Earnings are known on the last day of their quarter, as in a table that is indexed by period."""
    given = vendor()
    facts = given.facts.sort_values("known_at").groupby(["date", "symbol", "item"], as_index=False).last()
    return replace(given, facts=facts.assign(known_at=facts["date"] + pd.Timedelta("21h")))


def facts_a_day_early() -> Rows:
    """Earnings are known from the midnight with which the day of their filing begins: only the date was kept.

    Most are filed after the close, so that the decision of that day knows them a day early.
    """
    given = vendor()
    facts = given.facts.assign(known_at=given.facts["known_at"].dt.normalize())
    return replace(given, facts=facts.drop_duplicates(["date", "symbol", "item", "known_at"]))


def final_values() -> Rows:
    """Earnings have their final values at the time of their first publication: the restatements are written over."""
    given = vendor()
    ordered = given.facts.sort_values("known_at").groupby(["date", "symbol", "item"], as_index=False)
    return replace(given, facts=ordered.agg({"value": "last", "known_at": "first"}))


def facts_before_their_period() -> Rows:
    """Earnings are known before the quarter that they are of has ended."""
    given = vendor()
    facts = given.facts.sort_values("known_at").groupby(["date", "symbol", "item"], as_index=False).first()
    return replace(
        given, facts=facts.assign(known_at=facts["date"] - pd.Timedelta("3D") + pd.Timedelta("18h"))
    )


def bars_at_their_open() -> Rows:
    """Bars are stamped with the start of their session, and taken as known then."""
    given = vendor()
    opens = pd.to_datetime(given.bars["date"]).dt.tz_localize("UTC") + pd.Timedelta("14h30min")
    return replace(given, bars=given.bars.assign(known_at=opens))


def a_day_off() -> Rows:
    """Dates are those of UTC midnights read in New York: each bar lies on the day before its own."""
    given = vendor()
    back = given.bars["date"] - pd.Timedelta("1D")
    return replace(
        given, bars=given.bars.assign(date=back, known_at=given.bars["known_at"] - pd.Timedelta("1D"))
    )


def _frames(given: Rows) -> tuple[pd.DataFrame, ...]:
    return given.bars, given.actions, given.membership, given.facts


FUNDAMENTAL = {
    "_target_": "backcast.signals.feature.FeatureSet",
    "expressions": {
        "growth": "(earnings - ref(earnings, 63)) / abs(ref(earnings, 63))",
        "return_20": "close / ref(close, 20) - 1",
        "volatility_20": "ts_std(returns(close, 1), 20)",
    },
}

LEVELS = {
    "_target_": "backcast.signals.feature.FeatureSet",
    "expressions": {"cheap": "close", "return_20": "close / ref(close, 20) - 1"},
}


def ingested(rows: Callable[[], Rows], price_basis: str = "raw", **keys: Any) -> Callable[[], None]:
    """What puts rows into the store under the name that the runs read; keys: of the source."""

    def ingest() -> None:
        import backcast

        given = rows()
        tables = {"actions": given.actions, "membership": given.membership, "facts": given.facts}
        there = {name: table for name, table in tables.items() if len(table)}
        backcast.ingest(given.bars, "zoo", price_basis, **there, **keys)

    return ingest


def on(rows: Callable[[], Rows], features: dict[str, object] = FUNDAMENTAL) -> Walk:
    return Walk(
        rows, {"features": features}, dataset=("dataset=stored", "dataset.name=zoo"), prepare=ingested(rows)
    )


def pair(
    name: str, layer: str, rows: Callable[[], Rows], through: str = "", twin: Callable[[], Rows] = honest
) -> Pair:
    return Pair(name, HERE, layer, on(rows), on(twin), through=through)


PAIRS = (
    pair("run_members_of_today", "universe", members_of_today),
    pair("run_delisted_missing", "universe", delisted_missing),
    pair("run_ticker_recycled", "universe", ticker_recycled, twin=ticker_told_apart),
    Pair("run_adjusted_called_raw", HERE, "data", on(adjusted_called_raw, LEVELS), on(honest, LEVELS)),
    pair("run_facts_at_period_end", "data", facts_at_period_end),
    pair("run_facts_a_day_early", "data", facts_a_day_early),
    pair("run_final_values", "data", final_values),
    pair("run_facts_before_their_period", "data", facts_before_their_period),
    Pair(
        "run_bars_at_their_open",
        HERE,
        "data",
        Refused(on(bars_at_their_open), "data", "known_at of"),
        on(honest),
    ),
    Pair("run_a_day_off", HERE, "data", Refused(on(a_day_off), "data", "frame: date"), on(honest)),
)
