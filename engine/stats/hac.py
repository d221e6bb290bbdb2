"""Standard errors that hold where errors are correlated in time and of unequal size: Newey and West (1987).

Bartlett weights, no correction for small samples. Against the lags of statsmodels' `cov_type="HAC"` with `maxlags` these are
equal to the last digits (tests/peers). Shapes: y (T,), X (T, K).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats


@dataclass(frozen=True)
class Regression:
    """Least squares with a constant: coefficients and errors (1 + K,), the constant first; residuals (T,); r2 the share of the
    variance that is explained; lags of the errors."""

    coefficients: Floats
    errors: Floats
    residuals: Floats
    r2: float
    lags: int


def automatic_lags(observations: int) -> int:
    """Lags by sample size: the floor of 4 (T / 100) ** (2/9). Source: Newey and West (1994), as in Wooldridge."""
    return min(int(4 * (observations / 100) ** (2 / 9)), max(observations - 1, 0))


def overlap_lags(observations: int, overlap: int) -> int:
    """Lags for observations that each share their span with the next `overlap` ones, as returns over several decisions do.

    Twice the overlap, and at least the automatic number: Bartlett weights of exactly the overlap would miss a third of the
    variance (correlations fall as 1 - k/h, and the weights take as much off again).
    """
    return min(max(automatic_lags(observations), 2 * overlap), max(observations - 1, 0))


def long_run_covariance(moments: Floats, lags: int) -> Floats:
    """(K, K) of moments (T, K) with mean zero: the sum of autocovariances with Bartlett weights 1 - k / (lags + 1)."""
    total = moments.T @ moments
    for k in range(1, lags + 1):
        product = moments[k:].T @ moments[:-k]
        total += (1 - k / (lags + 1)) * (product + product.T)
    return np.asarray(total / len(moments))


def mean_error(values: Floats, lags: int) -> float:
    """Standard error of the mean of values (T,)."""
    centred = (values - values.mean())[:, None]
    return float(np.sqrt(max(long_run_covariance(centred, lags)[0, 0], 0.0) / len(values)))


def rank_deficient(columns: Floats) -> bool:
    """Whether some of the columns (T, K), or a constant, is made of the others."""
    scale = columns.std(axis=0)
    if (scale == 0).any():
        return True
    design = np.column_stack([np.ones(len(columns)), (columns - columns.mean(axis=0)) / scale])
    return bool(np.linalg.cond(design) > 1e10)


def regress(y: Floats, columns: Floats, lags: int) -> Regression:
    """y on a constant and the columns (T, K), which must not be `rank_deficient`; T above 1 + K."""
    design = np.column_stack([np.ones(len(y)), columns])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    residuals = y - design @ coefficients
    inverse = np.linalg.inv(design.T @ design / len(y))
    covariance = inverse @ long_run_covariance(design * residuals[:, None], lags) @ inverse / len(y)
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((residuals**2).sum()) / total if total > 0 else float("nan")
    return Regression(
        np.asarray(coefficients), np.sqrt(np.maximum(np.diag(covariance), 0.0)), residuals, r2, lags
    )
