"""The rows of a job: its own, and one for each cell of its grid, with settings, figures and where it stands in the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from backcast.engine.collect.jobs import DONE, FAILED, Job
from backcast.engine.collect.standing import LogNow, Standing
from backcast.engine.reports.significance import NO_RECORD
from backcast.engine.stats import performance
from backcast.engine.stats.luck import SIZE

TEXT, NUMBER = pl.String, pl.Float64
FIRST = {"rank": pl.Int64, "job": TEXT, "cell": pl.Int64, "state": TEXT, "survivor": pl.Boolean}
REST = {
    "deflated_now": NUMBER,
    "p_luck": NUMBER,
    "sharpe_per_year": NUMBER,
    "sharpe_error_per_year": NUMBER,
    "sharpe_low_per_year": NUMBER,
    "sharpe_high_per_year": NUMBER,
    "return_per_year": NUMBER,
    "volatility_per_year": NUMBER,
    "max_drawdown": NUMBER,
    "turnover_per_year": NUMBER,
    "deflated_probability": NUMBER,
    "paths": pl.Int64,
    "path_sharpe": NUMBER,
    "path_sd": NUMBER,
    "paths_below_zero": NUMBER,
    "verdict": TEXT,
    "level": TEXT,
    "warnings": TEXT,
    "trial": TEXT,
    "compared": pl.Int64,
    "trials": pl.Int64,
    "upto": TEXT,
    "lineage": TEXT,
    "dataset": TEXT,
    "not_compared": TEXT,
    "overrides": TEXT,
    "error": TEXT,
}
"""Columns before and after the settings in which jobs differ. deflated_probability: the page's own, with the log as it stood
then; paths: of a cross-validation, with mean, standard deviation and share below zero of their Sharpe ratios a year; warnings:
of the page, a line each; compared of trials counted up to a record of the log; not_compared: why there is no p_luck."""
FIGURES = [name for name in REST if name.endswith(("_per_year", "_drawdown", "_probability"))]
"""Those that a job's own page has."""

NESTED = "nested"
"""Of a parameter that has another value at every fold."""

Row = dict[str, Any]


def rows_of(job: Job, settings: Sequence[str], logs: Mapping[str, LogNow]) -> Iterator[Row]:
    """The job's own row, then those of the cells that it did not choose. settings: the columns in which jobs differ."""
    found = flat(job.config)
    base: Row = {
        "job": job.name,
        "state": job.state,
        **{key: text(found[key]) if key in found else None for key in settings},
        "trial": job.trial,
        "overrides": job.overrides,
        "error": job.error,
    }
    if job.state != DONE:
        yield base
        return
    log = logs.get(job.lineage)
    base |= {"lineage": job.lineage, "dataset": str(job.manifest["dataset"].get("name", ""))}
    if job.report.get("paths"):
        base |= {"paths": len(job.report["paths"]["sharpes"])}
    if log is not None:
        base |= {"trials": log.count.n, "upto": log.count.upto}
    cells = [] if job.cells is None else list(job.cells.iter_rows(named=True))
    chosen = next((row["cell"] for row in cells if row["trial"] == job.trial), None)
    own = {**_own(job, base, log), "cell": chosen}
    if job.cells is not None and (job.manifest.get("grid") or {}).get("nested"):
        own |= dict.fromkeys(parameters(job.cells), NESTED)
    yield own
    for row in cells:
        if row["cell"] != chosen:
            yield _cell(job, row, base, log)


def _own(job: Job, base: Row, log: LogNow | None) -> Row:
    told, verdict = job.report["strategy"], job.report["verdict"]
    made = base | {name: told.get(name) for name in FIGURES}
    made |= {"level": verdict.get("level", ""), "verdict": verdict.get("sentence", "")}
    made |= {"warnings": "\n".join(verdict.get("warnings", ()))}
    if job.cells is None:
        made |= _over_paths(job.report.get("paths"))
    if told.get("undefined"):  # as of an account that was lost at once: its page ends there
        return made | _stands(Standing(None, None, 0, told["undefined"]), made)
    return made | _stands(_checked(job, log, job.trial, told.get("sharpe_per_session")), made)


def _over_paths(told: Mapping[str, Any] | None) -> Row:
    """The distribution that a cross-validation is chosen by; of the cells of a grid the first path alone is known."""
    if not told:
        return {}
    figures = {"path_sharpe": "mean", "path_sd": "sd", "paths_below_zero": "below_zero"}
    return {column: told.get(name) for column, name in figures.items()}


def _cell(job: Job, row: Mapping[str, Any], base: Row, log: LogNow | None) -> Row:
    """What stops a run, such as a leak, stops its cells too."""
    values = {} if job.cells is None else {key: text(row[key]) for key in parameters(job.cells)}
    made = base | values | {"cell": row["cell"], "trial": row["trial"], "error": row["error"]}
    if row["error"]:
        return made | {"state": FAILED}
    years, turnover = float(job.manifest["periods_per_year"]), row.get("mean_turnover")
    made |= {
        "level": "stop" if job.report.get("trust", {}).get("stopped") else "",
        "sharpe_per_year": row["sharpe_per_year"],
        "max_drawdown": row.get("max_drawdown"),
        "turnover_per_year": None if turnover is None else turnover * years,
    }
    standing = _checked(job, log, row["trial"], row.get("sharpe_per_session"))
    made |= _of_returns(standing, years)
    return made | _stands(standing, made)


def _of_returns(found: Standing, years: float) -> Row:
    """Figures that the grid's table does not have."""
    if found.returns is None:
        return {}
    sharpe = performance.sharpe(found.returns, years)
    return {
        "sharpe_error_per_year": sharpe.error_per_year,
        "sharpe_low_per_year": sharpe.low_per_year,
        "sharpe_high_per_year": sharpe.high_per_year,
        "return_per_year": performance.return_per_year(found.returns, years),
        "volatility_per_year": performance.volatility_per_year(found.returns, years),
    }


def _checked(job: Job, log: LogNow | None, trial: str, sharpe: float | None) -> Standing:
    """The log's standing of a trial, where its returns are those that the folder's figures are of."""
    if job.report.get("paths"):
        return Standing(None, None, 0, NO_RECORD)
    if log is None:
        return Standing(None, None, 0, "its folder names no trial log")
    found = log.standing(trial)
    if found.returns is None or sharpe is None:
        return found
    own = float(performance.sharpe_per_session(found.returns))
    if abs(own - sharpe) > 1e-6 * max(1.0, abs(sharpe)):
        return Standing(None, None, 0, "it was evaluated again since, with other returns: run it again")
    return found


def _stands(found: Standing, row: Mapping[str, Any]) -> dict[str, Any]:
    low = row.get("sharpe_low_per_year")
    better = found.p is not None and found.p <= SIZE and low is not None and low > 0
    return {
        "p_luck": found.p,
        "deflated_now": found.deflated,
        "compared": found.compared,
        "not_compared": found.reason,
        "survivor": better and row.get("level") != "stop",
    }


def parameters(cells: pl.DataFrame) -> list[str]:
    """The columns of a grid that are parameters: those before the trial."""
    return cells.columns[1 : cells.columns.index("trial")]


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    if not isinstance(node, Mapping):
        return {prefix: node}
    return {
        k: v
        for key, value in node.items()
        for k, v in flat(value, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def text(value: Any) -> str:
    """A setting as text; 5 and 5.0 are one."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:.15g}"
    return "" if value is None else str(value)
