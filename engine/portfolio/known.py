"""What one decision may use to set weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backcast.data.types import Floats, Ints, Panel
from backcast.engine import frictions
from backcast.engine.portfolio.history import History
from backcast.signals.types import FeatureSource


@dataclass(frozen=True)
class Known:
    """What one decision knows, on the N symbols that anybody has seen by then (so that it cannot depend on how many others
    there will be, not even in the last bit of a sum).

    decision: its index in the clock. names (N,): the symbols' places on the panel's axis. scores (N,): the mean of the
    forecast, NaN where there is none. before (N,): what is held: the previous decision's weights after every step (where an
    order had no bar to fill in, what was held before it), drifted since by the returns as known now; None where the portfolio
    says that it has no memory. It is of use during its decision only.
    """

    decision: int
    names: Ints
    scores: Floats
    before: Floats | None
    history: History

    @property
    def previous(self) -> Floats:
        """(N,) the weights held by drift. A rule or a step that reads them says so (`memory`, `remembers`)."""
        if self.before is None:
            raise RuntimeError(
                "a rule that reads previous weights has memory = None, a step remembers = True"
            )
        return self.before

    @property
    def symbols(self) -> tuple[str, ...]:
        """(N,) their names."""
        every = self.history.panel.symbols
        return every if len(every) == len(self.names) else tuple(every[i] for i in self.names.tolist())

    @property
    def periods_per_year(self) -> float:
        """Sessions of a mean year."""
        return self.history.panel.clock.periods_per_year

    def field(self, name: str) -> Floats:
        """(N,) a field of the panel at the decision."""
        return np.asarray(self.history.window(name, self.decision, 1)[self.names, -1])

    def features(self, source: FeatureSource) -> Floats:
        """(F, N) features at the decision."""
        return np.asarray(self.history.features(source, self.decision)[:, self.names])

    def returns(self, window: int) -> Floats:
        """(N, up to window) the last close-to-close returns; NaN where either close is not known."""
        closes = self.history.window("close", self.decision, window + 1)[self.names]
        return np.asarray(closes[:, 1:] / closes[:, :-1] - 1)

    def volatility(self, window: int) -> Floats:
        """(N,) sample standard deviation of a session's return; NaN without a whole window."""
        returns = self.returns(window)
        if returns.shape[1] < window:
            return np.full(len(self.names), np.nan)
        return np.asarray(returns.std(axis=1, ddof=1))

    def charged_volatility(self, window: int) -> Floats:
        """(N,) volatility of a session's return as costs are charged by."""
        return self._friction("volatility", window, lambda panel: frictions.volatility(panel, window))

    def traded(self, window: int) -> Floats:
        """(N,) mean value traded a session, in currency, as costs are charged by; NaN where too few sessions are known."""
        return self._friction("traded", window, lambda panel: frictions.traded(panel, None, window))

    def half_spread(self, column: str) -> Floats:
        """(N,) an item of the facts as costs are charged by, a share of the price."""
        columns = {"half_spread": column}
        return self._friction(
            "half_spread", column, lambda panel: frictions.column(panel, columns, "half_spread")
        )

    @property
    def price(self) -> Floats:
        """(N,) the close at the decision, in the source's own units."""
        panel = self.history.panel
        return np.asarray((panel.unadjusted or panel).field("close")[self.names, self.decision])

    def _friction(self, name: str, setting: object, all_of: Callable[[Panel], Floats]) -> Floats:
        history = self.history
        return history.friction(name, setting, self.decision, lambda: all_of(history.panel))[self.names]

    def wide(self, values: Floats, elsewhere: float) -> Floats:
        """(S,) values (N,) on the panel's axis, and one value elsewhere."""
        out = np.full(len(self.history.panel.symbols), elsewhere)
        out[self.names] = values
        return out
