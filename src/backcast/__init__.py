"""backcast: a research engine for trading signals that cannot see the future."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "run"]


def run(*overrides: str) -> Any:
    """`backcast run` from Python: `backcast.run("model=ridge").tearsheet`; the overrides are the command line's."""
    from backcast.engine.cli import (
        run as run_from_overrides,
    )  # on first use: importing backcast stays instant

    return run_from_overrides(*overrides)
