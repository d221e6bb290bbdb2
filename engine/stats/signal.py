"""All statistics of a signal: what it said of each name at each decision, beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats import calibration, information, quantiles, regimes
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.information import RANK_IC_T, REASONS, Coefficients
from backcast.engine.stats.statistics import Section

_OF, _T = "as rank ic", "as rank ic t"
DECAY = Convention(
    "rank_ic_at_horizon", Unit.CORRELATION, f"{_OF}; of the return over so many bars from the decision's fill"
)
DECAY_T = Convention("rank_ic_at_horizon_t", Unit.ERRORS, f"{_T}, lags by that horizon")
YEAR = Convention("rank_ic_in_year", Unit.CORRELATION, f"{_OF}; of the year's decisions")
YEAR_T = Convention("rank_ic_in_year_t", Unit.ERRORS, _T)
GROUP = Convention("rank_ic_in_group", Unit.CORRELATION, f"{_OF}; among the names of the group alone")
GROUP_T = Convention("rank_ic_in_group_t", Unit.ERRORS, _T)
REGIME = Convention(
    "rank_ic_in_regime", Unit.CORRELATION, f"{_OF}; of the regime's decisions, known the session before"
)
REGIME_T = Convention("rank_ic_in_regime_t", Unit.ERRORS, _T)
COVERAGE = Convention(
    "signal_coverage", Unit.SHARE, "mean over decisions of names with a signal over members of the universe"
)
LOWEST = Convention(
    "lowest_signal_coverage", Unit.SHARE, "least share of members with a signal at a decision"
)
NAMES = Convention("signal_names", Unit.NAMES, "mean over decisions of names with a signal")
ANSWERED = Convention(
    "outcome_coverage",
    Unit.SHARE,
    "names with a signal and an outcome over names with a signal, all decisions",
)


@dataclass(frozen=True)
class Signal:
    """values (D, S), NaN = none; member (D, S); decided (D,) instants, sessions (D,) datetime64[D] and positions (D,) in bars
    of the clock, ascending; outcomes: by horizon in bars the return that followed (D, S), NaN = none; horizon: its own.

    May be absent: forecast quantiles (D, S, Q) at levels; group: of each symbol its name, "" = none; market regimes of each
    decision (D,) by kind; cost_bps: what a unit traded cost the run, or why that is not known.
    """

    values: Floats
    member: Bools
    decided: npt.NDArray[Any]
    sessions: npt.NDArray[Any]
    positions: Ints
    outcomes: Mapping[int, Floats]
    horizon: int
    quantiles: Floats | None = None
    levels: tuple[float, ...] = ()
    group: tuple[str, ...] = ()
    regimes: dict[str, regimes.Names] = field(default_factory=dict)
    cost_bps: float | None = None
    why_no_cost: str = ""

    @cached_property
    def ranks(self) -> Floats:
        """(D, S) of the signal among its names."""
        return information.ranks(self.values)

    @cached_property
    def coefficients(self) -> dict[int, Coefficients]:
        """Rank ICs by horizon."""
        return {
            h: information.rank_correlations(self.values, y, self.ranks) for h, y in self.outcomes.items()
        }

    @cached_property
    def pearson(self) -> Coefficients:
        """ICs of the signal's own horizon."""
        return information.correlations(self.values, self.outcomes[self.horizon])

    def overlap(self, horizon: int | None = None) -> int:
        """Further decisions within a horizon."""
        return information.overlap_of(self.positions, horizon or self.horizon)


def signal_sections(signal: Signal) -> list[Section]:
    """All of them, for the signal's own horizon but for the decay."""
    return [
        Section("information", f"Information over {signal.horizon} bars", tuple(_information(signal))),
        Section("decay", "Decay", tuple(_decay(signal))),
        Section("buckets", "Buckets by rank, 1 = lowest", tuple(_buckets(signal))),
        Section("stability", "Stability and coverage", tuple(_stability(signal))),
        Section("calibration", "Forecast quantiles", tuple(_calibration(signal))),
        Section("information_by", "Information by year, group and regime", tuple(_by(signal))),
    ]


