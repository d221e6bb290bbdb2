"""The page of a study: its results ranked, the survivors marked, one sentence about all of them, and what mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl

from backcast.data.durable import write_text
from backcast.engine.reports.numbers_panel import rows
from backcast.engine.reports.page import environment
from backcast.engine.reports.parameters import Parameter, chart, parameters
from backcast.engine.reports.verdict import CROSS_VALIDATED, chance, percent
from backcast.engine.reports.words import interval, ratio, share
from backcast.engine.stats.luck import SIZE
from backcast.engine.stats.statistics import Section

HTML = "leaderboard.html"
FIRST_ROWS, MOST_ROWS, MOST_FAILED, MOST_SETTINGS, MOST_WARNINGS = 25, 200, 100, 6, 3
"""What the page shows, the first rows without a click; collected.parquet has all of it."""


@dataclass(frozen=True)
class Words:
    """sentence: about all results of a study; level: good, doubt or stop; notes: what else must be known."""

    sentence: str
    level: str
    notes: tuple[str, ...]


def words_of(frame: pl.DataFrame, settings: Sequence[str]) -> Words:
    """frame: as `collect` gives it; settings: its columns that vary."""
    done = frame.filter(pl.col("state") == "done")
    results, found = int(done["p_luck"].count()), int(done["survivor"].sum())
    notes = tuple(_notes(frame, done, settings))
    after = f"After {_trials(done)}, "
    if not done.height:
        return Words("Nothing to judge: no job has a result.", "stop", notes)
    if done["paths"].null_count() == 0:
        return Words(CROSS_VALIDATED, "doubt", notes)
    if not results:
        return Words("Nothing to judge: no result can be compared with the trial log.", "stop", notes)
    if found:
        verb = "is" if found == 1 else "are"
        return Words(
            f"{after}{found:,} of {_configurations(results)} {verb} better than luck.", "good", notes
        )
    whom = "the one configuration cannot" if results == 1 else f"none of {_configurations(results)} can"
    return Words(f"{after}{whom} be told from luck.", "doubt", notes)


def _configurations(count: int) -> str:
    return f"{count:,} configuration{'s' if count != 1 else ''}"


def _trials(done: pl.DataFrame) -> str:
    """Each data set's own count, where there are several."""
    logs = done.select("lineage", "dataset", "trials").drop_nulls().unique(maintain_order=True)
    if logs.height == 1:
        return counted(logs["trials"][0])
    alike = logs["dataset"].n_unique() < logs.height
    named = ((n, f"{name} ({lineage[:8]})" if alike else name) for lineage, name, n in logs.iter_rows())
    return " and ".join(f"{counted(n)} on {name}" for n, name in named)


def counted(trials: int) -> str:
    """So many trials."""
    return f"{trials:,} trial{'s' if trials != 1 else ''}"


def _notes(frame: pl.DataFrame, done: pl.DataFrame, settings: Sequence[str]) -> list[str]:
    stopped, without = done.filter(pl.col("level") == "stop"), done.filter(pl.col("p_luck").is_null())
    failed = frame.filter(pl.col("state") != "done")
    notes = _told_by_pages(done) + ([told] if (told := _over_seeds(done, settings)) else [])
    if stopped.height:
        notes.append(f"Not to be used, and ranked last: {stopped.height:,}; the tear sheets say why.")
    if without.height:
        why = "; ".join(sorted(set(without["not_compared"].drop_nulls()) - {""}))
        notes.append(f"Without a chance of luck: {without.height:,} ({why}).")
    if failed.height:
        counts = failed["state"].value_counts().sort("state").iter_rows()
        notes.append(f"No result: {', '.join(f'{n:,} {state}' for state, n in counts)}.")
    return notes


