"""How a sweep goes: one live table on a terminal, a line a job that ended elsewhere. It watches the jobs' folders, so that it
does not matter where they run."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from backcast.data.errors import InputError
from backcast.engine.progress import printable
from backcast.engine.sweep import Plan, state

POLL_S = 0.5
ENDED = ("done", "failed")
SHOWN = 12
"""Jobs that ended, in the live table; the newest."""


@dataclass
class _Job:
    """What is known of a job, and by this process's clock when that became known."""

    number: int
    overrides: str
    state: str = "waiting"
    error: str = ""
    sharpe: str = ""
    began: float = 0.0
    ended: float = 0.0
    seconds: float = field(default=0.0)

    @property
    def running(self) -> bool:
        return self.state == "unfinished"


class Board:
    """The jobs that are to run now, watched by a thread until the context ends."""

    def __init__(self, study: Path, plan: Plan, todo: Sequence[int]) -> None:
        self._study, self._total = study, len(plan.jobs)
        overrides = plan.redacted.jobs
        changing = _changing(overrides)
        self._jobs = [_Job(n, " ".join(o for o in overrides[n] if o in changing)) for n in todo]
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._console = Console(file=_own_stream())
        self._live: Live | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Draws while this lasts, and what is left once more at its end."""
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._drawn, console=self._console, refresh_per_second=2,
                redirect_stdout=False, redirect_stderr=False, transient=False,
            )  # fmt: skip
            self._live.start()
        thread = threading.Thread(target=self._watch, daemon=True, name="sweep progress")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self.look()
            if self._live is not None:
                self._live.stop()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            self.look()

    def look(self) -> None:
        """Reads what changed in the folders."""
        there = {entry.name for entry in os.scandir(self._study)}
        for job in self._jobs:
            if job.state in ENDED or str(job.number) not in there:
                continue
            before = job.state
            with contextlib.suppress(InputError):  # said where the sweep ends
                job.state, job.error = state(self._study / str(job.number))
            if before == "waiting" and job.state != "waiting":
                job.began = time.monotonic()
            if job.state in ENDED:
                job.ended = time.monotonic()
                job.seconds = _seconds(self._study / str(job.number)) or job.ended - job.began
                job.sharpe = _sharpe(self._study / str(job.number)) if job.state == "done" else ""
                if self._live is None:
                    self._console.print(self._line(job), soft_wrap=True, highlight=False)

    def _line(self, job: _Job) -> str:
        said = f"job {job.number} {job.state}"
        said += f" in {_span(job.seconds)}" if job.state == "done" else ""
        said += f", Sharpe {job.sharpe}" if job.sharpe else ""
        said += f": {escape(printable(job.overrides))}" if job.overrides else ""
        said += f" ({escape(printable(job.error))})" if job.error else ""
        return f"{said}; {self._sum()}"

    def _sum(self) -> str:
        """How many ended, and the time left: as many seconds a job as it took so far."""
        ended = sum(job.state in ENDED for job in self._jobs)
        kept = self._total - len(self._jobs)
        left = len(self._jobs) - ended
        said = f"{kept + ended} of {self._total} ended"
        if ended and left:
            said += f", about {_span((time.monotonic() - self._began) / ended * left)} left"
        return said

    def _drawn(self) -> Group:
        table = Table("job", "state", "seconds", "Sharpe", "overrides", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        ended = sorted((j for j in self._jobs if j.state in ENDED), key=lambda j: j.ended)[-SHOWN:]
        now = time.monotonic()
        for job in [*ended, *(j for j in self._jobs if j.running)]:
            seconds = job.seconds if job.ended else now - job.began
            shown = "running" if job.running else job.state
            what = escape(printable(f"{job.overrides} {job.error}".strip()))
            table.add_row(str(job.number), shown, f"{seconds:.0f}", job.sharpe, what)
        failed = sum(job.state == "failed" for job in self._jobs)
        waiting = sum(job.state == "waiting" for job in self._jobs)
        counts = f"{self._sum()}; {failed} failed, {waiting} waiting; {_span(now - self._began)} so far"
        return Group(table, Text(counts))


def _changing(overrides: Sequence[Sequence[str]]) -> set[str]:
    """The overrides in which jobs differ; of each job all of them."""
    jobs = [set(job) for job in overrides]
    alike = jobs[0].intersection(*jobs[1:]) if len(jobs) > 1 else set()
    return {override for job in jobs for override in job - alike}


def _sharpe(folder: Path) -> str:
    try:
        value = json.loads((folder / "report.json").read_text())["strategy"]["sharpe_per_year"]
        return "n/a" if value is None else f"{value:.2f}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _seconds(folder: Path) -> float:
    """What a job says that it took; 0 where it does not."""
    try:
        return float(sum(json.loads((folder / "status.json").read_text())["timings"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0.0


def _span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole / 3600:.1f} h"


def _own_stream() -> IO[str]:
    """Standard error as it is now: a job in this process sends the descriptor itself into its log."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
    except (OSError, ValueError, AttributeError):  # not a file, as in a notebook
        return sys.stderr
