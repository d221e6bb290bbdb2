"""Every test has a home of its own: nothing is read from or written to the user's store."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh BACKCAST_HOME."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BACKCAST_HOME", str(folder))
    return folder
