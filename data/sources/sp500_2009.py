"""Corporate actions and membership of `sp500_2009`: facts of 2009-2010, each visible in the file's own prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from backcast.data.sources.base import closes


@dataclass(frozen=True)
class Action:
    """kind split (new shares for an old one), dividend (cash a share, before the split of the same day) or rename."""

    ex: date
    symbol: str
    kind: str
    value: float | None = None
    text: str | None = None


WY_CASH, WY_SHARES = 2.65, 2.533
"""Weyerhaeuser's special dividend of $26.47 a share: a tenth in cash, the rest in new shares."""

ACTIONS = (
    Action(date(2009, 12, 1), "AOC", "rename", text="AON"),
    Action(date(2010, 6, 2), "ETFC", "rename", text="ETFCD"),
    Action(date(2010, 6, 2), "ETFCD", "split", 0.1),
    Action(date(2010, 6, 8), "ESRX", "split", 2.0),
    Action(date(2010, 6, 9), "GIS", "split", 2.0),
    Action(date(2010, 6, 14), "DHR", "split", 2.0),
    Action(date(2010, 6, 23), "FPL", "rename", text="NEE"),
    Action(date(2010, 6, 30), "ETFCD", "rename", text="ETFC"),
    Action(date(2010, 7, 20), "WY", "dividend", WY_CASH),
    Action(date(2010, 7, 20), "WY", "split", WY_SHARES),
)
"""What the file shows and the companies announced."""


@dataclass(frozen=True)
class SpinOff:
    """`shares` of a child for each share of the parent; `child` is None where its price is not in the file that day: the
    value is then the parent's drop from its last close to its open, which supposes no other news overnight."""

    ex: date
    parent: str
    shares: float
    child: str | None


SPIN_OFFS = (
    SpinOff(date(2009, 9, 1), "CAH", 0.5, None),  # CareFusion, in the file from November 2009 on
    SpinOff(date(2009, 12, 10), "TWX", 1 / 11, None),  # AOL
    SpinOff(date(2010, 7, 1), "STR", 1.0, "QEP"),
)


def actions(bars: pl.DataFrame) -> pl.DataFrame:
    """The actions as rows of the store. What was announced counts as known at the close before its ex date; a spin-off is
    valued with prices of its ex date and known at that close."""
    given = [*ACTIONS, *(_valued(bars, spin) for spin in SPIN_OFFS)]
    frame = pl.DataFrame(
        {
            "symbol": [a.symbol for a in given],
            "kind": [a.kind for a in given],
            "value": pl.Series([a.value for a in given], dtype=pl.Float64),
            "text": pl.Series([a.text for a in given], dtype=pl.String),
            "date": [a.ex for a in given],
            "announced": [a in ACTIONS for a in given],
        }
    )
    frame = frame.with_columns(closes("XNYS", frame["date"], "ex date"))
    sessions = bars["event_at"].unique().sort()
    before = pl.DataFrame({"before": sessions, "event_at": sessions.shift(-1)}).drop_nulls()
    known = pl.when("announced").then("before").otherwise("event_at").alias("known_at")
    return frame.join(before, on="event_at", how="left").with_columns(
        known, pl.lit("rule").alias("known_basis")
    )


def _valued(bars: pl.DataFrame, spin: SpinOff) -> Action:
    """The spin-off as a cash dividend of its value."""
    parent = bars.filter(pl.col("symbol") == spin.parent).sort("date")
    if spin.child is None:
        drop = parent.filter(pl.col("date") < spin.ex)["close"][-1] - _open(parent, spin.ex)
        return Action(spin.ex, spin.parent, "dividend", drop)
    child = bars.filter(pl.col("symbol") == spin.child)
    return Action(spin.ex, spin.parent, "dividend", spin.shares * _open(child, spin.ex))


def _open(bars: pl.DataFrame, day: date) -> float:
    return float(bars.filter(pl.col("date") == day)["open"][0])


def membership(bars: pl.DataFrame) -> pl.DataFrame:
    """A symbol enters with its first row and leaves at the first session of the file after its last; a missing day
    inside is a gap. The last session's absentees have not left: nobody could say so yet. A new ticker is no new member."""
    sessions = bars["event_at"].unique().sort()
    following = pl.DataFrame({"last": sessions, "event_at": sessions.shift(-1), "after": sessions.shift(-2)})
    spells = bars.group_by("symbol").agg(first=pl.col("event_at").min(), last=pl.col("event_at").max())
    joined = spells.select("symbol", event_at="first", member=True)
    left = spells.join(following, on="last").filter(pl.col("after").is_not_null())
    rows = pl.concat([joined, left.select("symbol", "event_at", member=False)])
    renames = {(ticker, a.ex) for a in ACTIONS if a.kind == "rename" for ticker in (a.symbol, a.text)}
    day = pl.col("event_at").dt.date()  # a close of New York falls on the same date in UTC
    renamed = [row in renames for row in rows.select("symbol", day).iter_rows()]
    return rows.filter(~pl.Series(renamed))
