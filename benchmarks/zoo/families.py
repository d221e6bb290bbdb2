"""Which families the zoo has: a module each, with its pairs in `PAIRS`."""

from __future__ import annotations

from importlib import import_module

from zoo.pair import Pair

FAMILIES = ("shifts", "whole_sample", "filling", "bars", "filings", "universe", "learning", "folds", "subtle")
"""Functions of frames."""

RUNS = (
    "run_features",
    "run_fits",
    "run_forecasts",
    "run_execution",
    "run_data",
    "run_refused",
    "run_selection",
)
"""Whole runs of our engine."""


def every(family: str = "", name: str = "") -> list[Pair]:
    """The pairs of a family, or all; of one name, where one is given. Names are unique."""
    pairs = [pair for module in (*FAMILIES, *RUNS) for pair in import_module(f"zoo.{module}").PAIRS]
    names = [pair.name for pair in pairs]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise ValueError(f"two pairs have the name {', '.join(sorted(twice))}")
    return [p for p in pairs if (not family or p.family == family) and (not name or p.name == name)]
