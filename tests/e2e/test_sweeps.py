"""Sweeps as a user launches them: in this process, on joblib's and on Ray's, with jobs and whole sweeps that are killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from market import MARKET

from backcast.engine.cli import main
from backcast.engine.sweep import state
from backcast.engine.trials import TrialLog

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sweeps.md"

FATAL = '''
import os, time
import polars
from backcast.data.query import shared
from backcast.signals.models.baseline import Mean

class Fatal(Mean):
    """Forecasts the mean, unless it ends its process; waits first."""

    def __init__(self, how="lives", seconds=0.0):
        self.how, self.seconds = how, seconds

    def fit(self, train, seed, progress=None):
        time.sleep(self.seconds)
        os.write(1, b"said by a compiled library\\n")
        with shared() as duckdb:
            found = duckdb.execute("SELECT current_setting('threads')").fetchall()[0][0]
        print(f"threads: polars {polars.thread_pool_size()}, duckdb {found}")
        if self.how == "dies":
            os._exit(3)
        return super().fit(train, seed, progress)
'''


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder and a home of their own: what sweeps try is counted in no other test."""
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture
def fatal(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Overrides of a model of the user's own that can end its process."""
    (tmp_path / "fatal.py").write_text(FATAL)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.syspath_prepend(tmp_path)
    home.mkdir(exist_ok=True)
    (home / "extensions.txt").write_text("fatal\n")
    return ("model=mean", "model._target_=fatal.Fatal", "audit=off", *MARKET)


def rows(study: str) -> dict[str, str]:
    """The state of each job, as `collect` has it."""
    return dict(pl.read_parquet(f"runs/{study}/collected.parquet").select("job", "state").iter_rows())


def trials(job: Path, seconds: float) -> int:
    """How many trials the log has of models that wait so long."""
    log = TrialLog(json.loads((job / "trials.json").read_text())["lineage"])
    configs = {r["trial"]: r["config"] for r in log.records() if r["outcome"] == "started"}
    return sum(config["model"].get("seconds") == seconds for config in configs.values())


def waited(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "waited a minute"
        time.sleep(0.05)


def test_a_process_that_dies_is_a_row_and_the_others_go_on(
    fatal: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "-m", "-j", "2", "threads=2", *fatal, "+model.how=lives,dies"]
    assert main([*command, "study=deaths"]) == 5
    assert rows("deaths") == {"0": "done", "1": "failed"}
    assert "killed" in json.loads(Path("runs/deaths/1/status.json").read_text())["error"]
    log = Path("runs/deaths/0/job.log").read_text()
    assert "said by a compiled library" in log and "threads: polars 1, duckdb 1" in log
    assert yaml.safe_load(Path("runs/deaths/1/config.yaml").read_text())["threads"] == 1
    out, err = capsys.readouterr()
    assert "said by" not in out + err
    assert "2 of 2 ended" in err and "--resume study=deaths" in out


def test_a_killed_sweep_is_continued_with_what_is_missing(fatal: tuple[str, ...]) -> None:
    jobs = [Path("runs/killed", str(n)) for n in range(4)]
    command = ["run", "-m", "-j", "2", *fatal, "+model.seconds=0.2", "portfolio.quantile=0.2,0.25,0.3,0.35"]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "backcast.engine.cli", *command, "study=killed"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    waited(lambda: state(jobs[0])[0] == "done" and (jobs[2] / "config.yaml").exists())
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    done = {job: (job / "status.json").stat().st_mtime_ns for job in jobs if state(job)[0] == "done"}
    assert 1 <= len(done) <= 3
    assert main(["run", "-m", "--resume", "study=killed", "hydra/launcher=basic"]) == 0
    assert all((job / "status.json").stat().st_mtime_ns == at for job, at in done.items())
    assert set(rows("killed").values()) == {"done"}
    assert any(list(job.glob("job.1.log")) for job in jobs)
    assert trials(jobs[0], 0.2) == 4, "a configuration that is run again is the same trial"


def test_a_sweep_on_a_ray_cluster_of_two_processes(fatal: tuple[str, ...]) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher.ray_launcher")
    command = ["run", "-m", "hydra/launcher=ray", "threads=2", *fatal, "+model.how=lives,dies"]
    assert main([*command, "portfolio.quantile=0.2,0.3", "study=ray"]) == 5
    assert rows("ray") == {"0": "done", "1": "done", "2": "failed", "3": "failed"}
    began = [Path(f"runs/ray/{n}/job.log").read_text().splitlines()[0] for n in range(2)]
    assert len({re.findall(r"process \d+", line)[0] for line in began}) == 2


def test_the_commands_of_the_page_run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("backcast ")]
    assert len(lines) >= 4
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
