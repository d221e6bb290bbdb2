"""What sizing asks of a cost: the object that charges the account says what a change of weights would cost."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine import frictions
from backcast.engine.costs.base import Cost, needs
from backcast.engine.portfolio.known import Known


class Costing:
    """A cost object with what an estimate needs beside the change: the account's capital at its start (a portfolio does not
    know what became of it), and the run's `execution.windows` and `execution.columns`. parameter: what errors name."""

    def __init__(
        self, parameter: str, cost: object, capital: object, windows: object = None, columns: object = None
    ) -> None:
        if not isinstance(cost, Cost):
            raise InputError(f"{parameter}.cost", cost, "a cost, such as ${costs}")
        if isinstance(capital, bool) or not isinstance(capital, int | float) or not 0 < capital < np.inf:
            raise InputError(f"{parameter}.capital", capital, "a number above 0")
        self._parameter, self._cost, self._capital = parameter, cost, float(capital)
        self._windows, self._columns = frictions.windows_of(windows), frictions.columns_of(columns)

    def estimate(self, change: Floats, known: Known) -> Floats:
        """(N,) what changing the weights of a decision would cost, as shares of equity; NaN where something that the cost
        depends on is not known.

        By the very numbers that a simulator charges by, but for the price, which is the last close (of a fee a share), and the
        equity. Errors: InputError for a cost that needs what the data do not have.
        """
        asked = needs(self._cost.rates())
        volatility = traded = half_spread = None
        if "volatility" in asked:
            volatility = known.charged_volatility(self._windows["volatility"])
        if "traded" in asked and "volume" in known.history.panel.fields:
            traded = known.traded(self._windows["traded"])
        if "half_spread" in asked and "half_spread" in self._columns:
            half_spread = known.half_spread(self._columns["half_spread"])
        price = known.price if self._cost.rates().per_share > 0 else None
        try:
            return self._cost.estimate(change, self._capital, price, volatility, traded, half_spread)
        except InputError as error:
            name = error.parameter.removeprefix("estimate.")
            hint = "Give the step another cost than the run's."
            if name == "half_spread":
                hint = "Name its item of the facts in execution.columns.half_spread."
            raise InputError(
                f"{self._parameter}.cost",
                type(self._cost).__name__,
                f"a cost that can be estimated from these data; it needs {name}",
                hint,
            ) from error
