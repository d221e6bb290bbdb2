"""`backcast stats` on a whole run: its figures agree with the report, its exposures with the account; what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.errors import InputError
from backcast.engine.cli import main
from backcast.engine.reports.model import build_report
from backcast.engine.stats import information, of_run, outcomes

Figures = dict[tuple[str, str], float | None]


@pytest.fixture(scope="module")
def run(ridge_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run, for statistics of its own."""
    copy = tmp_path_factory.mktemp("runs") / "copy"
    shutil.copytree(ridge_run, copy)
    return copy


@pytest.fixture
def said(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["stats", str(run), "--draws", "50"]) == 0
    return capsys.readouterr().out


@pytest.fixture
def figures(said: str, run: Path) -> Figures:
    table = pl.read_parquet(run / of_run.PARQUET)
    return {(row["name"], row["item"]): row["value"] for row in table.iter_rows(named=True)}


def test_every_figure_has_a_value_or_a_reason_and_a_convention(said: str, run: Path) -> None:
    table = pl.read_parquet(run / of_run.PARQUET)
    assert table.height > 100
    assert (table["value"].is_null() == (table["reason"] != "")).all()
    assert (table["convention"] != "").all()
    assert table.select("name", "item").is_unique().all()
    assert "± is one standard error" in said
    assert "no factors were given" in said
    assert f"Written: {run / of_run.JSON}" in said
    saved = json.loads((run / of_run.JSON).read_text())
    assert [one["name"] for s in saved["sections"] for one in s["figures"]] == table["name"].to_list()
    for name in ("outcomes", "context", "again", "rolling", "drawdowns", "monthly", "ic"):
        assert (run / outcomes.FOLDER / f"{name}.parquet").exists()


def test_figures_agree_with_the_report(figures: Figures, run: Path) -> None:
    report = build_report(run).strategy
    assert figures["sharpe", ""] == pytest.approx(report.sharpe_per_year)
    assert figures["return_per_year", ""] == pytest.approx(report.return_per_year)
    assert figures["volatility_per_year", ""] == pytest.approx(report.volatility_per_year)
    assert figures["max_drawdown", ""] == pytest.approx(report.max_drawdown)
    assert figures["turnover_per_year", ""] == pytest.approx(report.turnover_per_year)
    assert figures["cost_per_year", ""] == pytest.approx(report.cost_per_year)
    assert figures["break_even", ""] == pytest.approx(report.break_even_bps)


def test_exposures_are_what_the_account_holds(figures: Figures, run: Path) -> None:
    """Positions at their marks are equity less cash and what is owed."""
    context = pl.read_parquet(run / outcomes.CONTEXT)
    account = pl.read_parquet(run / "account.parquet")
    net = (account["equity"] - account["cash"] - account["owed"]) / account["equity"]
    assert context["net"].to_numpy() == pytest.approx(net.to_numpy(), abs=1e-9)
    assert (context["gross"] >= context["net"].abs() - 1e-12).all()
    assert (context["long"] - context["short"]).to_numpy() == pytest.approx(net.to_numpy(), abs=1e-9)
    assert figures["net_exposure", ""] == pytest.approx(net.mean())


def test_an_outcome_is_the_return_from_fill_to_fill(said: str, run: Path) -> None:
    """By the fill log: a symbol bought at one decision's fill, and the price of the decision a horizon later."""
    fills = pl.read_parquet(run / "fills.parquet").drop_nulls("decided_at")
    known = pl.read_parquet(run / outcomes.OUTCOMES)
    prices = fills.group_by("decided_at", "symbol").agg(pl.col("price").first())
    later = known.select("decided_at", "symbol", "bar", "h5").join(prices, on=["decided_at", "symbol"])
    pairs = later.join(
        later.select(pl.col("bar") - 5, "symbol", exit="price"), on=["bar", "symbol"], how="inner"
    ).drop_nulls()
    same = np.isclose(pairs["exit"] / pairs["price"] - 1, pairs["h5"], atol=1e-9)
    assert pairs.height > 50
    assert same.mean() > 0.9  # the rest has a split or a dividend in between


