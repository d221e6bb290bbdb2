"""Tables that a user declares: their schema, their key, and the same questions as of any other table."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data import catalog
from backcast.data.errors import InputError
from backcast.data.history import cell, changes
from backcast.data.ingest import ingest
from backcast.data.maintenance import damage
from backcast.data.sources.csv import CSV
from backcast.data.sources.frames import Frames
from backcast.data.sql import select
from backcast.data.store import Store

NOW = np.datetime64("2025-01-01", "us")
BARS = pl.DataFrame({"date": [date(2024, 7, 2), date(2024, 7, 3)], "symbol": "A", "close": [1.0, 2.0]})
OPTIONS: dict[str, Any] = {
    "name": "mine",
    "price_basis": "raw",
    "known_rule": "event_at + 15min",
    "time_zone": "UTC",
}
COLUMNS = {
    "symbol": "text",
    "shares": "integer",
    "since": "date",
    "seen": "instant",
    "hard": "boolean",
    "fee": "number",
}


def short(shares: int = 10, known: datetime = datetime(2024, 7, 1, 12)) -> pl.DataFrame:
    return pl.DataFrame({"date": [date(2024, 6, 28)], "symbol": ["A"], "shares": [shares], "since": [date(2024, 1, 2)],
                         "seen": [datetime(2024, 6, 30, 9)], "hard": ["true"], "fee": [0.25], "known_at": [known]})  # fmt: skip


def source(frame: pl.DataFrame | None, bars: pl.DataFrame | None = BARS, **given: Any) -> Frames:
    table = {"columns": COLUMNS, "key": ["symbol"], **given}
    tables = {"short": {"frame": frame, **table}} if frame is not None else None
    return Frames(bars, tables=tables, **OPTIONS)


def test_a_declared_table_answers_like_any_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert ingest(store, source(short())).added == {"bars": 2, "short": 1}
    assert ingest(store, source(short())).added == {}
    ingest(store, source(short(20, datetime(2024, 7, 8, 12)), bars=None))
    early, late = np.datetime64("2024-07-05", "us"), np.datetime64("2024-07-09", "us")
    assert [store.as_of("mine", "short", at)["shares"].to_pylist() for at in (early, late)] == [[10], [20]]
    assert select(store, "SELECT shares FROM short", early).item() == 10
    assert select(store, "SELECT shares FROM short_first", late).item() == 10
    assert changes(store, "mine", "short", early, late).select("column", "old", "new").rows() == [
        ("shares", "10", "20")
    ]
    assert cell(store, "mine", "short", {"symbol": "A"}, at=early)["view"].to_list() == [
        "first, as known",
        "last",
    ]
    row = store.as_of("mine", "short", late).to_pylist()[0]
    assert (row["since"], row["hard"], row["fee"]) == (date(2024, 1, 2), True, 0.25)
    store.refresh("mine", always=True)
    assert store.as_of("mine", "short", late).to_pylist() == [row]
    assert damage(store, "mine") == []


def test_a_table_may_come_later_and_an_older_version_has_none_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = ingest(store, source(None)).pin
    assert before is not None
    store.snapshot("mine", "before")
    ingest(store, source(short(), bars=None))
    assert store.as_of("mine", "short", NOW).num_rows == 1
    assert store.as_of("mine", "short", NOW, store.version("mine", "before")).num_rows == 0
    assert store.read("mine", "bars", before).num_rows == 2
    assert ingest(store, source(None)).added == {}  # without it nothing is taken away
    assert store.as_of("mine", "short", NOW).num_rows == 1


def test_facts_first_and_bars_later(tmp_path: Path) -> None:
    facts = pl.DataFrame({"date": [date(2024, 3, 31)], "symbol": ["A"], "item": ["eps"], "value": [1.0],
                          "known_at": [datetime(2024, 5, 1)]})  # fmt: skip
    store = Store(tmp_path)
    ingest(store, Frames(None, facts=facts, **OPTIONS))
    assert store.info("mine").bar_fields == ()
    ingest(store, source(None))
    assert store.info("mine").bar_fields == ("close",)
    with pytest.raises(InputError, match="bar_fields"):
        ingest(store, source(None, bars=BARS.with_columns(volume=pl.lit(1.0))))


def test_a_table_that_is_declared_otherwise_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, source(short()))
    with pytest.raises(InputError, match=r"dataset\.tables\.short"):
        ingest(store, source(short(), key=["symbol", "shares"]))


def test_without_a_known_at_a_rule_of_its_own_is_needed(tmp_path: Path) -> None:
    bare = short().drop("known_at")
    with pytest.raises(InputError, match=r"known_rule.*short: event_at"):
        source(bare).read()
    options = {**OPTIONS, "known_rule": "event_at + 15min; short: event_at + 12d"}
    tables = {"short": {"frame": bare, "columns": COLUMNS, "key": ["symbol"]}}
    row = Frames(BARS, tables=tables, **options).read().tables["short"].to_pylist()[0]
    assert (row["known_at"] - row["event_at"]).days == 12
    assert row["known_basis"] == "rule"


def test_columns_by_other_names_and_wrong_cells(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "Date,TICKER,n,known_at\n2024-06-28,A,7,2024-07-01 12:00\n2024-06-28,B,x,2024-07-01 12:00\n"
    )
    table = {
        "path": str(tmp_path / "s.csv"),
        "columns": {"symbol": "text", "shares": "integer"},
        "key": ["symbol"],
    }
    given = {**OPTIONS, "columns": {"short": {"symbol": "TICKER", "shares": "n"}}, "tables": {"short": table}}
    with pytest.raises(InputError, match=r"n in row 2 = 'x'.*a number"):
        CSV(**given).read()
    (tmp_path / "s.csv").write_text("Date,TICKER,n,known_at\n2024-06-28,A,7.5,2024-07-01 12:00\n")
    with pytest.raises(InputError, match="whole number"):
        CSV(**given).read()
    (tmp_path / "s.csv").write_text("Date,TICKER,n,known_at\n2024-06-28,A,7,2024-07-01 12:00\n")
    assert CSV(**given).read().tables["short"]["shares"].to_pylist() == [7]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a reserved name": ({"bars": {"path": "x", "columns": {"a": "text"}}}, "none of"),
    "a path": ({"../x": {"path": "x", "columns": {"a": "text"}}}, "name of lower-case"),
    "no columns": ({"t": {"path": "x"}}, "mapping from columns"),
    "no rows": ({"t": {"columns": {"a": "text"}}}, "path"),
    "an unknown key": ({"t": {"path": "x", "columns": {"a": "text"}, "sort": 1}}, "sort"),
    "an unknown type": ({"t": {"path": "x", "columns": {"a": "money"}}}, "text, number"),
    "a taken column": ({"t": {"path": "x", "columns": {"known_at": "instant"}}}, "that is free"),
    "the end of a view's name": ({"t_first": {"path": "x", "columns": {"a": "text"}}}, "nor a view's"),
    "a date": ({"t": {"path": "x", "columns": {"date": "number"}}}, "that is free"),
    "a name that answers have": ({"t": {"path": "x", "columns": {"view": "text"}}}, "that is free"),
    "a symbol that is no text": ({"t": {"path": "x", "columns": {"symbol": "integer"}}}, "one of text"),
    "SQL in a column": ({"t": {"path": "x", "columns": {'a"; DROP': "text"}}}, "that is free"),
    "a key that is no column": (
        {"t": {"path": "x", "columns": {"a": "text"}, "key": ["b"]}},
        "some, not all",
    ),
    "nothing but a key": ({"t": {"path": "x", "columns": {"a": "text"}, "key": ["a"]}}, "some, not all"),
    "a list": ([1], "mapping from names"),  # type: ignore[dict-item]  # what a wrong YAML gives
}


@pytest.mark.parametrize(("tables", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_declaration_is_one_error(tables: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        CSV(tables=tables, **OPTIONS)


def test_what_a_refused_batch_declared_is_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ingest(store, source(None))
    wrong = BARS.with_columns(date=pl.lit(date(2024, 7, 5)), close=pl.lit(-1.0))[:1]
    with pytest.raises(InputError, match="nothing was written"):
        ingest(store, source(short(), bars=wrong))
    other = {"symbol": "text", "shares": "number"}
    frame = short().select("date", "symbol", pl.col("shares").cast(pl.Float64), "known_at")
    assert ingest(store, source(frame, bars=None, columns=other)).added == {"short": 1}
    assert store.as_of("mine", "short", NOW)["shares"].to_pylist() == [10.0]
    assert store.log("mine", "short").fits()
    assert damage(store, "mine") == []


@pytest.mark.parametrize("written", ["nothing", "a head"])
def test_a_kill_while_a_table_is_added_hinders_nobody(
    tmp_path: Path, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    ingest(store, source(None))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "write_sealed", killed) if written == "nothing" else None
    real = catalog.write_sealed
    if written == "a head":
        monkeypatch.setattr(
            catalog,
            "write_sealed",
            lambda path, content: killed() if path.name == "dataset.json" else real(path, content),
        )
    with pytest.raises(KeyboardInterrupt):
        ingest(store, source(short()))
    monkeypatch.undo()
    later = BARS.with_columns(date=pl.lit(date(2024, 7, 5)))[:1]
    assert ingest(store, source(None, bars=later)).added == {"bars": 1}
    assert ingest(store, source(short(), bars=None)).added == {"short": 1}
    assert damage(store, "mine") == []
