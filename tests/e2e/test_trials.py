"""Whatever launches a configuration, the log says so, and a run's trials.json can be counted again from it."""

from __future__ import annotations

import json
from pathlib import Path

from market import MARKET

import backcast
from backcast.engine.cli import main

LAUNCHED = """SELECT config->>'$.model._target_' AS model, CAST(config->>'$.seed' AS INT) AS seed, launched
FROM trials WHERE model LIKE '%Ridge' OR seed > 7"""


def test_the_log_says_what_launched_a_trial(ridge_run: Path) -> None:
    quick = ["model=mean", *MARKET, "audit=off", "study=launched"]
    assert main(["run", "-m", *quick, "seed=8"]) == 0
    assert main(["run", *quick, "seed=9", "+grid.portfolio.quantile=[0.1,0.2]", "job=grid"]) == 0
    rows = backcast.trials("synthetic").sql(LAUNCHED).rows()
    launched = {(model.rpartition(".")[2], seed, how) for model, seed, how in rows}
    assert {("Ridge", 0, "run"), ("Mean", 8, "sweep"), ("Mean", 9, "grid")} <= launched


def test_what_a_run_wrote_down_can_be_counted_again(ridge_run: Path) -> None:
    told = json.loads((ridge_run / "trials.json").read_text())
    counted = backcast.trials("synthetic").count(told["upto"]).to_json()
    assert counted == {name: told[name] for name in counted}
