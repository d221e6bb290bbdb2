"""What a run writes down of the trial log: the count, and the chance of luck of its own trial."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.engine.stats.multiple import step_m
from backcast.engine.trial_facts import trial_facts
from backcast.engine.trials import TrialLog

DAYS = np.datetime64("2015-01-01") + np.arange(500)


def _log(trials: int, skill: float = 0.002) -> tuple[TrialLog, np.ndarray]:
    returns = np.random.default_rng(1).normal(0, 0.01, (500, trials)).round(9)
    returns[:, 0] += skill
    log = TrialLog("a")
    for k in range(trials):
        log.start(f"t{k}", {}, {})
        log.finish(f"t{k}", float(returns[:, k].mean()), returns[:, k], DAYS)
    return log, returns


def test_it_is_step_m_of_the_log_and_all_count() -> None:
    log, returns = _log(8)
    log.start("failed", {}, {})
    log.fail("failed", "reason")
    log.start("killed", {}, {})
    log.start("elsewhere", {}, {})
    log.finish("elsewhere", 0.1, returns[:50, 0], DAYS[:50])
    log.start("old", {}, {})
    log.finish("old", 0.1, returns[:, 0])  # no days: it counts, and cannot be compared
    found = trial_facts(log, "t0", DAYS)
    p = step_m(returns).p[0] * 12 / 8
    told = {
        "p": pytest.approx(p),
        "compared": 8,
        "counted": 12,
        "sessions": 500,
        "block_length": 12,
        "draws": 1000,
    }
    assert found["luck"] == told
    assert found == {**log.count().to_json(), "trial": "t0", "luck": found["luck"]}


def test_a_trial_that_cannot_be_compared_has_none() -> None:
    log, _ = _log(2)
    assert trial_facts(log, "another", DAYS)["luck"]["p"] is None
    assert trial_facts(log, "t0", DAYS[:10])["luck"] | {"block_length": 0} == {
        "p": None, "compared": 0, "counted": 2, "sessions": 10, "block_length": 0, "draws": 1000,
    }  # fmt: skip


def test_the_same_log_gives_the_same_facts() -> None:
    log, _ = _log(3)
    assert trial_facts(log, "t0", DAYS) == trial_facts(log, "t0", DAYS)
