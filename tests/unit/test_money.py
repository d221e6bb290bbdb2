"""What the page says of money: costs and income by kind, the haircut, events in plain words, and runs of other versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data.errors import InputError
from backcast.engine import runs
from backcast.engine.reports.model import build_report, write_report
from backcast.engine.reports.page import write_tearsheet
from backcast.engine.reports.words import EVENTS, cost_words, event_words, execution_words
from backcast.engine.stats import performance

MakeRun = Callable[..., Path]


def _edit(folder: Path, **columns: Any) -> None:
    path = folder / "account.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(
        pl.Series(k, np.broadcast_to(v, frame.height)) for k, v in columns.items()
    ).write_parquet(path)


def _page(folder: Path) -> str:
    write_report(folder)
    return write_tearsheet(folder).read_text(encoding="utf-8")


def test_flows_are_shares_of_the_equity_at_each_sessions_start(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    account = pl.read_parquet(folder / "account.parquet")
    deposit = np.zeros(account.height)
    deposit[[5, 9]] = [250_000.0, -100_000.0]
    _edit(folder, impact=30.0, borrow=20.0, interest=-5.0, dividend=40.0, deposit=deposit)
    report = build_report(folder)
    base = np.r_[1e6, account["equity"].to_numpy()[:-1]] + deposit
    for kind, amount in (("impact", 30.0), ("borrow", 20.0), ("interest", -5.0), ("dividend", 40.0)):
        assert report.flows[kind] == pytest.approx((amount / base).mean() * 252)
    assert (report.header["paid_in"], report.header["taken_out"]) == (250_000.0, 100_000.0)
    page = _page(folder)
    assert "paid in 250,000" in page and "taken out 100,000" in page
    assert "Borrow" in page and "Interest" in page


def test_what_a_unit_traded_cost_is_boxed_or_said(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    assert build_report(folder).charged_bps == pytest.approx(10.0)
    assert "boxed: as charged" in _page(folder)
    account = pl.read_parquet(folder / "account.parquet")
    _edit(folder, impact=account["fee"].to_numpy())
    assert build_report(folder).charged_bps == pytest.approx(15.0)
    assert "as charged: 15.0 bp on average" in _page(folder)


def test_borrow_fees_are_no_cost_of_trading(made_up_run: MakeRun) -> None:
    """Sensitivity and break-even ask what trading may cost: shorts are paid for at any answer."""
    folder = made_up_run()
    plain = build_report(folder)
    account = pl.read_parquet(folder / "account.parquet")
    base = np.r_[1e6, account["equity"].to_numpy()[:-1]]
    _edit(folder, borrow=0.0001 * base, net_return=account["net_return"].to_numpy() - 0.0001)
    report = build_report(folder)
    gross, turnover = account["gross_return"].to_numpy(), account["turnover"].to_numpy()
    at_five = performance.cost_sensitivity(gross - 0.0001, turnover, (5.0,), 252)[5.0]
    assert dict(report.cost_sensitivity)[5.0] == pytest.approx(at_five)
    assert report.strategy.break_even_bps is not None and plain.strategy.break_even_bps is not None
    assert report.strategy.break_even_bps < plain.strategy.break_even_bps
    assert report.charged_bps == pytest.approx(10.0)


def test_the_haircut_is_shown_where_something_vanished(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    assert "Haircut sensitivity" not in _page(folder)
    account = pl.read_parquet(folder / "account.parquet")
    worse = account.with_columns(pl.col("net_return") - 0.001)
    parts = [
        f.select(pl.lit(cut).alias("haircut"), "session", "net_return")
        for cut, f in ((0.5, worse), (0.0, account))
    ]
    pl.concat(parts).write_parquet(folder / "haircut.parquet")
    report = build_report(folder)
    assert [cut for cut, _ in report.haircut_sensitivity] == [0.0, 0.5]
    assert report.haircut_sensitivity[0][1] == report.strategy.sharpe_per_year
    expected = performance.sharpe(worse["net_return"].to_numpy(), 252).per_year
    assert report.haircut_sensitivity[1][1] == pytest.approx(expected)
    page = _page(folder)
    assert "Haircut sensitivity" in page and "boxed: as assumed" in page


def test_a_page_with_everything_on_it_is_small_and_whole(made_up_run: MakeRun) -> None:
    folder = made_up_run(years=25, means=(0.0003, 0.0003, 0.0003))
    _edit(folder, impact=30.0, borrow=20.0, interest=-5.0, dividend=40.0, deposit=100.0)
    account = pl.read_parquet(folder / "account.parquet")
    parts = [
        account.select(pl.lit(cut).alias("haircut"), "session", "net_return")
        for cut in (0.0, 0.1, 0.25, 0.5, 1.0)
    ]
    pl.concat(parts).write_parquet(folder / "haircut.parquet")
    assert len(_page(folder).encode()) <= 150_000


@pytest.mark.parametrize(("basis", "says"), [
    ("raw", "dividends paid in cash"), ("total_return", "dividends are in the prices"),
    ("split_adjusted", "dividends are missing"),
])  # fmt: skip
def test_the_page_says_where_dividends_are(made_up_run: MakeRun, basis: str, says: str) -> None:
    folder = made_up_run()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["dataset"]["price_basis"] = basis
    (folder / "manifest.json").write_text(json.dumps(manifest))
    page = _page(folder)
    assert says in page
    assert ("days after ex where the data give none" in page) is (basis == "raw")


@pytest.mark.parametrize("found", [None, 1, 3])
def test_a_run_of_another_format_is_one_line(made_up_run: MakeRun, found: int | None) -> None:
    folder = made_up_run()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("format")
    if found is not None:
        manifest["format"] = found
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for read in (build_report, runs.RunFolder.open):
        with pytest.raises(InputError, match="a run folder of format 2") as raised:
            read(folder)
        assert "\n" not in str(raised.value)


def test_events_are_called_in_plain_words() -> None:
    assert event_words({}) == "none"
    assert event_words({"vanished": 1, "delisted": 2}) == "2 delistings paid out · 1 vanished holding closed"
    assert event_words({"odd_thing": 3}) == "3 odd thing"
    many = dict.fromkeys(EVENTS, 1)
    assert event_words(many).endswith(f"{len(EVENTS) - 5} more kinds")


def test_an_end_that_pays_out_is_counted_once(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    events = pl.read_parquet(folder / "events.parquet").head(0)
    day = pl.read_parquet(folder / "account.parquet")["session"][3]
    rows = [("A", "merged"), ("A", "cash_exit"), ("B", "cash_exit"), ("C", "delisted")]
    more = pl.DataFrame([(day, *row, "") for row in rows], schema=events.schema, orient="row")
    more.write_parquet(folder / "events.parquet")
    assert build_report(folder).trust.events == {"merged": 1, "cash_exit": 1, "delisted": 1}


def test_costs_of_every_kind_have_words() -> None:
    assert cost_words({}) == "none"
    assert cost_words({"fee_bps": 0.0, "half_spread_bps": 1.0}) == "1 bp per unit traded (1 half-spread)"
    broker = {"fee_bps": 0.0, "fee_per_share": 0.005, "fee_minimum": 1.0, "fee_maximum": 0.01, "half_spread_bps": 1.0,
              "spread_volatility": 0.01, "impact": "square root", "impact_coefficient": 1.0, "borrow_per_year": 0.01,
              "cash_per_year": 0.0, "margin_per_year": 0.05}  # fmt: skip
    assert cost_words(broker) == (
        "1 bp per unit traded (1 half-spread), 0.005 a share, at least 1 an order, at most 1.00% of an order, "
        "half-spread of 0.01 x volatility, square root impact, shorts 1.00% a year, loans 5.00% a year"
    )


def test_execution_has_words() -> None:
    asked = {"fill": "next_typical", "participation": 0.1, "patience": 5, "lot": 1.0, "max_leverage": 2.0}
    assert [part for part in execution_words(asked) if part] == [
        "filled at the next typical price",
        "at most 10% of a session's volume, worked for 5 more sessions",
        "whole shares",
        "margin up to 2x",
    ]
    assert [part for part in execution_words({"fill": "next_open", "lot": 0}) if part] == [
        "filled at the next open"
    ]
    assert "lots of 100" in execution_words({"lot": 100.0})
