"""A study: every job is a row, ranked by the trial log as it stands, and survivors are those whose page would say so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.stats import kurtosis, norm, skew

from backcast.data.errors import InputError
from backcast.data.seals import HoldoutWarning, Opening, Seal, Seals
from backcast.engine.collect import collect, show
from backcast.engine.configure import digest, trial_config
from backcast.engine.reports.model import write_report
from backcast.engine.stats.multiple import step_m
from backcast.engine.trials import TrialLog

MakeRun = Callable[..., Path]
LINEAGE = "5d3c0f2e"
EVIL = "<script>[red]x"


def _config(quantile: float, **more: Any) -> dict[str, Any]:
    portfolio = {"_target_": "backcast.engine.portfolio.Rank", "quantile": quantile}
    return {"portfolio": portfolio, "model": {"alpha": 1}, "challengers": {}, "seed": 0, **more}


@pytest.fixture
def job(made_up_run: MakeRun, tmp_path: Path) -> Callable[..., Path]:
    """Makes a finished job of a study `s`, its trial in the log."""

    def make(
        name: str, mean: float, config: dict[str, Any], lineage: str = LINEAGE, years: float = 1.2
    ) -> Path:
        change = {"trials.json": {"lineage": lineage}}
        folder = made_up_run(years=years, means=(mean,), folder=tmp_path / "s" / name, change=change)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        write_report(folder)
        account = pl.read_parquet(folder / "account.parquet")
        _log(config, account["net_return"].to_numpy(), account["session"].to_numpy(), lineage)
        return folder

    return make


def _log(config: dict[str, Any], net: np.ndarray, days: np.ndarray, lineage: str = LINEAGE) -> str:
    log, trial = TrialLog(lineage), digest(trial_config(config))
    log.start(trial, {}, {})
    log.finish(trial, float(net.mean() / net.std(ddof=1)), net, days)
    return trial


def _row(frame: pl.DataFrame, job: str) -> dict[str, Any]:
    return frame.filter((pl.col("job") == job) & pl.col("verdict").is_not_null()).row(0, named=True)


def test_jobs_that_show_sealed_sessions_are_told_in_one_line(
    job: Callable[..., Path], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    for name in ("0", "1"):
        folder = job(name, 0.001, _config(0.1))
    job("2", 0.001, _config(0.1), lineage="another")
    last = pl.read_parquet(folder / "account.parquet")["session"].max()
    seal = Seal(LINEAGE, "us", str(last), "2026-01-01T00:00:00Z", "s/first", 2)
    Seals.at_home().put(seal)
    collect(tmp_path / "s")
    told = [str(w.message) for w in recwarn if issubclass(w.category, HoldoutWarning)]
    assert told == [f"2 of 3 jobs show sessions from {last} on, which were sealed after they were made."]
    Seals.at_home().open(LINEAGE, Opening("2026-01-02T00:00:00Z", "s/first", "t", {}, {}, 2))
    recwarn.clear()
    collect(tmp_path / "s")
    assert not [w for w in recwarn if issubclass(w.category, HoldoutWarning)]


def test_jobs_are_ranked_by_the_log_as_it_stands(job: Callable[..., Path], tmp_path: Path) -> None:
    folders = [job("0", 0.0001, _config(0.1)), job("1", 0.0018, _config(0.2))]
    account = pl.read_parquet(folders[1] / "account.parquet")
    days = account["session"].to_numpy()
    generator = np.random.default_rng(5)
    for n in range(8):  # other studies, later: they count
        _log({**_config(0.3), "seed": n}, generator.normal(0, 0.006, len(days)), days)
    TrialLog(LINEAGE).start("killed", {}, {})
    frame = collect(tmp_path / "s")
    assert frame["job"].to_list() == ["1", "0"] and frame["rank"].to_list() == [1, 2]
    assert frame["trials"].to_list() == [11, 11] and frame["compared"].to_list() == [10, 10]
    assert frame["survivor"].to_list() == [True, False]

    net = account["net_return"].to_numpy()
    log = {r["trial"]: r for r in TrialLog(LINEAGE).records() if r["outcome"] == "done"}
    names = sorted(log)
    p = step_m(np.stack([log[name]["returns"] for name in names], axis=1)).p * 11 / 10
    own = _row(frame, "1")
    assert own["p_luck"] == pytest.approx(p[names.index(own["trial"])])
    variance = np.var([log[name]["sharpe_per_session"] for name in names], ddof=1)
    best = (1 - np.euler_gamma) * norm.ppf(1 - 1 / 11) + np.euler_gamma * norm.ppf(1 - 1 / (11 * np.e))
    ratio = net.mean() / net.std(ddof=1)
    error = (1 - skew(net) * ratio + (kurtosis(net) + 2) / 4 * ratio**2) / (len(net) - 1)
    deflated = norm.cdf((ratio - best * variance**0.5) / error**0.5)
    assert own["deflated_now"] == pytest.approx(deflated)
    assert own["deflated_probability"] != pytest.approx(deflated, abs=1e-3), "the page's own log was another"
    assert pl.read_parquet(tmp_path / "s/collected.parquet").equals(frame)


def test_what_has_no_result_is_a_row_and_says_why(job: Callable[..., Path], tmp_path: Path) -> None:
    study = tmp_path / "s"
    job("0", 0.0, _config(0.1))
    for name, status in (("1", {"state": "failed", "error": EVIL}), ("2", None), ("3", "torn")):
        (study / name).mkdir()
        (study / name / "config.yaml").write_text(yaml.safe_dump(_config(0.2)))
        if status is not None:
            (study / name / "status.json").write_text("{" if status == "torn" else json.dumps(status))
    (study / "notes").mkdir()
    asked = [{"job": str(n), "overrides": [f"seed={n}", "model=ridge"]} for n in range(5)]
    (study / "sweep.json").write_text(json.dumps({"jobs": [*asked, {"job": "../out", "overrides": []}]}))
    frame = collect(study)
    states = dict(frame.select("job", "state").iter_rows())
    assert states == {"0": "done", "1": "failed", "2": "unfinished", "3": "broken", "4": "not run"}
    assert frame["overrides"].sort().to_list() == [f"seed={n}" for n in range(5)], "not what they share"
    (study / "sweep.json").write_text(json.dumps({"jobs": [["seed=0"], ["seed=1"]]}))
    assert collect(study).height == 4
    (study / "sweep.json").write_text("[")
    assert collect(study).height == 4


def test_the_terminal_and_the_page_say_the_same(
    job: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s"
    job("a", 0.002, _config(0.1, note=EVIL))
    job("b", 0.0, _config(0.2, note="plain"))
    (study / "c").mkdir()
    (study / "c" / "status.json").write_text(json.dumps({"state": "failed", "error": EVIL}))
    show(collect(study), study)
    said, page = capsys.readouterr().out, (study / "leaderboard.html").read_text()
    sentence = "After 2 trials, 1 of 2 configurations is better than luck."
    assert sentence in said and sentence in page and page.count("★") == 2  # the legend's, and the survivor's
    assert f"job c: failed: {EVIL}" in said and "2 trials on us20 up to 20" in said
    assert "leaderboard.html" in said and "collected.parquet" in said
    assert "<script" not in page and "&lt;script&gt;" in page and 'href="a/tearsheet.html"' in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "nan" not in page and "None" not in page


def test_nothing_of_a_run_that_must_not_be_used_survives(job: Callable[..., Path], tmp_path: Path) -> None:
    folder = job("a", 0.002, _config(0.1))
    job("b", 0.0, _config(0.2))
    report = json.loads((folder / "report.json").read_text())
    report["verdict"] = {"level": "stop", "sentence": "Do not use: x."}
    (folder / "report.json").write_text(json.dumps(report))
    frame = collect(tmp_path / "s")
    assert frame["job"].to_list() == ["b", "a"] and not frame["survivor"].any()
    page = (tmp_path / "s/leaderboard.html").read_text()
    assert "do not use" in page and "Not to be used, and ranked last: 1" in page


def test_the_spread_over_seeds_is_told(job: Callable[..., Path], tmp_path: Path) -> None:
    for n, (quantile, seed) in enumerate([(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]):
        folder = job(str(n), 0.0, _config(quantile, seed=seed))
        report = json.loads((folder / "report.json").read_text())
        report["strategy"] |= {"sharpe_per_year": [0.41, 0.63, 0.5, 0.5][n]}
        (folder / "report.json").write_text(json.dumps(report))
    collect(tmp_path / "s")
    told = "Net Sharpe of the best configuration over 2 seeds: 0.41 to 0.63 (mean 0.52)."
    assert told in (tmp_path / "s/leaderboard.html").read_text()


def test_a_cross_validation_has_no_chance_of_luck(job: Callable[..., Path], tmp_path: Path) -> None:
    folder = job("a", 0.002, _config(0.1))
    report = json.loads((folder / "report.json").read_text())
    paths = {"sharpes": [1.0, 2.0], "mean": 1.5, "sd": 0.71, "below_zero": 0.0}
    (folder / "report.json").write_text(json.dumps(report | {"paths": paths}))
    better = job("b", 0.0005, _config(0.2))
    (better / "report.json").write_text(json.dumps(report | {"paths": paths | {"mean": 2.5}}))
    frame = collect(tmp_path / "s")
    row = frame.row(1, named=True)
    assert frame["job"].to_list() == ["b", "a"], "by the mean over its paths"
    assert (row["paths"], row["path_sharpe"], row["paths_below_zero"]) == (2, 1.5, 0.0)
    assert row["p_luck"] is None and row["deflated_now"] is None and row["survivor"] is False
    assert "no track record" in row["not_compared"] and not (tmp_path / "s/search.json").exists()
    page = (tmp_path / "s/leaderboard.html").read_text()
    assert "Cross-validated, not walked forward" in page and "1.50 ± 0.71, 0% below 0" in page
    job("c", 0.0015, _config(0.3))  # which has the same returns: it is judged, they are not
    assert "After 3 trials, 1 of 1 configuration is better" in collect_page(tmp_path / "s")


def test_what_the_tear_sheets_of_survivors_say_against_them_is_said(
    job: Callable[..., Path], tmp_path: Path
) -> None:
    folder = job("a", 0.0015, _config(0.1))
    report = json.loads((folder / "report.json").read_text())
    report["verdict"] |= {
        "level": "doubt",
        "sentence": "No better than SPY.",
        "warnings": [EVIL, "Not audited."],
    }
    (folder / "report.json").write_text(json.dumps(report))
    page = collect_page(tmp_path / "s")
    assert "The survivor&#39;s tear sheet: No better than SPY." in page and "tear sheet: Not audited." in page
    assert "<script" not in page


def collect_page(study: Path) -> str:
    collect(study)
    return (study / "leaderboard.html").read_text()


def test_each_job_stands_in_the_log_of_its_own_data(job: Callable[..., Path], tmp_path: Path) -> None:
    job("a", 0.001, _config(0.1))
    job("b", 0.0005, _config(0.2), "other")
    job("short", 0.0, _config(0.3), years=0.6)
    frame = collect(tmp_path / "s")
    found = {row["job"]: (row["trials"], row["compared"]) for row in frame.iter_rows(named=True)}
    assert found == {"a": (2, 1), "b": (1, 1), "short": (2, 2)}
    page = (tmp_path / "s/leaderboard.html").read_text()
    assert "After 2 trials on us20 (5d3c0f2e) and 1 trial on us20 (other), " in page


def test_what_the_log_cannot_compare_says_so(
    job: Callable[..., Path], tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = job("a", 0.001, _config(0.1))
    account = pl.read_parquet(folder / "account.parquet")
    _log(_config(0.1), account["net_return"].to_numpy() + 0.001, account["session"].to_numpy())
    row = collect(tmp_path / "s").row(0, named=True)
    assert row["p_luck"] is None and "evaluated again since" in row["not_compared"]
    shutil.rmtree(home / "trials")
    show(collect(tmp_path / "s"), tmp_path / "s")
    row = collect(tmp_path / "s").row(0, named=True)
    assert row["deflated_now"] is None and "no returns of it" in row["not_compared"] and row["rank"] is None
    assert "stands: 0 trials on us20. " in capsys.readouterr().out, "up to no record"
    assert "Nothing to judge" in (tmp_path / "s/leaderboard.html").read_text()


def test_the_cells_of_a_grid_are_rows(job: Callable[..., Path], tmp_path: Path) -> None:
    folder = job("g", 0.0005, _config(0.1))
    account = pl.read_parquet(folder / "account.parquet")
    days, net = account["session"].to_numpy(), np.random.default_rng(3).normal(0.001, 0.006, account.height)
    other = _log(_config(0.2), net, days)
    cells = {
        "cell": [0, 1, 2], "portfolio.quantile": [0.1, 0.2, 7.0],
        "trial": [digest(trial_config(_config(0.1))), other, "gone"],
        "sharpe_per_session": [None, net.mean() / net.std(ddof=1), None],
        "sharpe_per_year": [None, net.mean() / net.std(ddof=1) * 252**0.5, None],
        "max_drawdown": [None, -0.1, None], "mean_turnover": [None, 0.1, None], "error": ["", "", "too many"],
    }  # fmt: skip
    pl.DataFrame(cells).write_parquet(folder / "grid.parquet")
    frame = collect(tmp_path / "s")
    rows = {row["cell"]: row for row in frame.iter_rows(named=True)}
    assert [rows[n]["state"] for n in range(3)] == ["done", "done", "failed"]
    assert rows[0]["verdict"] and rows[1]["verdict"] is None
    assert [rows[n]["portfolio.quantile"] for n in range(3)] == ["0.1", "0.2", "7"]
    assert rows[1]["volatility_per_year"] == pytest.approx(net.std(ddof=1) * 252**0.5)
    assert rows[1]["turnover_per_year"] == pytest.approx(25.2)
    assert rows[1]["p_luck"] is not None and rows[2]["p_luck"] is None
    page = (tmp_path / "s/leaderboard.html").read_text()
    assert "g · cell 0, chosen" in page and page.count("tearsheet.html") == 1

    pl.DataFrame({**cells, "trial": ["another", other, "gone"]}).write_parquet(folder / "grid.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    grid = {"cells": 3, "failed": 1, "nested": {"folds": 2, "used": 2, "first": 0}}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"grid": grid}))
    own = collect(tmp_path / "s").filter(pl.col("cell").is_null())
    assert own["portfolio.quantile"].to_list() == ["nested"], "no cell is the run's own"


def test_a_study_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a study with jobs in it"):
        collect(tmp_path / "nowhere")
