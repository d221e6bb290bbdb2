"""Tickers are not companies: renames join, recycled tickers never do, and no name changes in hindsight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backcast.data.asof import delisted_by, delistings, load_panel
from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo
from backcast.data.sources.base import batch
from backcast.data.sql import select
from backcast.data.store import Store
from backcast.data.views import symbols

CLOCK = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-02-28"), 30)
N = len(CLOCK)
INFO = DatasetInfo("tickers", "XNYS", "raw", ("close",))
Action = tuple[str, str, int, int, float | None, str | None]  # kind, ticker, session, known, value, text


def stored(home: Path, bars: dict[str, range], actions: list[Action]) -> tuple[Store, dict[str, int]]:
    """Bars whose close is the session's number, of tickers over ranges of sessions; a ticker may stand twice as 'FB', 'FB '."""
    rows = [(ticker.strip(), t) for ticker, sessions in bars.items() for t in sessions]
    frame = pl.DataFrame(
        {
            "symbol": [ticker for ticker, _ in rows],
            "close": [1.0 + t for _, t in rows],
            "event_at": CLOCK.closes_at[[t for _, t in rows]],
            "known_at": CLOCK.closes_at[[t for _, t in rows]],
        }
    )
    kinds, tickers, sessions, known, values, texts = (list(c) for c in zip(*actions, strict=True))
    facts = pl.DataFrame(
        {
            "kind": kinds,
            "symbol": tickers,
            "event_at": CLOCK.closes_at[sessions],
            "known_at": CLOCK.closes_at[known],
            "value": pl.Series(values, dtype=pl.Float64),
            "text": pl.Series(texts, dtype=pl.String),
        }
    )
    utc = [pl.col(c).dt.replace_time_zone("UTC") for c in ("event_at", "known_at")]
    whole = batch(INFO, {"bars": frame.with_columns(utc), "actions": facts.with_columns(utc)})
    store = Store(home)
    store.create(INFO)
    store.commit("tickers", [whole.tables], whole.batch)
    return store, store.version("tickers")


def spells(store: Store, pin: dict[str, int], until: int | None = None) -> dict[str, tuple[int, int]]:
    """First and last session of each symbol of the panel."""
    panel = load_panel(store, "tickers", pin, until=None if until is None else CLOCK.decides_at[until])
    found = {}
    for name, values in zip(panel.symbols, panel.field("close"), strict=True):
        at = np.flatnonzero(np.isfinite(values))
        found[name] = (int(at[0]), int(at[-1]))
    return found


def test_a_recycled_ticker_is_another_company(tmp_path: Path) -> None:
    store, pin = stored(
        tmp_path,
        {"FB": range(10), "FB ": range(20, N), "A": range(N)},
        [("delisting", "FB", 9, 9, 5.0, None)],
    )
    assert spells(store, pin) == {"A": (0, N - 1), "FB": (0, 9), "FB#2": (20, N - 1)}
    assert {name: last for name, [(last, _, _)] in delistings(store, "tickers", pin).items()} == {"FB": 9}


def test_a_chain_of_renames_whose_last_ticker_is_recycled(tmp_path: Path) -> None:
    """UW -> WMI, merged away, and a new WMI; the old UW ticker comes again too."""
    store, pin = stored(
        tmp_path,
        {"UW": range(5), "WMI": range(5, 15), "WMI ": range(20, N), "UW ": range(8, N)},
        [("rename", "UW", 5, 4, None, "WMI"), ("merger", "WMI", 14, 12, 14.0, None)],
    )
    assert spells(store, pin) == {"UW": (0, 14), "UW#2": (8, N - 1), "WMI#2": (20, N - 1)}
    [(name, [(last, proceeds, _)])] = delistings(store, "tickers", pin).items()
    assert (name, last, proceeds) == ("UW", 14, 14.0)


def test_there_and_back_is_one_company(tmp_path: Path) -> None:
    store, pin = stored(
        tmp_path,
        {"ETFC": range(10), "ETFCD": range(10, 20), "ETFC ": range(20, N)},
        [("rename", "ETFC", 10, 9, None, "ETFCD"), ("rename", "ETFCD", 20, 19, None, "ETFC")],
    )
    assert spells(store, pin) == {"ETFC": (0, N - 1)}


@pytest.mark.parametrize("other", ["AOLD", "ZOLD"])
def test_a_ticker_passed_on_within_a_day(tmp_path: Path, other: str) -> None:
    """As GOOG became GOOGL and GOOCV became GOOG; the order of the two rows is of no matter."""
    store, pin = stored(
        tmp_path,
        {"GOOG": range(10), "GOOGL": range(10, N), other: range(5, 10), "GOOG ": range(10, N)},
        [("rename", "GOOG", 10, 9, None, "GOOGL"), ("rename", other, 10, 9, None, "GOOG")],
    )
    assert spells(store, pin) == {"GOOG": (0, N - 1), other: (5, N - 1)}


