"""Given targets: both shapes of a table, where they are placed, and one error for each thing that can be wrong."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.types import Panel, Revisions
from backcast.engine.given import GivenPortfolio, placed
from backcast.engine.given.table import read_file, table_of
from backcast.engine.types import Targets

CLOCK = clock("XNYS", np.datetime64("2024-07-01"), np.datetime64("2024-07-12"), 30)
NAMES = ("AAPL", "IBM", "MSFT", "NEW", "OLD")
D = [date(2024, 7, 1), date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 5)]


def panel(member: Any = None) -> Panel:
    """Nine sessions; OLD ends after the fifth, NEW begins with the fourth, IBM lacks the second bar."""
    close = np.full((1, len(NAMES), len(CLOCK)), 100.0)
    close[0, 4, 5:], close[0, 3, :3], close[0, 1, 1] = np.nan, np.nan, np.nan
    none = np.empty(0, dtype=np.int64)
    nothing = Revisions(none, none, none, np.empty(0, "datetime64[us]"), none, np.empty(0))
    known = np.isfinite(close[0]) if member is None else member
    return Panel(("close",), NAMES, CLOCK, close, known, nothing, "raw", 0.0)


def of(frame: pl.DataFrame, absent: str | None = None, margin: bool = False, **table: Any) -> Targets:
    return placed(table_of(frame, "w.csv", **table), panel(), absent, margin)


def long(**changes: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {"session": D[:3], "symbol": ["AAPL", "AAPL", "AAPL"], "weight": [0.1, 0.2, 0.3], **changes}
    )


def test_a_session_decides_at_its_own_close_and_says_nothing_of_other_symbols() -> None:
    made = of(long())
    assert made.decisions.tolist() == [0, 1, 2] and made.kind == "weights" and made.symbols == NAMES
    np.testing.assert_array_equal(made.weights[:, 0], [0.1, 0.2, 0.3])
    assert np.isnan(made.weights[:, 1:]).all()


def test_an_instant_is_for_the_first_decision_at_or_after_it() -> None:
    at = CLOCK.decides_at
    times = [
        at[0],
        at[1] - np.timedelta64(1, "us"),
        at[1] + np.timedelta64(1, "us"),
        at[5] - np.timedelta64(1, "D"),
    ]
    frame = pl.DataFrame({"decided_at": np.array(times), "AAPL": [1.0, 2.0, 3.0, 4.0]})
    made = of(frame, kind="shares")
    assert made.decisions.tolist() == [0, 1, 2, 4] and made.kind == "shares"


def test_offsets_are_told_apart_from_utc() -> None:
    texts = ["2024-07-01T16:30:00-04:00", "2024-07-02T20:30:00", "2024-07-03T17:30:00Z"]
    made = of(pl.DataFrame({"decided_at": texts, "AAPL": ["0.1", "0.2", "0.3"]}))
    assert made.decisions.tolist() == [0, 1, 2]
    zoned = pl.Series(texts).str.to_datetime(time_zone="UTC", strict=False)
    assert zoned[0] is not None
    stamped = pl.DataFrame({"decided_at": [datetime(2024, 7, 1, 16, 30)], "AAPL": [0.5]})
    stamped = stamped.with_columns(pl.col("decided_at").dt.replace_time_zone("America/New_York"))
    assert of(stamped).decisions.tolist() == [0]


def test_a_session_of_bars_is_decided_at_its_last_bar() -> None:
    bars = clock("XNYS", np.datetime64("2024-07-02"), np.datetime64("2024-07-05"), 0, "30min")
    decisions = table_of(long(session=D[1:]), "w.csv").place(bars)
    assert bars.closes_at[decisions].astype("datetime64[m]").astype(str).tolist() == [
        "2024-07-02T20:00", "2024-07-03T17:00", "2024-07-05T20:00",
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@forall(data=st.data())
def test_long_and_wide_text_and_numbers_csv_and_parquet_say_the_same(
    data: Any, tmp_path_factory: Any
) -> None:
    rows = data.draw(st.integers(1, len(CLOCK) - 1))
    cells = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False))
    columns = {name: data.draw(st.lists(cells, min_size=rows, max_size=rows)) for name in ("AAPL", "MSFT")}
    kind = data.draw(st.sampled_from(["shares", "orders"]))
    wide = pl.DataFrame(
        {"session": CLOCK.sessions[:rows], **columns}, schema_overrides=dict.fromkeys(columns, pl.Float64)
    )
    wide = wide.with_columns(pl.col("session").cast(pl.Date))
    name = {"shares": "shares", "orders": "order"}[kind]
    folded = (
        wide.unpivot(index="session", variable_name="symbol", value_name=name).drop_nulls().sort("session")
    )
    expected = of(wide, "hold", kind=kind)
    folder = tmp_path_factory.mktemp("tables")
    for stem, frame in (("wide", wide), ("long", folded)):
        if not frame.height:
            continue
        frame.write_csv(folder / f"{stem}.csv")
        frame.write_parquet(folder / f"{stem}.parquet")
        for path in (folder / f"{stem}.csv", folder / f"{stem}.parquet"):
            made = of(read_file(path), "hold", kind=kind)
            kept = np.isfinite(expected.weights).any(axis=1) if stem == "long" else np.ones(rows, dtype=bool)
            np.testing.assert_array_equal(made.weights, expected.weights[kept])
            np.testing.assert_array_equal(made.decisions, expected.decisions[kept])


def test_what_a_decision_leaves_out_is_held_or_sold_or_refused() -> None:
    frame = pl.DataFrame({"session": D[:3], "symbol": ["AAPL", "MSFT", "MSFT"], "weight": [0.5, 0.5, 0.4]})
    with pytest.raises(InputError, match=r"portfolio\.absent.*nothing about AAPL at 2024-07-02"):
        of(frame)
    assert np.isnan(of(frame, "hold").weights[1:, 0]).all()
    assert of(frame, "zero").weights[:, 0].tolist() == [0.5, 0.0, 0.0]
    assert (of(frame, "zero").weights[:, 3:] == 0).all()
    closed = frame.with_columns(weight=pl.Series([0.0, 0.5, 0.4]))
    assert np.isnan(of(closed).weights[1:, 0]).all()  # nothing was held: nothing to ask
    orders = frame.rename({"weight": "order"})
    assert np.isnan(of(orders).weights[1:, 0]).all()  # no order is no order


def test_the_universe_is_as_known_at_the_decision() -> None:
    ok = pl.DataFrame({"session": D, "NEW": [None, None, None, 0.2], "IBM": [0.1, 0.2, 0.3, 0.4]})
    assert of(ok, "hold").weights[1, 1] == 0.2  # a missing bar takes nobody out
    early = pl.DataFrame({"session": D[:2], "symbol": ["AAPL", "NEW"], "weight": [0.1, 0.2]})
    with pytest.raises(
        InputError, match=r"row 2, symbol = 'NEW': expected a symbol of the universe.*2024-07-02"
    ):
        of(early)
    member = np.ones((len(NAMES), len(CLOCK)), dtype=bool)
    member[0, 2:] = False
    given_ = table_of(long(), "w.csv")
    with pytest.raises(InputError, match=r"row 3, symbol = 'AAPL'"):
        placed(given_, panel(member))
    closing = table_of(long(weight=[0.1, 0.2, 0.0]), "w.csv")
    assert placed(closing, panel(member)).weights[2, 0] == 0.0
    selling = long().rename({"weight": "order"}).with_columns(order=pl.Series([5.0, 5.0, -10.0]))
    assert placed(table_of(selling, "w.csv"), panel(member)).weights[2, 0] == -10.0
    with pytest.raises(InputError, match="row 3"):
        placed(table_of(selling.with_columns(order=pl.Series([1.0, 1.0, 1.0])), "w.csv"), panel(member))


def test_a_world_that_ends_early_knows_no_later_rows_and_no_later_symbols() -> None:
    frame = pl.DataFrame({"session": [D[0], D[3]], "symbol": ["AAPL", "NEW"], "weight": [0.1, 0.2]})
    whole = placed(table_of(frame, "w.csv"), panel(), "hold")
    early = panel()
    cut = Panel(early.fields, early.symbols[:3], CLOCK.slice(0, 2), early.values[:, :3, :2], early.member[:3, :2],
                early.revisions, "raw", 0.0)  # fmt: skip
    short = placed(table_of(frame, "w.csv"), cut, "hold", truncated=True)
    assert short.decisions.tolist() == [0]
    np.testing.assert_array_equal(short.weights, whole.weights[:1, :3])


def test_weights_that_need_borrowing_are_refused_unless_margin_is_allowed() -> None:
    frame = pl.DataFrame({"session": D[:1], "AAPL": [0.7], "MSFT": [0.4]})
    with pytest.raises(InputError, match=r"sum of the weights of 2024-07-01 = 1\.1.*execution\.margin=true"):
        of(frame)
    assert of(frame, margin=True).weights[0, 0] == 0.7
    assert of(frame.with_columns(IBM=pl.lit(-0.2))).weights[0, 1] == -0.2
    assert of(
        pl.DataFrame({"session": D[:1], "AAPL": [0.333334], "MSFT": [0.333333], "IBM": [0.333333]})
    ).weights.any()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (long(weight=[0.1, float("nan"), 0.3]), r"w\.csv, row 2, weight = nan: expected a finite number"),
        (long(weight=[0.1, 0.2, float("-inf")]), r"row 3, weight = -inf"),
        (long(weight=[0.1, None, 0.2]), r"row 2, weight = None"),
        (long(weight=["0.1", "0,2", "0.3"]), r"row 2, weight = '0,2'"),
        (long(weight=["0.1", "NaN", "0.3"]), r"row 2, weight = 'NaN'"),
        (long(weight=[True, False, True]), r"weight = 'Boolean': expected numbers"),
        (pl.DataFrame({"session": D[:2], "AAPL": [0.1, float("nan")]}), r"row 2, AAPL = nan"),
        (long(symbol=["AAPL", "APPL", "AAPL"]), r"row 2, symbol = 'APPL'.*Did you mean AAPL"),
        (long(symbol=["AAPL", "ibm", "AAPL"]), r"Did you mean IBM\?"),
        (long(symbol=["AAPL", None, "AAPL"]), r"row 2, symbol = None"),
        (long(symbol=["AAPL", " ", "AAPL"]), r"row 2, symbol"),
        (long(symbol=[1.5, 2.5, 3.5]), r"symbol = 'Float64'"),
        (
            long(session=[*D[:2], date(2024, 7, 15)]),
            r"row 3, session = '2024-07-15': expected a decision before the data end",
        ),
        (long(session=[date(2024, 6, 28), *D[:2]]), r"row 1, session.*which begin on 2024-07-01"),
        (
            long(session=[*D[:2], date(2024, 7, 4)]),
            r"row 3, session = '2024-07-04': expected a session of XNYS.*2024-07-03",
        ),
        (long(session=[D[0], D[1], D[1]]), r"row 3 = 'AAPL at 2024-07-02': expected each symbol once.*row 2"),
        (long(session=[D[1], D[0], D[2]]), r"row 2, session = '2024-07-01': expected rows in order"),
        (pl.DataFrame({"session": [D[1], D[1]], "AAPL": [0.1, 0.2]}), r"row 2, session.*each decision once"),
        (pl.DataFrame({"session": [D[1], D[0]], "AAPL": [0.1, 0.2]}), r"row 2, session.*in order"),
        (long(session=["2024-07-01", "07/02/2024", "2024-07-03"]), r"row 2, session = '07/02/2024'"),
        (long(session=[1, 2, 3]), r"session = 'Int64': expected dates"),
        (long(session=[datetime(2024, 7, 1, 9)] * 3), r"row 1, session.*decided_at"),
        (long().rename({"session": "date"}), r"columns of w\.csv.*Call the column 'date' session"),
        (long().rename({"session": "decided_at"}), r"decided_at = 'Date': expected instants"),
        (long(extra=[1, 2, 3]), r"columns of w\.csv = 'extra'"),
        (long(shares=[1, 2, 3]), r"one of weight, shares, order"),
        (long().drop("weight"), r"one of weight, shares, order"),
        (long().select("session"), r"columns of w\.csv"),
        (long().head(0), r"expected at least one decision"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(frame: pl.DataFrame, says: str) -> None:
    with pytest.raises(InputError, match=says):
        of(frame)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (["2024-07-01T15:00:00", "2024-07-01T16:00:00"], r"row 2, decided_at.*decision of its own"),
        (["2024-07-01T15:00:00", "2024-07-12T20:31:00"], r"row 2, decided_at.*before the data end"),
        (["2024-06-29T10:00:00", "2024-07-02T10:00:00"], r"row 1, decided_at.*within the data"),
        (["2024-07-01", "2024-07-02"], r"row 1, decided_at = '2024-07-01': expected an instant"),
        (["2024-07-01T10:00:00", "soon"], r"row 2, decided_at = 'soon'"),
    ],
)
def test_instants_that_no_decision_is_for(times: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        of(pl.DataFrame({"decided_at": times, "AAPL": [0.1, 0.2]}))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    def refused(name: str, says: str, content: bytes | None = None) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=says):
            table_of(read_file(tmp_path / name), name)

    (tmp_path / "folder.csv").mkdir()
    refused("folder.csv", "This is a folder")
    refused("w.xlsx", r"expected a \.csv or \.parquet file", b"x")
    refused("empty.csv", "The file is empty", b"")
    refused("empty.parquet", "The file is empty", b"")
    refused("junk.parquet", "a readable table", b"junk" * 100)
    refused("binary.csv", "a readable table", bytes(range(256)))
    refused("header.csv", "at least one decision", b"session,symbol,weight\n")
    refused(
        "twice.csv", "twice.csv = 'AAPL': expected each column once", b"session,AAPL,AAPL\n2024-07-01,1,1\n"
    )
    refused("ragged.csv", "a readable table", b"session,AAPL\n2024-07-01,1,2,3\n")
    refused("binari.csv", "Did you mean binary.csv")
    refused("nothing/at/all.csv", "There is no such file")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backcast.engine.given import table as given_table

    long().write_parquet(tmp_path / "w.parquet")
    long().write_csv(tmp_path / "w.csv")
    monkeypatch.setattr(given_table, "MOST_CELLS", 8)
    with pytest.raises(InputError, match="at most 8 cells, it has 9"):
        read_file(tmp_path / "w.parquet")
    monkeypatch.setattr(given_table, "MOST_BYTES", 10)
    with pytest.raises(InputError, match=r"at most .* GiB"):
        read_file(tmp_path / "w.csv")


def test_a_file_that_changed_is_not_the_one_recorded(tmp_path: Path) -> None:
    long().write_csv(tmp_path / "w.csv")
    known = GivenPortfolio(str(tmp_path / "w.csv"))
    again = GivenPortfolio(str(tmp_path / "w.csv"), sha256=known.digest())
    assert again.table().value.tolist() == [0.1, 0.2, 0.3]
    long(weight=[0.1, 0.2, 0.4]).write_csv(tmp_path / "w.csv")
    with pytest.raises(InputError, match="The file has changed since"):
        GivenPortfolio(str(tmp_path / "w.csv"), sha256=again.sha256).table()


@pytest.mark.parametrize("changes", [{"path": ""}, {"path": 3}, {"kind": "percent"}, {"absent": "keep"}])
def test_a_wrong_setting_is_named(changes: dict[str, Any]) -> None:
    (parameter,) = changes
    with pytest.raises(InputError, match=rf"portfolio\.{parameter}"):
        GivenPortfolio(**{"path": "w.csv", **changes})


def test_dates_may_be_midnights() -> None:
    made = of(long(session=[datetime(2024, 7, 1) + timedelta(days=k) for k in range(3)]))
    assert made.decisions.tolist() == [0, 1, 2]
    assert of(
        long(session=["2024-07-01 00:00:00", "2024-07-02", "2024-07-03T00:00:00"])
    ).decisions.tolist() == [0, 1, 2]
