"""How much of a Sharpe ratio is left once the other tests are counted: the haircut of Harvey and Liu (2015), "Backtesting".

A ratio becomes a two-sided p-value of a normal t-ratio (ratio x sqrt(T)), the p-value is adjusted for all tests, and the
adjusted p-value becomes a ratio again. The paper simulates the other tests' p-values; here they are those of the trial log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats

Method = Literal["bonferroni", "holm", "bhy"]
METHODS: tuple[Method, ...] = ("bonferroni", "holm", "bhy")


@dataclass(frozen=True)
class Haircut:
    """All (K,): p of each test alone and adjusted, the ratio per session that is left, and the share of it that is cut.

    `cut` is NaN for ratios that are not above zero.
    """

    p: Floats
    adjusted_p: Floats
    left: Floats
    cut: Floats


def adjusted(p: Floats, method: Method, tests: int | None = None) -> Floats:
    """(K,) p-values adjusted for `tests` tests, K if not given; more than K where some left no p-value.

    bonferroni and holm control the chance of any false discovery, bhy the share of false ones among the discoveries, whatever
    the dependence. Missing p-values are taken as 1. Source: Holm (1979); Benjamini and Yekutieli (2001), theorem 1.3.
    Errors: InputError for an unknown method, p-values outside 0 to 1, fewer tests than p-values.
    """
    if method not in METHODS:
        raise InputError("method", method, f"one of {', '.join(METHODS)}")
    total = len(p) if tests is None else tests
    if total < len(p):
        raise InputError("tests", tests, f"at least as many as p-values, {len(p)}")
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError("p", float(p[~((p >= 0) & (p <= 1))][0]), "p-values from 0 to 1")
    order, rank = np.argsort(p, kind="stable"), np.arange(1, len(p) + 1)
    if method == "bonferroni":
        raised = total * p[order]
    elif method == "holm":
        raised = np.maximum.accumulate((total + 1 - rank) * p[order])
    else:
        harmonic = (1 / np.arange(1, total + 1)).sum()
        raised = np.minimum.accumulate((total * harmonic / rank * p[order])[::-1])[::-1]
    made = np.empty(len(p))
    made[order] = np.minimum(raised, 1.0)
    return made


def haircut(sharpes: Floats, sessions: int, method: Method = "bhy", tests: int | None = None) -> Haircut:
    """The haircut of each of K Sharpe ratios per session over T sessions, by the p-values of all of them."""
    from scipy.special import ndtr

    p = 2 * ndtr(-np.abs(sharpes) * np.sqrt(sessions))
    return _cut(sharpes, p, adjusted(p, method, tests), sessions)


def independent_haircut(sharpe: float, sessions: int, tests: int) -> Haircut:
    """The haircut of one Sharpe ratio, the best of `tests` independent ones: adjusted p = 1 - (1 - p)^tests.

    Source: Harvey and Liu (2015), equations 4 to 6: 0.75 a year over 240 months and 200 tests leave 0.32.
    """
    from scipy.special import ndtr

    if tests < 1:
        raise InputError("tests", tests, "at least 1")
    p = 2 * ndtr(-np.abs(np.array([sharpe])) * np.sqrt(sessions))
    return _cut(np.array([sharpe]), p, -np.expm1(tests * np.log1p(-p)), sessions)


def _cut(sharpes: Floats, p: Floats, raised: Floats, sessions: int) -> Haircut:
    from scipy.special import ndtri

    left = np.sign(sharpes) * -ndtri(raised / 2) / np.sqrt(sessions)
    cut = np.full(len(sharpes), np.nan)
    np.divide(sharpes - left, sharpes, out=cut, where=sharpes > 0)
    return Haircut(
        p, raised, np.where(raised >= 1, 0.0, left), np.where(raised >= 1, np.minimum(cut, 1), cut)
    )