@pytest.mark.parametrize("known", [9, 12, 25])
def test_no_name_changes_in_hindsight(tmp_path: Path, known: int) -> None:
    """A delisting that became known late splits the series from then on, in every world that knows it."""
    store, pin = stored(
        tmp_path,
        {"FB": range(10), "FB ": range(20, N), "A": range(N)},
        [("delisting", "FB", 9, known, 5.0, None)],
    )
    whole = spells(store, pin)
    assert whole["FB#2"][0] == max(20, known)
    for until in range(5, N):
        cut = {name: (a, min(b, until)) for name, (a, b) in whole.items() if a <= until}
        if "FB" in cut and 9 < cut["FB"][1] < 20:
            cut["FB"] = (0, 9)
        assert spells(store, pin, until) == cut


def test_a_rename_that_was_not_known_in_time_joins_nothing(tmp_path: Path) -> None:
    store, pin = stored(
        tmp_path,
        {"OLD": range(10), "NEW": range(10, N)},
        [("rename", "OLD", 10, 12, None, "NEW")],
    )
    assert spells(store, pin) == {"NEW": (10, N - 1), "OLD": (0, 9)}


def test_the_tickers_of_each_company(tmp_path: Path) -> None:
    """UW is taken over and WMI takes another name: one ticker, two companies; as known before, each is what it was."""
    store, _ = stored(
        tmp_path,
        {"WM": range(10), "WM ": range(12, 20), "UW": range(6), "WMI": range(6, 12)},
        [
            ("delisting", "WM", 9, 9, 1.0, None),
            ("rename", "UW", 6, 5, None, "WMI"),
            ("rename", "WMI", 12, 11, None, "WM"),
        ],
    )
    found = symbols(store, "tickers", CLOCK.decides_at[-1])
    at = [CLOCK.closes_at[t] for t in (0, 6, 12, 0)]
    assert found.select("symbol", "ticker", "bars").rows() == [
        ("UW", "UW", 6), ("UW", "WMI", 6), ("UW", "WM", 8), ("WM", "WM", 10)]  # fmt: skip
    assert found["first_at"].dt.replace_time_zone(None).to_numpy().tolist() == [a.item() for a in at]
    early = symbols(store, "tickers", CLOCK.decides_at[4])
    assert early.select("symbol", "ticker").rows() == [("UW", "UW"), ("WM", "WM")]
    sql = (
        "SELECT s.symbol, count(*) n FROM bars b JOIN symbols s "
        "ON b.symbol = s.ticker AND b.event_at BETWEEN first_at AND last_at GROUP BY 1 ORDER BY 1"
    )
    assert select(store, sql, CLOCK.decides_at[-1]).rows() == [
        ("UW", 20),
        ("WM", 10),
    ]


def test_a_corrected_end_ends_once_and_was_known_from_its_first_version(tmp_path: Path) -> None:
    store, pin = stored(
        tmp_path,
        {"FB": range(10), "FB ": range(20, N)},
        [("delisting", "FB", 9, 9, 5.0, None), ("delisting", "FB", 9, 25, 6.0, None)],
    )
    assert spells(store, pin) == {"FB": (0, 9), "FB#2": (20, N - 1)}
    ends = delistings(store, "tickers", pin)
    assert [delisted_by(ends, CLOCK.decides_at[t]).get("FB") for t in (8, 15, 30)] == [
        None,
        (9, 5.0),
        (9, 6.0),
    ]


def test_a_corrected_rename_joins_the_company_that_it_names_now(tmp_path: Path) -> None:
    bars = {"OLD": range(10), "NEW": range(10, N), "WRONG": range(N)}
    renames = [("rename", "OLD", 10, 8, None, "WRONG"), ("rename", "OLD", 10, 9, None, "NEW")]
    store, pin = stored(tmp_path, bars, renames)
    assert spells(store, pin) == {"OLD": (0, N - 1), "WRONG": (0, N - 1)}


def test_no_ticker_looks_like_a_recycled_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bars\.symbol = 'FB#2'"):
        stored(tmp_path, {"FB#2": range(10)}, [("delisting", "A", 9, 9, 5.0, None)])
    with pytest.raises(InputError, match=r"actions\.text = 'B '"):
        stored(tmp_path, {"A": range(10)}, [("rename", "A", 9, 9, None, "B ")])
