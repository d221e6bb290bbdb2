"""What a forecast is of: the return that a decision could have had, and when its last input is known."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.signals.types import FillTable, Labels


class ForwardReturn:
    """Simple return from the fill of a decision to the fill of the decision `horizon` bars later (sessions, on a daily clock).

    label[s, t] = price[s, t + horizon] / price[s, t] - 1, with prices as known at the instant of the fill
    table (law 3). A delisting inside the span is in the label if the fill table has its proceeds as a price.

    Parameters: horizon, in bars of the clock, at least 1.
    Raises: InputError for any other horizon.
    """

    def __init__(self, horizon: int) -> None:
        if not isinstance(horizon, int) or isinstance(horizon, bool) or not 1 <= horizon <= 10_000:
            raise InputError("label.horizon", horizon, "a number of bars from 1 to 10000")
        self.horizon = horizon

    def build(self, fills: FillTable) -> Labels:
        """Labels (S, T) of every decision; a decision without both fills has none, and is never known (T)."""
        price, h = fills.price, self.horizon
        symbols, sessions = price.shape
        values = np.full((symbols, sessions), np.nan)
        known = np.full((symbols, sessions), sessions, dtype=np.int64)
        if h < sessions:
            entry, exit_ = price[:, :-h], price[:, h:]
            tradable = (entry > 0.0) & np.isfinite(exit_)
            with np.errstate(
                all="ignore"
            ):  # divided first, chosen after: a division where told is far slower
                np.divide(exit_, entry, out=values[:, :-h])
            values[:, :-h][~tradable] = np.nan
            values -= 1.0
            known[:, :-h] = np.maximum(fills.known[..., :-h], fills.known[..., h:])
        return Labels(values, known)
