"""A run of given targets is the run that made them, without its model; and it says what nobody can vouch for."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from market import MARKET

import backcast
from backcast.engine.cli import main
from backcast.engine.reports.trust import CONDITIONS
from backcast.engine.trials import TrialLog

DATA = tuple(part for part in MARKET if part.startswith("dataset"))


@pytest.fixture
def weights(ridge_run: Path) -> Path:
    """The targets that a model came to, as a file."""
    table = pl.read_parquet(ridge_run / "targets.parquet").select("decided_at", "symbol", "weight")
    table.write_parquet("weights.parquet")
    return Path("weights.parquet")


def test_the_targets_of_a_run_make_its_account_again(ridge_run: Path, weights: Path) -> None:
    run = backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=again")
    for name in ("fills.parquet", "account.parquet"):
        assert pl.read_parquet(run.folder / name).equals(pl.read_parquet(ridge_run / name)), name
    assert pl.read_parquet(run.folder / "forecasts.parquet").is_empty()
    assert (run.folder / "targets.parquet").read_bytes() == (ridge_run / "targets.parquet").read_bytes()
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["given"]["file"] == "weights.parquet" and manifest["model"] == "given"
    assert any("vouch" in warning for warning in run.report.verdict.warnings)
    page = run.tearsheet.read_text()
    assert "decisions as given" in page and "Targets were given (weights.parquet)" in page


def test_its_audit_covers_what_it_can_and_runs_again(weights: Path) -> None:
    run = backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=audited")
    audit = json.loads((run.folder / "audit.json").read_text())
    assert audit["passed"] is True
    assert {c["layer"]: c["cells"] > 0 for c in audit["checks"] if c["layer"] not in CONDITIONS} == {
        "targets": True,
        "execution": True,
        "account": True,
    }
    assert main(["audit", str(run.folder), "--level", "quick"]) == 0
    assert main(["verify", str(run.folder)]) == 0
    assert main(["report", str(run.folder)]) == 0


def test_another_content_is_another_trial_and_the_same_is_not(weights: Path) -> None:
    first = backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=one")
    lineage = json.loads((first.folder / "trials.json").read_text())["lineage"]
    before = TrialLog(lineage).count().n
    backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=two")
    assert TrialLog(lineage).count().n == before
    pl.read_parquet(weights).with_columns(pl.col("weight") * 0.5).write_parquet(weights)
    other = backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=three")
    assert TrialLog(lineage).count().n == before + 1
    assert (other.folder / "config.yaml").read_text() != (first.folder / "config.yaml").read_text()
    assert main(["audit", str(first.folder)]) == 2  # its file is not what it was


def test_what_is_wrong_is_found_before_anything_counts(
    ridge_run: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lineage = json.loads((ridge_run / "trials.json").read_text())["lineage"]
    before = TrialLog(lineage).count().n
    table = pl.read_parquet(weights)
    table.with_columns(symbol=pl.lit("NOBODY") + pl.col("symbol")).write_parquet("wrong.parquet")
    assert main(["run", "portfolio=given", "portfolio.path=wrong.parquet", *DATA]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: wrong.parquet, row 1, symbol = 'NOBODY")
    assert TrialLog(lineage).count().n == before


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["portfolio=given"], "error: portfolio.path = None: expected a .csv or .parquet file"),
        (["portfolio=given", "portfolio.path=weights.parquet", "model=ridge"], "model = 'ridge'"),
        (["model=none"], "model = 'none': expected a model that forecasts"),
    ],
)
def test_a_model_and_given_targets_exclude_each_other(
    command: list[str], says: str, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *command, *DATA]) == 2
    assert says in capsys.readouterr().err


def test_there_is_nothing_to_retrain(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "portfolio=given", f"portfolio.path={weights}", *DATA]) == 2
    assert "portfolio = 'given'" in capsys.readouterr().err


def test_shares_of_a_file_are_held_as_shares(ridge_run: Path, weights: Path) -> None:
    table = pl.read_parquet(weights).filter(pl.col("weight") != 0)
    first = table.filter(pl.col("decided_at") == pl.col("decided_at").min())
    first.select("decided_at", "symbol", shares=pl.lit(100.0)).write_csv("shares.csv")
    run = backcast.run("portfolio=given", "portfolio.path=shares.csv", *DATA, "study=given", "job=shares")
    fills = pl.read_parquet(run.folder / "fills.parquet").drop_nulls("decided_at")
    assert fills["quantity"].to_list() == [100.0] * first.height
    assert "shares" in pl.read_parquet(run.folder / "targets.parquet").columns


def test_statistics_of_given_weights_take_them_for_the_signal(weights: Path) -> None:
    run = backcast.run("portfolio=given", f"portfolio.path={weights}", *DATA, "study=given", "job=stats")
    assert main(["stats", str(run.folder), "--draws", "0"]) == 0
    table = pl.read_parquet(run.folder / "statistics.parquet")
    found = {row["name"]: row for row in table.iter_rows(named=True)}
    assert found["rank_ic"]["value"] is not None
    assert found["pinball_loss"]["reason"] == "no forecast quantiles"


def test_statistics_of_given_orders_have_no_signal(ridge_run: Path) -> None:
    targets = pl.read_parquet(ridge_run / "targets.parquet")
    first = targets.filter(pl.col("decided_at") == targets["decided_at"].min(), pl.col("weight") > 0)
    first.select("decided_at", "symbol", order=pl.lit(10.0)).write_parquet("orders.parquet")
    run = backcast.run("portfolio=given", "portfolio.path=orders.parquet", *DATA, "study=given", "job=orders")
    assert main(["stats", str(run.folder), "--draws", "0"]) == 0
    table = pl.read_parquet(run.folder / "statistics.parquet")
    found = {row["name"]: row for row in table.iter_rows(named=True)}
    assert "no weights" in found["rank_ic"]["reason"]
    assert found["sharpe_at_capital"]["value"] is not None
