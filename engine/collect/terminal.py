"""The study's table on the terminal: ranked, survivors starred, what failed below, and where all of it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backcast.engine.collect.jobs import DONE
from backcast.engine.collect.search import JSON, searched_before
from backcast.engine.collect.study import PARQUET, settings_of
from backcast.engine.progress import printable
from backcast.engine.reports.leaderboard import HTML, counted, heading_of, name_of, shown, when, words_of
from backcast.engine.reports.numbers_panel import rows
from backcast.engine.reports.verdict import chance, percent
from backcast.engine.stats.luck import SIZE
from backcast.engine.stats.statistics import Section

MOST = 40
"""Rows of the ranking on the terminal, and jobs of which the error is told."""
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "deflated_now": ("deflated", percent),
    "p_luck": ("luck", chance),
    "path_sharpe": ("over its paths", "{:.2f}".format),
    "path_sd": ("s.d.", "{:.2f}".format),
    "sharpe_per_year": ("Sharpe", "{:.2f}".format),
    "sharpe_error_per_year": ("±", "{:.2f}".format),
    "return_per_year": ("return", "{:.1%}".format),
    "volatility_per_year": ("vol", "{:.1%}".format),
    "max_drawdown": ("worst", "{:.0%}".format),
    "turnover_per_year": ("turnover", "{:.0f}x".format),
}
"""Columns, their headings and their forms; one without any value is left out."""
SEARCHED = {
    "trials_compared": "compared",
    "effective_trials": "effective number",
    "families": "families",
    "expected_maximum_sharpe": "Sharpe of the luckiest without skill",
    "overfitting_probability": "probability of overfitting",
    "overfitting_probability_of_noise": "that of noise",
}
"""Figures of all trials together, and what they are called in a sentence."""
NARROW, WIDTH = 110, 150
"""Below so many characters a terminal shows the first four of them; what is no terminal has `WIDTH`."""


def show(frame: pl.DataFrame, study: Path) -> None:
    """Prints it. frame: as `collect` gives it."""
    console = _console()
    done, rest = frame.filter(pl.col("state") == DONE), frame.filter(pl.col("state") != DONE)
    settings = settings_of(frame)
    if done.height:
        varying = [one for one in settings if done[one].n_unique() > 1]
        console.print(_ranking(done.head(MOST), varying, console.width))
    if done.height > MOST:
        console.print(f"{done.height - MOST:,} more are in {PARQUET}.")
    for row in rest.head(MOST).iter_rows(named=True):
        said = f"job {name_of(row)}: {row['state']}: {_asked(row)}{row['error']}"
        console.print(escape(printable(said)), soft_wrap=True)
    if rest.height > MOST:
        console.print(f"{rest.height - MOST:,} more did not end well: see {PARQUET}.")
    words = words_of(frame, settings)
    console.print(escape(words.sentence), soft_wrap=True, style="bold")
    for note in words.notes:
        console.print(escape(note), soft_wrap=True)
    if done.height:
        console.print(_legend(done), soft_wrap=True)
    section = searched_before(study)
    if section is not None:
        console.print(escape(_search_words(section)), soft_wrap=True)
    names = (PARQUET, HTML) if section is None else (PARQUET, JSON, HTML)
    console.print(f"Written: {', '.join(escape(str(study / name)) for name in names)}", soft_wrap=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _asked(row: Mapping[str, Any]) -> str:
    return f"{row['overrides']}: " if row["overrides"] else ""


def _ranking(done: pl.DataFrame, settings: list[str], width: int) -> Table:
    known = [(name, told) for name, told in METRICS.items() if done[name].count()]
    metrics = dict(known[: 4 if width < NARROW else None])
    grid = done["cell"].is_not_null().any()
    named = ("job", "cell") if grid else ("job",)
    headings = [heading for heading, _ in metrics.values()]
    table = Table(
        "",
        *named,
        *(escape(heading_of(s)) for s in settings),
        *headings,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in table.columns[1 + len(named) + len(settings) :]:
        column.justify, column.no_wrap = "right", True
    for row in done.iter_rows(named=True):
        figures = ["n/a" if row[m] is None else form(row[m]) for m, (_, form) in metrics.items()]
        words = [escape(printable(shown(row[c]))) for c in (*named, *settings)]
        table.add_row("★" if row["survivor"] else "", *words, *figures)
    return table


def _search_words(section: Section) -> str:
    """In a sentence what is worth knowing at once; `search.json` and the page have all figures, with their conventions."""
    wanted = [one.to_json() for one in section.figures if one.name in SEARCHED and one.value is not None]
    words = [
        f"{SEARCHED[one['name']]} {row['value']}{row['interval'] and ' (' + row['interval'] + ')'}"
        for one, row in zip(wanted, rows(wanted), strict=True)
    ]
    return f"All trials of the log on the sessions of the first result: {', '.join(words)}."


def _legend(done: pl.DataFrame) -> str:
    logs = done.select("dataset", "trials", "upto").drop_nulls().unique(maintain_order=True)
    told = [f"{counted(n)} on {name}{when(upto)}" for name, n, upto in logs.iter_rows()]
    return escape(
        f"The trial log as it stands: {', '.join(told) or 'none'}. ★: better than luck, StepM p at most {SIZE:.0%} "
        f"and its 95% interval above 0. deflated: probability after all these trials. luck: StepM's p."
    )
