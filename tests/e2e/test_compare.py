"""`backcast compare`: a pair of runs on the sessions that both have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backcast.engine.cli import main
from backcast.engine.stats.differences import studentised_difference

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def other(ridge_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run a little noisier, and without its first ten sessions."""
    copy = tmp_path_factory.mktemp("runs") / "other"
    shutil.copytree(ridge_run, copy)
    account = pl.read_parquet(copy / "account.parquet")[10:]
    moved = account["net_return"].to_numpy() + np.random.default_rng(0).normal(0, 1e-3, account.height)
    account.with_columns(net_return=pl.Series(moved)).write_parquet(copy / "account.parquet")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "run": "e2e/[red]other"}))
    return copy


def test_the_difference_is_that_of_the_common_sessions(ridge_run: Path, other: Path, capsys: Output) -> None:
    assert main(["compare", str(ridge_run), str(other), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    ours = pl.read_parquet(ridge_run / "account.parquet")["net_return"].to_numpy()[10:]
    theirs = pl.read_parquet(other / "account.parquet")["net_return"].to_numpy()
    truth, root = studentised_difference(ours, theirs), np.sqrt(found_year(ridge_run))
    assert found["sessions"] == len(ours)
    assert found["difference"] == pytest.approx(truth.estimate * root)
    assert (found["low"], found["high"]) == pytest.approx((truth.low * root, truth.high * root))
    assert found["p"] == truth.p
    assert found["sharpe"] - found["other_sharpe"] == pytest.approx(found["difference"])
    assert found["correlation"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1])
    assert found["trials"] >= 1


def found_year(run: Path) -> float:
    return float(json.loads((run / "manifest.json").read_text())["periods_per_year"])


def test_a_run_beside_itself_is_no_different(ridge_run: Path, capsys: Output) -> None:
    assert main(["compare", str(ridge_run), str(ridge_run), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["difference"], found["p"]) == (0.0, 1.0)


def test_names_are_shown_as_they_are(ridge_run: Path, other: Path, capsys: Output) -> None:
    assert main(["compare", str(ridge_run), str(other)]) == 0
    said = capsys.readouterr().out
    assert "[red]" in said and "trials on these data" in said


def test_what_cannot_be_compared_is_one_error(
    ridge_run: Path, other: Path, tmp_path: Path, capsys: Output
) -> None:
    assert main(["compare", str(ridge_run), str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: RUN = ")
    short = tmp_path / "short"
    shutil.copytree(other, short)
    pl.read_parquet(other / "account.parquet")[-5:].write_parquet(short / "account.parquet")
    assert main(["compare", str(ridge_run), str(short)]) == 2
    assert "at least 20 sessions in common, there are 5" in capsys.readouterr().err
