"""Every YAML under conf/ is instantiated, without its author writing a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import backcast.conf
from backcast.engine.cli import compose
from backcast.engine.configure import SESSIONS, build, experiment

CONF = Path(backcast.conf.__file__).parent
MEMBERS = sorted(p.relative_to(CONF) for p in CONF.glob("*/*.yaml"))
NEEDS_VALUES = {"csv", "duckdb", "parquet", "stored", "given"}  # they have no default name or path


@pytest.mark.parametrize("member", [m for m in MEMBERS if m.stem not in NEEDS_VALUES], ids=str)
def test_every_member_builds(member: Path) -> None:
    beside = ["portfolio=given", "portfolio.path=none.csv"] if member == Path("model/none.yaml") else []
    config = compose([f"{member.parent.name}={member.stem}", *beside, "study=s", "job=j"])
    node = config[member.parent.name]
    if "_target_" in node:
        build({k: v for k, v in node.items() if k not in SESSIONS}, member.parent.name)
    experiment(config)


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_every_member_says_what_it_is(member: Path) -> None:
    text = (CONF / member).read_text()
    assert text.startswith("# "), "a comment on the first line"
    assert isinstance(yaml.safe_load(text), dict)
