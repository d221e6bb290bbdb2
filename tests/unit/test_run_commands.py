"""How `backcast run` names a study and a job, and what it says on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backcast.data.errors import InputError
from backcast.engine import collect, folder_commands, research, sweep
from backcast.engine.cli import compose, main
from backcast.engine.configure import build
from backcast.engine.progress import printable
from backcast.engine.run_commands import with_defaults
from backcast.engine.sweep import Plan, state
from backcast.engine.sweep_progress import Board


@pytest.mark.parametrize("name", ["2026_11_29", "1e3", "007", "true", "null", "a-b.c"])
def test_a_name_is_text_whatever_it_looks_like(name: str) -> None:
    config = compose(with_defaults(["model=mean", f"study={name}", f"job={name}"]))
    assert (config["study"], config["job"]) == (name, name)


def test_the_jobs_of_a_sweep_are_in_the_study_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Path] = []

    def run(config: dict[str, Any], folder: Path, progress: Any) -> Any:
        ran.append(folder)
        raise InputError("planted", 1, "2")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(research, "run", run)
    monkeypatch.setattr(collect, "collect", lambda study: None)
    monkeypatch.setattr(collect, "show", lambda frame, study: None)
    assert main(["run", "-m", "model=mean", "dataset=synthetic", "seed=1,2", "study=2026_11_29"]) == 5
    assert ran == [tmp_path / "runs/2026_11_29" / n for n in "01"]


def test_the_board_of_a_large_sweep_is_there_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(overrides: Sequence[str]) -> tuple[list[str], str]:
        asked.append(1)
        return list(overrides), ""

    monkeypatch.setattr(sweep, "without_secrets", counted)
    Board(tmp_path, Plan((), None, tuple((f"seed={n}",) for n in range(100))), range(100))
    assert len(asked) <= 101, "each job's overrides are read once"


@pytest.mark.parametrize("override", ["+study=x", "++job=../../x", "~study"])
def test_names_are_given_in_one_way(override: str) -> None:
    with pytest.raises(InputError, match="study=NAME"):
        with_defaults(["model=mean", override])


def test_flags_of_hydra_may_stand_anywhere() -> None:
    assert with_defaults(["a=1", "--cfg", "job", "b=2", "study=s", "job=j"]) == [
        "a=1", "b=2", "study='s'", "job='j'", "--cfg", "job",
    ]  # fmt: skip


def test_a_list_without_a_sweep_is_told_of_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "model=ridge,mean"]) == 2
    assert "--multirun" in capsys.readouterr().err


@pytest.mark.parametrize(
    "override", ["threads=0", "seed=glob(*)", "hydra.verbose=true", "+hydra.sweeper.params.seed=1"]
)
def test_a_sweep_that_is_refused_leaves_no_plan(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-m", "model=mean", "dataset=synthetic", override, "study=s"]) == 2
    assert not Path("runs/s/sweep.json").exists()


def test_what_a_terminal_would_obey_is_shown_as_text() -> None:
    assert printable("a\x1b[31mb\nc é [b]") == "a\\x1b[31mb\\nc é [b]"


@pytest.mark.parametrize("flags", [["-m"], []])
def test_a_path_that_cannot_be_one_is_no_bug(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *flags, "model=mean", "dataset=synthetic", f"study={'s' * 300}"]) == 2
    Path("runs/taken").touch()
    assert main(["run", *flags, "model=mean", "dataset=synthetic", "study=taken"]) == 2
    assert "taken" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.chdir(tmp_path / "runs")
    Path("runs").touch()
    assert main(["run", *flags, "model=mean", "dataset=synthetic", "study=s"]) == 2
    assert "runs" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(*_: Any) -> int:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            sys.exit(1)  # as rich does

    monkeypatch.setattr(folder_commands, "collect_", show)
    assert main(["collect", "s"]) == 0


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "backcast.signals.models.baseline.Mean", "api_key": "hunter2"},
        {"_target_": "backcast.data.sources.csv.CSV", "tables": {"x": {"password": "hunter2"}}},
        {"password": "hunter2"},
    ],
)
def test_no_error_shows_a_secret(node: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        build(node, "dataset")
    assert "<redacted>" in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_launcher_that_takes_no_such_setting_is_an_error_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-m", "model=mean", "dataset=synthetic", "+hydra.launcher.token=hunter2"]) == 2
    said = capsys.readouterr().err
    assert "token" in said and "hunter2" not in said and "Traceback" not in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "lost"}'])
def test_a_status_that_cannot_be_read_says_what_to_remove(content: str, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(InputError, match="Remove the job's folder"):
        state(tmp_path)


def test_a_sweep_that_takes_a_key_away_is_continued(tmp_path: Path) -> None:
    plan = Plan(("~portfolio.quantile", "seed=1"), None, (("~portfolio.quantile", "seed=1"),))
    sweep.begin(tmp_path, plan)
    assert sweep.recorded(tmp_path)[0] == plan
