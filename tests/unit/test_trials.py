"""The trial log: distinct configurations count once, failures count, and nothing shrinks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.engine.trials import TrialLog

RETURNS = np.array([0.01, -0.02, 0.03])


def test_a_trial_counts_once_however_often_it_runs() -> None:
    log = TrialLog("a")
    for _ in range(3):
        log.start("same", {}, {"bars": 0})
        log.finish("same", 0.1, RETURNS)
    assert log.count().n == 1
    assert log.count().sharpe_variance is None


def test_failures_count_in_n_and_not_in_the_variance() -> None:
    log = TrialLog("a")
    for name, sharpe in (("x", 0.1), ("y", 0.3), ("flat", None)):
        log.start(name, {}, {})
        log.finish(name, sharpe, RETURNS)
    log.start("broken", {}, {})
    log.fail("broken", "reason")
    log.start("killed", {}, {})
    counted = log.count()
    assert counted.n == 5
    assert counted.sharpe_variance == pytest.approx(np.var([0.1, 0.3], ddof=1))
    assert counted.upto == log.records()[-1]["id"]


def test_lineages_are_apart() -> None:
    TrialLog("a").start("x", {}, {})
    assert TrialLog("b").count().n == 0


def test_a_torn_record_is_an_error_and_not_a_smaller_n(home: Path) -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    file = next((home / "trials" / "a").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="a whole record of the trial log"):
        log.count()


def test_processes_append_at_once() -> None:
    code = (
        "from backcast.engine.trials import TrialLog\nimport sys\n"
        "for i in range(20): TrialLog('shared').start(f'{sys.argv[1]}-{i}', {}, {})"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert TrialLog("shared").count().n == 60
