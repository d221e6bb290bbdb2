"""The house: import names are symlinks to the top folders, layers point one way, importing is light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["data", "signals", "engine", "conf"])
def test_the_import_names_are_relative_symlinks(name: str) -> None:
    link = ROOT / "src" / "backcast" / name
    assert link.is_symlink()
    assert str(link.readlink()) == f"../../{name}"


def test_every_yaml_folder_and_template_is_packaged() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '"backcast.conf" = ["**/*.yaml"]' in text
    assert '"backcast.engine.reports" = ["templates/*"]' in text


def test_importing_backcast_is_light() -> None:
    code = "import sys, backcast; sys.exit(bool({'numpy', 'torch', 'hydra'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
