"""The account had every decision come one bar later: how fast what it knew went stale. A collapse accuses nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backcast.data.errors import BackcastError
from backcast.data.market import Market
from backcast.data.types import Floats, Panel
from backcast.engine import walkforward
from backcast.engine.audit.findings import INFORMATION, Check, Finding, number
from backcast.engine.configure import Experiment
from backcast.engine.execution import LAG
from backcast.engine.sessions import compounded, periods_per_year
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.stats import performance
from backcast.engine.types import Account, Targets

BARS = 1
NAME = "decisions one bar later"


def delayed(
    made: Experiment, panel: Panel, market: Market, targets: Targets, account: Account
) -> tuple[Check, dict[str, Any]]:
    """INFORMATION with its size, and what `audit.json` holds of it under `delay`: net Sharpe ratio and return a year of the
    recorded account and of the later one, on the sessions of both. One simulation; empty where it cannot be run."""
    check = Check(NAME, "execution", "the account of the same targets, each a bar later")
    last = len(panel.clock) - BARS - LAG
    inside = targets.decisions < last
    if not inside.any():
        check.inconclusive = "no decision has a bar after that of its fill"
        return check, {}
    later = replace(targets, decisions=targets.decisions[inside] + BARS, weights=targets.weights[inside])
    try:
        other = walkforward.simulate(_ours(made), panel, market, later)
    except BackcastError as error:
        check.inconclusive = f"it cannot be simulated: {error}".splitlines()[0]
        return check, {}
    sessions = panel.clock.sessions
    begin, years = sessions[other.sessions[0]], periods_per_year(panel.clock)
    figures = {
        "bars": BARS,
        **_figures(account, sessions, begin, years, ""),
        **_figures(other, sessions, begin, years, "delayed_"),
    }
    check.cells = len(other.sessions)
    check.finding = Finding(INFORMATION, sentence(figures), "Trade it as fast as it decides, or not at all.")
    return check, figures


def sentence(figures: Mapping[str, Any]) -> str:
    """The size of it: both Sharpe ratios and both returns."""
    one, other = _words(figures, ""), _words(figures, "delayed_")
    return f"One bar later the net Sharpe goes from {one[0]} to {other[0]}, the return a year from {one[1]} to {other[1]}."


def _words(figures: Mapping[str, Any], prefix: str) -> tuple[str, str]:
    sharpe, earned = figures[f"{prefix}sharpe_per_year"], figures[f"{prefix}return_per_year"]
    return ("n/a" if sharpe is None else f"{sharpe:.2f}", "n/a" if earned is None else f"{earned:.1%}")


def _figures(
    account: Account, sessions: Any, begin: Any, years: float, prefix: str
) -> dict[str, float | None]:
    """Of an account from a day on; until its equity was lost, where it was."""
    lost = np.flatnonzero(account.equity <= 0)
    end = int(lost[0]) + 1 if len(lost) else len(account.equity)
    days = sessions[account.sessions][:end]
    part = days >= begin
    returns: Floats = compounded(days[part], account.net_return[:end][part])
    sharpe = performance.sharpe_per_session(returns)
    return {
        f"{prefix}sharpe_per_year": number(float(performance.sharpe_per_year(sharpe, years))),
        f"{prefix}return_per_year": number(performance.return_per_year(returns, years)),
    }


def _ours(made: Experiment) -> Experiment:
    """With the fast simulator in place of another of ours, which all agree; one of the user's stays."""
    ours = type(made.simulator).__module__.startswith("backcast.")
    return replace(made, simulator=NativeSimulator()) if ours else made
