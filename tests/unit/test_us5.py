"""`us5` against what the companies announced, and against its own adjusted closes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backcast.data.asof import load_panel
from backcast.data.ingest import ingest
from backcast.data.sources.base import Batch
from backcast.data.sources.bundled import US5, packaged
from backcast.data.store import Store

ANNOUNCED = {
    ("AAPL", date(2000, 6, 21), "split"): 2.0,
    ("AAPL", date(2005, 2, 28), "split"): 2.0,
    ("AAPL", date(2012, 8, 9), "dividend"): 2.65,
    ("AAPL", date(2013, 2, 7), "dividend"): 2.65,
    ("MSFT", date(2003, 2, 18), "split"): 2.0,
    ("MSFT", date(2003, 2, 19), "dividend"): 0.08,
    ("MSFT", date(2004, 11, 15), "dividend"): 3.08,  # the special dividend of $3 and the regular one
    ("MSFT", date(2012, 11, 13), "dividend"): 0.23,
    ("IBM", date(2000, 5, 8), "dividend"): 0.13,
    ("IBM", date(2012, 5, 8), "dividend"): 0.85,
}


@pytest.fixture(scope="module")
def us5() -> Batch:
    return US5().read()


def test_actions_are_those_that_were_announced(us5: Batch) -> None:
    rows = pl.DataFrame(us5.tables["actions"]).with_columns(day=pl.col("event_at").dt.date())
    found = {(s, d, k): v for s, d, k, v in rows.select("symbol", "day", "kind", "value").iter_rows()}
    assert {key: found[key] for key in ANNOUNCED} == ANNOUNCED
    kinds = rows.group_by("symbol", "kind").len().sort("symbol", "kind").rows()
    assert kinds == [("AAPL", "dividend", 3), ("AAPL", "split", 2), ("IBM", "dividend", 52),
                     ("MSFT", "dividend", 37), ("MSFT", "split", 1)]  # fmt: skip
    assert (rows["known_at"] < rows["event_at"]).all()
    amounts = rows.filter(pl.col("kind") == "dividend")["value"].to_numpy()
    np.testing.assert_allclose(amounts * 1000, np.round(amounts * 1000), atol=1e-6)  # no odd fractions


def test_adjusted_returns_are_those_of_the_file(us5: Batch, tmp_path: Path) -> None:
    """The file reinvests a dividend at the close of its ex date, we at the close before it: on these days the returns
    are (close + dividend) / before and close / (before - dividend); on all others they are equal."""
    store = Store(tmp_path)
    ingest(store, US5())
    panel = load_panel(store, "us5", store.version("us5"), ("close",))
    file = pl.read_csv(packaged("bokeh_sampledata", "_data") / "stocks.csv.gz", try_parse_dates=True)
    actions = pl.DataFrame(us5.tables["actions"]).filter(pl.col("kind") == "dividend")
    for s, symbol in enumerate(panel.symbols):
        own = file.filter(pl.col("Ticker") == symbol)
        values = panel.values[0, s][np.isfinite(panel.values[0, s])]
        ours, theirs = (
            values[1:] / values[:-1],
            own["Adj Close"].to_numpy()[1:] / own["Adj Close"].to_numpy()[:-1],
        )
        paid = dict(
            actions.filter(pl.col("symbol") == symbol)
            .select(pl.col("event_at").dt.date(), "value")
            .iter_rows()
        )
        dividend = np.array([paid.get(day, 0.0) for day in own["Date"][1:]])
        np.testing.assert_allclose(ours[dividend == 0], theirs[dividend == 0], rtol=1e-9)
        close, before = own["Close"].to_numpy()[1:], own["Close"].to_numpy()[:-1]
        expected = (close / (before - dividend))[dividend > 0]
        np.testing.assert_allclose(ours[dividend > 0], expected, rtol=1e-9)
        at_ex = ((close + dividend) / before)[dividend > 0]
        np.testing.assert_allclose(theirs[dividend > 0], at_ex, rtol=1e-5)
