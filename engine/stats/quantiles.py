"""What the names that a signal ranks alike went on to earn, before and after what trading them costs.

At each decision names are put into buckets by the rank of their signal, equal weights within one; the rule is that of
pandas' qcut on ranks: bucket = ceil((rank - 1) x buckets / (names - 1)), at least 1. Names whose signals are equal share a
bucket. A decision with fewer names than buckets, or ties that leave a bucket empty, is left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.stats.information import (
    MINIMUM_NAMES,
    Coefficients,
    correlations,
    mean_figures,
    ranks,
)

BUCKETS = 5
BPS = 1e-4

_ERROR = "Newey-West error with the lags of the IC"
RETURN = Convention(
    "bucket_return",
    Unit.SHARE_PER_HORIZON,
    f"mean outcome of the bucket's names, mean over decisions; {_ERROR}",
)
RETURN_T = Convention("bucket_return_t", Unit.ERRORS, f"bucket return over its {_ERROR}")
SPREAD = Convention(
    "spread",
    Unit.SHARE_PER_HORIZON,
    f"top bucket's return less the bottom one's, mean over decisions; {_ERROR}",
)
SPREAD_T = Convention("spread_t", Unit.ERRORS, f"spread over its {_ERROR}")
NET = Convention(
    "spread_net", Unit.SHARE_PER_HORIZON, "spread less what a unit traded cost in the run x both buckets' traded value: the "
    f"difference of weights to those held a horizon before; {_ERROR}"
)  # fmt: skip
NET_T = Convention("spread_net_t", Unit.ERRORS, f"net spread over its {_ERROR}")
BUCKET_NET = Convention(
    "bucket_return_net",
    Unit.SHARE_PER_HORIZON,
    f"bucket return less its traded value x what a unit traded cost in the run; {_ERROR}",
)
BUCKET_NET_T = Convention("bucket_return_net_t", Unit.ERRORS, f"net bucket return over its {_ERROR}")
MONOTONICITY = Convention(
    "monotonicity",
    Unit.CORRELATION,
    "Spearman's correlation of the buckets' mean returns with their numbers: 1 = ascending",
)
NEW_NAMES = Convention(
    "bucket_new_names",
    Unit.SHARE,
    "share of the bucket's names that were not in it at the decision before, mean over decisions",
)
PERSISTENCE = Convention(
    "rank_autocorrelation", Unit.CORRELATION, "correlation of ranks with those of the decision before, over names that have "
    "both, mean over decisions"
)  # fmt: skip
LEFT_OUT = Convention(
    "bucket_left_out", Unit.DATES, "decisions without buckets: fewer names than buckets, or ties"
)


@dataclass(frozen=True)
class Buckets:
    """number (D, S): bucket of each name from 0 (the lowest signals), -1 = none; count: of buckets; complete (D,): decisions
    at which every bucket has a name."""

    number: Ints
    count: int
    complete: Bools

    def weights(self, bucket: int) -> Floats:
        """(D, S) equal weights within the bucket, 0 elsewhere."""
        inside = self.number == bucket
        return np.asarray(inside / np.maximum(inside.sum(axis=1), 1)[:, None])


def buckets_of(signal: Floats, count: int = BUCKETS, signal_ranks: Floats | None = None) -> Buckets:
    """signal (D, S), NaN = none; signal_ranks: `ranks(signal)`, where it is at hand."""
    found = ranks(signal) if signal_ranks is None else signal_ranks
    names = np.isfinite(found).sum(axis=1)
    place = (np.nan_to_num(found, nan=1.0) - 1) * count / np.maximum(names - 1, 1)[:, None]
    number = np.maximum(np.ceil(place).astype(np.int64), 1) - 1
    enough = names >= max(count, MINIMUM_NAMES)
    number[np.isnan(found) | ~enough[:, None]] = -1
    filled = [(number == b).any(axis=1) for b in range(count)]
    complete = np.logical_and.reduce(filled) if len(number) else np.zeros(0, dtype=bool)
    number[~complete] = -1
    return Buckets(number, count, complete)


def bucket_returns(buckets: Buckets, outcome: Floats) -> Floats:
    """(D, B) mean outcome of each bucket's names that have one; NaN where none has."""
    decisions, count = len(outcome), buckets.count
    known = (buckets.number >= 0) & np.isfinite(outcome)
    cell = (np.arange(decisions)[:, None] * count + buckets.number)[known]
    sums = np.bincount(cell, weights=outcome[known], minlength=decisions * count)
    sizes = np.bincount(cell, minlength=decisions * count)
    means = np.divide(sums, sizes, out=np.full(decisions * count, np.nan), where=sizes > 0)
    return means.reshape(decisions, count)


