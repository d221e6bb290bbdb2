"""A sweep is a study: its jobs are written down before the first one begins, and what is missing is what left no result.

1. `runs/STUDY/sweep.json` holds every job's overrides in order; job N runs in `runs/STUDY/N`.
2. A job that began has a `job.log`, under a lock of the kernel's as long as it lives; one that ended has a `status.json`.
   Nothing else is asked, so that a job may run in this process, in another, or on another machine that shares the folder.
3. A launcher that breaks (the system killed a worker) takes every job in flight with it, and cannot say which one was at
   fault. Each of them runs once more, alone; one that breaks the launcher again is written down as killed. All others go on.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backcast.data.durable import read_sealed, unused, write_sealed
from backcast.data.errors import BackcastError, InputError, LockedError
from backcast.engine.configure import without_secrets
from backcast.engine.runs import RunFolder, code_version, packages
from backcast.engine.sweep_job import LOG, STOP

FORMAT = 1
"""Of sweep.json: raised when a reader of older ones would be wrong."""
HOW = ("hydra/launcher=", "hydra.launcher.", "+hydra.launcher.", "threads=")
"""Overrides that say how jobs run, and cannot change what they come to: a resumed sweep may have others."""
PATIENCE_S = 10.0
"""How long a job that is to be run again may take to end, where its sweep was killed a moment ago."""

Launch = Callable[[Mapping[int, Sequence[str]]], None]
"""Runs these jobs, numbers and overrides, and returns when all have ended. Errors: whatever the launcher broke with."""


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do: the overrides that it was launched with, the folder of own configurations that they mean, and
    each job's overrides."""

    overrides: tuple[str, ...]
    config_dir: str | None
    jobs: tuple[tuple[str, ...], ...]

    @property
    def redacted(self) -> Plan:
        """The same without secrets."""
        jobs = tuple(tuple(without_secrets(job)[0]) for job in self.jobs)
        return Plan(tuple(without_secrets(self.overrides)[0]), self.config_dir, jobs)


@contextmanager
def held(study: Path) -> Iterator[None]:
    """While this lasts, no other sweep begins in the study. Errors: LockedError."""
    study.mkdir(parents=True, exist_ok=True)
    with unused(study) as free:
        if not free:
            raise LockedError(f"Another sweep runs in {study}: wait until it ends, or choose another study=.")
        yield


def begin(study: Path, plan: Plan) -> None:
    """Writes a new sweep down. Errors: InputError where the study holds jobs already."""
    if (study / "sweep.json").exists() or any(p.name.isdigit() for p in study.iterdir()):
        raise InputError(
            "study",
            study.name,
            "a study without jobs",
            "--resume continues a sweep; or choose another study=.",
        )
    kept = plan.redacted
    content = {
        "format": FORMAT,
        "study": study.name,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "overrides": list(kept.overrides),
        "config_dir": kept.config_dir,
        "jobs": [list(job) for job in kept.jobs],
        "code": code_version(),
        "packages": packages(),
    }
    write_sealed(study / "sweep.json", content)


def recorded(study: Path) -> tuple[Plan, dict[str, str]]:
    """The plan of a sweep that was begun, without its secrets, and the version of the code that began it.

    Errors: InputError where there is none, or where the file is not one that `begin` writes.
    """
    path = study / "sweep.json"
    if not path.is_file():
        raise InputError("study", study.name, f"a study of a sweep ({path})", "Without --resume it is begun.")
    content = read_sealed(
        path, "Begin the sweep anew as another study=; its finished jobs stay where they are."
    )
    if content.get("format") != FORMAT:
        hint = "Another version of backcast made it: resume it with that one."
        raise InputError(f"format of {path}", content.get("format"), str(FORMAT), hint)
    config_dir, code = content.get("config_dir"), content.get("code")
    if not isinstance(config_dir, str | None) or not isinstance(code, dict):
        raise InputError(str(path), config_dir, "config_dir (a folder, or null) and code")
    jobs = content.get("jobs")
    if not isinstance(jobs, list) or not jobs:
        raise InputError(f"jobs of {path}", jobs, "a list of lists of overrides, at least one")
    checked = tuple(checked_overrides(job, f"jobs of {path}", inside=True) for job in jobs)
    return Plan(
        checked_overrides(content.get("overrides"), f"overrides of {path}"), config_dir, checked
    ), code


def checked_overrides(given: Any, where: str, inside: bool = False) -> tuple[str, ...]:
    """Errors: InputError for anything but overrides that leave a job in its folder, as a sweep begins with and
    `sweep.json` holds; inside: of a job, which says nothing of launchers."""
    if not isinstance(given, list):
        raise InputError(where, given, "a list of overrides")
    for one in given:
        if not isinstance(one, str) or not ("=" in one or one.startswith("~")):
            raise InputError(where, one, "an override, key=value or ~key")
        key = one.partition("=")[0].lstrip("+~")
        launcher = key.startswith(("hydra/launcher", "hydra.launcher."))
        if key in ("study", "job") or (key.startswith("hydra") and (inside or not launcher)):
            raise InputError(where, one, "overrides of the experiment (no study, job or hydra)")
    return tuple(given)


