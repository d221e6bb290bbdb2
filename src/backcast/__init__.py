"""backcast: a research engine for trading signals that cannot see the future."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "ingest", "run", "store"]

# Imports happen on first use: importing backcast stays instant, and `--help` with it.


def run(*overrides: str) -> Any:
    """`backcast run` from Python: `backcast.run("model=ridge").tearsheet`; the overrides are the command line's."""
    from backcast.engine.cli import run as run_from_overrides

    return run_from_overrides(*overrides)


def ingest(frame: Any, name: str, price_basis: str, **facts: Any) -> Any:
    """Puts a pandas, polars or Arrow frame of bars into the store under a name, for `run("dataset=stored", ...)`.

    The bars come in long form (date, symbol, close ...) or as a wide frame of closes; `facts` are the keys of
    `backcast.data.sources.frames.Frames`, such as `known_rule="event_at + 15min"`. Gives the ingest's report.
    """
    from backcast.data.ingest import ingest as into_store
    from backcast.data.sources.frames import Frames
    from backcast.data.store import Store

    return into_store(Store(), Frames(frame, name=name, price_basis=price_basis, **facts))


def store(dataset: str, snapshot: str | None = None) -> Any:
    """A data set of the store, for questions such as `backcast.store("us5").as_of("2012-08-10").table("bars")`."""
    from backcast.data.reader import Reader

    return Reader(dataset, snapshot)
