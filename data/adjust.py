"""Forward adjustment of raw prices: what one share of a symbol's first session has become.

A symbol's factor is 1 at its first session. On the ex date of a split of r new shares for an old one it is multiplied by r; on
the ex date of a cash dividend d by c / (c - d), where c is the last close before it as first known (the dividend is
reinvested at the ex-dividend price that c implies; the convention of back-adjusted series, run forwards). An adjusted
price is raw price x factor, an adjusted volume raw volume / split factor. A later action never changes an earlier price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints


@dataclass(frozen=True)
class Actions:
    """One symbol's splits and dividends: ex (N,) the session index of each ex date, decision (N,) the first decision that
    knows it, known_at (N,), ratio (N,) its price factor, shares (N,) its share factor."""

    ex: Ints
    decision: Ints
    known_at: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    ratio: Floats
    shares: Floats

    def factors(self, sessions: int) -> tuple[Floats, Floats]:
        """Price and share factors (T,) that each decision knew for its own session."""
        return self._cumulated(np.maximum(self.ex, self.decision), sessions)

    def factors_known(self, instant: np.datetime64, sessions: int) -> tuple[Floats, Floats]:
        """Price and share factors (T,) by the actions known at one instant."""
        known = self.known_at <= instant
        return Actions(
            self.ex[known], self.decision[known], self.known_at[known], self.ratio[known], self.shares[known]
        )._cumulated(self.ex[known], sessions)

    def _cumulated(self, start: Ints, sessions: int) -> tuple[Floats, Floats]:
        price, shares = np.ones(sessions), np.ones(sessions)
        for at in np.argsort(start, kind="stable"):
            price[start[at] :] *= self.ratio[at]
            shares[start[at] :] *= self.shares[at]
        return price, shares


def ratios(kind: str, value: float, symbol: str, last_close: float) -> tuple[float, float]:
    """Price and share factor of a split or a dividend. Errors: InputError for one that cannot be."""
    if kind == "split":
        if not 0 < value < 1e6:
            raise InputError(f"actions.split of {symbol}", value, "new shares for an old one, above 0")
        return value, value
    if not 0 <= value < last_close:
        raise InputError(
            f"actions.dividend of {symbol}", value, f"an amount below the last close before it ({last_close})"
        )
    return last_close / (last_close - value), 1.0
