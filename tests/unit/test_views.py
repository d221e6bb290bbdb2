"""Prices and members as known at one instant."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sources.frames import Frames
from backcast.data.store import Store
from backcast.data.views import prices, universe
from backcast.engine.cli import main

DAYS = clock("XNYS", np.datetime64("2024-07-01"), np.datetime64("2024-07-12"), 0).sessions.tolist()
NOW = np.datetime64("2025-01-01", "us")


@pytest.fixture
def store() -> Store:
    """A pays 1 before its 2:1 split on the fifth session, known a session late; B is there for a while."""
    bars = [
        {
            "symbol": s,
            "date": d,
            "close": 20.0 if s == "B" or t < 4 else 10.0,
            "volume": 100.0 if t < 4 else 200.0,
        }
        for s in "AB"
        for t, d in enumerate(DAYS)
    ]
    actions = pl.DataFrame({"symbol": ["A", "A"], "date": [DAYS[2], DAYS[4]], "kind": ["dividend", "split"],
                            "value": [1.0, 2.0], "text": pl.Series([None, None], dtype=pl.String),
                            "known_at": [datetime(2024, 7, 1, 22), datetime(2024, 7, 9, 12)]})  # fmt: skip
    members = pl.DataFrame(
        {
            "symbol": ["A", "B", "B", "B"],
            "date": [DAYS[0], DAYS[0], DAYS[3], DAYS[6]],
            "member": [True, True, False, True],
            "known_at": [
                datetime(2024, 7, 1, 12),
                datetime(2024, 7, 1, 12),
                datetime(2024, 7, 2, 12),
                datetime(2024, 7, 10, 12),
            ],
        }
    )
    options = {
        "known_rule": "event_at + 15min",
        "time_zone": "UTC",
        "actions": actions,
        "membership": members,
    }
    made = Store()
    ingest(made, Frames(pl.DataFrame(bars), name="mine", price_basis="raw", **options))
    return made


def closes(frame: pl.DataFrame, symbol: str) -> list[float]:
    return [round(x, 9) for x in frame.filter(pl.col("symbol") == symbol)["close"]]


def test_forward_prices_never_change_by_a_later_action(store: Store) -> None:
    whole = prices(store, "mine", NOW)
    assert closes(whole, "A") == [20.0, 20.0, *[round(20 * 20 / 19, 9)] * (len(DAYS) - 2)]
    early = prices(store, "mine", np.datetime64("2024-07-03T22:00"))
    assert closes(early, "A") == closes(whole, "A")[:3]
    unsplit = prices(
        store, "mine", np.datetime64("2024-07-08T22:00")
    )  # the split of this day is not known yet
    assert closes(unsplit, "A")[4] == pytest.approx(10 * 20 / 19)


def test_back_prices_end_at_the_raw_close(store: Store) -> None:
    whole = prices(store, "mine", NOW, "back")
    assert closes(whole, "A") == [9.5, 9.5, *[10.0] * (len(DAYS) - 2)]
    assert set(whole.filter(pl.col("symbol") == "A")["volume"]) == {200.0}
    early = prices(store, "mine", np.datetime64("2024-07-03T22:00"), "back")
    assert closes(early, "A") == [19.0, 19.0, 20.0]
    assert closes(early, "B") == [20.0] * 3


def test_the_universe_with_those_who_left(store: Store) -> None:
    found = universe(store, "mine", NOW).with_columns(pl.col("joined", "left").dt.date()).rows()
    assert found == [("A", DAYS[0], None), ("B", DAYS[0], DAYS[3]), ("B", DAYS[6], None)]
    before = universe(store, "mine", np.datetime64("2024-07-01T23:00"))["left"].to_list()
    assert before == [None, None]
    announced = universe(store, "mine", np.datetime64("2024-07-02T23:00"))
    assert announced["left"].dt.date().to_list() == [None, DAYS[3]]
    with pytest.raises(InputError, match="membership"):
        universe(store, "mine", np.datetime64("2020-01-01"))


def test_the_commands(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "prices", "mine", "--as-of", "2024-07-03T22:00", "--adjust", "back"]) == 0
    assert "6 rows." in capsys.readouterr().out
    assert main(["store", "universe", "mine"]) == 0
    assert "3 rows." in capsys.readouterr().out
    assert main(["store", "universe", "mine", "--as-of", "2020-01-01"]) == 2
    assert date(2024, 7, 4) not in DAYS


def test_the_same_from_python(store: Store) -> None:
    mine, at = backcast.store("mine"), "2024-07-05T22:00"
    assert mine.tables == ("bars", "actions", "membership", "facts")
    then, instant = mine.as_of(at), np.datetime64(at, "us")
    for name in mine.tables:
        assert then.table(name).equals(pl.DataFrame(pl.from_arrow(store.as_of("mine", name, instant))))
    assert then.prices("back").equals(prices(store, "mine", instant, "back"))
    assert then.universe().equals(universe(store, "mine", instant))
    assert then.sql("SELECT count(*) FROM bars").item() == then.table("bars").height
    assert set(then.symbols()["symbol"]) == {"A", "B"}
    assert len(mine.panel("close", until=at).clock) == len(set(then.table("bars")["event_at"]))
    assert mine.changes("actions", "2024-07-05", "2024-07-10")["new"].to_list() == ["2.0"]
    assert mine.cell("actions", at=at, symbol="A")["view"].to_list() == [
        "first, as known, last",
        "first, last",
    ]
    before = mine.as_of().table("bars")
    ingest(store, Frames(pl.DataFrame({"date": [DAYS[0]], "symbol": "C", "close": 1.0, "volume": 1.0}), name="mine",
                         price_basis="raw", known_rule="event_at + 15min"))  # fmt: skip
    assert mine.as_of().table("bars").equals(before)  # it stays at its version
