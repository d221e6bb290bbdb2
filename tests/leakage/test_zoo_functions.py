"""The zoo's functions under the audit: a leak is caught on its layer or is a known miss, and no twin is accused.

Some of each family, its hardest among them, and every known miss: `make zoo` asks about all of them.
"""

from __future__ import annotations

import numpy as np
import pytest
from zoo.answers import LEAK, TWIN, Question, answer
from zoo.families import FAMILIES, every
from zoo.known import KNOWN
from zoo.pair import LEVELS
from zoo.results import right

from backcast.engine.audit.foreign.compare import differs

TESTED = (
    "backward_change", "newest_first", "shifted_across_symbols", "zscore_whole", "pca_whole", "calm_by_quantile",
    "back_filled", "weekly_left", "same_bar_fill", "exits_without_lag", "breakout_of_today", "stopped_by_the_low",
    "day_before_filing", "half_days", "final_values", "sector_of_today", "members_of_today", "survivors_only",
    "never_delisted", "ticker_recycled", "encoded_on_all", "selected_on_all", "threshold_on_all", "no_embargo",
    "later_fold", "one_symbol", "one_date", "one_in_ten_thousand", "month_end_by_data", "complete_rows",
)  # fmt: skip

PAIRS = {pair.name: pair for family in FAMILIES for pair in every(family)}
HARD = {name for known in KNOWN.values() for name in known if name in PAIRS}
names = pytest.mark.parametrize("name", sorted({*TESTED, *HARD}))


@names
@pytest.mark.parametrize("level", LEVELS)
def test_a_leak_is_caught_on_its_layer_or_known_to_be_missed(name: str, level: str) -> None:
    told = answer(Question(name, LEAK, level))
    assert right(told) or name in KNOWN[level], told["why"]
    if right(told) and level == "full" and PAIRS[name].through:
        assert told["through"] == PAIRS[name].through, told["why"]


@names
@pytest.mark.parametrize("level", LEVELS)
def test_a_twin_is_compared_to_the_end_and_not_accused(name: str, level: str) -> None:
    told = answer(Question(name, TWIN, level))
    assert (told["accused"], told["inconclusive"]) == (False, False), told["why"]


def test_every_family_is_tested() -> None:
    assert set(TESTED) <= set(PAIRS)
    assert {PAIRS[name].family for name in TESTED} == set(FAMILIES)


def test_what_additions_leave_over_is_no_change() -> None:
    """A residual that is zero but for rounding accuses nobody (`pca_walked`, a symbol on its first day); a real change does."""
    usual = [[0.01, 0.02, -1.6e-19]]
    assert not differs(np.array(usual), np.array([[0.01, 0.02, 3.3e-26]])).any()
    assert differs(np.array(usual), np.array([[0.01, 0.02, 1e-12]])).tolist() == [[False, False, True]]
