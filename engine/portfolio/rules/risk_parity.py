"""Risk parity."""

from __future__ import annotations

from backcast.data.types import Floats, Ints
from backcast.engine.portfolio.base import Steps
from backcast.engine.portfolio.extra import covariance_of, need_skfolio
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.rules.sided import SidedPortfolio


class RiskParityPortfolio(SidedPortfolio):
    """The best names by forecast (quantile 1: all), weighted so that each contributes as much to the variance of its side.

    covariance: of the last `window` returns as known, ledoit_wolf (shrunk, whole for any number of names) or sample. Needs
    skfolio, the extra `sizing`. See `SidedPortfolio`. Source: Maillard, Roncalli and Teiletche (2010).
    """

    rule = "risk parity"

    def __init__(
        self,
        side: str = "long_only",
        gross: float = 1.0,
        quantile: float = 0.25,
        window: int = 60,
        covariance: str = "ledoit_wolf",
        steps: Steps = (),
    ) -> None:
        need_skfolio("risk parity")
        self.covariance = covariance_of(covariance)
        super().__init__(side, gross, quantile, window, steps)

    def shares(self, names: Ints, known: Known) -> Floats:
        from backcast.engine.portfolio.optimisers import risk_parity

        weights = risk_parity(known.returns(self.window)[names].T, self.covariance)
        return weights / float(weights.sum())