def signal_table(signal: Signal) -> pl.DataFrame:
    """A row a decision: ic and rank_ic of the signal's own horizon, null where there is none, and the reason."""
    rank = signal.coefficients[signal.horizon]
    return pl.DataFrame(
        {
            "decided_at": pl.Series(signal.decided).dt.replace_time_zone("UTC"),
            "ic": signal.pearson.values,
            "rank_ic": rank.values,
            "reason": [REASONS[code] for code in rank.codes.tolist()],
        },
        nan_to_null=True,
    )


def absent(reason: str) -> list[Section]:
    """What there is to say where there is no signal."""
    mean = [one.none(reason) for one in (information.IC, information.RANK_IC, RANK_IC_T, quantiles.SPREAD)]
    return [Section("information", "Information", tuple(mean))]


def _information(signal: Signal) -> list[Figure]:
    return information.figures(signal.pearson, signal.coefficients[signal.horizon], signal.overlap())


def _decay(signal: Signal) -> list[Figure]:
    found = []
    for horizon, known in signal.coefficients.items():
        figures = information.mean_figures(known, signal.overlap(horizon), DECAY, DECAY_T)
        found += [one.of("1 bar" if horizon == 1 else f"{horizon} bars") for one in figures]
    return found


def _buckets(signal: Signal) -> list[Figure]:
    outcome = signal.outcomes[signal.horizon]
    buckets = quantiles.buckets_of(signal.values, signal_ranks=signal.ranks)
    return quantiles.figures(buckets, outcome, signal.overlap(), signal.cost_bps, signal.why_no_cost)


def _stability(signal: Signal) -> list[Figure]:
    has, members = np.isfinite(signal.values), signal.member.sum(axis=1)
    there = members > 0
    share = (has & signal.member)[there].sum(axis=1) / members[there]
    answered = (has & np.isfinite(signal.outcomes[signal.horizon])).sum()
    none = "no decision with a member"
    buckets = quantiles.buckets_of(signal.values, signal_ranks=signal.ranks)
    return [
        *quantiles.persistence(buckets, signal.ranks),
        COVERAGE.figure(float(share.mean())) if len(share) else COVERAGE.none(none),
        LOWEST.figure(float(share.min())) if len(share) else LOWEST.none(none),
        NAMES.figure(float(has.sum(axis=1).mean())) if len(has) else NAMES.none("no decisions"),
        ANSWERED.figure(float(answered / has.sum())) if has.any() else ANSWERED.none("no signal"),
    ]


def _calibration(signal: Signal) -> list[Figure]:
    if signal.quantiles is None:
        return [one.none("no forecast quantiles") for one in calibration.ALL]
    return calibration.figures(
        signal.quantiles, signal.outcomes[signal.horizon], signal.levels, signal.overlap()
    )


def _by(signal: Signal) -> list[Figure]:
    own, overlap = signal.coefficients[signal.horizon], signal.overlap()
    years, found = signal.sessions.astype("datetime64[Y]"), []
    for year in np.unique(years):
        figures = information.mean_figures(_where(own, years == year), overlap, YEAR, YEAR_T)
        found += [one.of(year) for one in figures]
    found += _groups(signal, overlap)
    if not signal.regimes:
        return [*found, REGIME.none("no benchmark"), REGIME_T.none("no benchmark")]
    for name, here in regimes.each(signal.regimes):
        figures = information.mean_figures(_where(own, here), overlap, REGIME, REGIME_T)
        found += [one.of(name) for one in figures]
    return found


def _groups(signal: Signal, overlap: int) -> list[Figure]:
    if not signal.group:
        return [GROUP.none("no groups were given"), GROUP_T.none("no groups were given")]
    groups, outcome, found = np.array(signal.group), signal.outcomes[signal.horizon], []
    for name in sorted(set(signal.group) - {""}):
        mine = groups == name
        known = information.rank_correlations(signal.values[:, mine], outcome[:, mine])
        found += [one.of(name) for one in information.mean_figures(known, overlap, GROUP, GROUP_T)]
    return found


def _where(found: Coefficients, chosen: Bools) -> Coefficients:
    return Coefficients(found.values[chosen], found.codes[chosen])
