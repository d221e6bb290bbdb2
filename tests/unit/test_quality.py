"""Every check finds what it is for, and nothing in clean bars."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from backcast.data.calendar import clock
from backcast.data.quality import check, check_files
from backcast.data.schema import Finding
from backcast.data.sources.frames import Frames
from backcast.data.synthetic import SyntheticSource

DAYS = [date(2024, 7, d) for d in (1, 2, 3, 5, 8, 9)]  # the 4th is a holiday


def clean() -> list[dict[str, Any]]:
    """Two symbols; B ends a session early."""
    whole = [{"symbol": s, "date": d, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": 5.0 + d.day}
             for s in "AB" for d in DAYS]  # fmt: skip
    return whole[:-1]


def findings(rows: list[dict[str, Any]], **options: Any) -> list[Finding]:
    rule = None if "known_at" in rows[0] else "event_at + 15min"
    batch = Frames(pl.DataFrame(rows), name="q", price_basis="raw", known_rule=rule, **options).read()
    return check(batch.info, batch.tables)


def test_clean_bars_have_no_findings() -> None:
    assert findings(clean()) == []


@pytest.mark.parametrize(
    ("at", "change", "expected"),
    [
        (1, {"close": 0.0}, ("error", "price", "A", "2024-07-02")),
        (2, {"low": -9.0}, ("error", "price", "A", "2024-07-03")),
        (1, {"volume": -1.0}, ("error", "volume", "A", "2024-07-02")),
        (1, {"close": None}, ("warning", "no close", "A", "2024-07-02")),
        (3, {"open": 11.5}, ("warning", "ohlc order", "A", "2024-07-05")),
        (3, {"close": 8.5}, ("warning", "ohlc order", "A", "2024-07-05")),
        (2, {"close": 60.0, "high": 61.0}, ("warning", "spike", "A", "2024-07-03")),
        (2, {"close": 1.5, "low": 1.0}, ("warning", "spike", "A", "2024-07-03")),
    ],
)
def test_a_wrong_cell(at: int, change: dict[str, float], expected: tuple[str, ...]) -> None:
    rows = clean()
    rows[at] |= change
    found = findings(rows)
    assert expected in [(f.severity, f.check, f.symbol, f.session) for f in found]
    assert {f.session for f in found} == {expected[3]}


def test_a_change_of_unit() -> None:
    rows = clean()
    for row in rows[3:6]:
        row |= {c: row[c] * 1000 for c in ("open", "high", "low", "close")}
    assert [(f.check, f.symbol, f.session) for f in findings(rows)] == [("unit jump", "A", "2024-07-05")]


def test_a_gap_and_a_missing_session() -> None:
    rows = [r for r in clean() if (r["symbol"], r["date"].day) != ("A", 3)]
    assert [(f.check, f.symbol, f.session) for f in findings(rows)] == [("gap", "A", "2024-07-05")]
    rows = [r for r in clean() if r["date"].day != 3]
    assert [(f.check, f.symbol, f.session) for f in findings(rows)] == [("missing session", "", "2024-07-03")]


def test_nobody_leaves() -> None:
    rows = [r for r in clean() if r["date"] != DAYS[-1]]
    assert [f.check for f in findings(rows)] == ["survivorship"]
    assert [f.check for f in findings(rows, benchmark="B")] == []


def test_a_bar_that_is_known_before_its_close() -> None:
    rows = [r | {"known_at": "2024-07-01T12:00:00Z"} for r in clean()]
    assert {(f.severity, f.check) for f in findings(rows)} == {("error", "known_at")}
    assert len(clock("XNYS", *(pl.Series(DAYS).to_numpy()[[0, -1]]), 0)) == len(DAYS)


def test_a_feed_that_stood_still() -> None:
    rows = clean()
    for row in rows[1:6]:
        row["volume"] = 7.0
    assert [(f.check, f.symbol, f.session, f.detail) for f in findings(rows)] == [
        ("stale run", "A", "2024-07-02", "5 bars in a row are the same")
    ]
    rows[3]["volume"] = 8.0
    assert findings(rows) == []


def test_known_in_the_future_or_out_of_order() -> None:
    at = [{**row, "known_at": datetime(2024, 7, row["date"].day, 21, tzinfo=UTC)} for row in clean()]
    assert findings(at) == []
    late = [dict(row) for row in at]
    late[1]["known_at"] = late[2]["known_at"] = datetime(2024, 8, 1, tzinfo=UTC)
    assert [(f.check, f.symbol, f.session, f.count) for f in findings(late)] == [
        ("late known_at", "A", "2024-07-03", 1)
    ]
    at[5]["known_at"] = datetime(2100, 1, 1, tzinfo=UTC)
    assert ("error", "future known_at", "A", "2024-07-09") in [
        (f.severity, f.check, f.symbol, f.session) for f in findings(at)
    ]


def walk(adjust: bool, digits: int = 2) -> pl.DataFrame:
    """Three years of two symbols on the grid of cents; adjusted backwards by a split of 7:1 and quarterly dividends."""
    draw, days = np.random.default_rng(4), SESSIONS.sessions
    frames = []
    for k, symbol in enumerate("AB"):
        close = np.round(90 * np.exp(draw.normal(0, 0.01, len(days)).cumsum()), digits)
        factor = np.ones(len(days))
        for at in range(60 + k, len(days) - 30, 63):
            factor[:at] *= 1 - 0.4 / close[at]
        factor[:400] /= 7
        frames.append(
            pl.DataFrame({"symbol": symbol, "date": days, "close": close * factor if adjust else close})
        )
    frames[1] = frames[1][:-1]  # B ends a session early, so that nobody is a survivor
    return pl.concat(frames)


SESSIONS = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2022-12-30"), 0)


@pytest.mark.parametrize(
    ("adjust", "digits", "found"), [(False, 2, []), (True, 2, ["back-adjusted?"]), (False, 6, [])]
)
def test_prices_that_are_called_raw(adjust: bool, digits: int, found: list[str]) -> None:
    frame = walk(adjust, digits)
    noisy = frame.with_columns(pl.col("close") * (1 + 1e-15))
    for given in (frame, noisy):
        assert [f.check for f in findings(given.to_dicts())] == found
    batch = Frames(frame, name="q", price_basis="total_return", known_rule="event_at + 15min").read()
    assert check(batch.info, batch.tables) == []


def test_a_symbol_that_ends_without_a_word() -> None:
    frame = walk(False).filter((pl.col("symbol") == "A") | (pl.col("date") < date(2021, 6, 1)))
    found = findings(frame.to_dicts())
    assert [(f.check, f.symbol, f.session) for f in found] == [("ends", "B", "2021-05-28")]
    actions = pl.DataFrame(
        {"symbol": ["B"], "date": [date(2021, 5, 28)], "kind": ["delisting"], "value": [1.0]}
    )
    batch = Frames(frame, name="q", price_basis="raw", known_rule="event_at + 15min", actions=actions).read()
    assert check(batch.info, batch.tables) == []


def test_no_close_at_all_is_an_error() -> None:
    rows = [{**row, "close": None} for row in clean()]
    assert [(f.severity, f.check) for f in findings(rows)] == [("error", "no close")]


def test_files_of_any_size_are_checked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece or in many buckets of symbols, from a table or from files."""
    from backcast.data import quality

    batch = SyntheticSource(symbols=30, sessions=120).read()
    whole = check(batch.info, batch.tables)
    assert {f.check for f in whole} >= {"gap", "late known_at"}
    files = {}
    for name, table in batch.tables.items():
        halves = [table.slice(0, table.num_rows // 2), table.slice(table.num_rows // 2)]
        files[name] = [tmp_path / f"{name}{k}.parquet" for k in range(2)]
        for half, file in zip(halves, files[name], strict=True):
            pq.write_table(half, file)
    monkeypatch.setattr(quality, "BUCKET", 500)
    found = check_files(batch.info, files)
    assert sorted(map(str, found)) == sorted(map(str, whole))


def test_members_without_bars() -> None:
    """C is not there at all, A's second spell is; B's first spell has bars under another ticker only."""
    bars = [row for row in clean() if row["symbol"] == "A" or row["date"] >= DAYS[3]]
    bars += [{**row, "symbol": "OLD", "volume": 9.0 + k} for k, row in enumerate(clean()[6:9])]
    spells = [
        ("A", 0, True),
        ("A", 2, False),
        ("A", 3, True),
        ("B", 0, True),
        ("B", 3, False),
        ("B", 4, True),
        ("C", 1, True),
    ]
    members = pl.DataFrame(
        {
            "symbol": [s for s, _, _ in spells],
            "date": [DAYS[t] for _, t, _ in spells],
            "member": [m for _, _, m in spells],
        }
    )
    frame = pl.DataFrame(bars).filter(~((pl.col("symbol") == "B") & (pl.col("date") == DAYS[3])))
    batch = Frames(
        frame, name="q", price_basis="raw", known_rule="event_at + 15min", membership=members
    ).read()
    found = [(f.check, f.symbol, f.session) for f in check(batch.info, batch.tables)]
    assert [f for f in found if f[0] == "member without bars"] == [
        ("member without bars", "B", "2024-07-01"), ("member without bars", "C", "2024-07-02")
    ]  # fmt: skip


def of_facts(*rows: tuple[str, date, float, datetime]) -> list[Finding]:
    """The findings about facts: item, period, value, known_at; all of A."""
    frame = pl.DataFrame(rows, schema=["item", "date", "value", "known_at"], orient="row").with_columns(
        symbol=pl.lit("A")
    )
    batch = Frames(None, name="q", price_basis="raw", time_zone="UTC", facts=frame).read()
    return check(batch.info, batch.tables)


MARCH, JUNE = date(2024, 3, 31), date(2024, 6, 30)


def test_facts_in_order_have_no_findings() -> None:
    assert of_facts(("eps", MARCH, 1.0, datetime(2024, 5, 1)), ("eps", JUNE, 2.0, datetime(2024, 8, 1)),
                    ("eps", MARCH, 1.5, datetime(2024, 8, 1))) == []  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "severity", "name", "session"),
    [
        ([("eps", MARCH, 1.0, datetime(2024, 3, 1))], "warning", "early known_at", "2024-03-31"),
        ([("eps", MARCH, 1.0, datetime(2099, 3, 1))], "error", "future known_at", "2024-03-31"),
        (
            [("eps", JUNE, 1.0, datetime(2024, 8, 1)), ("eps", MARCH, 1.0, datetime(2024, 9, 1))],
            "warning", "late known_at", "2024-03-31",
        ),
        (
            [("eps", MARCH, 384.0, datetime(2024, 5, 1)), ("eps", MARCH, 3.84e8, datetime(2024, 5, 8))],
            "warning", "unit jump", "2024-03-31",
        ),
    ],
)  # fmt: skip
def test_odd_facts(
    rows: list[tuple[str, date, float, datetime]], severity: str, name: str, session: str
) -> None:
    assert [(f.severity, f.check, f.session, f.count) for f in of_facts(*rows)] == [
        (severity, name, session, 1)
    ]


