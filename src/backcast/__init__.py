"""backcast: a research engine for trading signals that cannot see the future."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from backcast.engine.walkforward import Run, run

__all__ = ["Run", "__version__", "run"]
