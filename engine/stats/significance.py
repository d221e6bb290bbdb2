"""Whether a result is more than luck: the names that others use, each from the file that explains it."""

from __future__ import annotations

from backcast.engine.stats.differences import (
    Difference,
    Studentised,
    sharpe_difference,
    studentised_difference,
)
from backcast.engine.stats.effective import Families, effective_number, families
from backcast.engine.stats.haircut import Haircut, adjusted, haircut, independent_haircut
from backcast.engine.stats.luck import Luck, aligned, by_trial, luck_of
from backcast.engine.stats.multiple import (
    ConfidenceSet,
    StepM,
    SuperiorAbility,
    confidence_set,
    step_m,
    superior_ability,
)
from backcast.engine.stats.overfitting import Overfitting, overfitting, overfitting_of_noise
from backcast.engine.stats.resampling import block_length
from backcast.engine.stats.sharpe_tests import (
    deflated_sharpe,
    expected_maximum,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
)

__all__ = [
    "ConfidenceSet",
    "Difference",
    "Families",
    "Haircut",
    "Luck",
    "Overfitting",
    "StepM",
    "Studentised",
    "SuperiorAbility",
    "adjusted",
    "aligned",
    "block_length",
    "by_trial",
    "confidence_set",
    "deflated_sharpe",
    "effective_number",
    "expected_maximum",
    "expected_maximum_sharpe",
    "families",
    "haircut",
    "independent_haircut",
    "luck_of",
    "minimum_backtest_years",
    "minimum_track_record",
    "overfitting",
    "overfitting_of_noise",
    "probabilistic_sharpe",
    "sharpe_difference",
    "step_m",
    "studentised_difference",
    "superior_ability",
]