def test_odd_dates_of_actions() -> None:
    actions = pl.DataFrame({"date": [date(2024, 7, 2)] * 3, "symbol": ["A", "B", "C"], "kind": "dividend", "value": 1.0,
                            "declared_on": [date(2024, 6, 3), date(2024, 7, 3), date(2024, 6, 3)],
                            "pay_on": [date(2024, 7, 1), date(2024, 7, 9), None],
                            "known_at": [datetime(2024, 6, 4), datetime(2024, 6, 4), datetime(2024, 7, 9)]})  # fmt: skip
    batch = Frames(None, name="q", price_basis="raw", time_zone="UTC", actions=actions).read()
    found = {(f.check, f.symbol) for f in check(batch.info, batch.tables)}
    assert found == {("paid early", "A"), ("declared late", "B"), ("late action", "C")}


def test_a_ticker_that_comes_again_after_long() -> None:
    days = clock("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-07-12"), 0).sessions.tolist()
    rows = [{"date": d, "symbol": s, "close": 10.0 + t % 7} for s in "ABC" for t, d in enumerate(days)
            if s == "A" or not 20 <= t < (81 if s == "B" else 80)]  # fmt: skip
    found = {f.symbol: f.check for f in findings(rows) if f.symbol}
    assert found == {"B": "comes again", "C": "gap"}


def test_many_findings_of_one_symbol_are_counted() -> None:
    days = clock("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-07-12"), 0).sessions.tolist()
    rows = [{"date": d, "symbol": "A", "open": 1.0, "high": 2.0, "low": 1.5, "close": 1.6} for d in days]
    found = [f for f in findings(rows) if f.check == "ohlc order"]
    assert sum(f.count for f in found) == len(days)
    assert len(found) < len(days)


def test_actions_that_cannot_be_are_errors() -> None:
    bars = pl.DataFrame({"date": [date(2024, 7, 1), date(2024, 7, 2)], "symbol": "A", "close": 1.0})
    actions = pl.DataFrame({"date": [date(2024, 7, 2)] * 3, "symbol": ["A", "A", "B"], "kind": ["dividend", "split", "rename"],
                            "value": [5.0, 1e9, None], "text": [None, None, "B"]})  # fmt: skip
    batch = Frames(bars, name="q", price_basis="raw", known_rule="event_at + 15min", actions=actions).read()
    found = [f for f in check(batch.info, batch.tables) if f.severity == "error"]
    assert sorted((f.check, f.symbol) for f in found) == [("impossible action", s) for s in ("A", "A", "B")]