def test_the_rank_ic_is_that_of_the_forecasts_and_the_outcomes(figures: Figures, run: Path) -> None:
    from scipy.stats import spearmanr

    joined = pl.read_parquet(run / "forecasts.parquet").join(
        pl.read_parquet(run / outcomes.OUTCOMES), on=["decided_at", "symbol"]
    )
    by_date = [
        spearmanr(part["mean"], part["h5"])[0]
        for _, part in joined.drop_nulls("h5").group_by("decided_at")
        if part.height >= information.MINIMUM_NAMES
    ]
    assert figures["rank_ic", ""] == pytest.approx(np.mean(by_date))
    assert figures["ic_decisions", ""] == len(by_date)


def test_traded_again_at_one_is_the_run_itself(figures: Figures) -> None:
    assert figures["sharpe_at_costs", "1x"] == pytest.approx(figures["sharpe", ""])
    assert figures["sharpe_at_delay", "0 bars"] == pytest.approx(figures["sharpe", ""])
    costs = [figures["sharpe_at_costs", f"{multiple:g}x"] for multiple in (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)]
    assert costs == sorted(costs, key=lambda one: -(one or 0.0))
    capital = [value for (name, _), value in figures.items() if name == "sharpe_at_capital"]
    assert len(capital) == 7
    assert capital == sorted(capital, key=lambda one: -(one or 0.0))


def test_python_gives_the_same_figures(said: str, run: Path) -> None:
    found = backcast.statistics(run, draws=50)
    assert found.frame().equals(pl.read_parquet(run / of_run.PARQUET))
    with pytest.raises(InputError, match="calendar"):
        backcast.statistics(str(run), calendar="XNYS")


def test_factors_groups_and_the_risk_free_rate(
    said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = pl.read_parquet(run / outcomes.CONTEXT)
    context.select("session", universe="market").write_csv(tmp_path / "factors.csv")
    symbols = pl.read_parquet(run / outcomes.OUTCOMES)["symbol"].unique().sort()
    groups = pl.DataFrame(
        {"symbol": symbols, "group": ["odd" if i % 2 else "even" for i in range(len(symbols))]}
    )
    groups.write_parquet(tmp_path / "groups.parquet")
    flags = ["--factors", str(tmp_path / "factors.csv"), "--groups", str(tmp_path / "groups.parquet")]
    assert main(["stats", str(run), "--draws", "0", "--risk-free", "0.05", "--json", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    named = {(one["name"], one["item"]): one for s in found["sections"] for one in s["figures"]}
    assert named["factor_beta", "universe"]["value"] == pytest.approx(named["beta", ""]["value"], abs=0.01)
    assert named["rank_ic_in_group", "odd"]["value"] is not None
    assert named["sharpe_bootstrap", ""]["reason"] == "no bootstrap was asked for"
    account = pl.read_parquet(run / "account.parquet")["net_return"].to_numpy()
    excess = account - (1.05 ** (1 / found["periods_per_year"]) - 1)
    assert named["sharpe_at_costs", "1x"]["value"] == pytest.approx(named["sharpe", ""]["value"])
    assert named["sharpe_per_session", ""]["value"] == pytest.approx(excess.mean() / excess.std(ddof=1))


def test_an_account_that_the_store_does_not_give_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "runs" / "changed"
    shutil.copytree(run, copy)
    account = pl.read_parquet(copy / "account.parquet")
    account.with_columns(pl.col("equity") * 1.001).write_parquet(copy / "account.parquet")
    assert main(["stats", str(copy), "--again"]) == 2
    assert "backcast verify" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--draws", "-1"], "--draws = -1"),
        (["--factors", "nothing.csv"], "--factors"),
        (["--groups", "nothing.txt"], "a .csv or .parquet file"),
        (["--risk-free", "7"], "a rate a year as a share"),
    ],
)
def test_nonsense_is_one_clear_error(
    said: str, run: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(run), *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(tmp_path / "nowhere")]) == 2
    assert "a run folder" in capsys.readouterr().err
