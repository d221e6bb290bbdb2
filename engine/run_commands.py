"""`backcast run`: one run, or with `-m` a sweep. Hydra composes and launches in `engine/cli.py`, handed over as functions."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from backcast.data.errors import REDACTED, InputError

if TYPE_CHECKING:
    from backcast.engine.research import Run
    from backcast.engine.sweep import Plan
    from backcast.engine.sweep_job import Order

RUNS = Path("runs")


@dataclass(frozen=True)
class Launcher:
    """Which launcher was configured (basic, joblib, ray, or another's class), and how."""

    kind: str
    settings: Mapping[str, Any]


class Composed(Protocol):
    """A sweep as Hydra reads it."""

    threads: Any
    launcher: Launcher

    @property
    def jobs(self) -> Sequence[Sequence[str]]:
        """Each job's overrides."""

    def launch(self, jobs: Mapping[int, Sequence[str]], order: Order, at_once: int) -> None:
        """Runs the jobs, numbers and overrides, through the launcher, at most so many at once where that is ours to say."""


Compose = Callable[[Sequence[str], str | None], AbstractContextManager[Composed]]


def add_run(run: ArgumentParser) -> None:
    """The flags of `backcast run` beside Hydra's."""
    run.add_argument(
        "-m", "--multirun", action="store_true", help="a sweep: one job for each combination of a,b,c"
    )
    run.add_argument(
        "--resume", action="store_true", help="continue the sweep study=NAME: what has no result yet"
    )
    run.add_argument("--fail-fast", action="store_true", help="begin no job of a sweep after one failed")
    run.add_argument(
        "-j", "--jobs", type=int, metavar="N",
        help="N jobs of a sweep at once, each in a process: hydra/launcher=joblib hydra.launcher.n_jobs=N",
    )  # fmt: skip


def show_run(run: Run) -> None:
    """What a run came to, in words, and where it was written."""
    verdict = run.report.verdict
    print(f"{verdict.sentence} {verdict.detail}")
    for warning in verdict.warnings:
        print(f"Warning: {warning}")
    print(f"Run folder: {run.folder}")
    print(f"Tear sheet: {run.tearsheet}")


def run_one(config: dict[str, Any], folder: Path) -> None:
    """One run, told and shown."""
    from backcast.engine import research
    from backcast.engine.progress import Progress
    from backcast.engine.trials import launched_by

    config = {**config, "study": folder.parent.name, "job": folder.name}
    with launched_by("run"):
        show_run(research.run(config, folder, Progress()))


def refuse_sweep_flags(arguments: Namespace) -> None:
    """Errors: InputError for a flag of sweeps without `-m`."""
    for flag, value in (
        ("--resume", arguments.resume),
        ("--fail-fast", arguments.fail_fast),
        ("--jobs", arguments.jobs),
    ):
        if value:
            raise InputError(flag, value, "a sweep", "Add -m.")


def with_defaults(overrides: Sequence[str]) -> list[str]:
    """The overrides with the study and the job, ours where the user named none; Hydra's flags last, since it reads all
    overrides in one piece. Names are quoted: Hydra would read 2026_11_29 as a number."""
    study, job = names(overrides, multirun=False)
    given = [o for o in overrides if o.startswith("~") or ("=" in o and not o.startswith("-"))]
    flags = [o for o in overrides if o not in given]
    rest = [o for o in given if not o.startswith(("study=", "job="))]
    return [*rest, f"study='{study}'", f"job='{job}'", *flags]


def names(overrides: Sequence[str], multirun: bool) -> tuple[str, str]:
    """The study and the job, named after what is run and when where the user named none. Errors: InputError."""
    for one in overrides:
        if one.startswith(("+", "~")) and one.lstrip("+~").partition("=")[0] in ("study", "job"):
            raise InputError("override", one, "study=NAME or job=NAME")
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    given = value_of(overrides, "portfolio") == "given"
    model, dataset = value_of(overrides, "model", "tft"), value_of(overrides, "dataset", "us20")
    plain = re.sub(
        r"[^\w.-]", "-", f"{'given' if given else model}_{dataset}"
    )  # Hydra says what is wrong with it
    study = value_of(overrides, "study", f"sweep_{now}" if multirun else plain)
    job = value_of(overrides, "job", now)
    for name, value in (("study", study), ("job", job)):
        if not value.replace("-", "").replace("_", "").replace(".", "").isalnum() or value.startswith("."):
            raise InputError(name, value, "letters, digits, '-', '_' and '.'")
    return study, job


def value_of(overrides: Sequence[str], key: str, default: str = "") -> str:
    """The last value that overrides give a key."""
    found = [o.partition("=")[2] for o in overrides if o.startswith(f"{key}=")]
    return found[-1] if found else default


def sweep(arguments: Namespace, rest: Sequence[str], compose: Compose) -> int:
    """`backcast run -m`: begins a sweep, or continues one. The value is the exit code."""
    from backcast.engine.sweep import checked_overrides, held

    overrides, config_dir = _taken_apart(rest)
    if value_of(overrides, "job"):
        raise InputError(
            "job", value_of(overrides, "job"), "no job= in a sweep", "Its jobs are numbered from 0."
        )
    if arguments.resume and not value_of(overrides, "study"):
        raise InputError("study", "", "study=NAME, the sweep to continue")
    study = RUNS / names(overrides, multirun=True)[0]
    overrides = [o for o in overrides if not o.startswith("study=")]
    checked_overrides(overrides, "override")
    if arguments.jobs is not None:
        overrides += _processes(arguments.jobs, overrides)
    if arguments.resume and not study.is_dir():
        raise InputError("study", study.name, f"a study with a sweep to continue ({study})")
    if arguments.resume:
        overrides, config_dir = _recalled(study, overrides, config_dir)
    with compose([*overrides, f"study='{study.name}'"], config_dir) as composed, held(study):
        return _carried_out(arguments, study, composed, overrides, config_dir)


def _taken_apart(rest: Sequence[str]) -> tuple[list[str], str | None]:
    """Overrides, and the folder of `--config-dir`. Errors: InputError for another flag."""
    flags = ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument("--config-dir", "-cd")
    known, overrides = flags.parse_known_args(list(rest))
    for one in overrides:
        if one.startswith("-"):
            raise InputError(
                "argument", one, "an argument of `backcast run -m`", "See `backcast run --help`."
            )
    if known.config_dir is not None and not Path(known.config_dir).is_dir():
        raise InputError("--config-dir", known.config_dir, "a folder of configurations")
    return overrides, known.config_dir


def _processes(jobs: int, overrides: Sequence[str]) -> list[str]:
    """What `--jobs N` is short for."""
    if not 1 <= jobs <= 1024:
        raise InputError("--jobs", jobs, "an integer from 1 to 1024")
    if any(o.startswith(("hydra/launcher", "hydra.launcher")) for o in overrides):
        raise InputError(
            "--jobs", jobs, "no hydra/launcher beside it", "hydra.launcher.n_jobs=N says the same."
        )
    return ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]


