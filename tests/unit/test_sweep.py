"""A sweep's plan, its folders and its launch loop, with launchers of our own and no research."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backcast.data.durable import write_sealed
from backcast.data.errors import InputError, LockedError
from backcast.engine import collect, research, sweep
from backcast.engine.cli import main
from backcast.engine.runs import RunFolder
from backcast.engine.sweep import Plan

PLAN = Plan(("seed=0,1,2,3",), None, tuple((f"seed={n}",) for n in range(4)))


def status(folder: Path, state: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.log").touch()
    RunFolder(folder).write_json("status.json", {"state": state, "error": "", "timings": {}})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "study"
    folder.mkdir(parents=True)
    return folder


def states(study: Path) -> list[str]:
    return [sweep.state(study / str(n))[0] for n in range(4)]


def test_a_plan_is_read_back_as_it_was_written(study: Path) -> None:
    sweep.begin(study, PLAN)
    assert sweep.recorded(study)[0] == PLAN


def test_secrets_are_in_no_file_and_have_to_be_given_again(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ("+dataset.password=hunter2", "seed=0")
    sweep.begin(study, Plan(own, None, (own,)))
    assert "hunter2" not in (study / "sweep.json").read_text()
    sweep.same_plan(sweep.recorded(study)[0], Plan(own, None, (own,)))
    monkeypatch.chdir(study.parent.parent)
    assert main(["run", "-m", "--resume", "study=study"]) == 2
    assert "keeps no secrets" in capsys.readouterr().err


def test_an_error_of_hydra_says_no_secret(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-m", "model=ridge", "dataset.password=hunter2,hunter3"]) == 2
    said = capsys.readouterr().err
    assert "dataset.password" in said and "hunter" not in said


def test_threads_and_launcher_may_change_and_nothing_else() -> None:
    def plan(*job: str) -> Plan:
        return Plan(job, None, (job,))

    sweep.same_plan(plan("seed=1", "threads=1"), plan("threads=8", "seed=1"))
    with pytest.raises(InputError, match="began with"):
        sweep.same_plan(plan("seed=1"), plan("seed=2"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "format"),
        ({"jobs": []}, "jobs"),
        ({"jobs": [["seed"]]}, "key=value"),
        ({"jobs": [["study=../../elsewhere"]]}, "no study"),
        ({"jobs": [["+job=../3"]]}, "no study, job"),
        ({"jobs": [["hydra.sweep.dir=/elsewhere"]]}, "no study, job or hydra"),
        ({"jobs": [["hydra/launcher=joblib"]]}, "no study, job or hydra"),
        ({"overrides": ["hydra.run.dir=/elsewhere"]}, "no study, job or hydra"),
        ({"overrides": "seed=1"}, "a list"),
        ({"config_dir": 7}, "config_dir"),
        ({"code": None}, "config_dir"),
    ],
)
def test_a_plan_that_begin_did_not_write_is_refused(study: Path, change: dict[str, Any], says: str) -> None:
    sweep.begin(study, PLAN)
    content = json.loads((study / "sweep.json").read_text())
    content.pop("seal")
    write_sealed(study / "sweep.json", {**content, **change})
    with pytest.raises(InputError, match=says):
        sweep.recorded(study)


def test_a_torn_or_changed_plan_is_refused(study: Path) -> None:
    sweep.begin(study, PLAN)
    whole = (study / "sweep.json").read_text()
    for content in (whole[: len(whole) // 2], whole.replace("seed=3", "seed=4"), "", "[]"):
        (study / "sweep.json").write_text(content)
        with pytest.raises(InputError):
            sweep.recorded(study)


def test_a_study_with_jobs_is_not_begun_again(study: Path) -> None:
    status(study / "0", "done")
    with pytest.raises(InputError, match="--resume"):
        sweep.begin(study, PLAN)


def test_clearing_keeps_logs_and_what_is_done(study: Path, tmp_path: Path) -> None:
    status(study / "0", "done")
    with pytest.raises(InputError, match="without a result"):
        sweep.clear(study / "0")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    for attempt in (1, 2):
        status(study / "1", "failed")
        (study / "1" / "models").mkdir()
        (study / "1" / "link").symlink_to(outside)
        sweep.clear(study / "1")
        assert sorted(p.name for p in (study / "1").iterdir()) == [
            f"job.{n}.log" for n in range(1, attempt + 1)
        ]
    assert (outside / "precious").exists()


def test_a_job_that_still_runs_is_not_cleared(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(sweep, "PATIENCE_S", 0.3)
    (study / "0").mkdir()
    with (study / "0" / "job.log").open("w") as log:
        log.write("began now, process 7 on somewhere\n")
        log.flush()
        fcntl.flock(log, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="process 7"):
            sweep.clear(study / "0")
    sweep.clear(study / "0")


def launcher(study: Path, deadly: set[int], asked: list[list[int]]) -> Callable[..., None]:
    """Two jobs at once; a deadly one breaks it, with all that are in flight."""

    def launch(jobs: Mapping[int, Sequence[str]]) -> None:
        asked.append(list(jobs))
        for begin in range(0, len(jobs), 2):
            flying = list(jobs)[begin : begin + 2]
            for n in flying:
                (study / str(n)).mkdir(exist_ok=True)
                (study / str(n) / "job.log").write_text("began\n")
            if deadly & set(flying):
                raise RuntimeError("a worker is gone {SIGKILL(-9)}")
            for n in flying:
                status(study / str(n), "done")

    return launch


def test_only_the_job_that_kills_its_process_is_lost(study: Path) -> None:
    asked: list[list[int]] = []
    sweep.launch_missing(study, PLAN, launcher(study, {1}, asked), fail_fast=False)
    assert states(study) == ["done", "failed", "done", "done"]
    assert asked == [[0, 1, 2, 3], [0], [1], [2, 3]]
    assert "SIGKILL(-9)" in sweep.state(study / "1")[1]


def test_fail_fast_leaves_the_rest_of_a_broken_launch(study: Path) -> None:
    sweep.launch_missing(study, PLAN, launcher(study, {1}, []), fail_fast=True)
    assert states(study) == ["failed", "failed", "waiting", "waiting"]


def test_a_launcher_that_cannot_begin_is_said(study: Path) -> None:
    def broken(jobs: Mapping[int, Sequence[str]]) -> None:
        raise RuntimeError("no cluster")

    with pytest.raises(RuntimeError, match="no cluster"):
        sweep.launch_missing(study, PLAN, broken, fail_fast=False)


class Research:
    """Stands in for `research.run`: job 1 ends as it is told to."""

    def __init__(self, end: BaseException | None) -> None:
        self.end, self.ran = end, [""] * 0

    def __call__(self, config: dict[str, Any], folder: Path, progress: Any) -> Any:
        self.ran.append(folder.name)
        print(f"said by {folder.name}")
        if folder.name == "1" and self.end:
            raise self.end
        status(folder, "done")
        verdict = SimpleNamespace(sentence="", detail="", warnings=())
        return SimpleNamespace(report=SimpleNamespace(verdict=verdict), folder=folder, tearsheet=folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to sweep in, without the table of results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(collect, "collect", lambda study: None)
    monkeypatch.setattr(collect, "show", lambda frame, study: None)
    return tmp_path


SWEEP = ["run", "-m", "model=ridge", "dataset=synthetic", "model.alpha=1,2,3"]


@pytest.mark.parametrize("end", [SystemExit(3), MemoryError(), ZeroDivisionError("planted")])
def test_however_a_job_ends_it_is_a_row_and_is_run_again(
    end: BaseException, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Research(end), Research(None)
    monkeypatch.setattr(research, "run", first)
    assert main([*SWEEP, "study=s"]) == 5
    assert first.ran == ["0", "1", "2"]
    assert sweep.state(place / "runs/s/1")[1].startswith(type(end).__name__)
    assert "Traceback" in (place / "runs/s/1/job.log").read_text()
    assert "said by 2" in (place / "runs/s/2/job.log").read_text()
    out, err = capsys.readouterr()
    assert "said by" not in out + err
    assert "job 1 failed: model.alpha=2" in err and "--resume study=s" in out
    monkeypatch.setattr(research, "run", second)
    assert main(["run", "-m", "--resume", "study=s", "threads=1"]) == 0
    assert second.ran == ["1"]


def test_fail_fast_begins_no_other_job(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(research, "run", Research(ValueError("planted")))
    assert main([*SWEEP, "study=s", "--fail-fast"]) == 5
    assert "1 of 3 jobs failed, 1 were not run" in capsys.readouterr().out
    assert not (place / "runs/s/2").exists()
    monkeypatch.setattr(research, "run", again := Research(None))
    assert main(["run", "-m", "--resume", "study=s", "--fail-fast"]) == 0
    assert again.ran == ["1", "2"]


def test_a_sweep_that_is_stopped_says_how_to_continue(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(research, "run", Research(KeyboardInterrupt()))
    assert main([*SWEEP, "study=s"]) == 130
    assert "backcast run -m --resume study=s" in capsys.readouterr().err
    assert [sweep.state(place / f"runs/s/{n}")[0] for n in range(3)] == ["done", "failed", "waiting"]


def test_two_at_once_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held, leave = threading.Event(), threading.Event()

    def other() -> None:
        with sweep.held(Path("runs/s")):
            held.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(30)
    try:
        assert main([*SWEEP, "study=s"]) == 75
    finally:
        leave.set()
        thread.join()
    assert "Another sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["run", "--resume", "study=s"], "Add -m"),
        (["run", "-m", "--resume"], "study=NAME"),
        (["run", "-m", "--resume", "study=nowhere"], "nowhere"),
        (["run", "-m", "study=../evil"], "study"),
        (["run", "-m", "job=3"], "numbered"),
        (["run", "-m", "-j", "0"], "--jobs"),
        (["run", "-m", "-j", "2", "hydra/launcher=basic"], "--jobs"),
        (["run", "-m", "hydra/launcher=nothing"], "nothing"),
        (["run", "-m", "hydra.sweep.dir=elsewhere"], "hydra.sweep"),
        (["run", "-m", "threads=1,2"], "threads"),
        (["run", "-m", "modle=ridge,mean"], "modle"),
        (["run", "-m", "model=ridge,nothing"], "nothing"),
        (["run", "-m", "model=ridge,mean", "model.alpha=1,2"], "alpha"),
        (["run", "-m", "--info"], "--info"),
        (["run", "-m", "--config-dir", "nowhere"], "--config-dir"),
    ],
)
def test_nonsense_is_one_clear_error(
    command: list[str], says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and says in said and "Traceback" not in said
    assert not list(place.glob("runs/*/sweep.json"))


def test_own_configurations_are_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = place / "own" / "model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("_target_: backcast.signals.models.baseline.Mean\n")
    monkeypatch.setattr(research, "run", ran := Research(None))
    assert main(["run", "-m", "--config-dir", "own", "model=mine,ridge", "study=s"]) == 0
    assert ran.ran == ["0", "1"]
