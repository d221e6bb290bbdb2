"""`backcast.simulate`: any frame in, one account out, against a plain account of a few lines; and errors that name the row."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import backcast
from backcast.data.errors import InputError
from backcast.engine.costs.linear import LinearCost

DAYS = pd.bdate_range("2024-01-01", periods=40)
NAMES = ["A", "B", "C"]
RNG = np.random.default_rng(5)
CLOSES = pd.DataFrame(50 * np.exp(RNG.normal(0, 0.02, (40, 3)).cumsum(axis=0)), index=DAYS, columns=NAMES)
OPENS = CLOSES * np.exp(RNG.normal(0, 0.005, (40, 3)))
WEIGHTS = pd.DataFrame(RNG.dirichlet(np.ones(3), 8), index=DAYS[::5], columns=NAMES) * 0.9

POLARS = pl.from_pandas(WEIGHTS.reset_index(names="t"))


def by_hand(
    weights: pd.DataFrame, fills: pd.DataFrame, marks: pd.DataFrame, capital: float, bps: float
) -> list[float]:
    """Equity of rebalancing at the fill after each decision; the fee is paid on the traded value."""
    cash, shares, equity = capital, np.zeros(3), []
    decided = {
        i + 1: weights.loc[day].to_numpy() for i, day in enumerate(marks.index) if day in weights.index
    }
    for t in range(1, len(marks)):
        price = fills.iloc[t].to_numpy()
        if t in decided:
            order = decided[t] * (cash + shares @ price) / price - shares
            cash -= order @ price + bps / 1e4 * np.abs(order) @ price
            shares = shares + order
        equity.append(cash + shares @ marks.iloc[t].to_numpy())
    return equity


def long_of(wide: pd.DataFrame, value: str, time: str = "time") -> pl.DataFrame:
    frame = pl.from_pandas(wide.rename_axis(time).reset_index())
    return frame.unpivot(index=time, variable_name="symbol", value_name=value).sort(time)


def test_closes_and_weights_against_an_account_by_hand() -> None:
    made = backcast.simulate(CLOSES, WEIGHTS, costs=10, capital=5_000.0)
    np.testing.assert_allclose(
        made.equity["equity"], by_hand(WEIGHTS, CLOSES, CLOSES, 5_000.0, 10), rtol=1e-12
    )
    assert made.equity["time"].to_list() == [day.date() for day in DAYS[1:]]
    assert made.fills["decided"][0] == DAYS[0].date() and made.fills["time"][0] == DAYS[1].date()
    assert (made.fills["time"] > made.fills["decided"]).all()
    spent = (made.fills["quantity"].abs() * made.fills["price"]).sum() * 10 / 1e4
    assert made.costs["fee"].sum() == pytest.approx(spent)
    assert made.costs["spread"].sum() == made.costs["impact"].sum() == 0
    growth = (made.returns["net"] + 1).cum_prod().to_numpy() * 5_000.0
    np.testing.assert_allclose(growth, made.equity["equity"], rtol=1e-12)
    assert "fills" in repr(made) and "5,000.00" in repr(made)


def test_opens_are_where_it_fills() -> None:
    made = backcast.simulate({"close": CLOSES, "open": OPENS}, WEIGHTS, costs=0, capital=100.0)
    np.testing.assert_allclose(made.equity["equity"], by_hand(WEIGHTS, OPENS, CLOSES, 100.0, 0), rtol=1e-12)
    late = backcast.simulate(
        {"close": CLOSES, "open": OPENS}, WEIGHTS, costs=0, capital=100.0, fill="next_close"
    )
    np.testing.assert_allclose(late.equity["equity"], by_hand(WEIGHTS, CLOSES, CLOSES, 100.0, 0), rtol=1e-12)


@pytest.mark.parametrize("prices", ["pandas", "polars", "long", "long pandas"])
@pytest.mark.parametrize("weights", ["pandas", "polars", "long", "text"])
def test_every_shape_of_frame_is_the_same_account(prices: str, weights: str) -> None:
    bars = long_of(CLOSES, "close").join(long_of(OPENS, "open"), on=["time", "symbol"])
    given: Any = {
        "pandas": {"close": CLOSES, "open": OPENS},
        "polars": {
            k: pl.from_pandas(f.rename_axis("day").reset_index())
            for k, f in (("close", CLOSES), ("open", OPENS))
        },
        "long": bars,
        "long pandas": bars.to_pandas(),
    }[prices]
    asked: Any = {
        "pandas": WEIGHTS[NAMES[::-1]],
        "polars": pl.from_pandas(WEIGHTS.rename_axis("day").reset_index()),
        "long": long_of(WEIGHTS, "weight"),
        "text": long_of(WEIGHTS, "weight", "session").with_columns(pl.col("session").dt.strftime("%Y-%m-%d")),
    }[weights]
    made = backcast.simulate(given, asked, costs=10)
    expected = backcast.simulate({"close": CLOSES, "open": OPENS}, WEIGHTS, costs=10)
    for name in ("account", "fills", "events"):
        assert getattr(made, name).equals(getattr(expected, name)), name


def test_bars_of_minutes_keep_their_instants() -> None:
    minutes = pd.date_range("2024-01-02 14:30", periods=40, freq="30min", tz="UTC")
    made = backcast.simulate(CLOSES.set_index(minutes), WEIGHTS.set_index(minutes[::5]), costs=10)
    assert made.equity["time"][0] == datetime(2024, 1, 2, 15)
    np.testing.assert_allclose(made.equity["equity"], by_hand(WEIGHTS, CLOSES, CLOSES, 1e6, 10), rtol=1e-12)
    zone = minutes.tz_convert("Asia/Tokyo")
    again = backcast.simulate(CLOSES.set_index(zone), WEIGHTS.set_index(minutes[::5]), costs=10)
    assert again.equity.equals(made.equity)


def test_weights_shares_and_orders_come_to_one_account() -> None:
    weighed = backcast.simulate(CLOSES, WEIGHTS, costs=0)
    orders = weighed.fills.select("decided", "symbol", order="quantity").sort("decided")
    shares = orders.with_columns(shares=pl.col("order").cum_sum().over("symbol")).drop("order")
    for frame in (orders, shares):
        made = backcast.simulate(CLOSES, frame, costs=0)
        np.testing.assert_allclose(made.equity["equity"], weighed.equity["equity"], rtol=1e-9)
    wide = orders.pivot("symbol", index="decided", values="order").sort("decided")
    assert backcast.simulate(CLOSES, wide, kind="orders", costs=0).account.equals(
        backcast.simulate(CLOSES, orders, costs=0).account
    )


def test_costs_are_an_object_a_number_or_the_default() -> None:
    plain = backcast.simulate(CLOSES, WEIGHTS)
    assert plain.account.equals(backcast.simulate(CLOSES, WEIGHTS, costs=LinearCost(5.0, 5.0)).account)
    assert plain.costs["spread"].sum() > 0
    assert backcast.simulate(CLOSES, WEIGHTS, costs=0).account["fee"].sum() == 0


def test_an_empty_cell_is_refused_until_its_meaning_is_said() -> None:
    holes = WEIGHTS.copy()
    holes.iloc[3, 1] = np.nan
    with pytest.raises(InputError, match=r"^absent = None.*nothing about B"):
        backcast.simulate(CLOSES, holes)
    sold = backcast.simulate(CLOSES, holes, absent="zero", costs=0)
    assert sold.account.equals(backcast.simulate(CLOSES, holes.fillna(0.0), costs=0).account)
    held = backcast.simulate(CLOSES, holes, absent="hold", costs=0)
    assert held.fills.filter((pl.col("decided") == DAYS[15].date()) & (pl.col("symbol") == "B")).is_empty()


def test_what_could_not_be_done_is_an_event() -> None:
    gone = CLOSES.copy()
    gone.iloc[6, 0] = np.nan
    made = backcast.simulate(gone, WEIGHTS, costs=0)
    assert ("not_tradable", "A", DAYS[6].date()) in list(
        made.events.select("kind", "symbol", "time").iter_rows()
    )
    last = backcast.simulate(CLOSES, WEIGHTS.set_index(DAYS[[0, 5, 10, 15, 20, 25, 30, 39]]), costs=0)
    assert "unfilled_at_end" in last.events["kind"].to_list()


def test_nothing_after_a_time_changes_what_came_before() -> None:
    whole = backcast.simulate(CLOSES, WEIGHTS, costs=10).account
    short = backcast.simulate(CLOSES.iloc[:28], WEIGHTS.iloc[:6], costs=10).account
    assert short.equals(whole.head(short.height))


def edited(frame: pd.DataFrame, row: int, column: int, value: Any) -> pd.DataFrame:
    changed = frame.copy()
    changed.iloc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("prices", "weights", "settings", "says"),
    [
        (CLOSES, edited(WEIGHTS, 1, 2, np.inf), {}, r"weights, row 2, C = inf"),
        (CLOSES, POLARS.with_columns(B=pl.lit(float("nan"))), {}, r"weights, row 1, B = nan"),
        (CLOSES, WEIGHTS.rename(columns={"A": "AA"}), {}, r"symbol = 'AA': expected a symbol of the prices\. Did you mean A"),
        (CLOSES, WEIGHTS.iloc[::-1], {}, r"weights, row 2, decided_at.*in order"),
        (CLOSES, WEIGHTS.iloc[[0, 0]], {}, r"weights, row 2, decided_at.*each decision once"),
        (CLOSES, WEIGHTS.set_index(DAYS[::5] + pd.Timedelta(hours=1)), {}, r"weights, row 1, time = .*a time of the prices"),
        (CLOSES, WEIGHTS.set_index(DAYS[::5] + pd.Timedelta(days=365)), {}, r"before the data end"),
        (CLOSES, WEIGHTS.set_index(DAYS[::5] - pd.Timedelta(days=365)), {}, r"within the data"),
        (CLOSES, WEIGHTS * 2, {}, r"sum of the weights .* = 1\.8"),
        (CLOSES, WEIGHTS.to_numpy(), {}, r"weights = 'ndarray': expected a pandas or polars frame"),
        (edited(CLOSES, 3, 1, 0.0), WEIGHTS, {}, r"close of B on 2024-01-04 = 0\.0: expected a price above 0"),
        (edited(CLOSES, 3, 1, -1.0), WEIGHTS, {}, r"close of B on 2024-01-04 = -1\.0"),
        (edited(CLOSES, 3, 1, np.inf), WEIGHTS, {}, r"close of B on 2024-01-04 = inf"),
        (CLOSES.iloc[::-1], WEIGHTS, {}, r"prices, row 2 = .*ascending order"),
        (CLOSES.iloc[[0, 0, 1]], WEIGHTS, {}, r"prices, row 2 = .*each time once"),
        (CLOSES.astype(str), WEIGHTS, {}, r"A of prices = 'String': expected numbers"),
        (CLOSES.reset_index(drop=True), WEIGHTS, {}, r"columns of prices"),
        ({"open": OPENS}, WEIGHTS, {}, r"prices = \['open'\]: expected frames by field"),
        ({"close": CLOSES, "open": OPENS.iloc[1:]}, WEIGHTS, {}, r"prices\['open'\] = '39 times"),
        ({"close": CLOSES, "volume": -CLOSES}, WEIGHTS, {}, r"volume of A on 2024-01-01"),
        (CLOSES, WEIGHTS, {"costs": -1}, r"costs\.fee_bps = -1"),
        (CLOSES, WEIGHTS, {"costs": "cheap"}, r"costs = 'cheap'"),
        (CLOSES, WEIGHTS, {"capital": 0}, r"capital = 0"),
        (CLOSES, WEIGHTS, {"capitol": 5}, r"capitol = 5: expected no such argument"),
        (CLOSES, WEIGHTS, {"kind": "percent"}, r"^kind = 'percent'"),
        (CLOSES, WEIGHTS, {"absent": "keep"}, r"absent = 'keep'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(prices: Any, weights: Any, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        backcast.simulate(prices, weights, **settings)


def test_a_copy_in_a_long_frame_is_named() -> None:
    bars = long_of(CLOSES, "close")
    with pytest.raises(InputError, match=r"prices, row 1 = 'A at 2024-01-01.*each symbol once a time"):
        backcast.simulate(pl.concat([bars, bars.head(1)]), WEIGHTS)
    assert bars["time"][0].date() == date(2024, 1, 1)
