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
from backcast.engine.configure import Config, experiment
from backcast.engine.sessions import compounded
from backcast.engine.types import Account
from backcast.engine.walkforward import Fitted, World
from backcast.signals.folds import Design, WalkForward
from backcast.signals.types import Fold


def trade_paths(
    config: Config, world: World, market: Market, fitted: Fitted, first: Account, threads: int
) -> pl.DataFrame:
    """The net returns by session of every path; first: the account of the first path, which is not traded again.

    Each of the others has parts of its own, made from the configuration: what a user's portfolio remembers of one path must not
    reach the next, nor a thread beside it.
    """

    def trade(path: int) -> Account:
        if path == 0:
            return first
        return walkforward.trade(experiment(config), world, market, fitted.paths[path])[1]

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


def is_cross_validated(design: Design) -> bool:
    """Whether a design may fit on what came after: any that does not walk forward."""
    return not isinstance(design, WalkForward)


def facts(design: Design, folds: Sequence[Fold], clock: Clock) -> dict[str, Any]:
    """What the manifest says of a cross-validation: its splits, paths and settings, and the sessions from which each fit
    forecasts on the first path; nothing of a walk forward."""
    if not is_cross_validated(design):
        return {}
    decisions, routes = np.unique(np.concatenate([fold.test for fold in folds])), design.routes(folds)
    begins = decisions[np.flatnonzero(np.diff(routes[0], prepend=-1))]
    counts = {"splits": len(folds), "paths": len(routes), **design.facts()}
    return {"validation": {**counts, "begins": [str(clock.sessions[bar]) for bar in begins]}}
