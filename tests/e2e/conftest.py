"""One small synthetic market and one run of it, shared by the tests of the whole path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from market import MARKET


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which commands run."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One home for all tests of a process here, in place of one each."""
    monkeypatch.setenv("BACKCAST_HOME", str(place / "home"))
    monkeypatch.chdir(place)
    return place / "home"


@pytest.fixture(scope="session")
def ridge_run(place: Path) -> Iterator[Path]:
    """The folder of a finished run of the plain model."""
    from backcast.engine.cli import main

    before, cwd = os.environ.get("BACKCAST_HOME"), Path.cwd()
    os.environ["BACKCAST_HOME"] = str(place / "home")
    os.chdir(place)
    try:
        assert main(["run", "model=ridge", *MARKET, "study=e2e", "job=first"]) == 0
    finally:
        os.chdir(cwd)
        os.environ["BACKCAST_HOME"] = before or ""
    yield place / "runs" / "e2e" / "first"
