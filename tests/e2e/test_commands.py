"""The commands as a user types them, on a small synthetic market: results, and clear errors for nonsense."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from market import MARKET

import backcast
from backcast.engine.cli import main
from backcast.engine.reports.trust import CONDITIONS
from backcast.engine.trials import TrialLog

FILES = (
    "config.yaml",
    "manifest.json",
    "trials.json",
    "status.json",
    "folds.parquet",
    "forecasts.parquet",
    "targets.parquet",
    "fills.parquet",
    "account.parquet",
    "events.parquet",
    "audit.json",
    "report.json",
    "tearsheet.html",
)


def test_a_run_leaves_every_file_of_the_contract(ridge_run: Path) -> None:
    assert [name for name in FILES if not (ridge_run / name).exists()] == []
    assert json.loads((ridge_run / "status.json").read_text())["state"] == "done"


def test_the_audit_of_an_honest_run_passes(ridge_run: Path) -> None:
    audit = json.loads((ridge_run / "audit.json").read_text())
    assert audit["passed"] is True
    assert {c["layer"] for c in audit["checks"]} >= {
        "data",
        "universe",
        "features",
        "forecasts",
        "targets",
        "labels",
        "execution",
        "account",
    }
    assert all(c["cells"] > 0 or c["proved"] for c in audit["checks"] if c["layer"] not in CONDITIONS)
    assert audit["delay"]["bars"] == 1 and audit["selection"]["others"] == 0
    assert not any(c["inconclusive"] for c in audit["checks"])


def test_nothing_is_reported_from_training_rows(ridge_run: Path) -> None:
    first_fit = pl.read_parquet(ridge_run / "folds.parquet")["fit_at"].min()
    assert pl.read_parquet(ridge_run / "forecasts.parquet")["decided_at"].min() >= first_fit
    sessions = pl.read_parquet(ridge_run / "account.parquet")["session"]
    assert sessions.min() > first_fit.date()


def test_every_fill_follows_its_decision(ridge_run: Path) -> None:
    fills = pl.read_parquet(ridge_run / "fills.parquet").drop_nulls("decided_at")
    assert fills.height > 0
    assert (fills["filled_at"] > fills["decided_at"]).all()


def test_the_same_pin_gives_the_same_bytes(ridge_run: Path) -> None:
    assert main(["run", "model=ridge", *MARKET, "study=e2e", "job=second"]) == 0
    second = ridge_run.parent / "second"
    for name in (
        "forecasts.parquet",
        "targets.parquet",
        "fills.parquet",
        "account.parquet",
        "events.parquet",
        "folds.parquet",
        "audit.json",
        "trials.json",
    ):
        same = (ridge_run / name).read_bytes() == (second / name).read_bytes()
        assert same or name == "trials.json", name
    counts = [json.loads((p / "trials.json").read_text())["n"] for p in (ridge_run, second)]
    assert counts[0] == counts[1], "a repeated configuration is not a second trial"


def test_verify_agrees_to_1e_9(ridge_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(ridge_run)]) == 0
    said = capsys.readouterr().out
    assert "native (recorded) and reference agree" in said
    assert "vectorbt cannot express this run" in said  # it has splits


def test_verify_finds_an_account_that_was_changed(ridge_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "copy"
    shutil.copytree(ridge_run, copy)
    account = pl.read_parquet(copy / "account.parquet")
    account.with_columns(pl.col("equity") * (1 + 1e-8)).write_parquet(copy / "account.parquet")
    assert main(["verify", str(copy)]) == 1


def test_verify_finds_a_fill_log_that_was_changed(
    ridge_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "runs" / "copy"
    shutil.copytree(ridge_run, copy)
    fills = pl.read_parquet(copy / "fills.parquet")
    fills.with_columns(pl.col("price") * 2, fee=pl.lit(0.0)).write_parquet(copy / "fills.parquet")
    assert main(["verify", str(copy)]) == 1
    assert "First: price of row " in capsys.readouterr().out


def test_audit_and_report_again(ridge_run: Path) -> None:
    before = (ridge_run / "report.json").read_bytes()
    assert main(["report", str(ridge_run)]) == 0
    assert (ridge_run / "report.json").read_bytes() == before
    assert main(["audit", str(ridge_run), "--level", "quick"]) == 0


def test_the_audit_catches_a_forecast_that_was_tampered_with(ridge_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "copy"
    shutil.copytree(ridge_run, copy)
    table = pl.read_parquet(copy / "forecasts.parquet")
    last = table["decided_at"].max()
    changed = (
        pl.when(pl.col("decided_at") == last).then(pl.col("mean") * (1 + 1e-15)).otherwise(pl.col("mean"))
    )
    table.with_columns(changed + 0.0).write_parquet(copy / "forecasts.parquet")
    assert main(["audit", str(copy), "--level", "quick"]) == 2
    assert json.loads((copy / "report.json").read_text())["verdict"]["sentence"].startswith("Do not use")


def test_a_sweep_collects_failed_jobs_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", "-m", "model=ridge,mean", *MARKET, "portfolio.quantile=0.25,7", "study=sweep"])
    assert code == 5
    frame = pl.read_parquet("runs/sweep/collected.parquet")
    assert sorted(frame["state"]) == ["done", "done", "failed", "failed"]
    assert frame.filter(pl.col("state") == "failed")["error"].str.contains("quantile").all()
    capsys.readouterr()
    assert main(["collect", "sweep"]) == 0
    said = capsys.readouterr().out
    assert "collected.parquet" in said and "trials on synthetic up to 20" in said
    page = Path("runs/sweep/leaderboard.html").read_text()
    assert page.count("/tearsheet.html") == 2 and "No result: 2 failed." in page
    own = json.loads(Path("runs/sweep/0/trials.json").read_text())
    assert own["luck"]["p"] > 0 and own["luck"]["compared"] <= own["luck"]["counted"] == own["n"]


def test_five_lines_of_python() -> None:
    run = backcast.run("model=ridge", *MARKET, "study=python")
    assert run.tearsheet.exists()
    assert run.report.verdict.sentence


def test_lightgbm_and_vectorbt_run_the_same_path(capsys: pytest.CaptureFixture[str]) -> None:
    whole = ("dataset.name=whole", "+dataset.rates.splits=0.0", "+dataset.rates.dividends=0.0")
    run = backcast.run("model=lightgbm", "simulator=vectorbt", *MARKET, *whole, "study=other")
    assert main(["verify", str(run.folder)]) == 0
    assert "vectorbt (recorded), reference and native agree" in capsys.readouterr().out


@pytest.mark.parametrize("costs", ["broker", "almgren"])
@pytest.mark.parametrize("execution", ["participation", "margin"])
def test_every_cost_and_execution_runs_and_is_explained(
    ridge_run: Path, costs: str, execution: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (f"costs={costs}", f"execution={execution}", "study=money", f"job={costs}_{execution}")
    run = backcast.run("model=ridge", *MARKET, *more)
    assert main(["verify", str(run.folder)]) == 0
    account = pl.read_parquet(run.folder / "account.parquet")
    fills = pl.read_parquet(run.folder / "fills.parquet")
    assert (account["impact"].sum() > 0) and (account["borrow"].sum() > 0)
    for kind in ("fee", "spread", "impact"):
        assert account[kind].sum() == pytest.approx(fills[kind].sum())
    assert account["dividend"].abs().sum() > 0
    page = run.tearsheet.read_text()
    assert "Paid and received" in page and "dividends paid in cash" in page
    capsys.readouterr()


def test_what_the_data_cannot_serve_is_refused_before_any_model_is_fitted(
    ridge_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting, says in (
        ("execution.columns.half_spread=none", "an item of the data's facts, as known"),
        ("execution.deposits=[{on: 1999-01-01, amount: 5}]", "when the account lives"),
        ("costs.spread.from_data=true", "half_spread"),
    ):
        job = f"job=refused_{len(says)}"
        costs = ["costs=broker"] if "costs." in setting else []
        assert main(["run", "model=ridge", *MARKET, *costs, setting, "study=refused", job]) == 2
        assert says in capsys.readouterr().err
        assert not list(Path("runs/refused", job.removeprefix("job=")).glob("models"))


def test_retrain_promotes_once_a_week(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    sessions = (
        pl.read_parquet("runs/e2e/first/account.parquet")["session"] if Path("runs/e2e").exists() else None
    )
    assert sessions is not None, "ordered after the shared run"
    last = f"{sessions.max()}T23:00:00"
    command = ["retrain", "model=ridge", *MARKET, "--as-of", last, "retrain.holdout_sessions=40"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert main(command) == 0
    assert "decided already" in capsys.readouterr().out
    assert "candidate" in first
    assert len(list((home / "registry" / "ridge_synthetic" / "decisions").glob("*.json"))) == 1


def test_retrain_refuses_stale_data(ridge_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "model=ridge", *MARKET, "--as-of", "2031-01-01"]) == 3
    assert "newest data known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["run", "model=nothing"], "nothing"),
        (["run", "modle=ridge"], "modle"),
        (["run", "model=ridge", "model.alpa=1"], "alpa"),
        (["run", "model=ridge", "+model.alpa=1", *MARKET], "alpa"),
        (["run", "model=ridge", "model.alpha=-1", *MARKET], "alpha"),
        (["run", "model=ridge", "seed=x", *MARKET], "seed"),
        (["run", "model=ridge", "capital=0", *MARKET], "capital"),
        (["run", "model=ridge", "threads=0", *MARKET], "threads"),
        (["run", "study=../evil"], "study"),
        (["run", "model=ridge", "model._target_=os.system", *MARKET], "_target_"),
        (["run", "model=ridge", *MARKET, "portfolio.side=long_only", "portfolio.gross=2"], "margin"),
        (["verify", "nowhere"], "nowhere"),
        (["audit", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["collect", "nowhere"], "nowhere"),
        (["collect", "x", "--fast"], "--fast"),
        (["retrain", "model=ridge", *MARKET, "--as-of", "yesterday"], "yesterday"),
    ],
)
def test_nonsense_is_one_clear_error(
    command: list[str], says: str, ridge_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert says in said
    assert "Traceback" not in said


def test_a_run_folder_without_status_is_named(
    ridge_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "killed"
    shutil.copytree(ridge_run, copy)
    (copy / "status.json").unlink()
    assert main(["verify", str(copy)]) == 2
    assert "killed" in capsys.readouterr().err


def test_a_failed_run_counts_as_a_trial(ridge_run: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    from backcast.engine.portfolio import RankPortfolio

    lineage = json.loads((ridge_run / "trials.json").read_text())["lineage"]
    before = TrialLog(lineage).count().n

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(RankPortfolio, "targets", broken)
    with pytest.raises(ZeroDivisionError):
        backcast.run("model=ridge", "model.alpha=77", *MARKET, "study=broken", "job=one")
    assert TrialLog(lineage).count().n == before + 1
    assert json.loads(Path("runs/broken/one/status.json").read_text())["state"] == "failed"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from backcast.engine.cli import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'hydra', 'numpy', 'polars', 'numba', 'duckdb', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model=" in done.stdout


def test_a_number_names_a_job_in_python_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Path]] = []
    monkeypatch.setattr("backcast.engine.research.run", lambda config, folder: asked.append((config, folder)))
    backcast.run("model=mean", "study=7", "job=3")
    ((config, folder),) = asked
    assert (config["study"], config["job"]) == ("7", "3")
    assert folder == Path("runs") / "7" / "3"
