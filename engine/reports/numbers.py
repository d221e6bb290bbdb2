"""The statistics on the page: those of `engine/stats` that need no more than the run's folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backcast.engine.reports.folder import Evidence
from backcast.engine.stats.figure import Figure
from backcast.engine.stats.of_run import gathered, statistics_of_run
from backcast.engine.stats.statistics import Account, Section, performance_sections

SHOWN: dict[str, tuple[str, ...]] = {
    "risk": ("sharpe", "sharpe_hac_error", "sharpe_autocorrelation_adjusted", "sortino", "calmar", "omega"),
    "returns": (
        "hit_rate",
        "payoff",
        "skew",
        "excess_kurtosis",
        "value_at_risk_95",
        "expected_shortfall_95",
        "tail_ratio",
        "best_session",
        "worst_session",
    ),
    "drawdowns": ("mean_drawdown", "longest_drawdown", "deepest_recovery", "drawdown_at_end"),
    "benchmark": (
        "alpha_per_year",
        "alpha_t",
        "beta",
        "correlation",
        "tracking_error_per_year",
        "information_ratio",
        "up_capture",
        "down_capture",
    ),
    "information": ("ic", "ic_t", "rank_ic", "rank_ic_t", "icir", "rank_icir"),
}
"""By section, the figures that stand on the page; `backcast stats RUN` has all of them."""


@dataclass(frozen=True)
class Part:
    """Figures that belong together."""

    name: str
    title: str
    figures: tuple[Figure, ...]


def parts_of(folder: Path, evidence: Evidence) -> tuple[Part, ...]:
    """The signal's too where `backcast stats` has gathered what followed its forecasts; without bootstraps."""
    sections = (
        statistics_of_run(folder, draws=0).sections
        if gathered(folder)
        else performance_sections(_account(evidence), draws=0)
    )
    by_name = {one.name: one for one in sections}
    return tuple(_part(by_name[name]) for name in SHOWN if name in by_name)


def _part(section: Section) -> Part:
    wanted = SHOWN[section.name]
    return Part(section.name, section.title, tuple(one for one in section.figures if one.name in wanted))


def _account(evidence: Evidence) -> Account:
    own, year = evidence.strategy, float(evidence.manifest["periods_per_year"])
    name = str(evidence.manifest["dataset"].get("benchmark") or "benchmark")
    there = evidence.benchmark is not None
    return Account(
        own.net,
        own.sessions,
        year,
        np.zeros(len(own.net)),
        benchmark=evidence.benchmark,
        benchmark_name=name if there else "",
    )
