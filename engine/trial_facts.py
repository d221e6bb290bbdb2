"""What a run writes down of the trial log, so that its page needs nothing but its folder: `trials.json`."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from backcast.engine.stats.luck import luck_of
from backcast.engine.stats.multiple import luck_block_length
from backcast.engine.trials import TrialLog


def trial_facts(log: TrialLog, trial: str, sessions: npt.NDArray[Any]) -> dict[str, Any]:
    """The log's count as it stands, and under `luck` how likely a search of so many trials without skill shows one like this.

    trial: the run's own, by its configuration hash; sessions (T,) datetime64[D] that its page is of. luck: p (StepM's adjusted
    p-value, None where the trial could not be compared), compared and counted trials, sessions, block_length and draws.
    """
    counted = log.count()
    trials = log.by_trial(counted.upto)
    found = luck_of(
        sessions, trials, max(counted.n, len(trials))
    )  # clocks of machines differ: one may have come since
    luck = {
        "p": found.of(trial),
        "compared": found.compared,
        "counted": found.counted,
        "sessions": found.sessions,
        "block_length": luck_block_length(len(sessions)),
        "draws": found.draws,
    }
    return {**counted.to_json(), "trial": trial, "luck": luck}
