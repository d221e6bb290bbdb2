"""One job of a sweep, in whichever process its launcher gave it.

Nothing heavy is imported here before the job's threads are set: a library reads them when it is loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from backcast.data.errors import BackcastError, LockedError, reason

LOG = "job.log"
STOP = ".stop"
"""The file in the study's folder by which a job that failed tells the others not to begin."""

LIBRARIES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
"""How libraries with thread pools of their own are told how many threads to have."""


@dataclass(frozen=True)
class Order:
    """How a job is to run: with how many threads, whether its failure stops those that have not begun, and the process that
    launched the sweep."""

    threads: int
    fail_fast: bool
    launched_by: int


def run_job(order: Order, compose: Callable[[], dict[str, Any]], folder: Path) -> None:
    """Runs the configuration that `compose` gives in a folder; whatever becomes of it is in `status.json`, and what it said in
    `job.log`.

    Errors: KeyboardInterrupt alone.
    """
    study = folder.parent
    if order.fail_fast and (study / STOP).exists():
        with contextlib.suppress(OSError):  # it holds logs of earlier attempts
            folder.rmdir()  # made by Hydra a moment ago
        return
    own_process = os.getpid() != order.launched_by
    if own_process:
        os.environ.update(dict.fromkeys(LIBRARIES, str(order.threads)))
        _end_with(os.getppid())
    with _logged(folder / LOG):
        error = _outcome(order, compose, folder)
    if error and order.fail_fast:
        (study / STOP).touch()


def _outcome(order: Order, compose: Callable[[], dict[str, Any]], folder: Path) -> str:
    """Runs the job; gives its error, or ''."""
    try:
        config = {**compose(), "study": folder.parent.name, "job": folder.name, "threads": order.threads}
        from backcast.engine import between_jobs, research
        from backcast.engine.progress import Progress
        from backcast.engine.run_commands import show_run
        from backcast.engine.trials import launched_by

        between_jobs.keep()
        with launched_by("sweep"):
            show_run(research.run(config, folder, Progress()))
        return ""
    except BackcastError as error:
        print(f"error: {error}", file=sys.stderr)
        failed: BaseException = error
    except KeyboardInterrupt:
        (folder / "status.json").unlink(missing_ok=True)
        _note_failure(folder, "interrupted: the sweep was stopped")
        raise
    except BaseException as error:  # SystemExit and MemoryError too: a row, not a hole
        traceback.print_exc()
        failed = error
    _note_failure(folder, reason(failed))
    return reason(failed)


def _note_failure(folder: Path, error: str) -> None:
    """Where the run itself could not: it writes its own status from the moment it has a folder."""
    from backcast.engine.sweep import write_failed

    write_failed(folder, error)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Sends what this process says into a job's log, that of compiled libraries too, and holds the log while this lasts.

    Errors: LockedError where another process runs the job.
    """
    with path.open("a") as lock, path.open("a", buffering=1, errors="backslashreplace") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(f"Another process runs {path.parent}.") from None
        at = datetime.now(UTC).isoformat(timespec="seconds")
        log.write(f"began {at}, process {os.getpid()} on {socket.gethostname()}\n")
        with _descriptors(log), contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield


@contextmanager
def _descriptors(log: IO[str]) -> Iterator[None]:
    """Points this process's standard output and error at a file."""
    _flush()
    before = {number: os.dup(number) for number in (1, 2)}
    try:
        for number in before:
            os.dup2(log.fileno(), number)
        yield
    finally:
        _flush()
        for number, kept in before.items():
            os.dup2(kept, number)
            os.close(kept)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]


_watched: set[int] = set()


def _end_with(parent: int) -> None:
    """Ends this worker when the process that launched it is gone: nobody is left who would read its result."""
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="ends with its sweep").start()
