"""The search of which a study is a part: all trials of the log that cover the sessions of its first-ranked result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from backcast.engine.collect.jobs import Job
from backcast.engine.collect.standing import LogNow
from backcast.engine.runs import RunFolder
from backcast.engine.stats.figure import Figure, Unit
from backcast.engine.stats.search import NAME, TITLE, search_section
from backcast.engine.stats.statistics import Section

JSON = "search.json"


def searched(
    study: Path, frame: pl.DataFrame, found: Sequence[Job], logs: Mapping[str, LogNow]
) -> Section | None:
    """Its figures, also written to search.json in the study's folder; None where no result stands in a log.

    frame: the ranked table. Figures are of the log of the first result's data, not of this study alone: whoever tries in three
    studies has searched in all of them.
    """
    (study / JSON).unlink(missing_ok=True)
    first = frame.filter(pl.col("p_luck").is_not_null()).head(1)
    if first.is_empty():
        return None
    row = first.row(0, named=True)
    job = next(one for one in found if one.name == row["job"])
    search = logs[row["lineage"]].search(row["trial"], float(job.manifest["periods_per_year"]))
    if search is None:
        return None
    section = search_section(search)
    RunFolder(study).write_json(JSON, _told(row, section))
    return section


def searched_before(study: Path) -> Section | None:
    """What `searched` wrote; None where it wrote nothing."""
    if not (study / JSON).exists():
        return None
    figures = RunFolder(study).read_json(JSON)["figures"]
    return Section(NAME, TITLE, tuple(Figure(**{**one, "unit": Unit(one["unit"])}) for one in figures))


def _told(row: Mapping[str, Any], section: Section) -> dict[str, Any]:
    return {
        "dataset": row["dataset"],
        "lineage": row["lineage"],
        "upto": row["upto"],
        "sessions_of": row["trial"],
        "figures": [one.to_json() for one in section.figures],
    }
