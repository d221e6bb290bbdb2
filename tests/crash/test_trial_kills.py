"""Kill -9 while trials are logged: none that was told is lost, none is counted twice, and the log goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backcast.engine.trials import TrialLog, segments

KILLS = max(int(os.environ.get("BACKCAST_KILLS", "50")) // 5, 4)
RETURNS = np.array([0.01, -0.02])
DAYS = np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]")

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "backcast.engine.trials"])


def work(home: str, told: Connection, first: int) -> None:
    """Starts and finishes one trial after another, merging all the while, until it is killed."""
    os.environ["BACKCAST_HOME"] = home
    segments.FAN = 3
    log, n = TrialLog("a"), first
    while True:
        log.start(f"t{n}", {}, {})
        told.send(n)
        log.finish(f"t{n}", 0.1, RETURNS, DAYS)
        n += 1


def test_kills(home: Path) -> None:
    draw, told = random.Random(0), set[int]()
    for _ in range(KILLS):
        receiving, sending = CONTEXT.Pipe(duplex=False)
        child = CONTEXT.Process(target=work, args=(str(home), sending, max(told, default=-1) + 2))
        child.start()
        sending.close()
        assert receiving.poll(60)
        time.sleep(draw.uniform(0, 0.15))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        while receiving.poll():
            try:
                told.add(receiving.recv())
            except (EOFError, OSError):
                break
        records = TrialLog("a").records()
        started = [record["trial"] for record in records if record["outcome"] == "started"]
        assert len(started) == len(set(started)) and len({r["id"] for r in records}) == len(records)
        assert {f"t{n}" for n in told} <= set(started)
        assert len(started) <= len(told) + KILLS
        assert TrialLog("a").count().n == len(started)


class Killed(BaseException):
    """Stands for a kill: nothing in the log handles it."""


def killed_at(moment: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Dies before the so-manieth call that changes the disk; gives how many calls there were."""
    calls = 0

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > moment:  # a dead process does nothing more
                raise Killed
            return original(*arguments, **named)

        return call

    for name in ("write_bytes", "replace", "unlink", "mkdir"):
        patch.setattr(Path, name, dying(getattr(Path, name)))
    patch.setattr(os, "fsync", dying(os.fsync))
    return lambda: calls


def test_a_kill_before_each_step_that_changes_the_disk() -> None:
    moment, ended = 0, False
    while not ended:
        lineage, told = f"l{moment}", 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segments, "FAN", 2)
            calls = killed_at(moment, patch)
            try:
                for n in range(4):
                    TrialLog(lineage).start(f"t{n}", {}, {})
                    told = n + 1
            except Killed:
                pass
            ended = calls() <= moment
        log = TrialLog(lineage)
        assert told <= log.count().n <= told + 1 and len(log.records()) == log.count().n
        TrialLog(lineage).start("after", {}, {})
        assert told + 1 <= log.count().n <= told + 2
        moment += 1
    assert moment > 30
