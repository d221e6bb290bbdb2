"""The zoo's whole runs under the full audit: a leak is caught on its layer or is a known miss, and no twin is accused.

Some of each family, and each layer's hardest: `make zoo` asks about all of them, at both levels.
"""

from __future__ import annotations

import pytest
from zoo.answers import LEAK, TWIN, Question, answer
from zoo.families import RUNS, every
from zoo.known import KNOWN
from zoo.pair import Pair
from zoo.results import right, unanswered
from zoo.walk import Refused, Walk

TESTED = (
    "run_one_session", "run_one_part_in_10000", "run_lazy_scaler", "run_centred_pandas", "run_constants_from_a_file",
    "run_state_outside", "run_label_known_early", "run_no_embargo", "run_k_fold", "run_stopped_on_test",
    "run_scaled_by_test", "run_no_losers_to_come", "run_best_of_the_day", "run_no_losing_orders", "run_early_dividends",
    "run_members_of_today", "run_facts_at_period_end", "run_negative_reference", "run_best_of_a_sweep",
)  # fmt: skip

PAIRS = {pair.name: pair for family in RUNS for pair in every(family)}
HARD = {name for name in KNOWN["full"] if name in PAIRS}
named = pytest.mark.parametrize("name", sorted({*TESTED, *HARD}))


@named
def test_full_catches_it_on_its_layer_or_is_known_to_miss_it(name: str) -> None:
    told = answer(Question(name, LEAK, "full"))
    assert right(told) or name in KNOWN["full"], told["why"]


@named
def test_full_does_not_accuse_its_twin(name: str) -> None:
    told = answer(Question(name, TWIN, "full"))
    assert right(told) and not unanswered(told), told["why"]


def test_every_pair_says_what_it_is_and_differs_from_its_twin() -> None:
    for pair in PAIRS.values():
        assert pair.what and pair.honest.text
        assert pair.leak != pair.honest


def test_every_layer_has_a_leak() -> None:
    layers = {pair.layer for pair in PAIRS.values()}
    assert layers == {"data", "universe", "features", "labels", "fit", "forecasts", "targets", "execution", "account",
                      "selection"}  # fmt: skip


def test_a_refusal_counts_only_where_it_is_about_the_leak() -> None:
    """A run that is refused for something else is no answer."""
    from backcast.data.errors import InputError

    wrong = Walk(Pair, overrides=("portfolio.quantile=7",))
    with pytest.raises(InputError, match=r"portfolio\.quantile"):
        Refused(wrong, "features", "features").audit("off")
