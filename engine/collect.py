"""One table of all jobs of a study, failed ones too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backcast.data.errors import InputError
from backcast.engine.runs import RunFolder

METRICS = {
    "sharpe_per_year": ("Sharpe", "{:.2f}"),
    "deflated_probability": ("deflated", "{:.0%}"),
    "return_per_year": ("return", "{:.1%}"),
    "volatility_per_year": ("vol", "{:.1%}"),
    "max_drawdown": ("worst", "{:.0%}"),
    "turnover_per_year": ("turnover", "{:.0f}x"),
}
"""The figures of a job's page (net, a year where they have a unit), and their headings and forms on the terminal."""


def jobs(study: Path) -> list[Path]:
    """The job folders of a study in the order of their names. Errors: InputError where there are none."""
    found = [p for p in study.iterdir() if (p / "config.yaml").exists()] if study.is_dir() else []
    if not found:
        raise InputError(
            "STUDY", str(study), "a study with jobs in it", "Name a study under ./runs, or give its folder."
        )
    return sorted(found, key=lambda p: (not p.name.isdigit(), int(p.name) if p.name.isdigit() else 0, p.name))


def failed_jobs(study: Path) -> list[Path]:
    """The jobs that did not end well."""
    return [job for job in jobs(study) if _status(job)["state"] != "done"]


def collect(study: Path) -> pl.DataFrame:
    """A row a job: its state, the configuration keys in which jobs differ, its figures. Also written to
    `collected.parquet` in the study's folder."""
    folders = jobs(study)
    configs = [_flat(_load(job / "config.yaml", yaml.safe_load)) for job in folders]
    keys = sorted({k for c in configs for k in c if k not in ("job", "study")})
    varying = [k for k in keys if len({str(c.get(k)) for c in configs}) > 1]
    rows = []
    for job, config in zip(folders, configs, strict=True):
        status = _status(job)
        row = {"job": job.name, "state": status["state"], **{k: _text(config.get(k)) for k in varying}}
        rows.append({**row, **_figures(job, status["state"]), "error": status["error"]})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    RunFolder(study).write_table("collected.parquet", frame)
    return frame


def show(frame: pl.DataFrame, study: Path) -> None:
    """The table on the terminal, best deflated probability first, and where all of it was written."""
    settings = [c for c in frame.columns[2 : -len(METRICS) - 2] if not _implied(c, frame.columns)]
    headings = [heading for heading, _ in METRICS.values()]
    table = Table("job", "state", *map(_heading, settings), *headings, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in frame.sort("deflated_probability", descending=True, nulls_last=True).iter_rows(named=True):
        figures = ["n/a" if row[m] is None else form.format(row[m]) for m, (_, form) in METRICS.items()]
        table.add_row(*(_shown(row[c]) for c in ("job", "state", *settings)), *figures)
    console = Console()
    console.print(table)
    for job, error in frame.filter(pl.col("error") != "").select("job", "error").iter_rows():
        console.print(f"job {job}: {escape(error)}", soft_wrap=True)
    console.print(f"deflated: each job's own page's, with the trial log as it stood then. "
                  f"Written: {escape(str(study / 'collected.parquet'))}", soft_wrap=True)  # fmt: skip


def _implied(column: str, columns: list[str]) -> bool:
    """Settings of a part that is itself another class from job to job: they only say which class it is."""
    part, _, key = column.rpartition(".")
    return key != "_target_" and f"{part}._target_" in columns


def _heading(column: str) -> str:
    return column.removesuffix("._target_").removeprefix("portfolio.").removeprefix("dataset.")


def _figures(job: Path, state: str) -> dict[str, Any]:
    report = _load(job / "report.json", json.loads) if state == "done" else {}
    own = report.get("strategy", {})
    return {name: own.get(name) for name in METRICS} | {
        "verdict": report.get("verdict", {}).get("sentence", "")
    }


def _status(job: Path) -> dict[str, Any]:
    if not (job / "status.json").exists():
        return {"state": "unfinished", "error": "no status.json: running, or killed"}
    status: dict[str, Any] = _load(job / "status.json", json.loads)
    return {"state": status.get("state", "unfinished"), "error": status.get("error", "")}


def _load(path: Path, parse: Any) -> Any:
    try:
        return parse(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(str(path), str(error), "a readable file of a run", "Run the job again.") from error


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {
        k: v
        for key, value in node.items()
        for k, v in _flat(value, f"{prefix}.{key}" if prefix else key).items()
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _shown(value: str) -> str:
    """A setting as a word: of a class its name."""
    return escape(value.rpartition(".")[2] if value.startswith("backcast.") else value)
