"""Every test has a home of its own: nothing is read from or written to the user's store."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Kernels are compiled once for all tests, whatever their home; the folder's key is a hash of the sources.
os.environ.setdefault(
    "NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"backcast-tests-numba-{os.getuid()}")
)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh BACKCAST_HOME."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BACKCAST_HOME", str(folder))
    return folder
