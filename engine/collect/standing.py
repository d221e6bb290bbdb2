"""Where a trial stands in the log as it is now: its Sharpe ratio, deflated by all trials, and its chance of luck among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats
from backcast.engine.stats import performance
from backcast.engine.stats.luck import Dated, Luck, aligned, luck_of
from backcast.engine.stats.search import Search
from backcast.engine.stats.sharpe_tests import deflated_sharpe, trials_variance
from backcast.engine.trials import TrialCount, TrialLog

VALIDATION = "backcast.signals.validation."
"""Where the designs live that are no walk forward."""
NO_RETURNS = "the trial log has no returns of it by session"


@dataclass(frozen=True)
class Standing:
    """p: StepM's adjusted p-value over the log's trials on the same sessions; deflated: probability; None where undefined,
    and `reason` says why. returns (T,) net per session, None where the log has none; compared: with how many trials."""

    p: float | None
    deflated: float | None
    compared: int
    reason: str
    returns: Floats | None = None


class LogNow:
    """The log of one lineage, read once."""

    def __init__(self, lineage: str) -> None:
        self.lineage = lineage
        self._log = TrialLog(lineage)
        self._luck: dict[bytes, Luck] = {}

    @cached_property
    def count(self) -> TrialCount:
        """How many trials there are, and how far apart."""
        return self._log.count()

    @cached_property
    def trials(self) -> dict[str, Dated]:
        """Sessions and net returns of each."""
        return self._log.by_trial(self.count.upto)

    @cached_property
    def cross_validated(self) -> frozenset[str]:
        """Trials whose configuration says so: their returns are a path's."""
        told = self._log.table(("trial", "config"), self.count.upto).drop_nulls("config")
        design = told["config"].str.json_path_match("$.folds._target_").fill_null("")
        return frozenset(told.filter(design.str.starts_with(VALIDATION))["trial"])

    def standing(self, trial: str) -> Standing:
        """One trial's, on its own sessions."""
        if trial not in self.trials:
            return Standing(None, None, 0, NO_RETURNS)
        sessions, net = self.trials[trial]
        undefined = (
            performance.undefined(net) if np.isfinite(net).all() else "its returns are not all numbers"
        )
        if undefined:
            return Standing(None, None, 0, undefined)
        luck = self._compared(sessions)
        return Standing(luck.of(trial), self._deflated(net), luck.compared, "", net)

    def search(self, trial: str, year: float) -> Search | None:
        """All trials that cover this one's sessions together; None where the log has no returns of it."""
        if trial not in self.trials:
            return None
        sessions = self.trials[trial][0]
        luck = self._compared(sessions)
        names, returns = aligned(sessions, self.trials)
        return Search(names, returns, luck, self.count.sharpe_variance, year, self.cross_validated)

    def _compared(self, sessions: npt.NDArray[Any]) -> Luck:
        """Trials of the same sessions are compared once."""
        key = sessions.tobytes()
        if key not in self._luck:
            self._luck[key] = luck_of(sessions, self.trials, max(self.count.n, len(self.trials)))
        return self._luck[key]

    def _deflated(self, net: Floats) -> float:
        variance = trials_variance(net, self.count.sharpe_variance)
        skew, kurt = performance.skewness(net), performance.kurtosis(net)
        ratio = performance.sharpe_per_session(net)
        return deflated_sharpe(ratio, self.count.n, variance, skew, kurt, len(net))
