"""skfolio's optimisers on arrays. Importing this takes seconds and needs the extra `sizing`: import it where it is used.

Source: skfolio 1.12, `RiskBudgeting` (Roncalli 2013) and `MeanRisk` (Markowitz 1952), solved by Clarabel.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from cvxpy.atoms.norm1 import norm1
from cvxpy.error import SolverError
from skfolio import RiskMeasure
from skfolio.moments import EmpiricalCovariance, LedoitWolf
from skfolio.moments.expected_returns import BaseMu
from skfolio.optimization import MeanRisk, ObjectiveFunction, RiskBudgeting
from skfolio.prior import EmpiricalPrior

from backcast.data.errors import InputError
from backcast.data.types import Floats


class GivenMu(BaseMu):
    """Expected returns that are forecasts, whatever the past returns were."""

    def __init__(self, mu: Any = None) -> None:
        self.mu = mu

    def fit(self, X: Any, y: Any = None) -> GivenMu:
        self.mu_ = np.asarray(self.mu)
        return self


def risk_parity(returns: Floats, covariance: str) -> Floats:
    """(n,) weights above 0, in sum 1, whose contributions to the variance of returns (W, n) are equal."""
    if returns.shape[1] == 1:
        return np.ones(1)
    optimiser = RiskBudgeting(
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=EmpiricalPrior(covariance_estimator=_covariance(covariance)),
    )
    return _solved(optimiser, returns)


def mean_variance(
    returns: Floats,
    mean: Floats,
    risk_aversion: float,
    covariance: str,
    bounds: tuple[float, float],
    net: tuple[float, float],
    gross: float,
    inequality: tuple[Floats, Floats] | None,
    costs: tuple[Floats, Floats] | None,
) -> Floats:
    """(n,) the weights w that maximise mean'w - risk_aversion w'Cw - cost, C the covariance of returns (W, n), within bounds,
    net between two numbers, absolute weights of at most `gross` in sum, A w <= b for inequality = (A, b);
    costs: rates a unit traded (n,), and the weights held (n,)."""
    left, right = inequality if inequality is not None else (None, None)
    rates, held = costs if costs is not None else (0.0, None)
    optimiser = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
        risk_measure=RiskMeasure.VARIANCE,
        risk_aversion=risk_aversion,
        prior_estimator=EmpiricalPrior(
            mu_estimator=GivenMu(mean), covariance_estimator=_covariance(covariance)
        ),
        min_weights=bounds[0],
        max_weights=bounds[1],
        budget=None,
        min_budget=net[0],
        max_budget=net[1],
        left_inequality=left,
        right_inequality=right,
        transaction_costs=rates,
        previous_weights=held,
        add_constraints=lambda w: [norm1(w) <= gross],
    )
    return _solved(optimiser, returns)


def _covariance(name: str) -> Any:
    return LedoitWolf() if name == "ledoit_wolf" else EmpiricalCovariance()


def _solved(optimiser: Any, returns: Floats) -> Floats:
    try:
        with (
            warnings.catch_warnings()
        ):  # a covariance that skfolio would replace by a near one is not what was asked
            warnings.filterwarnings("error", message=".*positive definite.*")
            optimiser.fit(returns)
    except (ValueError, UserWarning, SolverError, np.linalg.LinAlgError) as error:
        raise InputError(
            "portfolio",
            type(optimiser).__name__,
            f"a problem that can be solved ({error})",
            "Widen the caps, use covariance=ledoit_wolf, or a longer window.",
        ) from error
    return np.asarray(optimiser.weights_, dtype=np.float64)
