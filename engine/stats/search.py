"""What a whole search came to: the figures of all its trials together, as of the trial log.

One trial's page says whether that trial is better than luck; these say what the search was: how many different trials it
had, what luck alone would have shown, whether its winner keeps winning, and which trials cannot be told from the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats import performance
from backcast.engine.stats.effective import Families, effective_number, families
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.haircut import METHODS, haircut, independent_haircut
from backcast.engine.stats.luck import SIZE, Luck
from backcast.engine.stats.multiple import confidence_set, superior_ability
from backcast.engine.stats.overfitting import BLOCKS, overfitting, overfitting_of_noise
from backcast.engine.stats.performance import MINIMUM_SESSIONS
from backcast.engine.stats.sharpe_tests import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
    trials_variance,
)
from backcast.engine.stats.statistics import Section

NAME, TITLE = "search", "The search as a whole"
PEER_LIMIT = 300
"""Trials up to which `arch` is asked: its tests take minutes for thousands."""
BAND_LIMIT = 1_000
"""Trials up to which the probability of overfitting and its null band are computed."""
FAMILY_LIMIT = 3_000
"""Trials up to which families are looked for: a matrix of all pairs."""
SHORT = 12
"""Characters of a trial's hash that name it."""
MANY = f"more than {FAMILY_LIMIT:,} trials"

COUNTED = Convention("trials_counted", Unit.TRIALS, "distinct configurations in the log, failed ones too")
COMPARED = Convention(
    "trials_compared", Unit.TRIALS, "those with a return on each session, which vary; cross-validations too"
)
SURVIVORS = Convention(
    "better_than_luck",
    Unit.TRIALS,
    f"compared trials that StepM declares at {SIZE:.0%}, all counted ones taken into account; no cross-validation is one",
)
BEST_P = Convention(
    "luck_of_the_best", Unit.SHARE, "the smallest StepM p-value of a walk forward, times counted / compared"
)
SPA = Convention(
    "superior_ability_p", Unit.SHARE, "Hansen's consistent SPA p-value of the walk forwards against zero"
)
CHECK = Convention("reality_check_p", Unit.SHARE, "White's reality check p-value of the same")
SET = Convention(
    "confidence_set",
    Unit.TRIALS,
    "trials that a 95 % model confidence set (Hansen, Lunde, Nason) cannot tell from the best",
)
PBO = Convention(
    "overfitting_probability",
    Unit.SHARE,
    f"CSCV, {BLOCKS} blocks: splits in which the best of one half ranks at or below the median in the other; without trials "
    "that are flat for half of the time",
)
PBO_NOISE = Convention(
    "overfitting_probability_of_noise",
    Unit.SHARE,
    "median and 95 % band of the same where no trial is better than another: inside it, the figure above says nothing",
)
EFFECTIVE = Convention(
    "effective_trials", Unit.TRIALS, "compared trials squared over the sum of their squared correlations"
)
FAMILIES = Convention(
    "families", Unit.TRIALS, "clusters of compared trials that correlate by 0.5 or more on average"
)
LUCKIEST = Convention(
    "expected_maximum_sharpe",
    Unit.RATIO_PER_YEAR,
    "the best Sharpe ratio that as many trials without skill, as scattered as these, show on average",
)
BEST = Convention(
    "best_sharpe", Unit.RATIO_PER_YEAR, "the highest net Sharpe ratio of the compared walk forwards"
)
PSR = Convention(
    "probabilistic_sharpe",
    Unit.SHARE,
    "of the best against zero, error at the estimate (Bailey, Lopez de Prado 2012)",
)
DSR = Convention(
    "deflated_sharpe",
    Unit.SHARE,
    "of the best against the expected maximum, all counted trials (Bailey, Lopez de Prado 2014)",
)
DSR_FAMILIES = Convention(
    "deflated_sharpe_families", Unit.SHARE, "the same with the families' number and variance in their place"
)
TRACK = Convention(
    "minimum_track_record",
    Unit.SESSIONS,
    "sessions after which the best exceeds the expected maximum at 95 %, if its figures stay",
)
YEARS = Convention(
    "minimum_backtest",
    Unit.SESSIONS,
    "sessions below which as many trials without skill are expected to show the best ratio",
)
LEFT = Convention(
    "haircut_sharpe",
    Unit.RATIO_PER_YEAR,
    "what is left of the best ratio (Harvey, Liu 2015), p-values of the log, missing ones taken as 1",
)


@dataclass(frozen=True)
class Search:
    """The compared trials: names (K,), returns (T, K) simple and net by session on the same sessions, luck of the same K by
    StepM; variance of the Sharpe ratios per session of all successful trials of the log (None below two); year: sessions in
    one; validated: those of the names that are cross-validations. These count, and are drawn with the others, but have no
    track record: none of them is the best, or better than luck."""

    names: tuple[str, ...]
    returns: Floats
    luck: Luck
    variance: float | None
    year: float
    validated: frozenset[str] = frozenset()

    @property
    def walked(self) -> Ints:
        """The places of the trials that walked forward."""
        return np.flatnonzero([name not in self.validated for name in self.names])

    def __post_init__(self) -> None:
        if self.returns.shape != (self.luck.sessions, len(self.names)) or self.luck.names != self.names:
            raise InputError("returns", self.returns.shape, f"those of {len(self.names)} compared trials")


