"""A figure: a number with its unit and its convention, or the reason why there is none.

Each statistic has one `Convention`, a constant beside the function that computes it; docs/statistics.md lists them all.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """What a figure is measured in. Shares are fractions: 0.1 is 10 %."""

    SHARE = "share"
    SHARE_PER_SESSION = "share per session"
    SHARE_PER_YEAR = "share per year"
    SHARE_PER_HORIZON = "share per horizon"
    RATIO = "ratio"
    RATIO_PER_SESSION = "ratio per session"
    RATIO_PER_YEAR = "ratio per year"
    CORRELATION = "correlation"
    ERRORS = "standard errors"
    TIMES_PER_YEAR = "times equity per year"
    MULTIPLE = "times equity"
    SESSIONS = "sessions"
    DAYS = "calendar days"
    DATES = "decisions"
    NAMES = "names"
    TRIALS = "trials"
    CURRENCY = "currency"
    BPS = "basis points"


@dataclass(frozen=True)
class Figure:
    """One statistic. Either a finite `value` in `unit`, or None and the `reason`.

    item: what it is of where there are several: a year, a regime, a horizon, a factor. error: standard error, low and high:
    95 % interval, in the same unit; None where the statistic has none. convention: how it is computed, in words.
    """

    name: str
    value: float | None
    unit: Unit
    convention: str
    reason: str = ""
    item: str = ""
    error: float | None = None
    low: float | None = None
    high: float | None = None

    def of(self, item: object) -> Figure:
        """The same figure, of one of several."""
        return replace(self, item=str(item))

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        return {**asdict(self), "unit": str(self.unit)}


@dataclass(frozen=True)
class Convention:
    """The one way in which a statistic is computed: its name, unit, and the rule in words."""

    name: str
    unit: Unit
    text: str

    def figure(
        self, value: float, error: float | None = None, low: float | None = None, high: float | None = None
    ) -> Figure:
        """The statistic's value; a value that is not finite is none, and says so."""
        if not math.isfinite(value):
            return self.none("too large or too small for a number")
        bounds = [None if x is None or not math.isfinite(x) else float(x) for x in (error, low, high)]
        return Figure(self.name, float(value), self.unit, self.text, "", "", *bounds)

    def none(self, reason: str) -> Figure:
        """No value, and why."""
        return Figure(self.name, None, self.unit, self.text, reason)

    def restated(self, figure: Figure) -> Figure:
        """Another figure under this name: the same statistic of a part."""
        if figure.value is None:
            return self.none(figure.reason)
        return self.figure(figure.value, figure.error, figure.low, figure.high)
