"""Every step's YAML is instantiated, alone and by the command line's spelling, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import backcast.conf
from backcast.engine.cli import compose
from backcast.engine.configure import build, experiment
from backcast.engine.portfolio import OverlappingPortfolio, Portfolio, TopKPortfolio, steps

STEPS = sorted((Path(backcast.conf.__file__).parent / "portfolio" / "steps").glob("*.yaml"))


@pytest.mark.parametrize("member", STEPS, ids=lambda p: p.stem)
def test_every_step_builds_and_says_what_it_is(member: Path) -> None:
    config = compose([f"+portfolio/steps@portfolio.steps.mine={member.stem}", "study=s", "job=j"])
    portfolio = build(config["portfolio"], "portfolio", Portfolio)
    assert [name for name, _ in portfolio.steps] == ["mine"]
    experiment(config)
    text = member.read_text()
    assert text.startswith("# ")
    assert isinstance(yaml.safe_load(text), dict)


def test_every_step_has_a_yaml() -> None:
    targets = {yaml.safe_load(p.read_text())["_target_"].rpartition(".")[2] for p in STEPS}
    assert targets == set(steps.__all__) - {"Step"}


def test_steps_come_in_the_order_of_the_command_line() -> None:
    chosen = ["+portfolio/steps@portfolio.steps.scale=volatility_target",
              "+portfolio/steps@portfolio.steps.cap=cap_name", "+portfolio/steps@portfolio.steps.slow=cap_turnover",
              "portfolio.steps.cap.most=0.02"]  # fmt: skip
    config = compose([*chosen, "study=s", "job=j"])
    portfolio = build(config["portfolio"], "portfolio", Portfolio)
    assert [name for name, _ in portfolio.steps] == ["scale", "cap", "slow"]
    assert portfolio.steps[1][1].most == 0.02


def test_a_list_of_steps_is_built_too() -> None:
    cap = {"_target_": "backcast.engine.portfolio.steps.CapName", "most": 0.1}
    node = {"_target_": "backcast.engine.portfolio.TopKPortfolio", "steps": [cap, cap]}
    assert [name for name, _ in build(node, "portfolio", Portfolio).steps] == ["cap per name", "cap per name"]


def test_what_overlaps_can_be_chosen() -> None:
    config = compose(
        ["portfolio=overlapping", "portfolio@portfolio.of=topk", "portfolio.of.topk=7", "study=s", "job=j"]
    )
    portfolio = build(config["portfolio"], "portfolio", Portfolio)
    assert isinstance(portfolio, OverlappingPortfolio)
    assert isinstance(portfolio.of, TopKPortfolio) and portfolio.of.topk == 7
