"""What `backcast verify` says of accounts beside each other."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from plans import rich_plan

from backcast.data.types import Floats
from backcast.engine import runs
from backcast.engine.costs.linear import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.verify import TOLERANCE, Comparison, Summary, show

EQUITY = np.array([100.0, 110.0, 120.0])
DAYS = [dt.datetime(2024, 1, day, 14, 30, tzinfo=dt.UTC) for day in (2, 3, 4)]
FILLS = pl.DataFrame(
    {
        "decided_at": [None, *DAYS[:2]],
        "filled_at": DAYS,
        "symbol": ["A", "B", "A"],
        "quantity": [5.0, 2.0, -5.0],
        "price": [10.0, 20.0, 12.0],
        "fee": [0.5, 0.5, 0.5],
        "spread": [0.1, 0.1, 0.1],
        "impact": [0.0, 0.0, 0.0],
    }
)


def one(name: str = "reference", fills: pl.DataFrame = FILLS, **changed: Any) -> Summary:
    """An account of three sessions, with some columns changed."""
    columns = dict.fromkeys(runs.ACCOUNT, np.zeros(3)) | {"equity": EQUITY, "fee": np.full(3, 0.5)}
    sizes = {column: len(values) for column, values in changed.items()} or {"": 3}
    n = next(iter(sizes.values()))
    rows = {column: values[:n] for column, values in (columns | changed).items()}
    return Summary(name, pl.DataFrame({"session": [day.date() for day in DAYS[:n]], **rows}), fills)


RECORDED = one("native (recorded)")


def _beside(*others: Summary, **not_able: str) -> Comparison:
    return Comparison(RECORDED, others, not_able)


def test_agreement_is_to_a_share_of_equity(capsys: pytest.CaptureFixture[str]) -> None:
    near = one(equity=EQUITY * np.array([1.0, 1.0 + 0.5 * TOLERANCE, 1.0]))
    found = _beside(near)
    assert found.agrees
    assert found.largest(near) == pytest.approx(0.5 * TOLERANCE, rel=1e-6)
    assert found.sentence.startswith("native (recorded) and reference agree: ")
    show(_beside(near, vectorbt="vectorbt cannot split shares."))
    said = capsys.readouterr().out
    for told in (
        "final equity",
        "120.00",
        "1.50",
        "vectorbt cannot express this run: vectorbt cannot split shares.",
    ):
        assert told in said
    assert "impact" not in said  # what nobody paid


@pytest.mark.parametrize("equity", [EQUITY * (1 + 1e-8), EQUITY[:2], np.array([100.0, np.nan, 120.0])])
def test_other_equity_or_other_sessions_disagree(equity: Floats) -> None:
    found = _beside(one(), one("vectorbt", equity=equity))
    assert not found.agrees
    assert found.sentence.startswith("native (recorded), reference and vectorbt DISAGREE: ")


def test_an_account_that_lost_everything_is_compared_to_the_end() -> None:
    ruined = one(equity=np.array([100.0, -5.0, -5.0]))
    assert Comparison(ruined, (one(equity=np.array([100.0, -5.0, -5.0])),), {}).agrees
    assert not Comparison(ruined, (one(equity=np.array([100.0, 5.0, 5.0])),), {}).agrees


@pytest.mark.parametrize("column", ["quantity", "price", "fee", "spread", "impact"])
def test_a_changed_cell_of_the_fill_log_is_named(column: str) -> None:
    changed = FILLS.with_columns(pl.Series(column, FILLS[column].to_numpy() + np.array([0.0, 0.01, 0.0])))
    found = Comparison(one("native (recorded)", changed), (one(),), {})
    assert not found.agrees
    assert f"First: {column} of row 2 of the fills (B at 2024-01-03 14:30) is " in found.sentence


def test_doubled_prices_without_fees_disagree() -> None:
    changed = FILLS.with_columns(pl.col("price") * 2, fee=pl.lit(0.0))
    found = Comparison(one("native (recorded)", changed), (one(),), {})
    assert not found.agrees
    assert (
        "price of row 1 of the fills (A at 2024-01-02 14:30) is 20.0, not 10.0 (reference)" in found.sentence
    )


@pytest.mark.parametrize(
    "changed",
    [
        FILLS[:2],
        FILLS[1:],
        pl.concat([FILLS, FILLS[2:]]),
        FILLS.with_columns(symbol=pl.lit("A")),
        FILLS.with_columns(decided_at=pl.col("filled_at")),
    ],
)
def test_fills_that_are_lacking_or_are_others_disagree(changed: pl.DataFrame) -> None:
    found = Comparison(one("native (recorded)", changed), (one(),), {})
    assert not found.agrees and "First: fills.parquet has " in found.sentence


@pytest.mark.parametrize("column", [name for name in runs.ACCOUNT if name != "equity"])
def test_a_changed_column_of_the_account_is_named(column: str) -> None:
    values = RECORDED.account[column].to_numpy() + np.array([0.0, 0.0, 1e-3])
    found = Comparison(one("native (recorded)", **{column: values}), (one(),), {})
    assert not found.agrees
    assert f"First: {column} of row 3 of account.parquet (2024-01-04) is " in found.sentence


def test_what_no_row_shows_the_sum_does() -> None:
    fee = RECORDED.account["fee"].to_numpy() + 0.9 * TOLERANCE * EQUITY
    found = Comparison(one("native (recorded)", fee=fee), (one(),), {})
    assert not found.agrees and "First: the sum of fee in account.parquet is " in found.sentence


def test_the_order_of_a_session_and_dust_are_no_differences() -> None:
    dust = FILLS[:1].with_columns(symbol=pl.lit("Z"), quantity=1e-15, fee=pl.lit(0.0), spread=pl.lit(0.0))
    assert Comparison(one("native (recorded)", pl.concat([dust, FILLS[::-1]])), (one(),), {}).agrees


@pytest.mark.parametrize("seed", range(6))
def test_what_two_simulators_trade_is_the_same_row_by_row(seed: int) -> None:
    plan, cost = rich_plan(seed, margin=seed % 2 == 0), LinearCost(6.0, 9.0)
    made = []
    for simulator in (NativeSimulator(), ReferenceSimulator()):
        account = simulator.simulate(plan, cost, 1e6)
        fills = runs.fill_table(account, plan.clock, plan.clock.closes_at)
        made.append(Summary(simulator.name, runs.account_table(account, plan.clock), fills))
    assert made[0].fills.height > 20
    assert Comparison(made[0], (made[1],), {}).difference(made[1]) == ""
