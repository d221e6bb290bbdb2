"""How many different trials there were: configurations that trade alike are one.

Two answers: `families` groups trials whose returns go together and counts the groups, so that a deflated Sharpe ratio can be
taken over them; `effective_number` needs no threshold. StepM needs neither: it counts what trials share by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints

ALIKE = 0.5
"""The average correlation from which trials are one family."""


@dataclass(frozen=True)
class Families:
    """number of families; labels (K,) from 0 in order of first appearance; sharpes (number,) per session of each family's mean
    return at equal risk, whose variance goes with `number` into a deflated Sharpe ratio."""

    number: int
    labels: Ints
    sharpes: Floats


def families(returns: Floats, alike: float = ALIKE) -> Families:
    """Trials grouped by average linkage of their correlations, cut where two groups correlate below `alike` on average.

    returns (T, K). Independent trials are K families, copies are one. Source: after Lopez de Prado and Lewis (2019),
    "Detection of false investment strategies using unsupervised learning methods", with a tree in place of k-means: it needs
    no seed and finds K as well as 1. Errors: InputError for `alike` outside of 0 to 1, and series that do not vary.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if not 0 < alike < 1:
        raise InputError("alike", alike, "an average correlation between 0 and 1")
    scaled = _scaled(returns)
    if scaled.shape[1] == 1:
        labels = np.zeros(1, dtype=np.int64)
    else:
        apart = np.clip(1 - _correlations(scaled), 0, 2)
        np.fill_diagonal(apart, 0)
        tree = linkage(squareform(apart, checks=False), method="average")
        found = fcluster(tree, 1 - alike, criterion="distance")
        _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
        labels = np.argsort(np.argsort(first))[inverse].astype(np.int64)
    number = int(labels.max()) + 1
    members = np.zeros((len(labels), number))
    members[np.arange(len(labels)), labels] = 1 / np.bincount(labels)[labels]
    joint = (returns / returns.std(axis=0)) @ members
    return Families(number, labels, joint.mean(axis=0) / joint.std(axis=0, ddof=1))


def effective_number(returns: Floats) -> float:
    """K^2 over the sum of squared correlations: K for independent trials, 1 for copies, K / (1 + (K - 1) r^2) at equal r.

    The participation ratio of the eigenvalues of the correlation matrix; the noise of T sessions, 1 / (T - 1) a pair, is taken
    off. Source: the variance of eigenvalues as in Nyholt (2004), in its ratio form.
    """
    scaled = _scaled(returns)
    sessions, trials = scaled.shape
    smaller = scaled @ scaled.T if sessions < trials else scaled.T @ scaled
    pairs = (smaller**2).sum() - trials
    excess = max(pairs - trials * (trials - 1) / (sessions - 1), 0.0) * (sessions - 1) / (sessions - 2)
    return float(trials**2 / (trials + excess))


def _scaled(returns: Floats) -> Floats:
    """(T, K) centred columns of length one."""
    if returns.ndim != 2 or len(returns) < 3 or not np.isfinite(returns).all():
        raise InputError("returns", returns.shape, "finite returns, a row a session, a column a trial")
    if not np.ptp(returns, axis=0).all():
        raise InputError(
            "returns", int(np.argmin(np.ptp(returns, axis=0))), "series that vary", "Leave out those that never traded."
        )  # fmt: skip
    centred = returns - returns.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred, axis=0))


def _correlations(scaled: Floats) -> Floats:
    return np.asarray(scaled.T @ scaled)
