"""Which leaks a level is known not to tell, and why: what it cannot see, pair by pair. A miss that is not here has no reason.

Tests hold the list: a pair on it is asked all the same, its twin may not be accused, and the list may not grow.
"""

from __future__ import annotations

BY_CHOICE = "quick fits nothing again: what a model learnt from later rows is in the saved model, which it takes as it is"
BY_RARITY = "only few rows look ahead, by hours or a bar: none of the few instants of quick falls between"
NO_TRACE = (
    "one version of each figure with no trace of overwriting is also what honest first-published data look like: told as "
    "information (account figures that are never restated), and accused of nothing"
)

KNOWN: dict[str, dict[str, str]] = {
    "quick": {
        "same_day_filing": BY_RARITY,
        "one_date": BY_RARITY,
        "run_one_session": BY_RARITY,
        "run_label_known_early": BY_CHOICE,
        "run_label_scaled_by_all": BY_CHOICE,
        "run_scaler_over_all": BY_CHOICE,
        "run_features_selected_on_all": BY_CHOICE,
        "run_tuned_on_test": BY_CHOICE,
        "run_stopped_on_test": BY_CHOICE,
        "run_seed_on_test": BY_CHOICE,
        "run_model_of_a_later_fold": BY_CHOICE,
        "run_final_values": NO_TRACE,
    },
    "full": {"run_final_values": NO_TRACE},
}
"""By level: the pair, and why the level cannot see it or says another layer."""

UNMENDED = {"quick": 0, "full": 1}
"""How many more than the bar allows: the list of a level may be no longer, and 0 is the aim."""


def reason(level: str, pair: str) -> str:
    """Why, or that nobody has said."""
    return KNOWN.get(level, {}).get(pair, "NO REASON KNOWN")
