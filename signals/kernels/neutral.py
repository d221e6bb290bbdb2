"""Across symbols, what groups and exposures do not explain. Layout, members and unknown values as in `cross_section`.

A member takes part if its value and its group, or all its exposures, are known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backcast.data.types import Bools, Floats, Ints
from backcast.signals.kernels.cache import compiled

DEPENDENT = (
    1e-10  # an exposure with less than this share of it left, after those before it, adds nothing to the fit
)


@compiled
def cs_neutralise(x: Floats, group: Floats, member: Bools, out: Floats) -> None:
    """The value less the mean of the members with the same group; in a group of one, 0."""
    for t in range(x.shape[0]):
        out[t] = np.nan
        known = np.nonzero(member[t] & ~np.isnan(x[t]) & ~np.isnan(group[t]))[0]
        values, groups = x[t][known], group[t][known]
        order, n, first = np.argsort(groups, kind="mergesort"), len(known), 0
        while first < n:
            last = first
            while last + 1 < n and groups[order[last + 1]] == groups[order[first]]:
                last += 1
            mean = _mean_of(values, order[first : last + 1])
            for k in range(first, last + 1):
                out[t, known[order[k]]] = values[order[k]] - mean
            first = last + 1


@compiled
def _mean_of(values: Floats, chosen: Ints) -> float:
    """The mean of the chosen, summed in their order, then corrected by the residuals' mean."""
    total, rest = 0.0, 0.0
    for i in chosen:
        total += values[i]
    mean = total / len(chosen)
    for i in chosen:
        rest += values[i] - mean
    return mean + rest / len(chosen)


def cs_residual(*arrays: Any) -> None:
    """(x, exposure, ..., member, out): what is left of x after least squares on 1 and the exposures.

    NaN where fewer members are known than there are coefficients plus one.
    """
    x, exposures, member, out = arrays[0], arrays[1:-2], arrays[-2], arrays[-1]
    _residual(x, np.stack(exposures), member, out)


@compiled
def _residual(x: Floats, exposures: Floats, member: Bools, out: Floats) -> None:
    for t in range(x.shape[0]):
        out[t] = np.nan
        taken = member[t] & ~np.isnan(x[t])
        for k in range(exposures.shape[0]):
            taken &= ~np.isnan(exposures[k, t])
        known = np.nonzero(taken)[0]
        if len(known) >= exposures.shape[0] + 2:
            rest = _unexplained(x[t], exposures[:, t], known)
            for i in range(len(known)):
                out[t, known[i]] = rest[i]


@compiled
def _unexplained(x: Floats, exposures: Floats, known: Ints) -> Floats:
    """Gram-Schmidt, each column made orthogonal twice to those before it ("twice is enough": Giraud et al. 2005)."""
    k, n = exposures.shape[0], len(known)
    basis = np.zeros((k + 1, n))
    basis[0] = 1.0 / math.sqrt(n)
    for j in range(1, k + 2):
        column = np.empty(n)
        for i in range(n):
            column[i] = exposures[j - 1, known[i]] if j <= k else x[known[i]]
        size = math.sqrt(_product(column, column))
        for _ in range(2):
            for earlier in range(min(j, k + 1)):
                column -= basis[earlier] * _product(basis[earlier], column)
        if j > k:
            return column
        left = math.sqrt(_product(column, column))
        if left > DEPENDENT * size:
            basis[j] = column / left
    return basis[0]


@compiled
def _product(x: Floats, y: Floats) -> float:
    """The inner product, summed in symbol order."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total
