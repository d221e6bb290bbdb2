"""Which leaks a level is known not to tell, and why: what it cannot see, pair by pair. A miss that is not here has no reason.

Tests hold the list: a pair on it is asked all the same, its twin may not be accused, and the list may not grow.
"""

from __future__ import annotations

BY_CHOICE = (
    "quick replays no fit: what a model learnt from later rows is in the saved model, which it takes as it is"
)
BY_RARITY = "only few rows look ahead, by hours or a bar; none of the few instants of quick falls between"
BY_LENGTH = "it reads how many rows follow and not what is in them; a future of the same length and calendar changes nothing"

KNOWN: dict[str, dict[str, str]] = {
    "quick": {
        **dict.fromkeys(
            ("day_before_filing", "same_day_filing", "half_days", "one_date", "ticker_recycled"), BY_RARITY
        ),
        **dict.fromkeys(("month_end_by_data", "time_as_share"), BY_LENGTH),
        **dict.fromkeys(
            ("run_label_known_early", "run_label_scaled_by_all", "run_scaler_over_all"), BY_CHOICE
        ),
        **dict.fromkeys(
            ("run_features_selected_on_all", "run_tuned_on_test", "run_stopped_on_test"), BY_CHOICE
        ),
        **dict.fromkeys(("run_seed_on_test", "run_model_of_a_later_fold"), BY_CHOICE),
        "run_one_session": "one session of 420, one bar deep: none of the few instants of quick falls on it",
    },
    "full": {
        "run_model_of_a_later_fold": "training that reads what training left behind is not the same twice, so that its fit "
        "cannot be replayed: said as an open check, and accused of nothing",
    },
}
"""By level: the pair, and why the level cannot see it or says another layer."""

UNMENDED = {"quick": 0, "full": 1}
"""How many more than the bar allows: the list of a level may be no longer, and 0 is the aim."""


def reason(level: str, pair: str) -> str:
    """Why, or that nobody has said."""
    return KNOWN.get(level, {}).get(pair, "NO REASON KNOWN")
