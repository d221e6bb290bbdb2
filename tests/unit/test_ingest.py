"""Into the store: whole or not at all, once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sources.frames import Frames
from backcast.data.store import Store

DAYS = [date(2024, 7, d) for d in (1, 2, 3, 5)]


def source(close: float = 10.0, **options: Any) -> Frames:
    rows = [{"symbol": s, "date": d, "close": 10.0} for s in "AB" for d in DAYS]
    rows[-1]["close"] = close
    return Frames(
        pl.DataFrame(rows), name="mine", price_basis="raw", known_rule="event_at + 15min", **options
    )


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    members = pl.DataFrame({"symbol": ["A"], "date": [DAYS[0]], "member": [True]})
    report = ingest(store, source(membership=members))
    assert report.added == {"bars": 8, "membership": 1}
    pin = store.version("mine")
    assert report.pin == pin
    stored = store.read("mine", "bars", pin)
    assert stored["close"].to_pylist() == [10.0] * 8
    assert store.read("mine", "membership", pin)["member"].to_pylist() == [True]
    assert store.info("mine").bar_fields == ("close",)
    assert "bars 8, membership 1 rows. 9 new rows." in str(report)
    assert "survivorship" in str(report)
    assert str(store.folder / "mine") in str(report)


def test_repeating_changes_nothing_and_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, again = ingest(store, source()), ingest(store, source())
    assert first.pin == again.pin
    assert again.added == {}
    assert "nothing changed" in str(again)


def test_a_longer_file_adds_only_what_is_new(tmp_path: Path) -> None:
    store = Store(tmp_path)
    whole = source()
    ingest(store, Frames(whole.frame[:3], name="mine", price_basis="raw", known_rule="event_at + 15min"))
    assert ingest(store, whole).added == {"bars": 5}


def test_checking_writes_nothing(tmp_path: Path) -> None:
    report = ingest(Store(tmp_path), source(), check_only=True)
    assert report.pin is None
    assert "nothing was written" in str(report)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check_only", [True, False])
def test_an_error_stops_the_batch_whole(tmp_path: Path, check_only: bool) -> None:
    with pytest.raises(InputError, match=r"price of B = '2024-07-05'.*nothing was written"):
        ingest(Store(tmp_path), source(close=-1.0), check_only=check_only)
    assert Store(tmp_path).datasets() == []
    assert list(tmp_path.rglob("*.parquet")) == []
    other = Frames(source().frame, name="mine", price_basis="total_return", known_rule="event_at + 15min")
    assert ingest(Store(tmp_path), other).added == {"bars": 8}  # what failed holds no name


def test_a_contradiction_in_one_table_keeps_the_others_out(tmp_path: Path) -> None:
    store, whole = Store(tmp_path), source()
    members = pl.DataFrame({"symbol": ["A"], "date": [DAYS[0]], "member": [True]})
    facts: dict[str, Any] = {"name": "mine", "price_basis": "raw", "known_rule": "event_at + 15min"}
    pin = ingest(store, Frames(whole.frame[:3], membership=members, **facts)).pin
    with pytest.raises(InputError, match="later known_at"):
        ingest(store, source(membership=members.with_columns(member=pl.lit(False))))
    assert store.version("mine") == pin


def test_a_changed_row_needs_a_later_known_at(tmp_path: Path) -> None:
    store = Store(tmp_path)
    pin = ingest(store, source()).pin
    with pytest.raises(InputError, match="later known_at"):
        ingest(store, source(close=11.0))
    assert store.version("mine") == pin
