"""From configuration to objects: the allow-list, wrong keys, identity of a trial, secrets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backcast.data.errors import InputError
from backcast.engine.cli import compose
from backcast.engine.configure import build, digest, redacted, trial_config
from backcast.engine.costs.base import Cost
from backcast.engine.costs.linear import LinearCost
from backcast.signals.models.base import ForecastModel

COST = {"_target_": "backcast.engine.costs.linear.LinearCost", "fee_bps": 1.0, "half_spread_bps": 2.0}


def test_builds_what_the_target_names() -> None:
    assert isinstance(build(COST, "costs", Cost), LinearCost)


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.Popen", "backcastevil.X", "backcast", "", "builtins.eval"]
)
def test_a_target_outside_the_allow_list_is_refused(target: str) -> None:
    with pytest.raises(InputError, match="_target_"):
        build({"_target_": target}, "model")


def test_the_user_extends_the_allow_list_in_one_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"extensions\.txt"):
        build({"_target_": "mine.Thing"}, "model")
    (home / "extensions.txt").write_text("# ours\nmine\n")
    assert type(build({"_target_": "mine.Thing"}, "model")).__name__ == "Thing"
    sys.modules.pop("mine")


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="a ForecastModel"):
        build(COST, "model", ForecastModel)


def test_a_wrong_key_names_the_right_ones() -> None:
    with pytest.raises(InputError, match=r"costs\.fee = 1\.0: expected one of fee_bps, half_spread_bps"):
        build({**COST, "fee": 1.0}, "costs")


def test_a_missing_class_is_an_input_error() -> None:
    with pytest.raises(InputError, match="importable"):
        build({"_target_": "backcast.engine.costs.linear.Nothing"}, "costs")


def test_a_trial_is_what_can_change_a_result() -> None:
    config = {
        "study": "a",
        "job": "1",
        "threads": 2,
        "seed": 0,
        "model": {"alpha": 1},
        "challengers": {"r": {"k": 2}},
        "audit": {"level": "quick"},
        "retrain": {},
    }
    same = {**config, "study": "b", "job": "7", "threads": 8, "challengers": {}, "audit": {"level": "off"}}
    assert digest(trial_config(config)) == digest(trial_config(same))
    assert digest(trial_config(config)) != digest(trial_config({**config, "seed": 1}))
    rival = {**config, "challengers": {"m": {"alpha": 3}}}  # a challenger of the same name
    assert digest(trial_config(rival)) == digest(trial_config(config))
    alone = {**config, "model": {"k": 2}, "challengers": {}}
    assert digest(trial_config(config, "r")) == digest(trial_config(alone))


def test_a_trial_of_an_older_version_is_the_same_trial() -> None:
    """A new key enters the identity only where it is set: else everybody's trials would be counted again. (Where a default
    itself is changed, this is another number.)"""
    composed = compose(["model=ridge", "study=a", "job=b"])
    assert digest(trial_config(composed)).startswith("2c38e3396d9d4ab3")


def test_secrets_are_blanked_at_any_depth() -> None:
    shown = redacted({"dataset": {"api_key": "hunter2", "path": "x", "more": [{"password": "y"}]}})
    assert shown == {"dataset": {"api_key": "<redacted>", "path": "x", "more": [{"password": "<redacted>"}]}}