def _told_by_pages(done: pl.DataFrame) -> list[str]:
    """What the tear sheets of survivors say against them, most frequent first: whom they do not beat, and warnings."""
    jobs = done.filter(pl.col("survivor"))["job"]
    own = done.filter(pl.col("job").is_in(jobs.implode()) & pl.col("verdict").is_not_null())
    doubts = own.filter((pl.col("level") == "doubt") & pl.col("survivor"))["verdict"]
    warned = own["warnings"].drop_nulls().str.split("\n").explode().drop_nulls()
    told = Counter(doubts.to_list()).most_common() + Counter(w for w in warned if w).most_common(
        MOST_WARNINGS
    )
    if own.height == 1:
        return [f"The survivor's tear sheet: {text}" for text, _ in told]
    return [f"{n:,} of {own.height:,} survivors' tear sheets: {text}" for text, n in told]


def _over_seeds(done: pl.DataFrame, settings: Sequence[str]) -> str:
    """The spread of the configuration that is best on average over its seeds; empty where none has several."""
    others = [one for one in settings if one.rpartition(".")[2] != "seed"]
    if len(others) == len(settings):
        return ""
    sharpe = pl.col("sharpe_per_year")
    known = done.filter(sharpe.is_not_null()).with_columns(one=pl.lit(0))
    spread = known.group_by("one", *others, maintain_order=True).agg(
        n=pl.len(), mean=sharpe.mean(), low=sharpe.min(), high=sharpe.max()
    )
    best = spread.filter(pl.col("n") > 1).sort("mean", descending=True, maintain_order=True)
    if not best.height:
        return ""
    row = best.row(0, named=True)
    told = f"{interval(row['low'], row['high'])} (mean {ratio(row['mean'])})"
    return f"Net Sharpe of the best configuration over {row['n']:,} seeds: {told}."


def write_leaderboard(
    study: Path, frame: pl.DataFrame, settings: Sequence[str], search: Section | None = None
) -> Path:
    """Draws leaderboard.html from the table that `collect` made; returns its path.

    settings: its columns that vary; search: the figures of all trials together.
    """
    target = study / HTML
    shown = view(study.resolve().name, frame, settings)
    write_text(
        target,
        environment()
        .get_template("leaderboard.html.j2")
        .render(**shown, search=rows([one.to_json() for one in search.figures] if search else [])),
    )
    return target


def view(name: str, frame: pl.DataFrame, settings: Sequence[str]) -> dict[str, Any]:
    """What the template shows, every number already in words."""
    done, rest = frame.filter(pl.col("state") == "done"), frame.filter(pl.col("state") != "done")
    sharpe = pl.coalesce("path_sharpe", "sharpe_per_year")
    known = done.filter(sharpe.is_not_null())
    sharpes, survivors = (
        known.select(sharpe).to_series().to_numpy(),
        known["survivor"].fill_null(False).to_numpy(),
    )
    found = parameters(known.select(settings), sharpes) if known.height else []
    mattered = [name for one in found for name in one.names]
    columns = [*mattered, *(s for s in settings if s not in mattered and done[s].n_unique() > 1)]
    return {
        "name": name,
        "facts": _facts(done),
        "words": words_of(frame, settings),
        "settings": [heading_of(one) for one in columns[:MOST_SETTINGS]],
        "left_out": len(columns[MOST_SETTINGS:]),
        "rows": [_row(row, columns[:MOST_SETTINGS]) for row in done.head(MOST_ROWS).iter_rows(named=True)],
        "first": FIRST_ROWS,
        "paths": bool(done["path_sharpe"].count()),
        "more": max(done.height - MOST_ROWS, 0),
        "asked": bool((rest["overrides"].fill_null("") != "").any()),
        "failed": [_failed(row) for row in rest.head(MOST_FAILED).iter_rows(named=True)],
        "more_failed": max(rest.height - MOST_FAILED, 0),
        "parameters": [_parameter(n, one, sharpes, survivors) for n, one in enumerate(found)],
        "size": f"{SIZE:.0%}",
    }


