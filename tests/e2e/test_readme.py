"""The README's Python is run as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from strangers import market

from backcast.engine.cli import main

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_five_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    block, _ = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 5
    exec(compile(block, "README.md", "exec"), {})
    sentence, path = capsys.readouterr().out.strip().splitlines()
    assert sentence.endswith(".")
    assert Path(path).read_text().startswith("<!doctype html>")


def test_the_example_of_the_audit_fails_and_its_twin_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, block = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    market().prices.to_csv("prices.csv")
    exec(compile(block, "README.md", "exec"), {})
    cheat, honest = capsys.readouterr().out.split("FAILED.")
    assert "fitted on the whole sample" in cheat
    assert honest.rstrip().endswith("Passed.")


def test_every_command_of_the_readme_is_a_verb() -> None:
    verbs = set(re.findall(r"`backcast ([a-z]+)", README.read_text()))
    from backcast.engine.cli import _parser

    known = next(a for a in _parser()._actions if a.dest == "verb").choices
    assert verbs
    assert verbs <= set(known or ())


def test_the_commands_of_its_blocks_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("backcast ")]
    assert len(lines) >= 6
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