def search_section(search: Search) -> Section:
    """All of it; a figure that needs more trials, or fewer, than there are says so."""
    luck, walked = search.luck, search.walked
    found = [COUNTED.figure(luck.counted), COMPARED.figure(luck.compared)]
    if not len(walked) or luck.sessions < MINIMUM_SESSIONS:
        return Section(NAME, TITLE, tuple(found))
    grouped = families(search.returns) if luck.compared <= FAMILY_LIMIT else None
    p, own = luck.p[walked], search.returns[:, walked]
    found += [SURVIVORS.figure(int((p <= SIZE).sum())), BEST_P.figure(float(p.min()))]
    found += [*_arch(own), *_overfitting(own), *_alike(search.returns, grouped)]
    found += _best(search, own, grouped)
    return Section(NAME, TITLE, tuple(found))


def _arch(returns: Floats) -> list[Figure]:
    trials = returns.shape[1]
    if trials > PEER_LIMIT:
        why = f"more than {PEER_LIMIT} trials: StepM is for those"
        return [SPA.none(why), CHECK.none(why), SET.none(why)]
    tested = superior_ability(returns)
    found = [SPA.figure(tested.consistent), CHECK.figure(tested.reality_check)]
    if trials < 2:
        return [*found, SET.none("one trial")]
    return [*found, SET.figure(len(confidence_set(returns).members))]


def _overfitting(returns: Floats) -> list[Figure]:
    returns = returns[:, _varies(returns)]
    sessions, trials = returns.shape
    why = ""
    if trials < 2:
        why = "one trial" if trials else "no trial moves in more than half of the time"
    elif trials > BAND_LIMIT:
        why = f"more than {BAND_LIMIT:,} trials"
    elif sessions < BLOCKS * MINIMUM_SESSIONS:
        why = f"fewer than {BLOCKS * MINIMUM_SESSIONS} sessions"
    if why:
        return [PBO.none(why), PBO_NOISE.none(why)]
    low, median, high = overfitting_of_noise(returns)
    return [
        PBO.figure(overfitting(returns).probability),
        PBO_NOISE.figure(median, low=low, high=high),
    ]


def _varies(returns: Floats) -> Bools:
    """(K,) trials that move in more than half of CSCV's blocks, so that they are flat in no half of them."""
    if len(returns) < BLOCKS:
        return np.ones(returns.shape[1], dtype=bool)
    moving: Bools = np.array([np.ptp(block, axis=0) > 0 for block in np.array_split(returns, BLOCKS)])
    return np.asarray(moving.sum(axis=0) > BLOCKS // 2)


def _alike(returns: Floats, grouped: Families | None) -> list[Figure]:
    effective = EFFECTIVE.figure(effective_number(returns))
    return [effective, FAMILIES.none(MANY) if grouped is None else FAMILIES.figure(grouped.number)]


def _best(search: Search, returns: Floats, grouped: Families | None) -> list[Figure]:
    counted, root = search.luck.counted, float(np.sqrt(search.year))
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    best = int(np.argmax(sharpes))
    own, sessions = returns[:, best], len(returns)
    variance = trials_variance(own, search.variance)
    sharpe = performance.SharpePerSession(float(sharpes[best]))
    skew, kurt = performance.skewness(own), performance.kurtosis(own)
    bar = expected_maximum_sharpe(counted, variance)
    found = [
        BEST.figure(sharpe * root).of(search.names[search.walked[best]][:SHORT]),
        LUCKIEST.figure(bar * root),
        PSR.figure(probabilistic_sharpe(sharpe, performance.SharpePerSession(0.0), skew, kurt, sessions)),
        DSR.figure(deflated_sharpe(sharpe, counted, variance, skew, kurt, sessions)),
    ]
    if grouped is None:
        found.append(DSR_FAMILIES.none(MANY))
    else:
        by_family = float(np.var(grouped.sharpes, ddof=1)) if grouped.number > 1 else 0.0
        told = deflated_sharpe(sharpe, grouped.number, by_family, skew, kurt, sessions)
        found.append(DSR_FAMILIES.figure(told))
    record = minimum_track_record(sharpe, bar, skew, kurt)
    found.append(
        TRACK.figure(record)
        if np.isfinite(record)
        else TRACK.none("the best ratio is not above that maximum")
    )
    if sharpe <= 0:
        return [
            *found,
            YEARS.none("the best ratio is not above 0"),
            LEFT.none("the best ratio is not above 0"),
        ]
    years = minimum_backtest_years(counted, performance.SharpePerYear(sharpe * root))
    found.append(YEARS.figure(years * search.year))
    for method in METHODS:
        cut = haircut(sharpes, sessions, method, counted)
        found.append(LEFT.figure(float(cut.left[best]) * root).of(method))
    alone = independent_haircut(sharpe, sessions, counted)
    found.append(LEFT.figure(float(alone.left[0]) * root).of("independent"))
    return found
