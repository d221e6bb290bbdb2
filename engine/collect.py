"""One table of all jobs of a study, failed ones too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backcast.data.errors import InputError

METRICS = (
    "sharpe_per_year",
    "deflated_probability",
    "return_per_year",
    "volatility_per_year",
    "max_drawdown",
    "turnover_per_year",
)


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
    partial = study / ".collected.parquet.partial"
    frame.write_parquet(partial)
    partial.rename(study / "collected.parquet")
    return frame


def show(frame: pl.DataFrame, study: Path) -> None:
    """The table on the terminal, best deflated probability first, and where it was written."""
    columns = [c for c in frame.columns if c != "error" or (frame["error"] != "").any()]
    table = Table(*columns, title=f"Study {escape(study.name)}")
    for row in (
        frame.sort("deflated_probability", descending=True, nulls_last=True).select(columns).iter_rows()
    ):
        table.add_row(*(_shown(value) for value in row))
    console = Console()
    console.print(table)
    console.print(
        f"deflated_probability is each job's own page's, with the trial log as it stood at that run. "
        f"Written: {study / 'collected.parquet'}",
        soft_wrap=True,
    )


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
    return "" if value is None else str(value).removeprefix("backcast.signals.models.")


def _shown(value: Any) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
