"""The jobs of a study as they were left on the disk: done, failed, cut off, or never begun. None is a hole.

States: done; failed (its own `status.json` says why); unfinished (no `status.json`: it runs, or was killed); not run
(`sweep.json` names it and it left nothing); broken (it ended well and a file of it cannot be read).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from backcast.data.errors import InputError
from backcast.engine.configure import digest, trial_config

DONE, FAILED, UNFINISHED, NOT_RUN, BROKEN = "done", "failed", "unfinished", "not run", "broken"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The compiled one where there is one: thousands of jobs have a configuration each."""
TRACES = ("config.yaml", "status.json", "job.log")
"""Files of which a folder with one is a job's."""


@dataclass(frozen=True)
class Job:
    """state: see above; error: why it is not done. config: as resolved, empty where it left none; overrides: those of the sweep
    in which it differs from other jobs, empty where they are not written down. report, trials, manifest: of a job that is
    done; cells: its grid, if any.
    """

    name: str
    folder: Path
    state: str
    error: str
    config: dict[str, Any]
    overrides: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    trials: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    cells: pl.DataFrame | None = None

    @property
    def trial(self) -> str:
        """Its configuration's hash, as in the trial log; empty where there is no configuration. (A job of an older version
        with a secret in its configuration cannot tell.)"""
        told = self.trials.get("trial")
        known = {"model", "challengers"} <= self.config.keys()
        return str(told) if told else digest(trial_config(self.config)) if known else ""

    @property
    def lineage(self) -> str:
        """Of its data; empty where it is not done."""
        lineage = str(self.trials.get("lineage", ""))
        return lineage if lineage.replace("-", "").isalnum() else ""


def jobs(study: Path) -> list[Job]:
    """In the order of their names. Errors: InputError where there are none."""
    asked = _asked(study)
    there = [p.name for p in study.iterdir() if _is_job(p)] if study.is_dir() else []
    names = sorted({*there, *asked}, key=_in_order)
    if not names:
        raise InputError(
            "STUDY", str(study), "a study with jobs in it", "Name a study under ./runs, or give its folder."
        )
    return [_job(study / name, asked.get(name, "")) for name in names]


def _is_job(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in TRACES)


def _in_order(name: str) -> tuple[bool, int, str]:
    number = name.isascii() and name.isdigit()
    return not number, int(name) if number else 0, name


def _asked(study: Path) -> dict[str, str]:
    """By job the overrides in which it differs from the others, as the sweep wrote them down; none where it did not."""
    try:
        listed = json.loads((study / "sweep.json").read_text())["jobs"]
        told = [
            (one["job"], one["overrides"]) if isinstance(one, dict) else (n, one)
            for n, one in enumerate(listed)
        ]
        asked = {str(name): [str(one) for one in overrides] for name, overrides in told if _inside(str(name))}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    shared = set.intersection(*map(set, asked.values())) if len(asked) > 1 else set()
    return {name: " ".join(one for one in own if one not in shared) for name, own in asked.items()}


def _inside(name: str) -> bool:
    """Whether it names a folder within the study."""
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name


def _job(folder: Path, overrides: str) -> Job:
    try:
        return _read(folder, overrides)
    except InputError as error:
        return Job(folder.name, folder, BROKEN, str(error), {}, overrides)


def _read(folder: Path, overrides: str) -> Job:
    config = _mapping(folder / "config.yaml", _yaml) if (folder / "config.yaml").exists() else {}
    if not (folder / "status.json").exists():
        state, error = (
            (UNFINISHED, "no status.json: running, or killed") if _is_job(folder) else (NOT_RUN, "not begun")
        )
        return Job(folder.name, folder, state, error, config, overrides)
    status = _mapping(folder / "status.json", json.loads)
    state, error = str(status.get("state", UNFINISHED)), str(status.get("error", ""))
    if state != DONE:
        return Job(folder.name, folder, state, error, config, overrides)
    report, trials, manifest = (
        _mapping(folder / f"{name}.json", json.loads) for name in ("report", "trials", "manifest")
    )
    return Job(folder.name, folder, state, error, config, overrides, report, trials, manifest, _cells(folder))


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=LOADER)


def _mapping(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        found = parse(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(str(path), str(error), "a readable file of a run", "Run the job again.") from error
    if not isinstance(found, dict):
        raise InputError(str(path), found, "a file of keys and values", "Run the job again.")
    return found


def _cells(folder: Path) -> pl.DataFrame | None:
    path = folder / "grid.parquet"
    if not path.exists():
        return None
    try:
        found = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(str(path), str(error), "a readable file of a run", "Run the job again.") from error
    missing = [name for name in ("cell", "trial", "sharpe_per_year", "error") if name not in found.columns]
    if missing:
        raise InputError(str(path), missing, "a grid with these columns", "Run the job again.")
    return found
