"""The leaks that issue 6 names, in its order and nearly its words, and the pairs that plant each of them.

A name counts as covered where at least one pair plants it; a test holds that all of the pairs exist.
"""

from __future__ import annotations

from collections.abc import Iterable

NAMED: dict[str, tuple[str, ...]] = {
    "negative shift": ("negative_shift", "backward_change", "run_negative_reference", "run_next_bar"),
    "centred window": ("centred_window", "convolved_same", "run_centred_pandas"),
    "whole-sample z-score": ("zscore_whole", "run_whole_sample_score"),
    "whole-sample winsorising": ("winsorised_whole",),
    "whole-sample PCA": ("pca_whole",),
    "whole-sample ranks": ("rank_over_time",),
    "back-fill": ("back_filled", "filled_backward_polars", "run_back_fill"),
    "interpolation": ("interpolated",),
    "resampling labelled left": ("weekly_left", "months_joined"),
    "same-bar fill": ("same_bar_fill", "unshifted_polars", "run_fill_at_decision", "run_no_lag"),
    "high or low used before the bar ends": ("breakout_of_today", "range_of_today", "stopped_by_the_low"),
    "time zone off by a day": ("time_zone", "run_a_day_off"),
    "half days": ("half_days", "run_half_day"),
    "fundamentals at period end": ("at_period_end", "run_facts_at_period_end"),
    "fundamentals one day before filing": (
        "day_before_filing",
        "run_filed_the_day_before",
        "run_facts_a_day_early",
    ),
    "final in place of first-published values": ("final_values", "run_final_values"),
    "back-adjusted prices in a price-level rule": ("back_adjusted_level", "run_level_of_adjusted_prices"),
    "index members of today": ("members_of_today", "run_members_of_today"),
    "delisted names missing": ("survivors_only", "never_delisted", "run_delisted_missing"),
    "ticker recycled": ("ticker_recycled", "run_ticker_recycled"),
    "target encoding over all rows": ("encoded_on_all", "run_target_encoding"),
    "scaler fitted on test": ("scaled_on_all", "run_scaler_over_all", "run_lazy_scaler"),
    "imputer fitted on test": ("imputed_on_all", "run_imputer_over_all"),
    "feature selection fitted on test": ("selected_on_all", "run_features_selected_on_all"),
    "early stopping fitted on test": ("stopped_on_test", "run_stopped_on_test"),
    "hyper-parameters fitted on test": ("window_on_all", "run_tuned_on_test"),
    "overlapping labels without purge": ("labels_not_purged", "run_label_known_early"),
    "no embargo": ("no_embargo", "run_no_embargo"),
    "shuffled k-fold": ("shuffled_folds", "run_k_fold"),
    "a model from a later fold": ("later_fold", "run_model_of_a_later_fold"),
    "seed chosen on test": ("seed_on_all", "run_seed_on_test", "run_best_of_seeds"),
    "through groups": ("grouped_by_clusters", "sector_of_today", "run_future_members"),
    "through calendars": ("month_end_by_data", "half_days"),
    "through sort order": ("newest_first", "shifted_across_symbols"),
    "through ties": ("ties_by_winner",),
    "through NaN patterns": ("joined_with_labels", "complete_rows", "complete_columns"),
    "through row presence": ("quoted_tomorrow", "time_as_share", "run_row_presence"),
    "depth of one bar": ("backward_change", "run_next_bar"),
    "depth of 200 bars": ("centred_oscillator", "run_200_bars_deep"),
    "in one symbol only": ("one_symbol", "run_one_symbol"),
    "on one date only": ("one_date", "run_one_session"),
    "of one part in 10,000": ("one_in_ten_thousand", "run_one_part_in_10000"),
}


def covered(names: Iterable[str]) -> str:
    """How many of them some of these pairs plant."""
    there = set(names)
    of_them = {pair for pairs in NAMED.values() for pair in pairs}
    leaks = sum(bool(there & set(pairs)) for pairs in NAMED.values())
    return f"{leaks} of the {len(NAMED)} leaks that the issue names are among them, planted by {len(there & of_them)} pairs."
