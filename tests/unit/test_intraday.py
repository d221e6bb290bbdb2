"""Bars of minutes: placed on the exchange's sessions, half days and all, and on panels that know no more than they should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data.asof import load_panel
from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sources.csv import CSV
from backcast.data.sources.frames import Frames
from backcast.data.sql import select
from backcast.data.store import Store
from backcast.data.views import prices

CLOCK = clock("XNYS", np.datetime64("2024-07-02"), np.datetime64("2024-07-05"), 0, "30min")
OPTIONS: dict[str, Any] = {"name": "mine", "price_basis": "raw", "frequency": "30min", "time_zone": "UTC",
                           "known_rule": "event_at + 0min", "decision_delay": 0}  # fmt: skip
EX = datetime(2024, 7, 5).date()
NOW = np.datetime64("2025-01-01", "us")


def bars(symbols: str = "A", stamps: Any = None) -> pl.DataFrame:
    """A close that counts bars, 100 for the first, for each symbol."""
    at = CLOCK.closes_at if stamps is None else stamps
    parts = [pl.DataFrame({"date": at, "symbol": s, "close": 100.0 + np.arange(len(at))}) for s in symbols]
    return pl.concat(parts)


def test_three_sessions_of_which_one_is_a_half_day() -> None:
    assert len(CLOCK) == 13 + 7 + 13  # 9:30 to 16:00, to 13:00 on the eve of the fourth, and to 16:00 again


@pytest.mark.parametrize("stamp", ["end", "start"])
def test_a_stamp_is_either_end_of_a_bar(stamp: str, tmp_path: Path) -> None:
    given = bars(stamps=CLOCK.closes_at if stamp == "end" else CLOCK.opens_at)
    store = Store(tmp_path)
    ingest(store, Frames(given, bar_stamp=stamp, **OPTIONS))
    stored = select(store, "SELECT event_at FROM bars ORDER BY event_at", NOW)["event_at"]
    assert stored.dt.replace_time_zone(None).to_numpy().tolist() == CLOCK.closes_at.tolist()


def test_local_times_in_text_and_a_format_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("when,symbol,close\n20240702 09:30,A,1\n20240702 15:30,A,2\n")
    source = CSV(path=str(tmp_path / "a.csv"), bar_stamp="start", columns={"date": "when"}, date_format="%Y%m%d %H:%M",
                 **{**OPTIONS, "time_zone": "America/New_York"})  # fmt: skip
    found = source.read().tables["bars"]["event_at"].to_pylist()
    assert found == [datetime(2024, 7, 2, 14, tzinfo=UTC), datetime(2024, 7, 2, 20, tzinfo=UTC)]


@pytest.mark.parametrize(
    "text", ["2024-07-02 09:45", "2024-07-02 17:00", "2024-07-04 10:00", "2024-07-03 14:00"]
)
def test_a_bar_outside_of_every_session_is_refused_or_left_out_and_reported(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"date,symbol,close\n2024-07-02 10:00,A,1\n{text},A,2\n")
    options = {**OPTIONS, "time_zone": "America/New_York"}
    with pytest.raises(InputError, match=r"row 2.*off_session=adjust"):
        CSV(path=str(tmp_path / "a.csv"), **options).read()
    batch = CSV(path=str(tmp_path / "a.csv"), off_session="adjust", **options).read()
    assert batch.tables["bars"].num_rows == 1
    assert [(f.severity, f.check, f.count) for f in batch.findings] == [("warning", "off session", 1)]


def test_no_bar_in_any_session_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("date,symbol,close\n2024-07-04 10:00,A,1\n")
    source = CSV(
        path=str(tmp_path / "a.csv"), off_session="adjust", **{**OPTIONS, "time_zone": "America/New_York"}
    )
    with pytest.raises(InputError, match="at least one row"):
        ingest(Store(tmp_path / "home"), source)


def test_a_split_counts_from_the_open_of_its_ex_date(tmp_path: Path) -> None:
    action = pl.DataFrame({"date": [EX], "symbol": ["A"], "kind": ["split"], "value": [2.0],
                           "known_at": [datetime(2024, 7, 1)]})  # fmt: skip
    store = Store(tmp_path)
    ingest(store, Frames(bars(), actions=action, **OPTIONS))
    panel = load_panel(store, "mine", store.version("mine"))
    factor = panel.field("close")[0] / (100.0 + np.arange(len(CLOCK)))
    assert factor.tolist() == [1.0] * 20 + [2.0] * 13
    assert len(panel.revisions) == 0  # it was known before it counted
    shown = prices(store, "mine", NOW)
    assert shown.columns[:3] == ["event_at", "session", "symbol"]
    assert shown["event_at"].n_unique() == len(CLOCK)


def test_members_count_from_the_open_and_the_clock_ends_where_the_store_does(tmp_path: Path) -> None:
    members = pl.DataFrame({"date": [EX, datetime(2024, 7, 2).date()], "symbol": ["A", "B"], "member": [True, True],
                            "known_at": [datetime(2024, 7, 1)] * 2})  # fmt: skip
    store = Store(tmp_path)
    ingest(store, Frames(bars("AB"), membership=members, **OPTIONS))
    panel = load_panel(store, "mine", store.version("mine"))
    assert panel.member.sum(axis=1).tolist() == [13, 33]
    assert panel.clock.closes_at.tolist() == CLOCK.closes_at.tolist()


@pytest.mark.parametrize("n", [5, 19, 20, 21, 25])
def test_a_store_that_ends_within_a_session_is_a_prefix(n: int, tmp_path: Path) -> None:
    """Cut before, at and within the ex date, whose close the truncated clock does not reach."""
    action = pl.DataFrame({"date": [EX, EX], "symbol": ["A", "B"], "kind": ["split", "rename"], "value": [2.0, None],
                           "text": [None, "C"], "known_at": [datetime(2024, 7, 1)] * 2})  # fmt: skip
    members = pl.DataFrame(
        {"date": [EX], "symbol": ["A"], "member": [True], "known_at": [datetime(2024, 7, 1)]}
    )
    given = bars("AB").filter((pl.col("symbol") == "A") | (pl.col("date") < CLOCK.closes_at[20]))
    given = pl.concat([given, bars("C").filter(pl.col("date") >= CLOCK.closes_at[20])])
    store = Store(tmp_path)
    ingest(store, Frames(given, actions=action, membership=members, **OPTIONS))
    pin = store.version("mine")
    whole, cut = load_panel(store, "mine", pin), load_panel(store, "mine", pin, until=CLOCK.decides_at[n - 1])
    assert whole.symbols == ("A", "B")  # C is B, from the open of the day on which it took that name
    assert np.isfinite(whole.field("close")).all()
    np.testing.assert_array_equal(cut.values, whole.values[:, :, :n])
    np.testing.assert_array_equal(cut.member, whole.member[:, :n])


def test_missing_bars_are_counted_by_session_and_by_symbol(tmp_path: Path) -> None:
    at = bars("AB")["date"].dt.replace_time_zone(None)
    given = bars("AB").filter((at != at[3]) & ((pl.col("symbol") == "A") | (at != at[5])))
    report = ingest(Store(tmp_path), Frames(given, **OPTIONS))
    found = {(f.check, f.symbol, f.session): f.detail for f in report.findings}
    assert found["missing bars", "", "2024-07-02"] == "1 of 13 bars are missing of all symbols"
    assert found["gap", "B", ""] == "1 of 32 bars are missing, at most 1 in a row"
    assert not [key for key in found if key[:2] == ("gap", "A")]


def test_a_frequency_belongs_to_its_data_set(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, Frames(bars(), **OPTIONS))
    with pytest.raises(InputError, match=r"dataset\.frequency"):
        ingest(store, Frames(bars(), **{**OPTIONS, "frequency": "15min"}))


def test_a_late_bar_is_known_at_its_own_time(tmp_path: Path) -> None:
    given = bars().with_columns(known_at=pl.col("date"))
    late = given.with_columns(known_at=pl.when(pl.col("close") == 102).then(pl.col("date") + timedelta(minutes=45))
                              .otherwise("known_at"))  # fmt: skip
    store = Store(tmp_path)
    ingest(store, Frames(late, **OPTIONS))
    panel = load_panel(store, "mine", store.version("mine"))
    assert np.flatnonzero(np.isnan(panel.field("close")[0])).tolist() == [2]
    assert panel.revisions.decision.tolist() == [4]
