"""What a job of a sweep costs beyond what Hydra itself takes for one: its log and lock, its status, its line of progress.

    python benchmarks/sweeps_hydra.py [--jobs 40] [--rounds 5]

`backcast run -m` with the research replaced by nothing (a job writes its configuration and its status, as each must), against
a bare Hydra application with the same configuration and an empty body, both with Hydra's basic launcher, in turn, in one
process. Per job: the whole command's seconds over its jobs, but for the table of results at its end. Below zero means that
it costs less than bare Hydra, which composes every job twice. Both must have been given the same configurations.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import hydra
from harness import alternate, record
from omegaconf import OmegaConf

from backcast.engine import collect, research
from backcast.engine.cli import main
from backcast.engine.runs import RunFolder

BAR = 0.05
"""Seconds a job, of issue 7."""


def overrides(jobs: int) -> list[str]:
    """A sweep of so many jobs that differ in one number."""
    return ["model=ridge", "dataset=synthetic", f"model.alpha={','.join(str(1 + n) for n in range(jobs))}"]


def without(config: Any) -> dict[str, Any]:
    """A configuration but for what names the job and shares out the threads."""
    return {k: v for k, v in config.items() if k not in ("study", "job", "threads")}


def ours(jobs: int) -> list[dict[str, Any]]:
    """Our sweep of empty jobs; gives their configurations."""
    seen = []

    def empty(config: dict[str, Any], folder: Path, progress: Any) -> Any:
        out = RunFolder.create(folder)
        out.write_yaml("config.yaml", config)
        out.write_json("status.json", {"state": "done", "error": "", "timings": {}})
        seen.append(without(config))
        verdict = SimpleNamespace(sentence="", detail="", warnings=())
        return SimpleNamespace(report=SimpleNamespace(verdict=verdict), folder=folder, tearsheet=folder)

    said = io.StringIO()
    with (
        mock.patch.object(research, "run", empty), mock.patch.multiple(collect, collect=mock.DEFAULT, show=mock.DEFAULT),
        contextlib.redirect_stdout(said), contextlib.redirect_stderr(said),
    ):  # fmt: skip
        code = main(["run", "-m", *overrides(jobs), "study=ours"])
    assert code == 0
    shutil.rmtree("runs")
    return seen


def bare(jobs: int) -> list[dict[str, Any]]:
    """Hydra alone, with an empty body; gives the configurations."""
    seen = []

    def body(config: Any) -> None:
        seen.append(without(OmegaConf.to_container(config, resolve=True)))

    named = ["study=bare", "job=0", "hydra.sweep.subdir=${hydra.job.num}"]
    with mock.patch.object(sys, "argv", ["bare", "-m", *overrides(jobs), *named]):
        hydra.main(version_base="1.3", config_path="pkg://backcast.conf", config_name="config")(body)()
    shutil.rmtree("runs")
    return seen


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        taken = alternate(
            {"ours": lambda: ours(chosen.jobs), "bare": lambda: bare(chosen.jobs)}, rounds=chosen.rounds
        )
        os.chdir("/")
    per_job = {name: one.seconds / chosen.jobs for name, one in taken.items()}
    print(f"per job: {per_job['ours'] * 1e3:.1f} ms, of which bare Hydra {per_job['bare'] * 1e3:.1f} ms")
    same = taken["ours"].answer == taken["bare"].answer
    record("sweeps/hydra_overhead", per_job["ours"] - per_job["bare"], unit="s", bar=BAR, equal=same)


if __name__ == "__main__":
    run()