def same_plan(before: Plan, now: Plan) -> None:
    """Errors: InputError where the jobs are not those that the sweep began with, whatever says how they run."""

    def what(plan: Plan) -> list[list[str]]:
        return [[o for o in job if not o.startswith(HOW)] for job in plan.redacted.jobs]

    if what(before) != what(now):
        raise InputError(
            "overrides",
            " ".join(now.redacted.overrides),
            f"none, or those that the sweep began with: {' '.join(before.overrides)}",
            "Choose another study= for other jobs.",
        )


def state(folder: Path) -> tuple[str, str]:
    """How far a job is: done, failed, unfinished (it runs, or was killed) or waiting; and its error."""
    if (folder / "status.json").exists():
        try:
            status = json.loads((folder / "status.json").read_text())
        except (OSError, ValueError) as error:
            status = str(error)
        if not isinstance(status, dict) or status.get("state") not in ("done", "failed"):
            hint = "Remove the job's folder: --resume then runs it again."
            raise InputError(str(folder / "status.json"), status, "a state, done or failed", hint)
        return status["state"], str(status.get("error", ""))
    return ("unfinished" if (folder / LOG).exists() else "waiting"), ""


def missing(study: Path, jobs: int) -> list[int]:
    """The jobs of which there is no good result."""
    return [n for n in range(jobs) if state(study / str(n))[0] != "done"]


def clear(folder: Path) -> None:
    """Takes away what a job left that did not end well, but for its log, which becomes `job.1.log` (2, 3 ...).

    Errors: LockedError where the job still runs, InputError where it is done.
    """
    if not folder.is_dir():
        return
    if state(folder)[0] == "done":
        raise InputError("job", str(folder), "a job without a result")
    log = folder / LOG
    with _ended(folder):
        (folder / "status.json").unlink(missing_ok=True)
        for path in sorted(folder.iterdir()):
            if path.suffix != ".log" or path.is_symlink():
                _remove(path)
        if log.exists():
            log.rename(folder / f"job.{1 + len(list(folder.glob('job.*.log')))}.log")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def _ended(folder: Path) -> Iterator[None]:
    """Waits a little until no process runs the job, and keeps it so."""
    log = folder / LOG
    if not log.exists():
        yield
        return
    until = time.monotonic() + PATIENCE_S
    with log.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    hint = "wait until it ends, or end that process."
                    raise LockedError(f"{folder} is still being run ({_began(log)}): {hint}") from None
                time.sleep(0.2)
        yield


def _began(log: Path) -> str:
    with log.open(errors="replace") as lines:
        return lines.readline().strip()[:200]


def write_failed(folder: Path, error: str) -> None:
    """The status of a job that could not write its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "status.json").exists():
        RunFolder(folder).write_json("status.json", {"state": "failed", "error": error, "timings": {}})


def launch_missing(study: Path, plan: Plan, launch: Launch, fail_fast: bool) -> None:
    """Runs every job of which there is no good result, as the head of this file says.

    Errors: the launcher's, where it broke before any job began.
    """
    todo = missing(study, len(plan.jobs))
    (study / STOP).unlink(missing_ok=True)
    for n in todo:
        clear(study / str(n))
    while todo:
        broke = _attempt(launch, {n: plan.jobs[n] for n in todo})
        if broke is None:
            return
        states = {n: state(study / str(n))[0] for n in todo}
        flying = [n for n in todo if states[n] == "unfinished"]
        waiting = [n for n in todo if states[n] == "waiting"]
        if len(waiting) == len(todo):
            raise broke
        alone = len(flying) > 1 and not fail_fast
        for n in flying:
            if alone:
                clear(study / str(n))
                broke = _attempt(launch, {n: plan.jobs[n]})
            if state(study / str(n))[0] == "unfinished":
                write_failed(study / str(n), _killed(broke))
        todo = [] if fail_fast and flying else waiting


def _killed(broke: Exception | None) -> str:
    """What is known of a job whose process ended without a word."""
    ends = re.findall(r"[A-Z]+\(-?\d+\)", str(broke))  # as joblib tells them: SIGKILL(-9), EXIT(1)
    how = ", ".join(ends) or type(broke).__name__
    return (
        f"killed: its process ended before the job did, by a signal, out of memory or by its own exit ({how})"
    )


def _attempt(launch: Launch, jobs: Mapping[int, Sequence[str]]) -> Exception | None:
    """What the launcher broke with. What the user has to put right is raised."""
    try:
        launch(jobs)
    except BackcastError:
        raise
    except Exception as error:  # whatever a launcher, of any maker, tells of a worker that is gone
        return error
    return None


def thread_shares(budget: int, at_once: int) -> int:
    """The threads of each of so many jobs at once, at least 1."""
    return max(1, budget // max(1, at_once))
