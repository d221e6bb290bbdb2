"""The market of a pinned store, by hand: raw bars of the newest version, and what holders got and owed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data import asof
from backcast.data.adjust import ratios
from backcast.data.calendar import clock
from backcast.data.ingest import ingest
from backcast.data.market import PAY_AFTER_DAYS, Market
from backcast.data.schema import DatasetInfo
from backcast.data.sources.base import batch
from backcast.data.sources.frames import Frames
from backcast.data.store import Store

CLOCK = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-04-01"), 30).slice(0, 30)
NAN = np.nan
Row = dict[str, Any]


def bar(symbol: str, t: int, close: float, late: int = 0, volume: float = 100.0) -> Row:
    """A bar, known so many sessions after its own."""
    known = CLOCK.closes_at[t + late] + np.timedelta64(15, "m")
    return {
        "symbol": symbol,
        "event_at": CLOCK.closes_at[t],
        "known_at": known,
        "close": close,
        "volume": volume,
    }


def action(symbol: str, t: int, kind: str, value: float | None, known: int | None = None, text: str | None = None,
           pay_on: dt.date | None = None) -> Row:  # fmt: skip
    """An action of a session, known at the close before or of session `known`."""
    at = CLOCK.closes_at[t - 1 if known is None else known] + np.timedelta64(1, "m")
    return {"symbol": symbol, "kind": kind, "value": value, "text": text, "event_at": CLOCK.closes_at[t],
            "known_at": at, "pay_on": pay_on}  # fmt: skip


def market(home: Path, bars: list[Row], actions: list[Row], basis: str = "raw") -> Market:
    store = Store(home)
    info = DatasetInfo("world", "XNYS", basis, ("close", "volume"))
    frames = {}
    for name, rows in (("bars", bars), ("actions", actions)):
        if rows:
            columns = {k: [r[k] for r in rows] for k in rows[0]}
            at = {k: np.array(columns.pop(k)).astype("datetime64[us]") for k in ("event_at", "known_at")}
            types = {"text": pl.String, "pay_on": pl.Date, "value": pl.Float64}
            frame = pl.DataFrame(columns, schema_overrides={k: v for k, v in types.items() if k in columns})
            frames[name] = frame.with_columns(
                pl.Series(k, v).dt.replace_time_zone("UTC") for k, v in at.items()
            )
    made = batch(info, frames)
    store.create(info)
    store.commit("world", [made.tables], made.batch)
    return asof.load_market(store, "world", store.version("world"))


def every(symbol: str, close: float, begin: int = 0, end: int = 30) -> list[Row]:
    return [bar(symbol, t, close) for t in range(begin, end)]


def dividends(found: Market) -> list[tuple[str, int, int, float]]:
    rows = zip(
        found.symbol.tolist(), found.ex.tolist(), found.pay.tolist(), found.amount.tolist(), strict=True
    )
    return [(found.symbols[s], ex, pay, amount) for s, ex, pay, amount in rows]


def test_prices_are_raw_and_of_the_newest_version(tmp_path: Path) -> None:
    bars = [*every("A", 10.0), bar("A", 4, 11.0, late=3)]
    found = market(tmp_path, bars, [action("A", 10, "split", 2.0)])
    close = found.field("close")[0]
    assert close[4] == 11.0
    assert (np.delete(close, 4) == 10.0).all()  # the split is beside the prices, not in them
    assert found.split[0, 10] == 2.0 and found.split.sum() == found.split.size + 1
    assert found.first is not None
    assert found.first.field("close")[0, 4] == 10.0  # as its own decision knew it
    assert asof.as_known(found.first, CLOCK.decides_at[7])[0, 0, 4] == 11.0


def test_pay_dates(tmp_path: Path) -> None:
    saturday = dt.date(2020, 1, 18)  # the next session is Tuesday the 21st: Monday is a holiday
    actions = [
        action("A", 5, "dividend", 0.5, pay_on=saturday),
        action("A", 8, "dividend", 0.6, pay_on=dt.date(2021, 1, 1)),
        action("A", 11, "dividend", 0.7),
        action("A", 12, "split", 2.0),
        action("B", 11, "dividend", 0.1, pay_on=dt.date(2019, 12, 1)),
    ]
    found = market(tmp_path, [*every("A", 10.0), *every("B", 5.0)], actions)
    tuesday = int(np.searchsorted(CLOCK.sessions, np.datetime64("2020-01-21")))
    by_rule = int(np.searchsorted(CLOCK.sessions, CLOCK.sessions[11] + np.timedelta64(PAY_AFTER_DAYS, "D")))
    assert dividends(found) == [
        ("A", 5, tuesday, 0.5),
        ("A", 8, 30, 0.6),  # after the last session: still owed there
        ("A", 11, by_rule, 0.7),
        ("B", 11, 11, 0.1),  # never paid before its ex date
    ]
    assert found.pay_by_rule is not None and found.pay_by_rule.tolist() == [False, False, True, False]
    assert found.known_at[0] == CLOCK.closes_at[4] + np.timedelta64(1, "m")


def test_of_a_corrected_action_the_newest_version_counts_alone(tmp_path: Path) -> None:
    actions = [
        action("A", 10, "dividend", 0.5), action("A", 10, "dividend", 0.7, known=15),
        action("A", 12, "split", 2.0), action("A", 12, "split", 3.0, known=20),
        action("A", 14, "dividend", 0.5), action("A", 14, "dividend", 0.0, known=25),  # withdrawn
    ]  # fmt: skip
    found = market(tmp_path, every("A", 10.0), actions)
    assert [(ex, amount) for _, ex, _, amount in dividends(found)] == [(10, 0.7)]
    assert found.split[0, 12] == 3.0


def test_actions_that_nobody_could_hold_are_left_out(tmp_path: Path) -> None:
    actions = [action("A", 3, "split", 2.0), action("A", 5, "dividend", 0.5), action("A", 6, "dividend", 0.25),
               action("Z", 6, "dividend", 9.0)]  # fmt: skip
    found = market(tmp_path, [*every("A", 10.0, begin=5), *every("B", 10.0)], actions)
    assert [(name, ex, amount) for name, ex, _, amount in dividends(found)] == [("A", 6, 0.25)]
    assert (found.split == 1.0).all()


def test_a_rename_keeps_one_symbol_with_its_actions(tmp_path: Path) -> None:
    bars = [*every("OLD", 10.0, end=10), *every("NEW", 10.0, begin=10)]
    actions = [action("OLD", 10, "rename", None, text="NEW"), action("NEW", 12, "split", 2.0),
               action("OLD", 7, "dividend", 0.5)]  # fmt: skip
    found = market(tmp_path, bars, actions)
    assert found.symbols == ("OLD",)
    assert np.isfinite(found.field("close")).all()
    assert found.split[0, 12] == 2.0
    assert [row[:2] for row in dividends(found)] == [("OLD", 7)]


def test_endings_are_in_raw_units_and_corrected(tmp_path: Path) -> None:
    bars = [*every("A", 10.0, end=20), *every("B", 4.0, end=15), *every("C", 1.0)]
    actions = [
        action("A", 5, "split", 2.0),
        action("A", 19, "delisting", 3.5, known=19), action("A", 19, "delisting", 3.0, known=22),
        action("B", 14, "merger", 4.25, known=13),
    ]  # fmt: skip
    found = market(tmp_path, bars, actions)
    assert found.endings == {"A": (19, 3.0), "B": (14, 4.25)}
    assert found.merged == {"B"}


@pytest.mark.parametrize("basis", ["split_adjusted", "total_return"])
def test_adjusted_sources_hold_their_actions_in_their_prices(tmp_path: Path, basis: str) -> None:
    actions = [
        action("A", 5, "split", 2.0),
        action("A", 6, "dividend", 0.5),
        action("A", 19, "delisting", 3.5, known=19),
    ]
    found = market(tmp_path, [*every("A", 10.0, end=20), *every("B", 1.0)], actions, basis)
    assert (found.split == 1.0).all() and not len(found.ex)
    assert found.endings == {"A": (19, 3.5)}


def test_market_and_panel_are_two_views_of_one_total_return(tmp_path: Path) -> None:
    """Raw prices with splits and dividends reinvested at the implied ex price make the forward-adjusted close."""
    draw = np.random.default_rng(5)
    bars = [bar("A", t, float(draw.uniform(9, 11))) for t in range(30)]
    actions = [
        action("A", 6, "split", 3.0),
        action("A", 9, "dividend", 0.4),
        action("A", 20, "dividend", 0.3),
    ]
    found = market(tmp_path, bars, actions)
    store = Store(tmp_path)
    panel = asof.load_panel(store, "world", store.version("world"))
    close, shares, value = found.field("close")[0], 1.0, []
    paid = dict(zip(found.ex.tolist(), found.amount.tolist(), strict=True))
    for t in range(30):
        shares *= found.split[0, t]
        if t in paid:
            shares *= ratios("dividend", paid[t], "A", close[t - 1])[0]
        value.append(shares * close[t])
    np.testing.assert_allclose(value, panel.field("close")[0], rtol=1e-14)


def test_actions_of_minutes_count_from_the_first_bar_of_their_session(tmp_path: Path) -> None:
    bars_at = clock("XNYS", np.datetime64("2024-07-02"), np.datetime64("2024-07-05"), 0, "30min")
    bars = pl.DataFrame({"date": bars_at.closes_at, "symbol": "A", "close": 10.0})
    days = [dt.date(2024, 7, 3), dt.date(2024, 7, 5)]
    actions = pl.DataFrame({
        "date": days, "symbol": "A", "kind": ["dividend", "split"], "value": [0.5, 2.0], "pay_on": [days[1], None],
        "known_at": [dt.datetime(2024, 7, 1)] * 2,
    })  # fmt: skip
    source = Frames(bars, actions=actions, name="mine", price_basis="raw", frequency="30min", time_zone="UTC",
                    known_rule="event_at + 0min", decision_delay=0)  # fmt: skip
    store = Store(tmp_path)
    ingest(store, source)
    found = asof.load_market(store, "mine", store.version("mine"))
    assert dividends(found) == [("A", 13, 20, 0.5)]  # 13 bars on the second, 7 on the eve of the fourth
    assert np.flatnonzero(found.split[0] != 1.0).tolist() == [20]
