"""Every check finds what it is for, and nothing in clean bars."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from backcast.data.calendar import clock
from backcast.data.quality import Finding, check
from backcast.data.sources.frames import Frames

DAYS = [date(2024, 7, d) for d in (1, 2, 3, 5, 8, 9)]  # the 4th is a holiday


def clean() -> list[dict[str, Any]]:
    """Two symbols; B ends a session early."""
    whole = [{"symbol": s, "date": d, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": 5.0}
             for s in "AB" for d in DAYS]  # fmt: skip
    return whole[:-1]


def findings(rows: list[dict[str, Any]], **options: Any) -> list[Finding]:
    rule = None if "known_at" in rows[0] else "event_at + 15min"
    batch = Frames(pl.DataFrame(rows), name="q", price_basis="raw", known_rule=rule, **options).read()
    return check(batch.info, batch.tables["bars"])


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