def _facts(done: pl.DataFrame) -> str:
    logs = done.select("lineage", "dataset", "trials", "upto").drop_nulls().unique(maintain_order=True)
    told = [
        f"{counted(n)} on {name} (data {lineage[:8]}){when(upto)}"
        for lineage, name, n, upto in logs.iter_rows()
    ]
    return f"The trial log as it stands: {' · '.join(told) or 'none'}"


def _row(row: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    stopped = row["level"] == "stop"
    return {
        "rank": "" if row["rank"] is None else f"{row['rank']:,}",
        "survivor": row["survivor"],
        "stopped": stopped,
        "name": name_of(row),
        "link": f"{quote(row['job'])}/tearsheet.html" if row["verdict"] else "",
        "title": row["verdict"] or "",
        "settings": [shown(row[one]) for one in settings],
        "deflated": _or_none(row["deflated_now"], percent),
        "luck": _or_none(row["p_luck"], chance),
        "why": row["not_compared"] or "",
        "sharpe": ratio(row["sharpe_per_year"]),
        "error": "" if row["sharpe_error_per_year"] is None else f"± {ratio(row['sharpe_error_per_year'])}",
        "interval": interval(row["sharpe_low_per_year"], row["sharpe_high_per_year"]),
        "paths": _paths(row),
        "growth": share(row["return_per_year"]),
        "volatility": share(row["volatility_per_year"]),
        "drawdown": share(row["max_drawdown"]),
        "turnover": "n/a" if row["turnover_per_year"] is None else f"{row['turnover_per_year']:,.0f}x",
    }


def _paths(row: Mapping[str, Any]) -> str:
    """Of a cross-validation mean and standard deviation of its paths' Sharpe ratios, and how many paths lost."""
    if row["path_sharpe"] is None:
        return ""
    spread = "" if row["path_sd"] is None else f" ± {ratio(row['path_sd'])}"
    return f"{ratio(row['path_sharpe'])}{spread}, {share(row['paths_below_zero'], 0)} below 0"


def _or_none(value: float | None, form: Any) -> str:
    return "n/a" if value is None else str(form(value))


def _failed(row: Mapping[str, Any]) -> dict[str, str]:
    texts = {key: str(row[key] or "") for key in ("state", "overrides", "error")}
    return {"name": name_of(row), **texts}


def _parameter(number: int, one: Parameter, sharpes: Any, survivors: Any) -> dict[str, Any]:
    found = one.found
    if found is None:
        told = "each value once: nothing can be told"
    else:
        by_chance = (found.groups - 1) / (len(sharpes) - 1)
        told = f"explains {found.share:.0%} of the variance ({found.groups} values: {by_chance:.0%} by chance alone)"
    one = replace(one, labels=tuple(map(shown, one.labels)))
    return {
        "name": " and ".join(map(heading_of, one.names)),
        "told": told,
        "chart": chart(number, one, np.asarray(sharpes, dtype=np.float64), survivors),
    }


def name_of(row: Mapping[str, Any]) -> str:
    """A job, or a cell of its grid; the chosen one is the job's own, and has its verdict."""
    cell = "" if row["cell"] is None else f" · cell {row['cell']}{', chosen' if row['verdict'] else ''}"
    return f"{row['job']}{cell}"


def heading_of(column: str) -> str:
    """A setting as a heading."""
    return column.removesuffix("._target_").removeprefix("portfolio.").removeprefix("dataset.")


def shown(value: Any) -> str:
    """A setting as a word: of a class its name."""
    text = "" if value is None else str(value)
    return text.rpartition(".")[2] if text.startswith("backcast.") else text


def when(upto: str) -> str:
    """Up to which record of the trial log, by its id: the instant; nothing of an empty log."""
    digits = upto.partition("-")[0]
    if not digits.isdecimal():
        return f" up to {upto}" if upto else ""
    return f" up to {datetime.fromtimestamp(int(digits) / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