def traded_value(buckets: Buckets, apart: int) -> Floats:
    """(D, B) buys plus sells of each bucket at each decision, over its value: its weights against those `apart` decisions
    before; all of it at the first ones."""
    found = np.empty((len(buckets.number), buckets.count))
    for b in range(buckets.count):
        weights = buckets.weights(b)
        found[:apart, b] = weights[:apart].sum(axis=1)
        found[apart:, b] = np.abs(weights[apart:] - weights[:-apart]).sum(axis=1)
    return found


def figures(
    buckets: Buckets, outcome: Floats, overlap: int, cost_bps: float | None, why: str
) -> list[Figure]:
    """Returns by bucket (`item`: 1 is the lowest), spread and monotonicity, gross and net. overlap: as for the IC; cost_bps:
    what a unit traded cost, None where that is not known, and `why`."""
    gross = bucket_returns(buckets, outcome)
    found = []
    for b in range(buckets.count):
        found += [one.of(b + 1) for one in mean_figures(_known(gross[:, b]), overlap, RETURN, RETURN_T)]
    found += mean_figures(_known(gross[:, -1] - gross[:, 0]), overlap, SPREAD, SPREAD_T)
    found += _net(buckets, gross, overlap, cost_bps, why)
    found.append(_monotonicity(gross))
    left_out = int((~buckets.complete).sum())
    return [*found, *([LEFT_OUT.figure(left_out)] if left_out else [])]


def _net(buckets: Buckets, gross: Floats, overlap: int, cost_bps: float | None, why: str) -> list[Figure]:
    if cost_bps is None:
        return [one.none(why) for one in (NET, NET_T, BUCKET_NET, BUCKET_NET_T)]
    paid = cost_bps * BPS * traded_value(buckets, overlap + 1)
    spread = gross[:, -1] - gross[:, 0] - paid[:, -1] - paid[:, 0]
    found = mean_figures(_known(spread), overlap, NET, NET_T)
    for b in range(buckets.count):
        net = _known(gross[:, b] - paid[:, b])
        found += [one.of(b + 1) for one in mean_figures(net, overlap, BUCKET_NET, BUCKET_NET_T)]
    return found


def _monotonicity(gross: Floats) -> Figure:
    whole = gross[np.isfinite(gross).all(axis=1)]
    if not len(whole):
        return MONOTONICITY.none("no decision with an outcome in every bucket")
    means = whole.mean(axis=0)
    if len(means) < MINIMUM_NAMES or np.ptp(means) == 0:
        return MONOTONICITY.none(
            "fewer than 3 buckets" if len(means) < MINIMUM_NAMES else "all buckets earned the same"
        )
    order = ranks(means[None])
    return MONOTONICITY.figure(
        float(correlations(order, np.arange(len(means), dtype=np.float64)[None]).values[0])
    )


def persistence(buckets: Buckets, signal_ranks: Floats) -> list[Figure]:
    """How much of the signal is new at a decision: names of the top and the bottom bucket, and ranks."""
    found = []
    for name, b in (("bottom", 0), ("top", buckets.count - 1)):
        inside = buckets.number == b
        size, stayed = inside[1:].sum(axis=1), (inside[1:] & inside[:-1]).sum(axis=1)
        counted = buckets.complete[1:] & buckets.complete[:-1]
        share = 1 - stayed[counted] / size[counted]
        none = NEW_NAMES.none("no two decisions in a row with buckets")
        found.append((NEW_NAMES.figure(float(share.mean())) if len(share) else none).of(name))
    again = correlations(signal_ranks[1:], signal_ranks[:-1])
    known = again.known
    found.append(PERSISTENCE.figure(float(known.mean())) if len(known) else PERSISTENCE.none(again.reason))
    return found


def _known(values: Floats) -> Coefficients:
    """Values by decision, as coefficients: NaN = an empty bucket."""
    return Coefficients(values, np.isnan(values).astype(np.int64))
