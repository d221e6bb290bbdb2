"""Who holds which version, what `gc` may remove, and readers that are at work meanwhile."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from backcast.data.errors import InputError, LockedError, StaleDataError
from backcast.data.ingest import ingest
from backcast.data.maintenance import collect_dropped, collect_garbage, garbage
from backcast.data.query import connected, rows
from backcast.data.sources.frames import Frames
from backcast.data.store import Store
from backcast.engine.cli import main

DAYS = [date(2024, 7, 2), date(2024, 7, 3)]


@pytest.fixture
def store() -> Store:
    made = Store()
    frame = pl.DataFrame({"date": DAYS, "symbol": "A", "close": [1.0, 2.0]})
    ingest(made, Frames(frame, name="mine", price_basis="raw", known_rule="event_at + 15min"))
    return made


def test_a_reader_keeps_its_read_copy_and_gc_takes_it_afterwards(store: Store) -> None:
    store.refresh("mine", always=True)
    with store.reading("mine", "bars", store.version("mine")) as files, connected() as connection:
        store.refresh("mine", always=True)
        assert collect_garbage(store, "mine", 0.0) == []
        assert len(connection.sql(rows(files)).fetchall()) == 2
    gone = collect_garbage(store, "mine", 0.0)
    assert [item.reason for item in gone] == ["an older read copy"]
    assert [path.parent for path in files.current] == [item.path for item in gone]
    assert store.read("mine", "bars", store.version("mine")).num_rows == 2


def test_a_pin_holds_while_its_folder_is_there(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "job"
    run.mkdir(parents=True)
    store.pin("mine", run, store.version("mine"))
    with pytest.raises(InputError, match=r"nothing holds.*job"):
        store.drop("mine")
    assert garbage(store, "mine", 0.0) == []
    assert main(["store", "pins"]) == 0
    assert f"{run.resolve()} holds bars=1" in capsys.readouterr().out
    run.rmdir()
    assert [item.reason for item in collect_garbage(store, "mine", 0.0)] == [
        f"the pin of {run.resolve()}, which is gone"
    ]
    assert store.holders("mine") == []


def test_a_snapshot_holds_for_ever(store: Store) -> None:
    store.snapshot("mine", "first")
    with pytest.raises(InputError, match="the snapshot first"):
        store.drop("mine")


def test_a_dropped_data_set_is_out_of_sight_and_then_removed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "drop", "mine"]) == 0
    assert store.names() == []
    with pytest.raises(StaleDataError):
        store.version("mine")
    frame = pl.DataFrame({"date": DAYS, "symbol": "A", "close": [3.0, 4.0]})
    ingest(store, Frames(frame, name="mine", price_basis="total_return", known_rule="event_at + 15min"))
    assert main(["gc", "--older-than", "0"]) == 0
    assert "a data set that was dropped" in capsys.readouterr().out
    assert len(store.dropped()) == 1
    assert len(collect_dropped(store, 0.0)) == 1
    assert store.dropped() == []
    assert store.read("mine", "bars", store.version("mine"))["close"].to_pylist() == [3.0, 4.0]


def test_dropping_what_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "drop", "nothing"]) == 3
    assert main(["store", "drop", "../store"]) == 2


def test_a_data_set_that_is_read_is_not_dropped(store: Store) -> None:
    with store.reading("mine", "bars", store.version("mine")) as files, connected() as connection:
        with pytest.raises(LockedError, match="reads the data set mine"):
            store.drop("mine")
        assert len(connection.sql(rows(files)).fetchall()) == 2
    store.drop("mine")
