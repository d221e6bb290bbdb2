"""`backcast.statistics`: pandas and polars give the same, and each wrong cell is one error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import backcast
from backcast.data.errors import InputError
from backcast.engine.stats.frames import Table

DAYS = pd.DatetimeIndex(
    [day for day in pd.bdate_range("2019-01-02", "2019-12-31") if day.strftime("%m-%d") not in (
        "01-21", "02-18", "04-19", "05-27", "07-04", "09-02", "11-28", "12-25")]
)  # fmt: skip
RNG = np.random.default_rng(1)
RETURNS = pd.Series(RNG.normal(0.0005, 0.01, len(DAYS)), DAYS, name="mine")
MARKET = pd.Series(RNG.normal(0.0005, 0.01, len(DAYS)), DAYS, name="market")


def polars_of(series: pd.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {"day": series.index.to_numpy().astype("datetime64[ms]"), str(series.name): series.to_numpy()}
    )


def test_pandas_and_polars_give_the_same() -> None:
    one = backcast.statistics(RETURNS, benchmark=MARKET, draws=100)
    other = backcast.statistics(polars_of(RETURNS), benchmark=polars_of(MARKET), draws=100)
    assert one.frame().equals(other.frame())
    assert one.header == other.header
    assert one.header["sessions"] == len(DAYS)
    assert one.header["benchmark"] == "market"
    assert one.figure("beta").value is not None
    assert "Sharpe" in repr(one)


def test_a_year_is_the_calendar_s_unless_said() -> None:
    found = backcast.statistics(RETURNS, draws=0)
    assert 250 < found.header["periods_per_year"] < 253
    months = pd.Series(RNG.normal(0.01, 0.04, 60), pd.date_range("2015-01-31", periods=60, freq="ME"))
    monthly = backcast.statistics(months, periods_per_year=12, draws=0).figure("sharpe").value
    assert monthly == pytest.approx(months.mean() / months.std() * 12**0.5)


def test_what_was_not_given_has_a_reason() -> None:
    found = backcast.statistics(RETURNS[:10], draws=0)
    for name in ("beta", "turnover_per_year", "gross_exposure", "factor_r2", "regime_sharpe", "sharpe"):
        assert found.figure(name).value is None
        assert found.figure(name).reason
    assert found.figure("total_return").value == pytest.approx((1 + RETURNS[:10]).prod() - 1)
    assert "n/a" in repr(found)


def test_factors_and_turnover() -> None:
    factors = pd.DataFrame({"a": MARKET, "b": RNG.normal(0, 0.01, len(DAYS))}, DAYS)[5:]
    turnover = pd.Series(0.1, DAYS)
    found = backcast.statistics(RETURNS, factors=factors, turnover=turnover, draws=0)
    design = np.column_stack([np.ones(len(factors)), factors.to_numpy()])
    _, slope, _ = np.linalg.lstsq(design, RETURNS[5:].to_numpy(), rcond=None)[0]
    assert found.figure("factor_beta", "a").value == pytest.approx(slope)
    assert found.figure("turnover_per_year").value == pytest.approx(0.1 * found.header["periods_per_year"])


def test_a_name_that_is_not_there_is_refused() -> None:
    found = backcast.statistics(RETURNS, draws=0)
    with pytest.raises(InputError, match="sharpe"):
        found.figure("sharp")
    with pytest.raises(InputError, match="item"):
        found.figure("year_return", 1999)


def _with(row: int, value: float) -> pd.Series:
    changed = RETURNS.copy()
    changed.iloc[row] = value
    return changed


@pytest.mark.parametrize(
    ("returns", "settings", "message"),
    [
        (_with(3, np.nan), {}, "returns, row 4"),
        (_with(3, -1.5), {}, "at least -1"),
        (RETURNS[::-1], {}, "ascending"),
        (pd.concat([RETURNS[:3], RETURNS[2:]]), {}, "each date once"),
        (RETURNS[:0], {}, "no rows"),
        ([0.1, 0.2], {}, "a pandas Series"),
        (RETURNS.reset_index(drop=True), {}, "dates"),
        (pd.DataFrame({"a": RETURNS, "b": RETURNS}), {}, "one column of numbers"),
        (RETURNS[::5], {}, "one each session"),
        (RETURNS, {"calendar": "XLON"}, "a session of XLON"),
        (RETURNS, {"periods_per_year": 0}, "periods_per_year"),
        (RETURNS, {"risk_free_per_year": "3%"}, "risk_free_per_year"),
        (RETURNS, {"draws": -1}, "draws"),
        (RETURNS, {"benchmark": MARKET.set_axis(DAYS - pd.Timedelta(days=4000))}, "no session in common"),
        (RETURNS, {"turnover": -MARKET.abs()}, "turnover, row 1"),
        (RETURNS, {"factors": pd.DataFrame({"a": ["x"] * len(DAYS)}, DAYS)}, "numbers"),
    ],
)
def test_each_wrong_cell_is_one_error(returns: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        backcast.statistics(returns, **settings)


def test_a_table_on_other_sessions_has_gaps() -> None:
    days = np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]")
    table = Table(days[[0, 2]], {"x": np.array([1.0, 2.0])})
    np.testing.assert_array_equal(table.on(days)["x"], [1.0, np.nan, 2.0, np.nan])
