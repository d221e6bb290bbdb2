"""How well a signal orders what comes after it: information coefficients by decision, and what they come to.

Shapes: D decisions, S symbols. signal (D, S), outcome (D, S): the return that followed, NaN = none. A decision's coefficient
uses the names that have both; without at least `MINIMUM_NAMES`, or where one of the two is the same for all, it has none,
and the reason is counted. Coefficients of decisions whose outcomes overlap in time are correlated: errors know by how much.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.hac import mean_error, overlap_lags
from backcast.engine.stats.performance import Z_95

MINIMUM_NAMES = 3
"""With two names a coefficient is 1 or -1 whatever happens."""
MINIMUM_DATES = 20
REASONS = (
    "",
    "no name with a signal and an outcome",
    f"fewer than {MINIMUM_NAMES} names",
    "the signal is the same for all names",
    "the outcome is the same for all names",
)

_ERROR = (
    "Newey-West error, Bartlett, lags the larger of 4 (D/100)^(2/9) and twice the decisions within a horizon"
)
IC = Convention(
    "ic", Unit.CORRELATION, f"mean over decisions of Pearson's correlation of signal and outcome; {_ERROR}"
)
RANK_IC = Convention(
    "rank_ic",
    Unit.CORRELATION,
    f"mean over decisions of Spearman's correlation of signal and outcome, ties share ranks; {_ERROR}",
)
IC_T = Convention("ic_t", Unit.ERRORS, "mean IC over its error")
RANK_IC_T = Convention("rank_ic_t", Unit.ERRORS, "mean rank IC over its error")
ICIR = Convention("icir", Unit.RATIO, "mean / standard deviation (ddof 1) of IC by decision; not annualised")
RANK_ICIR = Convention(
    "rank_icir", Unit.RATIO, "mean / standard deviation (ddof 1) of rank IC by decision; not annualised"
)
POSITIVE = Convention("rank_ic_positive", Unit.SHARE, "share of decisions with a rank IC above 0")
DATES = Convention("ic_decisions", Unit.DATES, "decisions with a rank IC")
LEFT_OUT = Convention("ic_left_out", Unit.DATES, "decisions without a rank IC, by reason")


@dataclass(frozen=True)
class Coefficients:
    """By decision (D,): values, NaN where there is none, and codes of `REASONS` (0: there is one)."""

    values: Floats
    codes: Ints

    @property
    def known(self) -> Floats:
        """Those that there are, in order of time."""
        return self.values[self.codes == 0]

    @property
    def reason(self) -> str:
        """The most frequent reason why there is none, where there is none at all."""
        if not len(self.codes):
            return "no decisions"
        return f"no decision has one: {REASONS[int(np.bincount(self.codes).argmax())]}"


def ranks(values: Floats) -> Floats:
    """(D, S) rank of each among its row's, from 1; equal ones share the mean of their ranks; NaN where there is no value."""
    rows, columns = values.shape
    there = np.isfinite(values)
    filled = np.where(there, values, np.inf)  # sorts last, and four times as fast as NaN does
    order = np.argsort(filled, axis=1) + (np.arange(rows) * columns)[:, None]
    ordered = filled.reshape(-1).take(order)
    places = np.broadcast_to(np.arange(1.0, columns + 1), values.shape)
    tied = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < np.inf)).any(axis=1)
    if tied.any():
        places = places.copy()
        places[tied] = _shared(ordered[tied])
    found = np.empty(rows * columns)
    found[order] = places
    return np.where(there, found.reshape(rows, columns), np.nan)


def _shared(ordered: Floats) -> Floats:
    """(N, S) ranks of ascending rows in which some are equal."""
    rows, columns = ordered.shape
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.flatnonzero(begins)
    sizes = np.diff(np.r_[first, rows * columns])
    return np.repeat(first % columns + (sizes + 1) / 2, sizes).reshape(rows, columns)


def correlations(x: Floats, y: Floats) -> Coefficients:
    """By row of x, y (D, S), over the columns that have both."""
    both = np.isfinite(x) & np.isfinite(y)
    count = both.sum(axis=1)
    codes = np.where(count == 0, 1, np.where(count < MINIMUM_NAMES, 2, 0))
    codes[(codes == 0) & _constant(y, both)] = 4
    codes[((codes == 0) | (codes == 4)) & _constant(x, both)] = 3
    a, b = _centred(x, both, count), _centred(y, both, count)
    product = np.einsum("ds,ds->d", a, b)
    scale = np.sqrt(np.einsum("ds,ds->d", a, a) * np.einsum("ds,ds->d", b, b))
    values = np.divide(product, scale, out=np.full(len(x), np.nan), where=(codes == 0) & (scale > 0))
    return Coefficients(np.clip(values, -1.0, 1.0), codes)


