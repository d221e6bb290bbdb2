"""Cross-validation from fits to accounts: every path of a design is sized and traded over the whole span.

`walkforward.forecast` fits every split and lays its forecasts along the paths (`signals/validation.py` says which). The first
path is the run's own, a rule fixed beforehand: its account, targets and forecasts are in the run's folder, and its returns are
those of the run's one trial. The returns of all paths are in `paths.parquet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from backcast.data.market import Market
from backcast.data.types import Clock
from backcast.engine import walkforward
from backcast.engine.configure import Experiment
from backcast.engine.sessions import compounded
from backcast.engine.types import Account
from backcast.engine.walkforward import Fitted, World
from backcast.signals.folds import Design
from backcast.signals.types import Fold
from backcast.signals.validation import CombinatorialPurged, Split


def trade_paths(
    made: Experiment, world: World, market: Market, fitted: Fitted, first: Account, threads: int
) -> pl.DataFrame:
    """The net returns by session of every path; first: the account of the first path, which is not traded again."""

    def trade(path: int) -> Account:
        return first if path == 0 else walkforward.trade(made, world, market, fitted.paths[path])[1]

    with ThreadPoolExecutor(threads) as pool:
        accounts = pool.map(trade, range(len(fitted.paths)))
        return path_table([_returns(account, world.panel.clock) for account in accounts])


def path_table(returns: Sequence[tuple[Any, Any]]) -> pl.DataFrame:
    """path, session and net_return, from the sessions and returns of each path in order."""
    frames = [
        pl.DataFrame(
            {
                "path": np.full(len(net), path, dtype=np.int32),
                "session": sessions.astype("datetime64[ms]"),
                "net_return": net,
            }
        )
        for path, (sessions, net) in enumerate(returns)
    ]
    return pl.concat(frames).with_columns(pl.col("session").cast(pl.Date))


def _returns(account: Account, clock: Clock) -> tuple[Any, Any]:
    days = clock.sessions[account.sessions]
    return np.unique(days), compounded(days, account.net_return)


def facts(design: Design, folds: Sequence[Fold], clock: Clock) -> dict[str, Any]:
    """What the manifest says of a cross-validation: its groups, splits and paths, and the session with which each group begins;
    nothing of a walk forward."""
    if not isinstance(design, CombinatorialPurged):
        return {}
    begins = sorted({int(begin) for fold in folds if isinstance(fold, Split) for begin, _ in fold.blocks})
    return {
        "validation": {
            "groups": design.groups,
            "test_groups": design.test_groups,
            "splits": len(folds),
            "paths": design.paths,
            "embargo": design.embargo,
            "begins": [str(clock.sessions[bar]) for bar in begins],
        }
    }
