"""Facts without bars, and facts about everybody."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import backcast
from backcast.data.asof import load_panel
from backcast.data.calendar import clock
from backcast.data.errors import InputError, StaleDataError
from backcast.data.ingest import ingest
from backcast.data.sources.frames import Frames
from backcast.data.sql import select
from backcast.data.store import Store
from backcast.engine.cli import main

DAYS = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-01-31"), 0).sessions.tolist()
UTC = {"known_rule": "event_at + 15min", "time_zone": "UTC"}


def facts(rows: list[tuple[str, date, str, float, datetime]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["symbol", "date", "item", "value", "known_at"], orient="row")


MACRO = facts(
    [
        ("*", date(2019, 12, 31), "gdp", 1.0, datetime(2020, 1, 6, 12)),
        ("*", date(2019, 12, 31), "gdp", 1.5, datetime(2020, 1, 20, 12)),
        ("B", date(2019, 12, 31), "gdp", 9.0, datetime(2020, 1, 10, 12)),
        ("A", date(2019, 12, 31), "eps", 2.0, datetime(2020, 1, 8, 12)),
    ]
)


def test_a_fact_about_all_symbols_holds_for_each_without_its_own(tmp_path: Path) -> None:
    bars = pd.DataFrame(10.0, index=pd.Index(pd.to_datetime(DAYS), name="date"), columns=["A", "B"])
    store = Store(tmp_path)
    ingest(store, Frames(bars, name="mine", price_basis="raw", facts=MACRO, **UTC))
    panel = load_panel(store, "mine", store.version("mine"))
    assert panel.fields == ("close", "eps", "gdp")
    days = [str(day) for day in panel.clock.sessions]
    a, b = panel.field("gdp")
    assert np.isnan(a[: days.index("2020-01-06")]).all()
    assert set(a[days.index("2020-01-06") : days.index("2020-01-21")]) == {1.0}
    assert set(a[days.index("2020-01-21") :]) == {1.5}
    assert b[days.index("2020-01-09")] == 1.0 and set(b[days.index("2020-01-10") :]) == {9.0}
    assert np.isnan(panel.field("eps")[1]).all()


def test_a_data_set_of_facts_alone_answers_and_is_no_market(home: Path) -> None:
    report = backcast.ingest(None, "macro", "raw", facts=MACRO, **UTC)
    assert report.rows == {"facts": 4}
    store = Store()
    newest = select(store, "SELECT value FROM facts WHERE symbol = '*'", np.datetime64("2020-01-19"))
    assert newest["value"].to_list() == [1.0]
    with pytest.raises(StaleDataError, match="no bars"):
        load_panel(store, "macro", store.version("macro"))
    assert main(["run", "model=ridge", "dataset=stored", "dataset.name=macro"]) == 3


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="at least one row"):
        Frames(name="nothing", price_basis="raw", **UTC).read()
    assert main(["ingest", "dataset=csv", "dataset.name=x", "dataset.price_basis=raw"]) == 2
