"""One table of a study: a row a job, and a row a cell of its grids, with its figures and where it stands in the log as it is.

Figures of a job are those of its page; those of a cell are computed from its returns in the trial log. `deflated_now`, `p_luck`
and `survivor` take the log of the job's own lineage as it stands. A survivor is what a page calls better than luck: StepM's
p-value is at most 5 %, the 95 % interval lies above zero, and no audit stopped its run.
"""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import polars as pl

from backcast.data.seals import HoldoutWarning
from backcast.engine.collect.jobs import DONE, Job, jobs
from backcast.engine.collect.rows import FIRST, REST, TEXT, flat, parameters, rows_of, text
from backcast.engine.collect.search import searched
from backcast.engine.collect.standing import LogNow
from backcast.engine.holdout import sealed_from
from backcast.engine.reports.leaderboard import write_leaderboard
from backcast.engine.runs import RunFolder

PARQUET = "collected.parquet"
OWN = ("job", "study", "grid", "snapshot", "threads", "cache")
"""Keys of a configuration that tell nothing about a job."""


def settings_of(frame: pl.DataFrame) -> list[str]:
    """The columns in which jobs differ, but those that their part's class implies: they say no more than which class it is."""
    own = [name for name in frame.columns if name not in FIRST and name not in REST]
    return [name for name in own if not _implied(name, frame.select(own))]


def _implied(column: str, settings: pl.DataFrame) -> bool:
    part, _, key = column.rpartition(".")
    chosen = f"{part}._target_"
    if key == "_target_" or chosen not in settings.columns:
        return False
    return settings.group_by(chosen).agg(pl.col(column).n_unique())[column].max() == 1


def collect(study: Path) -> pl.DataFrame:
    """The table, best first: by `deflated_now`, then (cross-validations have none) by the mean Sharpe ratio of the paths; those
    whose run must not be used after all others, and what is not done last.

    Also written to `collected.parquet`, and with `search.json` drawn as `leaderboard.html`, in the study's folder. A warning
    says how many jobs show sessions that were sealed since. Errors: InputError where there is no job, or the trial log is torn.
    """
    found = jobs(study)
    _warn_of_sight(found)
    logs = {job.lineage: LogNow(job.lineage) for job in found if job.lineage}
    settings = _settings(found)
    rows = [row for job in found for row in rows_of(job, settings, logs)]
    schema = {**FIRST, **dict.fromkeys(settings, TEXT), **REST}
    frame = _ranked(pl.DataFrame(rows, schema=schema))
    RunFolder(study).write_table(PARQUET, frame)
    write_leaderboard(study, frame, settings_of(frame), searched(study, frame, found, logs))
    return frame


def _warn_of_sight(found: list[Job]) -> None:
    """One line a date where jobs show sessions that are sealed now."""
    begins = {lineage: sealed_from(lineage) for lineage in {job.lineage for job in found} - {""}}
    seen = Counter(date for job in found if (date := begins.get(job.lineage)) and _ends(job) >= str(date))
    for date, jobs_there in sorted(seen.items()):
        told = f"{jobs_there:,} of {len(found):,} jobs show sessions from {date} on, which were sealed after they were made."
        warnings.warn(told, HoldoutWarning, stacklevel=3)


def _ends(job: Job) -> str:
    """The last session of a job's page, as an ISO date."""
    header = job.report.get("header")
    return str(header.get("ends", "")) if isinstance(header, dict) else ""


def _ranked(frame: pl.DataFrame) -> pl.DataFrame:
    done, stopped = pl.col("state") == DONE, pl.col("level") == "stop"
    keys = (
        ~done,
        stopped.fill_null(False),
        pl.col("deflated_now"),
        pl.coalesce("path_sharpe", "sharpe_per_year"),
    )
    ordered = frame.sort(*keys, descending=[False, False, True, True], nulls_last=True, maintain_order=True)
    rank = pl.when(done & pl.col("deflated_now").is_not_null()).then(pl.int_range(1, pl.len() + 1))
    return ordered.with_columns(rank=rank)


def _settings(found: list[Job]) -> list[str]:
    """The configuration's keys in which jobs differ, and those that a grid varies."""
    configs = [flat({k: v for k, v in job.config.items() if k not in OWN}) for job in found if job.config]
    keys = {key for config in configs for key in config}
    varying = {key for key in keys if len({text(config.get(key)) for config in configs}) > 1}
    inside = {key for job in found if job.cells is not None for key in parameters(job.cells)}
    return sorted((varying | inside) - {*FIRST, *REST})
