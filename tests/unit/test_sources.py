"""A user's own files and frames: what is right arrives whole, what is wrong is one error that names its row."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sources.base import Rule, rules
from backcast.data.sources.csv import CSV
from backcast.data.sources.duckdb_query import DuckDBQuery
from backcast.data.sources.frames import Frames
from backcast.data.sources.parquet import Parquet
from backcast.data.store import Store

RULE = "event_at + 15min"
GOOD = """date,symbol,open,high,low,close,volume
2024-07-02,AAA,10,11,9,10.5,100
2024-07-03,AAA,10.5,11,10,10.25,200
2024-07-02,BBB,20,21,19,20.5,300
"""


def csv(tmp_path: Path, text: str | bytes, **options: Any) -> CSV:
    file = tmp_path / "bars.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return CSV(**{"name": "mine", "path": str(file), "price_basis": "raw", "known_rule": RULE, **options})


def frame() -> pl.DataFrame:
    days = [date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 2)]
    return pl.DataFrame({"date": days, "symbol": ["AAA", "AAA", "BBB"], "close": [10.5, 10.25, 20.5]})


def frames(given: Any, **options: Any) -> Frames:
    return Frames(given, **{"name": "mine", "price_basis": "raw", "known_rule": RULE, **options})


def test_rows_arrive_with_the_close_of_their_session(tmp_path: Path) -> None:
    batch = csv(tmp_path, GOOD).read()
    bars = batch.tables["bars"].to_pylist()
    assert [(b["symbol"], b["close"], b["volume"]) for b in bars] == [
        ("AAA", 10.5, 100.0), ("AAA", 10.25, 200.0), ("BBB", 20.5, 300.0)]  # fmt: skip
    # New York closes at 16:00 EDT, on the eve of Independence Day at 13:00
    assert bars[0]["event_at"] == datetime(2024, 7, 2, 20, tzinfo=UTC)
    assert bars[1]["event_at"] == datetime(2024, 7, 3, 17, tzinfo=UTC)
    assert all(b["known_at"] - b["event_at"] == timedelta(minutes=15) for b in bars)
    assert {b["known_basis"] for b in bars} == {"rule"}
    assert batch.info.bar_fields == ("open", "high", "low", "close", "volume")


def test_the_batch_is_its_content_and_not_its_time(tmp_path: Path) -> None:
    first, again = csv(tmp_path, GOOD).read(), csv(tmp_path, GOOD).read()
    assert first.batch == again.batch
    assert first.tables["bars"]["ingested_at"][0].as_py() <= again.tables["bars"]["ingested_at"][0].as_py()
    assert csv(tmp_path, GOOD.replace("20.5", "20.6")).read().batch != first.batch


def test_columns_dates_and_units_as_the_vendor_has_them(tmp_path: Path) -> None:
    text = "Day;Ticker;CLOSE;Volume;Name\n02/07/2024;AAA;10.5;3;Triple A\n"
    source = csv(
        tmp_path, text, columns={"date": "Day", "symbol": "Ticker"}, date_format="%d/%m/%Y", volume_unit=100,
        separator=";",
    )  # fmt: skip
    batch = source.read()
    row = batch.tables["bars"].to_pylist()[0]
    assert (row["symbol"], row["close"], row["volume"]) == ("AAA", 10.5, 300.0)
    assert [f.check for f in batch.findings] == ["unused columns"]
    assert "'Name'" in batch.findings[0].detail


def test_the_same_rows_from_everywhere_are_the_same_batch(tmp_path: Path) -> None:
    rows = frame()
    rows.write_csv(tmp_path / "a.csv")
    (tmp_path / "zipped").mkdir()
    (tmp_path / "zipped" / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    (tmp_path / "parts").mkdir()
    rows[:2].write_parquet(tmp_path / "parts" / "1.parquet")
    rows[2:].write_parquet(tmp_path / "parts" / "2.parquet")
    options: dict[str, Any] = {"name": "mine", "price_basis": "raw", "known_rule": RULE}
    plain = pd.DataFrame(rows.to_dict(as_series=False))
    plain["date"] = pd.to_datetime(plain["date"])
    sources = [
        CSV(path=str(tmp_path / "a.csv"), **options),
        CSV(path=str(tmp_path / "zipped"), **options),
        Parquet(path=str(tmp_path / "parts"), **options),
        Parquet(path=str(tmp_path / "parts" / "*.parquet"), **options),
        frames(rows),
        frames(rows.to_arrow()),
        frames(plain),
        frames(plain.set_index("date")),
        frames(plain.set_index(["date", "symbol"])),
    ]
    assert len({source.read().batch for source in sources}) == 1


def test_a_wide_frame_of_closes_is_the_long_one() -> None:
    wide = pd.DataFrame(
        {"AAA": [10.5, 10.25], "BBB": [20.5, np.nan]}, index=pd.to_datetime(["2024-07-02", "2024-07-03"])
    )
    long = frames(frame()).read()
    assert frames(wide).read().batch == long.batch
    assert frames(pl.from_pandas(wide.rename_axis("date").reset_index())).read().batch == long.batch


def test_known_at_as_given_beats_the_rule(tmp_path: Path) -> None:
    text = "date,symbol,close,known_at\n2024-07-02,A,1,2024-07-02T22:00:00+02:00\n2024-07-02,A,2,2024-07-09T00:00:00Z\n"
    bars = csv(tmp_path, text).read().tables["bars"].to_pylist()
    assert [b["known_at"] for b in bars] == [
        datetime(2024, 7, 2, 20, tzinfo=UTC),
        datetime(2024, 7, 9, tzinfo=UTC),
    ]
    assert {b["known_basis"] for b in bars} == {"vendor"}


NAIVE = ("2024-07-02T17:30:00", "2024-11-03T01:30:00")
"""An evening in New York; an hour that came twice, of which the later counts: nothing is known too early."""


@pytest.mark.parametrize("typed", [False, True])
def test_times_without_an_offset_need_their_zone(typed: bool) -> None:
    facts = pl.DataFrame({"date": [date(2024, 3, 31)] * 2, "symbol": "AAA", "item": ["eps", "sales"],
                          "value": 1.0, "known_at": NAIVE})  # fmt: skip
    if typed:
        facts = facts.with_columns(pl.col("known_at").str.to_datetime())
    with pytest.raises(InputError, match=r"known_at.*time_zone"):
        frames(frame(), facts=facts).read()
    known = frames(frame(), facts=facts, time_zone="America/New_York").read().tables["facts"]["known_at"]
    assert known.to_pylist() == [
        datetime(2024, 7, 2, 21, 30, tzinfo=UTC),
        datetime(2024, 11, 3, 6, 30, tzinfo=UTC),
    ]
    spring = facts.with_columns(known_at=pl.lit("2024-03-10T02:30:00"), item=pl.Series(["a", "b"]))
    if typed:
        spring = spring.with_columns(pl.col("known_at").str.to_datetime())
    with pytest.raises(InputError, match="known_at in row 1"):  # an hour that never was
        frames(frame(), facts=spring, time_zone="America/New_York").read()


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(InputError, match=r"dataset\.path"):
        CSV(name="mine", path="/" + "x" * 5000, price_basis="raw", known_rule=RULE).read()


def test_without_known_at_and_rule_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known_rule"):
        csv(tmp_path, GOOD, known_rule=None).read()


def test_the_other_tables(tmp_path: Path) -> None:
    files = {
        "actions": "date,symbol,kind,value,text\n2024-07-03,AAA,split,2,\n2024-07-03,BBB,rename,,CCC\n",
        "membership": "date,symbol,member\n2024-07-02,AAA,True\n2024-07-03,AAA,0\n",
        "facts": "date,symbol,item,value,known_at\n2024-03-31,AAA,eps,1.5,2024-05-02T12:00Z\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    tables = csv(tmp_path, GOOD, **{n: str(tmp_path / f"{n}.txt") for n in files}).read().tables
    assert [(a["kind"], a["value"], a["text"]) for a in tables["actions"].to_pylist()] == [
        ("split", 2.0, None), ("rename", None, "CCC")]  # fmt: skip
    assert tables["membership"]["member"].to_pylist() == [True, False]
    fact = tables["facts"].to_pylist()[0]  # a Sunday: periods end on any day
    assert (fact["event_at"], fact["known_at"]) == (
        datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 5, 2, 12, tzinfo=UTC))  # fmt: skip


def test_facts_need_their_own_known_at(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text("date,symbol,item,value\n2024-03-31,AAA,eps,1.5\n")
    with pytest.raises(InputError, match="known_at"):
        csv(tmp_path, GOOD, facts=str(tmp_path / "facts.csv")).read()


WRONG = {
    "a number": (GOOD.replace("10.25", "ten"), "close in row 2.*'ten'"),
    "infinity": (GOOD.replace("10.25", "inf"), "close in row 2.*finite"),
    "a date": (GOOD.replace("2024-07-03", "03.07.2024"), "date in row 2.*date_format"),
    "a missing date": (GOOD.replace("2024-07-03", ""), "date in row 2"),
    "a holiday": (
        GOOD.replace("2024-07-03", "2024-07-04"),
        "2024-07-04 in row 2.*session of the calendar XNYS",
    ),
    "a date before all calendars": (GOOD.replace("2024-07-03", "1850-07-03"), "1850-07-03.*1970"),
    "a date after all calendars": (GOOD.replace("2024-07-03", "9999-07-02"), "9999-07-02.*2100"),
    "a weekend": (GOOD.replace("2024-07-03", "2024-07-06"), "2024-07-06"),
    "a duplicate": (GOOD + "2024-07-02,BBB,20,21,19,20.5,300\n", "duplicate rows.*BBB"),
    "a control character": (GOOD.replace("BBB", "B\x1b[31m"), r"bars.symbol.*x1b\[31m"),
    "no symbol": (GOOD.replace("BBB", ""), "bars.symbol"),
    "no column": (GOOD.replace("close", "last"), r"close.*dataset.columns=\{close"),
    "twice a column": (GOOD.replace("volume", "Close"), "one column 'close'"),
    "only a header": (GOOD.splitlines()[0] + "\n", "no rows"),
    "an empty file": ("", "readable csv file"),
    "garbage": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "bars.csv"),
    "a torn row": (GOOD + "2024-07-03,BBB,1,2,3,4,5,6,7\n", "readable csv file"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_one_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        csv(tmp_path, text).read()
    assert str(caught.value).isprintable()


WRONG_KEYS: dict[str, dict[str, Any]] = {
    "dataset.name": {"name": "../etc"},
    "dataset.price_basis": {"price_basis": "adjusted"},
    "dataset.known_rule": {"known_rule": "tomorrow"},
    "dataset.volume_unit": {"volume_unit": 0},
    "dataset.columns.price": {"columns": {"price": "Close"}},
    "dataset.columns": {"columns": "Close"},
    "dataset.path": {"path": None},
    "dataset.decision_delay": {"decision_delay": -1},
    "dataset.time_zone": {"time_zone": "Mars/Olympus"},
    "dataset.separator": {"separator": "ab"},
    "dataset.benchmark": {"benchmark": 5},
    "dataset.date_format": {"date_format": 5},
    "dataset.calendar": {"calendar": 5},
    "dataset.frequency": {"frequency": "1h"},
    "dataset.bar_stamp": {"bar_stamp": "middle"},
    "dataset.off_session": {"off_session": "drop"},
    "dataset.price_unit": {"price_unit": 0},
    "dataset.tables": {"tables": ["short"]},
}


@pytest.mark.parametrize(("parameter", "options"), WRONG_KEYS.items())
def test_a_wrong_key_is_refused_before_anything_is_read(
    tmp_path: Path, parameter: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as caught:
        csv(tmp_path, GOOD, **options)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("path", ["nowhere.csv", "nowhere/*.csv", "**.csv", "folder"])
def test_a_missing_file(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"dataset\.path"):
        CSV(name="mine", path=str(tmp_path / path), price_basis="raw", known_rule=RULE).read()


def test_a_missing_benchmark_and_calendar(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.benchmark"):
        csv(tmp_path, GOOD, benchmark="SPX").read()
    with pytest.raises(InputError, match=r"dataset\.calendar"):
        csv(tmp_path, GOOD, calendar="XNYC").read()


def test_wrong_parquet_and_frames(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not quite")
    with pytest.raises(InputError, match="readable parquet file"):
        Parquet(name="mine", path=str(tmp_path / "a.parquet"), price_basis="raw").read()
    with pytest.raises(InputError, match="list"):
        frames([1, 2]).read()
    with pytest.raises(InputError, match="time of day"):
        frames(frame().with_columns(pl.lit(datetime(2024, 7, 2, 9, 30)).alias("date"))).read()
    with pytest.raises(InputError, match="numbers"):
        frames(frame().with_columns(close=pl.lit(True))).read()
    with pytest.raises(InputError, match=r"symbol.*text"):
        frames(frame().with_columns(symbol=pl.lit(1.5))).read()
    with pytest.raises(InputError, match="one type each"):
        frames(pd.DataFrame({"date": [date(2024, 7, 2)], "symbol": ["A"], "close": [10**30]})).read()
    with pytest.raises(InputError, match="no rows"):
        frames(pa.table({"date": [], "symbol": [], "close": []})).read()


ACTIONS = {
    "unknown kind": ("spinout,1,", "kind in row 1"),
    "no ratio": ("split,,", "value in row 1"),
    "negative": ("dividend,-1,", "value in row 1"),
    "no new name": ("rename,,", "text in row 1"),
}


@pytest.mark.parametrize(("row", "message"), ACTIONS.values(), ids=ACTIONS.keys())
def test_wrong_actions(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "actions.csv").write_text(f"date,symbol,kind,value,text\n2024-07-03,AAA,{row}\n")
    with pytest.raises(InputError, match=message):
        csv(tmp_path, GOOD, actions=str(tmp_path / "actions.csv")).read()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("event_at", 0), ("event_at + 15min", 15), ("event_at+2h", 120), ("event_at + 1d", 1440)],
)
def test_rules(text: str, minutes: int) -> None:
    assert rules(text) == {"": Rule("event_at", timedelta(minutes=minutes))}


@pytest.mark.parametrize(
    "text", ["event_at - 1d", "event_at + 1.5h", "event_at + 15 weeks", "", "known_at", 15]
)
def test_wrong_rules(text: Any) -> None:
    with pytest.raises(InputError, match="known_rule"):
        rules(text)


def test_a_query_to_a_database(tmp_path: Path) -> None:
    database = tmp_path / "mine.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE TABLE prices AS SELECT DATE '2024-07-02' + i::INT AS day, s AS ticker, 10.0 + i AS last "
            "FROM range(2) r(i), (VALUES ('A'), ('B')) v(s)"
        )
    options: dict[str, Any] = {"name": "mine", "price_basis": "raw", "known_rule": "event_at + 15min"}
    query = "SELECT day AS date, ticker AS symbol, last AS close FROM prices"
    source = DuckDBQuery(database=str(database), query=query, **options)
    store = Store(tmp_path / "home")
    assert ingest(store, source).added == {"bars": 4}
    assert ingest(store, source).added == {}
    with pytest.raises(InputError, match="nothing"):
        ingest(store, DuckDBQuery(database=str(database), query="SELECT nothing FROM prices", **options))
    with pytest.raises(InputError, match=r"dataset\.database"):
        DuckDBQuery(database=str(tmp_path / "no.duckdb"), query=query, **options)
    with pytest.raises(InputError, match=r"dataset\.query"):
        DuckDBQuery(database=str(database), **options)


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("10,5", 10.5),
        ("1.234,5", 1234.5),
        ("1.234.567", 1234567.0),
        ("7", 7.0),
        ("1.5", None),
        ("1,2,3", None),
    ],
)
def test_a_decimal_comma(tmp_path: Path, text: str, close: float | None) -> None:
    (tmp_path / "bars.csv").write_text(f"date;symbol;close\n2024-07-02;A;{text}\n")
    source = CSV(
        path=str(tmp_path),
        name="mine",
        price_basis="raw",
        known_rule="event_at + 15min",
        separator=";",
        decimal=",",
    )
    if close is None:
        with pytest.raises(InputError, match="close in row 1"):
            source.read()
    else:
        assert source.read().tables["bars"]["close"].to_pylist() == [close]


def dividends(**columns: Any) -> pl.DataFrame:
    given = {
        "date": [date(2024, 7, 3)] * 2,
        "symbol": ["AAA", "BBB"],
        "kind": ["dividend", "split"],
        "value": [50.0, 2.0],
    }
    return pl.DataFrame(given | columns)


def test_a_rule_of_its_own_for_actions() -> None:
    """The day after the declaration begins at midnight in New York; a row without one follows the rule of all others."""
    actions = dividends(declared_on=[date(2024, 6, 3), None])
    rows = (
        frames(frame(), actions=actions, known_rule=f"{RULE}; actions: declared_on + 1d")
        .read()
        .tables["actions"]
    )
    assert rows["known_at"].to_pylist() == [
        datetime(2024, 6, 4, 4, tzinfo=UTC),
        datetime(2024, 7, 3, 17, 15, tzinfo=UTC),
    ]
    assert set(rows["known_basis"].to_pylist()) == {"rule"}
    with pytest.raises(InputError, match=r"actions: 1 have no known_at"):
        frames(frame(), actions=actions, known_rule=f"bars: {RULE}; actions: declared_on + 1d").read()


@pytest.mark.parametrize(
    "text", ["declared_on + 1d", f"{RULE}; {RULE}", "bars: declared_on", "actions:", f"{RULE};"]
)
def test_wrong_rules_of_several_tables(text: str) -> None:
    with pytest.raises(InputError, match="known_rule"):
        rules(text)


def test_dates_of_declaration_and_payment_stay_with_their_action() -> None:
    actions = dividends(declared_on=["2024-06-03", ""], pay_on=[None, "2024-07-30"])
    rows = frames(frame(), actions=actions).read().tables["actions"]
    assert rows["declared_on"].to_pylist() == [date(2024, 6, 3), None]
    assert rows["pay_on"].to_pylist() == [None, date(2024, 7, 30)]
    with pytest.raises(InputError, match=r"pay_on in row 2 = 'soon'"):
        frames(frame(), actions=dividends(pay_on=["", "soon"])).read()


def test_pence_are_not_pounds() -> None:
    tables = frames(frame(), actions=dividends(), price_unit=0.01).read().tables
    assert tables["bars"]["close"].to_pylist() == pytest.approx([0.105, 0.1025, 0.205])
    assert tables["actions"]["value"].to_pylist() == [0.5, 2.0]  # a ratio has no currency


def test_columns_of_the_other_tables_have_their_own_names() -> None:
    actions = dividends().rename({"date": "ExDate", "value": "Amount"})
    with pytest.raises(InputError, match=r"dataset\.columns=\{actions: \{date"):
        frames(frame(), actions=actions).read()
    named = frames(
        frame(), actions=actions, columns={"actions": {"date": "ExDate", "value": "Amount"}}
    ).read()
    assert named.tables["actions"]["value"].to_pylist() == [50.0, 2.0]
    with pytest.raises(InputError, match=r"dataset\.columns\.actions\.price"):
        frames(frame(), columns={"actions": {"price": "x"}})


def test_a_holiday_is_refused_or_counts_from_the_next_session() -> None:
    actions = dividends(date=[date(2024, 7, 4), date(2024, 7, 3)])
    with pytest.raises(InputError, match=r"2024-07-04 in row 1.*off_session=adjust"):
        frames(frame(), actions=actions).read()
    batch = frames(frame(), actions=actions, off_session="adjust").read()
    assert batch.tables["actions"]["event_at"].to_pylist()[0] == datetime(2024, 7, 5, 20, tzinfo=UTC)
    assert [(f.check, f.session, f.count) for f in batch.findings] == [("off session", "2024-07-04", 1)]
