"""What sizing asks of a cost: the object that charges the account says what a change of weights would cost."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.costs.base import Cost
from backcast.engine.portfolio.known import Known


class Costing:
    """A cost object with what an estimate needs beside the change: the account's capital at its start (a portfolio does not
    know what became of it) and a window for volatility and traded value as known. parameter: what errors name."""

    def __init__(self, parameter: str, cost: object, capital: object, window: int) -> None:
        if not isinstance(cost, Cost):
            raise InputError(f"{parameter}.cost", cost, "a cost, such as ${costs}")
        if isinstance(capital, bool) or not isinstance(capital, int | float) or not 0 < capital < np.inf:
            raise InputError(f"{parameter}.capital", capital, "a number above 0")
        self._parameter, self._cost, self._capital, self._window = parameter, cost, float(capital), window

    def estimate(self, change: Floats, known: Known) -> Floats:
        """(N,) what changing the weights of a decision would cost, as shares of equity; NaN where something that the cost
        depends on is not known.

        Prices are the last closes and values in the panel's units: where raw prices are adjusted forward, a fee a share
        counts the shares of a symbol's first session. Errors: InputError for a cost that needs what no panel has.
        """
        traded = known.traded(self._window) if "volume" in known.history.panel.fields else None
        volatility, price = known.volatility(self._window), known.field("close")
        try:
            return self._cost.estimate(change, self._capital, price, volatility, traded)
        except InputError as error:
            name = error.parameter.removeprefix("estimate.")
            raise InputError(
                f"{self._parameter}.cost",
                type(self._cost).__name__,
                f"a cost that can be estimated from closes and volumes; it needs {name}",
                "Give the step another cost than the run's.",
            ) from error
