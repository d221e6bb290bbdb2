"""The distribution of the Sharpe ratio over the paths of a cross-validation, from `paths.parquet` alone.

Paths share their days and most of their training rows: their spread shows how much a result depends on what a model was fitted
on. It is no standard error, and no distribution of what the market could have done.

Source: Lopez de Prado, Advances in Financial Machine Learning (2018), section 12.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.engine.runs import RunFolder
from backcast.engine.stats import performance

NAME = "paths.parquet"
"""Of a run's folder: path, session and net_return, a row a session of each path."""


@dataclass(frozen=True)
class PathSharpes:
    """sharpes: net, a year, of each path in order, None where undefined; of those that are defined: mean, sd (ddof 1, None for
    one path), least, quartiles (linear), most, and below_zero, the share of them that is below zero."""

    sharpes: tuple[float | None, ...]
    mean: float | None = None
    sd: float | None = None
    least: float | None = None
    quartiles: tuple[float, float, float] | None = None
    most: float | None = None
    below_zero: float | None = None


def is_cross_validated(manifest: Mapping[str, Any]) -> bool:
    """Whether a run's manifest is that of a cross-validation, which has paths."""
    return "validation" in manifest


def path_sharpes(frame: pl.DataFrame, periods_per_year: float) -> PathSharpes:
    """Of a table with path, session and net_return (by session)."""
    parts = frame.sort("path", "session").group_by("path", maintain_order=True)
    found = [
        performance.sharpe_per_year(
            performance.sharpe_per_session(part["net_return"].to_numpy()), periods_per_year
        )
        for _, part in parts
    ]
    values = np.asarray(found, dtype=np.float64)
    known = values[np.isfinite(values)]
    sharpes = tuple(float(v) if np.isfinite(v) else None for v in values)
    if not len(known):
        return PathSharpes(sharpes)
    first, median, third = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return PathSharpes(
        sharpes,
        float(known.mean()),
        float(known.std(ddof=1)) if len(known) > 1 else None,
        float(known.min()),
        (first, median, third),
        float(known.max()),
        float((known < 0).mean()),
    )


def of_run(folder: Path) -> PathSharpes | None:
    """Those of a run's folder; None where it walked forward."""
    run = RunFolder.open(folder)
    manifest = run.read_json("manifest.json")
    if not is_cross_validated(manifest):
        return None
    return path_sharpes(run.read_table(NAME), float(manifest["periods_per_year"]))


def in_words(found: PathSharpes) -> str:
    """The distribution in a sentence."""
    if found.mean is None or found.least is None or found.most is None or found.below_zero is None:
        return "No path has a Sharpe ratio."
    count = len(found.sharpes)
    if count == 1:
        return f"Net Sharpe a year of the one path: {_signed(found.mean)}."
    undefined = sum(v is None for v in found.sharpes)
    sd = "" if found.sd is None else f", standard deviation {found.sd:.2f}"
    return (
        f"Net Sharpe a year over {count} paths: mean {_signed(found.mean)}{sd}, from {_signed(found.least)} to "
        f"{_signed(found.most)}, {found.below_zero:.0%} below zero"
        + (f"; {undefined} undefined." if undefined else ".")
    )


def _signed(value: float) -> str:
    text = f"{abs(value):.2f}"
    return f"−{text}" if value < 0 and float(text) else text
