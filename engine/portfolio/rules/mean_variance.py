"""Mean-variance."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.portfolio.base import Portfolio, Steps
from backcast.engine.portfolio.costing import Costing
from backcast.engine.portfolio.extra import covariance_of, need_skfolio
from backcast.engine.portfolio.groups import Groups
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.rules.sided import measured
from backcast.engine.portfolio.settings import choice, number, positive, whole

SMALL = 1e-6
"""Weights below this are what a solver means by 0."""


class MeanVariancePortfolio(Portfolio):
    """The weights w that maximise forecast'w - risk_aversion x horizon x w'Cw less costs, within constraints.

    C: covariance of the last `window` returns of a session as known, ledoit_wolf or sample; horizon: sessions that the
    forecast's return runs over. Names with a forecast and a whole window. side: long_only or long_short. Constraints: gross
    (the most of absolute weights in sum), most_per_name, net (the most of |sum of weights|; long_short only, null: any), and
    most_per_group (of |sum of a group's weights|) with groups (a field or a mapping; unknown counts as one group).
    cost, capital: a cost object charges the change from what is held by drift, at its rate for an equal share of gross; a name
    whose cost is not known is not held. windows, columns: of the run's execution, for costs that depend on them.
    Bounds per name and on gross hold exactly, the others to the solver's tolerance, 1e-6. A decision takes about 0.2 s with 100
    names and 1.5 s with 500. Needs skfolio, the extra `sizing`. Source: Markowitz (1952).
    """

    rule = "mean-variance"

    def __init__(
        self,
        side: str = "long_short",
        gross: float = 1.0,
        risk_aversion: float = 5.0,
        horizon: int = 1,
        window: int = 120,
        covariance: str = "ledoit_wolf",
        most_per_name: float | None = 0.1,
        net: float | None = None,
        groups: object = None,
        most_per_group: float | None = None,
        cost: object = None,
        capital: float | None = None,
        windows: object = None,
        columns: object = None,
        steps: Steps = (),
    ) -> None:
        need_skfolio("mean-variance")
        self.side = choice("portfolio.side", side, "long_short", "long_only")
        self.gross = number("portfolio.gross", gross, 100.0)
        self.risk_aversion = positive("portfolio.risk_aversion", risk_aversion)
        self.horizon = whole("portfolio.horizon", horizon, 1, "sessions")
        self.window = whole("portfolio.window", window, 2, "sessions")
        self.covariance = covariance_of(covariance)
        self.most_per_name = (
            self.gross if most_per_name is None else number("portfolio.most_per_name", most_per_name, 100.0)
        )
        self.net = self._net(net)
        if (groups is None) != (most_per_group is None):
            raise InputError(
                "portfolio.most_per_group", most_per_group, "both groups and most_per_group, or neither"
            )
        self.groups = None if groups is None else Groups("portfolio.groups", groups)
        self.most_per_group = (
            None if most_per_group is None else number("portfolio.most_per_group", most_per_group, 100.0)
        )
        self.cost = None if cost is None else Costing("portfolio", cost, capital, windows, columns)
        super().__init__(steps)

    @property
    def rule_memory(self) -> int | None:
        return 0 if self.cost is None else None

    def weigh(self, known: Known) -> Floats:
        weights = np.zeros(len(known.scores))
        allowed = np.isfinite(known.scores) & measured(known, self.window)
        rates = self._rates(int(allowed.sum()), known)
        names = np.flatnonzero(allowed & np.isfinite(rates))
        if len(names):
            from backcast.engine.portfolio.optimisers import mean_variance

            least = 0.0 if self.side == "long_only" else -self.most_per_name
            found = mean_variance(
                known.returns(self.window)[names].T,
                known.scores[names],
                self.risk_aversion * self.horizon,
                self.covariance,
                (least, self.most_per_name),
                (-self.net, self.net),
                self.gross,
                self._group_limits(names, known),
                None if self.cost is None else (rates[names], known.previous[names]),
            )
            found = np.clip(np.where(np.abs(found) < SMALL, 0.0, found), least, self.most_per_name)
            weights[names] = found * min(1.0, self.gross / max(float(np.abs(found).sum()), SMALL))
        return weights

    def _net(self, net: float | None) -> float:
        if net is None:
            return self.gross
        if self.side == "long_only":
            raise InputError("portfolio.net", net, "null for a long-only portfolio, whose net is its gross")
        if isinstance(net, bool) or not isinstance(net, int | float) or not 0 <= net <= 100:
            raise InputError("portfolio.net", net, "a number from 0 to 100, or null")
        return float(net)

    def _group_limits(self, names: Ints, known: Known) -> tuple[Floats, Floats] | None:
        if self.groups is None or self.most_per_group is None:
            return None
        _, group = np.unique(self.groups.codes(known)[names], return_inverse=True)
        member = (np.arange(group.max() + 1)[:, None] == group).astype(np.float64)
        return np.vstack([member, -member]), np.full(2 * len(member), self.most_per_group)

    def _rates(self, count: int, known: Known) -> Floats:
        """(N,) cost of a unit traded, at an equal share of gross."""
        if self.cost is None or not count:
            return np.zeros(len(known.names))
        unit = self.gross / count
        return self.cost.estimate(np.full(len(known.names), unit), known) / unit
