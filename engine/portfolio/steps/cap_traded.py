"""Cap at a share of what trades in the market."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import choice, positive, whole
from backcast.engine.portfolio.steps.base import CAP, TRADE, Step


class CapTraded(Step):
    """No trade (or no position) above `share` of the mean value that a session trades, over the last `window` as known.

    of: trade (the change of one decision; what is held stays until it can be sold) or position (what is held; a share
    above 1 is in days of trading). capital: in the currency of the prices, the account's start; a portfolio does not know
    what became of it. Where too few sessions are known, nothing trades (nothing is held). The value is that which costs are
    charged by.
    """

    name = "cap of traded value"

    def __init__(self, share: float, capital: float, window: int = 20, of: str = "trade") -> None:
        self.share = positive("portfolio.cap_traded.share", share)
        self.capital = positive("portfolio.cap_traded.capital", capital)
        self.window = whole("portfolio.cap_traded.window", window, 1, "sessions")
        self.of = choice("portfolio.cap_traded.of", of, "trade", "position")
        self.kind = TRADE if of == "trade" else CAP
        self.remembers = of == "trade"

    def apply(self, weights: Floats, known: Known) -> Floats:
        fields = known.history.panel.fields
        if "volume" not in fields:
            raise InputError(
                "portfolio.cap_traded", ", ".join(fields), "a volume among the fields of the data"
            )
        most = np.nan_to_num(known.traded(self.window), nan=0.0) * (self.share / self.capital)
        if self.of == "position":
            return np.clip(weights, -most, most)
        return np.asarray(known.previous + np.clip(weights - known.previous, -most, most))