def _recalled(study: Path, given: list[str], config_dir: str | None) -> tuple[list[str], str | None]:
    """The overrides to continue a sweep with: those given, or those it began with and what is given of how jobs run."""
    from backcast.engine.sweep import HOW, recorded

    before, _ = recorded(study)
    if any(not o.startswith(HOW) for o in given):
        return given, config_dir or before.config_dir
    replaced = {"launcher" if "launcher" in o else "threads" for o in given}
    kept = [o for o in before.overrides if not _says_how(o, replaced)]
    secret = [o for o in kept if REDACTED in o]
    if secret:
        hint = "Give all overrides of the sweep again: sweep.json keeps no secrets."
        raise InputError("overrides", " ".join(secret), "their values", hint)
    return [*kept, *given], config_dir or before.config_dir


def _says_how(override: str, replaced: set[str]) -> bool:
    from backcast.engine.sweep import HOW

    return override.startswith(HOW) and ("launcher" if "launcher" in override else "threads") in replaced


def _carried_out(
    arguments: Namespace, study: Path, composed: Composed, overrides: Sequence[str], config_dir: str | None
) -> int:
    from backcast.engine import between_jobs
    from backcast.engine import sweep as sweeps
    from backcast.engine.sweep_job import Order
    from backcast.engine.sweep_progress import Board

    plan = sweeps.Plan(tuple(overrides), config_dir, tuple(map(tuple, composed.jobs)))
    if not plan.jobs:
        raise InputError(
            "overrides", " ".join(plan.redacted.overrides), "at least one job", "A list is empty."
        )
    _check_one_budget(plan.jobs)
    if arguments.resume:
        _continue(study, plan)
    todo = sweeps.missing(study, len(plan.jobs))
    at_once, threads = _shares(composed, len(todo))
    if not arguments.resume:
        sweeps.begin(study, plan)
    order = Order(threads, arguments.fail_fast, _here())
    try:
        with Board(study, plan, todo).watching():
            sweeps.launch_missing(
                study, plan, lambda jobs: composed.launch(jobs, order, at_once), arguments.fail_fast
            )
    except KeyboardInterrupt:
        print(f"\nTo continue: backcast run -m --resume study={study.name}", file=sys.stderr)
        raise
    finally:
        between_jobs.forget()
    return _ended(study, plan)


