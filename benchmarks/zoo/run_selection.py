"""Whole runs that were chosen on the sessions that they are reported on. Nothing in them sees the future; the choice does."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.pair import Pair
from zoo.walk import Walk

HERE = "run_selection"
QUANTILES = (0.1, 0.15, 0.2, 0.3, 0.35)


def best_of_a_sweep() -> None:
    """Five other portfolios were tried on these sessions; this one is shown."""
    from backcast.engine import research

    for i, quantile in enumerate(QUANTILES):
        walk = Walk(best_of_a_sweep, overrides=(f"portfolio.quantile={quantile}",))
        research.run(walk.config("off"), Path(os.environ["BACKCAST_HOME"]) / "runs" / f"before{i}")


def the_first_one() -> None:
    """The same portfolio, of which no other was tried before."""


def best_of_seeds() -> None:
    """The same trees were grown with six seeds, and this one is reported."""
    from backcast.engine import research

    for seed in range(1, 6):
        walk = Walk(best_of_seeds, overrides=(*TREES, f"seed={seed}"))
        research.run(walk.config("off"), Path(os.environ["BACKCAST_HOME"]) / "runs" / f"before{seed}")


def one_seed() -> None:
    """The same trees, grown with the one seed that was fixed before."""


TREES = ("model=lightgbm", "model.rounds=10", "model.feature_fraction=0.5")

PAIRS = (
    Pair(
        "run_best_of_a_sweep",
        HERE,
        "selection",
        Walk(best_of_a_sweep, prepare=best_of_a_sweep, searched=True),
        Walk(the_first_one, searched=True),
    ),
    Pair(
        "run_best_of_seeds",
        HERE,
        "selection",
        Walk(best_of_seeds, overrides=TREES, prepare=best_of_seeds, searched=True),
        Walk(one_seed, overrides=TREES, searched=True),
    ),
)
