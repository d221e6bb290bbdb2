"""How a configuration was chosen, by the trial log: counted are others that were finished before it on these sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from market import MARKET

from backcast.engine.audit import selection
from backcast.engine.cli import compose
from backcast.engine.research import run
from backcast.engine.run_audit import audit_again
from backcast.engine.trials import TrialLog

PERIOD = ("2020-01-01", "2021-12-31")


def started(trial: str) -> dict[str, Any]:
    return {"trial": trial, "outcome": "started"}


def done(trial: str, sharpe: float | None, period: tuple[str, str] | None = PERIOD) -> list[dict[str, Any]]:
    more = {} if period is None else {"period": list(period)}
    return [started(trial), {"trial": trial, "outcome": "done", "sharpe_per_session": sharpe, **more}]


def test_nothing_was_tried_before() -> None:
    check, facts = selection.check([started("own")], "own", PERIOD, 0.1)
    assert check.state == "passed" and facts == {"others": 0, "rank": 1, "of": 1, "grid": None}


def test_others_are_counted_and_ranked_once_each() -> None:
    records = [*done("a", 0.2), *done("b", 0.05), *done("a", 0.2), *done("c", None), started("own")]
    check, facts = selection.check(records, "own", PERIOD, 0.1)
    assert facts == {"others": 3, "rank": 2, "of": 3, "grid": None}
    assert check.finding is not None and check.state == "information"
    expected = "Chosen after 3 other configurations were tried on these sessions; its net Sharpe ratio is number 2 of 3."
    assert check.finding.sentence == expected


def test_what_came_after_or_never_ended_or_was_elsewhere_is_not_counted() -> None:
    elsewhere = done("early", 0.5, ("2010-01-01", "2019-12-31"))
    failed = [started("failed"), {"trial": "failed", "outcome": "failed"}]
    records = [*elsewhere, *failed, started("cut off"), started("own"), *done("later", 0.9)]
    assert selection.check(records, "own", PERIOD, 0.1)[1]["others"] == 0


def test_a_configuration_that_was_tried_first_and_kept_after_others_was_chosen_after_them() -> None:
    records = [*done("own", 0.3), *done("a", 0.2), *done("b", 0.1)]
    assert selection.check(records, "own", PERIOD, 0.3)[1]["others"] == 0
    check, facts = selection.check([*records, started("own")], "own", PERIOD, 0.3)
    assert facts["others"] == 2 and facts["rank"] == 1
    assert check.finding is not None and "is the highest of 3" in check.finding.sentence


def test_records_of_an_older_version_have_no_period_and_count() -> None:
    assert selection.check([*done("a", 0.1, None), started("own")], "own", PERIOD, 0.2)[1]["others"] == 1


def test_a_grid_is_named() -> None:
    records = [*done("a", 0.1), *done("own", 0.2), started("own")]
    check, _ = selection.check(records, "own", PERIOD, 0.2, {"cells": 2})
    assert check.finding is not None and check.finding.sentence.startswith("The best of a grid of 2 cells.")


def test_an_undefined_ratio_has_no_rank() -> None:
    check, facts = selection.check([*done("a", 0.1), started("own")], "own", PERIOD, None)
    assert facts["rank"] is None and check.finding is not None and "Sharpe" not in check.finding.sentence


def test_the_log_says_of_which_days_a_trial_was(home: Path) -> None:
    log = TrialLog("one")
    days = np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    log.finish("a", 0.1, np.array([0.1, 0.2]), days)
    log.finish("b", 0.1, np.array([0.1, 0.2]))
    assert [r.get("period") for r in log.records()] == [["2020-01-02", "2020-01-03"], None]


def test_runs_tell_what_was_tried_and_an_audit_again_tells_the_same(tmp_path: Path) -> None:
    def found(folder: str) -> dict[str, Any]:
        return json.loads((tmp_path / folder / "audit.json").read_text())["selection"]

    for n, model in enumerate(("mean", "ridge", "mean")):
        run(compose([*MARKET, f"model={model}", "study=s", f"job=j{n}", f"seed={n}"]), tmp_path / str(n))
        assert found(str(n))["others"] == n
    assert "2 other configurations" in (tmp_path / "2" / "tearsheet.html").read_text()
    audit_again(tmp_path / "1", "quick", instants=2)
    assert found("1")["others"] == 1
    run(
        compose([*MARKET, "model=ridge", "study=s", "job=g", "+grid.portfolio.quantile=[0.1,0.3]"]),
        tmp_path / "g",
    )
    assert found("g")["grid"] == 2 and found("g")["others"] == 4
