"""How far an order moves the price against itself."""

from __future__ import annotations

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates

GAMMA, ETA, ALPHA, BETA = 0.314, 0.142, 0.25, 0.6
"""Almgren et al. (2005): permanent and temporary coefficients, exponents of the inverse turnover and of the trading rate."""


class SquareRootImpact(Cost):
    """The square-root law: coefficient x volatility x sqrt(order / traded), of the order's value.

    volatility is of a session's return, order and traded are the order's value and the value traded a session. A coefficient
    near 1 is what the literature finds (Toth et al. 2011, Physical Review X 1, 021006).
    """

    def __init__(self, coefficient: float = 1.0) -> None:
        self._coefficient = number("impact.coefficient", coefficient, 1000, "a multiple")

    def rates(self) -> Rates:
        return Rates(impact_power=self._coefficient, exponent=0.5)

    def to_json(self) -> dict[str, object]:
        return {"impact": "square root", "impact_coefficient": self._coefficient}


class AlmgrenImpact(Cost):
    """What an order worked evenly over `duration` of a session pays by Almgren, Thum, Hauptmann and Li (2005), "Direct
    Estimation of Equity Market Impact": half the permanent impact plus the temporary one, of the order's value:

        I = gamma x volatility x part x inverse_turnover ** 1/4        J = I / 2 + eta x volatility x (part / duration) ** 3/5

    part: the order's value over the value traded a session. inverse_turnover: shares outstanding over shares traded a
    session; it enters at its fourth root, so one figure for all symbols will do (200 for a US stock). The permanent part is
    paid but later prices stay the data's own: they are what the market made of it.
    """

    def __init__(
        self,
        duration: float = 0.5,
        inverse_turnover: float = 200.0,
        gamma: float = GAMMA,
        eta: float = ETA,
    ) -> None:
        self._gamma = number("impact.gamma", gamma, 1000, "a coefficient")
        self._eta = number("impact.eta", eta, 1000, "a coefficient")
        self._inverse = number("impact.inverse_turnover", inverse_turnover, 1e9, "a number of sessions")
        self._duration = number("impact.duration", duration, 1.0 + 1e-12, "a share of a session")
        if self._duration < 1e-4:
            raise InputError("costs.impact.duration", duration, "a share of a session, from 0.0001 to 1")

    def rates(self) -> Rates:
        return Rates(
            impact_linear=self.permanent() / 2,
            impact_power=self._eta / self._duration**BETA,
            exponent=BETA,
        )

    def permanent(self) -> float:
        """The permanent impact of an order of a whole session's value, in session volatilities."""
        return float(self._gamma * self._inverse**ALPHA)

    def to_json(self) -> dict[str, object]:
        return {
            "impact": "almgren 2005",
            "impact_duration": self._duration,
            "impact_inverse_turnover": self._inverse,
            "impact_gamma": self._gamma,
            "impact_eta": self._eta,
        }
