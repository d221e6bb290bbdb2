"""Whole runs that our engine does not let begin: what cannot be written cannot leak. The refusal counts at every level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from backcast.data.calendar import clock
from zoo.pair import Pair
from zoo.run_data import Rows, adjusted_called_raw, honest, ingested
from zoo.walk import Refused, Walk

HERE = "run_refused"
STORED = ("dataset=stored", "dataset.name=zoo")


def expressions(**texts: str) -> dict[str, object]:
    return {"_target_": "backcast.signals.feature.FeatureSet", "expressions": {"alpha": "alpha", **texts}}


def negative_reference() -> None:
    """An expression that refers to tomorrow: `ref(close, -1) / close - 1`."""


def reference() -> None:
    """An expression that refers to yesterday."""


def negative_window() -> None:
    """A window of -5 rows, which other languages read as the five rows to come."""


def level_of_adjusted_prices() -> None:
    """A price level among features, on prices that were adjusted backwards and say so.

    What a name cost years ago is smaller the more it has split since: the level knows the winners.
    """


def ratio_of_adjusted_prices() -> None:
    """A ratio of adjusted prices, which later splits and dividends leave as it is."""


def on_adjusted(about: Callable[[], None], feature: str) -> Walk:
    texts = {"own": feature, "return_20": "close / ref(close, 20) - 1"}
    features = {"_target_": "backcast.signals.feature.FeatureSet", "expressions": texts}
    prepare = ingested(adjusted_called_raw, price_basis="total_return")
    return Walk(about, {"features": features}, dataset=STORED, prepare=prepare)


def facts_without_a_time() -> Rows:
    """Earnings by quarter, without a column that says when they were filed."""
    return replace(honest(), facts=honest().facts.drop(columns="known_at"))


def filing_times_without_a_zone() -> Rows:
    """Filing times as New York's clocks had them, without a zone: read as UTC, an evening's filing is known by the close."""
    facts = honest().facts
    local = facts["known_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    return replace(honest(), facts=facts.assign(known_at=local))


def filing_times_with_a_zone() -> Rows:
    """Filing times as New York's clocks had them, and the zone said."""
    return filing_times_without_a_zone()


def minutes(half_day_whole: bool = False) -> Rows:
    """Bars of half an hour of ten names over nine weeks around Thanksgiving."""
    draw = np.random.default_rng(8)
    made = clock("XNYS", np.datetime64("2017-10-02"), np.datetime64("2017-12-05"), 0, "30min")
    ends = pd.DatetimeIndex(made.closes_at).tz_localize("UTC")
    if half_day_whole:  # the bars that a full session would have had
        more = pd.date_range("2017-11-24 18:30", "2017-11-24 21:00", freq="30min", tz="UTC")
        ends = ends.append(more).sort_values()
    frames = []
    for s in range(10):
        close = np.round(80 * np.exp(np.cumsum(0.002 * draw.normal(size=len(ends)))), 2)
        opened = np.round(np.r_[close[0], close[:-1]], 2)
        columns = {
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
        }
        volume = np.round(np.exp(draw.normal(9, 0.4, len(ends))))
        end = len(ends) - (90 if s in (2, 7) else 0)
        frame = pd.DataFrame({"date": ends, "symbol": f"M{s}", **columns, "volume": volume, "known_at": ends})
        frames.append(frame.iloc[:end])
    gone = pd.DataFrame(
        [(frames[s]["date"].iloc[-1].date(), f"M{s}", "delisting", 40.0, ends[0]) for s in (2, 7)],
        columns=["date", "symbol", "kind", "value", "known_at"],
    )
    return Rows(pd.concat(frames, ignore_index=True), gone, pd.DataFrame(), pd.DataFrame())


def half_day() -> Rows:
    """The bars of a half day go on to the usual close: they are another day's, or nobody's."""
    return minutes(half_day_whole=True)


def decided_before_it_is_known() -> Rows:
    """A decision at every bar of half an hour, each known half an hour late, filled at the open that came before."""
    return minutes()


INTRADAY = ("folds=intraday", "folds.first_fit=20", "label.horizon=5")
RETURNS = {
    "_target_": "backcast.signals.feature.FeatureSet",
    "expressions": {"return_1": "close / ref(close, 1) - 1", "return_10": "close / ref(close, 10) - 1"},
}


def on_minutes(rows: Callable[[], Rows], *overrides: str, delay: int = 0) -> Walk:
    prepare = ingested(rows, frequency="30min", decision_delay=delay)
    return Walk(rows, {"features": RETURNS}, (*INTRADAY, *overrides), STORED, prepare)


def on_facts(rows: Callable[[], Rows], **keys: str) -> Walk:
    return Walk(rows, {"features": RETURNS}, dataset=STORED, prepare=ingested(rows, **keys))


def features(about: Callable[[], None], text: str) -> Walk:
    return Walk(about, {"features": expressions(own=text)})


PAIRS = (
    Pair(
        "run_negative_reference",
        HERE,
        "features",
        Refused(features(negative_reference, "ref(close, -1) / close - 1"), "features", "features.own"),
        features(reference, "close / ref(close, 1) - 1"),
    ),
    Pair(
        "run_negative_window",
        HERE,
        "features",
        Refused(features(negative_window, "ts_mean(returns(close, 1), -5)"), "features", "features.own"),
        features(reference, "ts_mean(returns(close, 1), 5)"),
    ),
    Pair(
        "run_level_of_adjusted_prices",
        HERE,
        "features",
        Refused(on_adjusted(level_of_adjusted_prices, "log(close)"), "features", "features.own"),
        on_adjusted(ratio_of_adjusted_prices, "close / ts_mean(close, 20)"),
    ),
    Pair(
        "run_facts_without_a_time",
        HERE,
        "data",
        Refused(on_facts(facts_without_a_time), "data", "facts: columns"),
        on_facts(honest),
    ),
    Pair(
        "run_filing_times_without_a_zone",
        HERE,
        "data",
        Refused(on_facts(filing_times_without_a_zone), "data", "facts: known_at"),
        on_facts(filing_times_with_a_zone, time_zone="America/New_York"),
    ),
    Pair(
        "run_half_day",
        HERE,
        "data",
        Refused(on_minutes(half_day), "data", "frame: date"),
        on_minutes(minutes),
    ),
    Pair(
        "run_decided_before_known",
        HERE,
        "execution",
        Refused(
            on_minutes(decided_before_it_is_known, "folds.every=1", delay=30),
            "execution",
            "dataset.decision_delay",
        ),
        on_minutes(minutes, "folds.every=1"),
    ),
)
