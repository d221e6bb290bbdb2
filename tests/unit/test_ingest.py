"""Into the store: whole or not at all, once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sources import files
from backcast.data.sources.csv import CSV
from backcast.data.sources.frames import Frames
from backcast.data.store import Store

FACTS: dict[str, Any] = {"name": "mine", "price_basis": "raw", "known_rule": "event_at + 15min"}
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


def test_an_error_stops_the_batch_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"price of B = '2024-07-05'.*nothing was written"):
        ingest(Store(tmp_path), source(close=-1.0))
    assert Store(tmp_path).datasets() == []
    assert list(tmp_path.rglob("*.parquet")) == []
    other = Frames(source().frame, name="mine", price_basis="total_return", known_rule="event_at + 15min")
    assert ingest(Store(tmp_path), other).added == {"bars": 8}  # what failed holds no name


def test_a_check_reports_errors_beside_everything_else(tmp_path: Path) -> None:
    report = ingest(Store(tmp_path), source(close=-1.0), check_only=True)
    assert [(f.check, f.symbol, f.session) for f in report.errors] == [("price", "B", "2024-07-05")]
    assert report.frame().filter(pl.col("severity") == "error").height == 1
    assert "error: price" in str(report)
    assert list(tmp_path.iterdir()) == []


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


def many(folder: Path, rows: int = 40, name: str = "a.csv") -> Path:
    """A file of daily closes of four symbols."""
    sessions = clock("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-12-31"), 0).sessions.tolist()
    lines = [f"{day},S{s},{10 + t + s}" for t, day in enumerate(sessions[: rows // 4]) for s in range(4)]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("date,symbol,close\n" + "\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("part", [1, 7, 1000])
def test_a_file_in_parts_is_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(files, "PART", part)
    source = CSV(path=str(many(tmp_path / "in")), **FACTS)
    store = Store(tmp_path / "home")
    assert ingest(store, source).added == {"bars": 40}
    pin = store.version("mine")
    assert pin["bars"] == 1
    assert store.read("mine", "bars", pin)["close"].to_pylist() == [
        10.0 + t + s for s in range(4) for t in range(10)
    ]
    assert ingest(store, source).added == {}
    many(tmp_path / "in", rows=48)
    assert ingest(store, source).added == {"bars": 8}


def test_a_wrong_row_in_a_later_part_is_named_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART", 10)
    folder = many(tmp_path / "in")
    file = folder / "a.csv"
    file.write_text(file.read_text().replace(",S2,19", ",S2,x"))
    store = Store(tmp_path / "home")
    with pytest.raises(InputError, match=r"a.csv from row \d1: close in row \d"):
        ingest(store, CSV(path=str(folder), **FACTS))
    assert store.datasets() == []
    assert list((tmp_path / "home").rglob("*.parquet")) == []


def test_a_row_that_comes_again_in_another_file_is_refused(tmp_path: Path) -> None:
    folder = many(tmp_path / "in")
    many(folder, name="b.csv")
    with pytest.raises(InputError, match=r"bars row.*2 rows"):
        ingest(Store(tmp_path / "home"), CSV(path=str(folder), **FACTS))


def test_files_with_other_fields_are_refused(tmp_path: Path) -> None:
    folder = many(tmp_path / "in")
    (folder / "b.csv").write_text("date,symbol,close,volume\n2025-01-02,S1,10,5\n")
    with pytest.raises(InputError, match=r"b.csv = \('close', 'volume'\).*the same fields"):
        ingest(Store(tmp_path / "home"), CSV(path=str(folder), **FACTS))


def test_a_check_finds_what_contradicts_the_store(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "home"), many(tmp_path / "in")
    ingest(store, CSV(path=str(folder), **FACTS))
    file = folder / "a.csv"
    file.write_text(file.read_text().replace(",S2,19", ",S2,99"))
    pin = store.version("mine")
    report = ingest(store, CSV(path=str(folder), **FACTS), check_only=True)
    assert [f.check for f in report.errors] == ["contradiction"]
    assert "later known_at" in report.errors[0].detail
    assert store.version("mine") == pin