def rank_correlations(x: Floats, y: Floats, x_ranks: Floats | None = None) -> Coefficients:
    """The same of ranks, each among the names that have both. x_ranks: `ranks(x)`, where it is at hand."""
    has = np.isfinite(x)
    both = has & np.isfinite(y)
    a = ranks(x) if x_ranks is None else x_ranks
    count = both.sum(axis=1)
    part = count < has.sum(axis=1)
    if part.any():
        a = a.copy()
        a[part] = ranks(np.where(both[part], x[part], np.nan))
    b = ranks(np.where(both, y, np.nan))
    middle = ((count + 1) / 2)[:, None]  # the mean rank, whatever is tied
    a, b = np.where(both, a - middle, 0.0), np.where(both, b - middle, 0.0)
    product, own, other = (np.einsum("ds,ds->d", p, q) for p, q in ((a, b), (a, a), (b, b)))
    codes = np.where(
        count == 0, 1, np.where(count < MINIMUM_NAMES, 2, np.where(own == 0, 3, np.where(other == 0, 4, 0)))
    )
    scale = np.sqrt(own * other)
    values = np.divide(product, scale, out=np.full(len(x), np.nan), where=codes == 0)
    return Coefficients(np.clip(values, -1.0, 1.0), codes)


def overlap_of(positions: Ints, horizon: int) -> int:
    """The most decisions that fall within the horizon of an earlier one; positions (D,) of decisions in bars, ascending."""
    return int(
        (np.searchsorted(positions, positions + horizon) - np.arange(len(positions)) - 1).max(initial=0)
    )


def mean_figures(
    found: Coefficients, overlap: int, mean: Convention, t: Convention, ratio: Convention | None = None
) -> list[Figure]:
    """Mean with error, t and, where asked for, mean over deviation."""
    known = found.known
    wanted = [one for one in (mean, t, ratio) if one is not None]
    if not len(known):
        return [one.none(found.reason) for one in wanted]
    lags = overlap_lags(len(known), overlap)
    fewest = max(MINIMUM_DATES, 4 * lags)
    if len(known) < fewest:
        reason = f"fewer than {fewest} decisions ({lags} lags)"
        return [mean.figure(float(known.mean())), *(one.none(reason) for one in wanted[1:])]
    centre, error = float(known.mean()), mean_error(known, lags)
    if np.ptp(known) == 0 or error == 0:
        return [mean.figure(centre), *(one.none("it is the same at all decisions") for one in wanted[1:])]
    figures = [
        mean.figure(centre, error, centre - Z_95 * error, centre + Z_95 * error),
        t.figure(centre / error),
    ]
    return figures if ratio is None else [*figures, ratio.figure(centre / float(known.std(ddof=1)))]


def figures(pearson: Coefficients, spearman: Coefficients, overlap: int) -> list[Figure]:
    """Of one signal and one horizon."""
    known = spearman.known
    positive = POSITIVE.figure(float((known > 0).mean())) if len(known) else POSITIVE.none(spearman.reason)
    return [
        *mean_figures(pearson, overlap, IC, IC_T, ICIR),
        *mean_figures(spearman, overlap, RANK_IC, RANK_IC_T, RANK_ICIR),
        positive,
        DATES.figure(len(known)),
        *(
            LEFT_OUT.figure(count).of(REASONS[code])
            for code, count in sorted(Counter(spearman.codes.tolist()).items())
            if code
        ),
    ]


def _constant(values: Floats, both: Bools) -> Bools:
    low = np.where(both, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(both, values, -np.inf).max(axis=1, initial=-np.inf)
    return np.asarray(low >= high)


def _centred(values: Floats, both: Bools, count: Ints) -> Floats:
    """(D, S) less the row's mean; 0 where it does not count."""
    kept = np.where(both, values, 0.0)
    mean = kept.sum(axis=1) / np.maximum(count, 1)
    return np.where(both, kept - mean[:, None], 0.0)
