"""Neutrality to groups and to exposures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.groups import Groups
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import choice, flag, number
from backcast.engine.portfolio.steps.base import CAP, SHAPE, Step
from backcast.signals.feature import FeatureSet

ROUNDS, CLOSE = 500, 1e-12
NOTHING = 1e-9
"""A remainder below this share of what there was is rounding."""


class Neutral(Step):
    """The nearest weights (least squares) whose sum in each group, and whose sum times each exposure, are 0.

    groups: a field of the panel, or a mapping of symbols to groups. exposures: names to expressions in the language of
    features, as known at the decision, such as a beta to the universe's mean return. dollar_neutral: weights sum to 0 (groups
    imply it). among: held (only names with a weight change) or forecast (all names with a forecast may get one). A name
    whose group or exposure is not known is not held. keep_gross: the result is multiplied up to the gross that came in.
    most_per_name: no absolute weight above it at the same time (Dykstra 1983: projections in turn on both); the step is then
    a cap, which comes after a volatility target.
    """

    name = "neutral"
    balances = True
    shorts = True
    raises = True

    def __init__(
        self,
        groups: object = None,
        exposures: Mapping[str, str] | None = None,
        dollar_neutral: bool = False,
        among: str = "held",
        keep_gross: bool = True,
        most_per_name: float | None = None,
    ) -> None:
        self.groups = None if groups is None else Groups("portfolio.neutral.groups", groups)
        self.exposures = _expressions(exposures)
        self.dollar_neutral = flag("portfolio.neutral.dollar_neutral", dollar_neutral)
        self.among = choice("portfolio.neutral.among", among, "held", "forecast")
        self.keep_gross = flag("portfolio.neutral.keep_gross", keep_gross)
        self.most_per_name = (
            None if most_per_name is None else number("portfolio.neutral.most_per_name", most_per_name, 100.0)
        )
        self.kind = SHAPE if most_per_name is None else CAP
        if self.groups is None and self.exposures is None and not dollar_neutral:
            raise InputError(
                "portfolio.neutral", None, "groups, exposures or dollar_neutral to be neutral to"
            )

    def apply(self, weights: Floats, known: Known) -> Floats:
        columns = self._columns(known)
        free = (weights != 0) if self.among == "held" else np.isfinite(known.scores)
        free &= np.isfinite(columns).all(axis=1)
        if self.groups is not None:
            codes = self.groups.codes(known)
            free &= np.isfinite(codes)
            names = np.unique(codes[free])
            columns = np.column_stack([columns, codes[:, None] == names])
        out = np.zeros_like(weights)
        if free.any():
            out[free] = self._projected(weights[free], _basis(columns[free]), float(np.abs(weights).sum()))
        return out

    def _columns(self, known: Known) -> Floats:
        """(N, K) what the weights are to be orthogonal to, but for groups."""
        parts = [np.ones((1, len(known.names)))] if self.dollar_neutral else []
        if self.exposures is not None:
            parts.append(_as_known(self.exposures, known))
        return np.concatenate(parts).T if parts else np.empty((len(known.names), 0))

    def _projected(self, weights: Floats, basis: Floats, gross: float) -> Floats:
        neutral = _without(_without(weights, basis), basis)  # twice is enough: the first leaves rounding
        left = float(np.abs(neutral).sum())
        if left <= NOTHING * gross:
            return np.zeros_like(weights)
        if self.keep_gross:
            neutral = neutral * (gross / left)
        return neutral if self.most_per_name is None else _boxed(neutral, basis, self.most_per_name)


def _basis(columns: Floats) -> Floats:
    """(N, rank) orthonormal columns that span the given ones, each scaled to length 1 before."""
    length = np.sqrt((columns**2).sum(axis=0))
    scaled = columns[:, length > 0] / length[length > 0]
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(left[:, size > 1e-10 * size.max(initial=0.0)])


def _without(weights: Floats, basis: Floats) -> Floats:
    return np.asarray(weights - basis @ (basis.T @ weights))


def _boxed(weights: Floats, basis: Floats, most: float) -> Floats:
    """The nearest neutral weights with none above `most`; what the rounds leave above it is scaled away."""
    point, owed = weights, np.zeros_like(weights)
    for _ in range(ROUNDS):
        inside = np.clip(point + owed, -most, most)
        owed = point + owed - inside
        point = _without(inside, basis)
        if float(np.abs(point - inside).max()) <= CLOSE * most:
            break
    largest = float(np.abs(point).max())
    return point * (most / largest) if largest > most else point


def _expressions(exposures: object) -> FeatureSet | None:
    if exposures is None or exposures == {}:
        return None
    if not isinstance(exposures, Mapping):
        raise InputError("portfolio.neutral.exposures", exposures, "a mapping of names to expressions")
    try:
        return FeatureSet(exposures)
    except InputError as error:
        raise _renamed(error) from error


def _as_known(exposures: FeatureSet, known: Known) -> Floats:
    try:
        return known.features(exposures)
    except InputError as error:  # a field that the panel does not have, a level of back-adjusted prices
        raise _renamed(error) from error


def _renamed(error: InputError) -> InputError:
    parameter = error.parameter.replace("features.expressions", "features").replace(
        "features", "portfolio.neutral.exposures", 1
    )
    return InputError(parameter, error.value, error.expected, error.hint)