def _here() -> int:
    import os

    return os.getpid()


def _continue(study: Path, plan: Plan) -> None:
    """Checks that a sweep is the one that was begun; says where other code continues it."""
    from backcast.engine import sweep as sweeps
    from backcast.engine.runs import code_version

    before, code = sweeps.recorded(study)
    sweeps.same_plan(before, plan)
    now = code_version()
    if code != now:
        print(
            f"warning: the sweep was begun by another version of backcast ({code} then, {now} now).",
            file=sys.stderr,
        )


def _check_one_budget(jobs: Sequence[Sequence[str]]) -> None:
    """Errors: InputError where jobs have budgets of their own."""
    found = sorted({o for job in jobs for o in job if o.startswith("threads=")})
    if len(found) > 1:
        raise InputError("threads", ", ".join(found), "one number: the budget of the whole sweep")


def _shares(composed: Composed, todo: int) -> tuple[int, int]:
    """How many jobs run at once, and the threads of each: together the budget of the sweep, with at least one each."""
    from backcast.engine.budget import thread_budget
    from backcast.engine.sweep import thread_shares

    budget, settings = thread_budget(composed.threads), composed.launcher.settings
    if composed.launcher.kind == "ray":  # its cluster says how many fit
        return 0, int(settings["ray"]["remote"].get("num_cpus") or 1)
    if composed.launcher.kind != "joblib":
        return 1, budget
    asked = settings.get("n_jobs")
    at_once = min(asked if isinstance(asked, int) and asked > 0 else budget, max(1, todo))
    return at_once, thread_shares(budget, at_once)


def _ended(study: Path, plan: Plan) -> int:
    """The table of all jobs, and what is left to do."""
    from backcast.engine import sweep as sweeps
    from backcast.engine.collect import collect, show

    show(collect(study), study)
    states = [sweeps.state(study / str(n))[0] for n in range(len(plan.jobs))]
    left = len(states) - states.count("done")
    if not left:
        return 0
    failed, waiting = states.count("failed"), states.count("waiting")
    print(
        f"{failed} of {len(states)} jobs failed"
        + (f", {waiting} were not run" if waiting else "")
        + f"; each one's job.log says more. What has no result: backcast run -m --resume study={study.name}"
    )
    return 5
