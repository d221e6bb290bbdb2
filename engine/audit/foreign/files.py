"""Tables from .csv and .parquet files, as a frame of pandas or polars with its times read as times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from backcast.data.errors import InputError
from backcast.engine.audit.foreign.frames import TIME_NAMES
from backcast.engine.given.table import did_you_mean

TIMES = (*TIME_NAMES, "known_at", "period", "ex_date", "declared_on", "paid_on")


def is_table(target: str) -> bool:
    """Whether a target is a file of rows, by its name."""
    return Path(target).suffix.lower() in (".csv", ".parquet")


def read(path: Path, parameter: str) -> pl.DataFrame:
    """All rows, times as times. Errors: InputError."""
    if not is_table(str(path)):
        raise InputError(parameter, str(path), "a .csv or .parquet file")
    if not path.is_file():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(parameter, str(path), "a file that is there", did_you_mean(path.name, there))
    try:
        if path.suffix.lower() == ".parquet":
            return _timed(pl.read_parquet(path), path)
        return _timed(pl.read_csv(path, infer_schema_length=None), path)
    except pl.exceptions.NoDataError as error:
        raise InputError(parameter, str(path), "a table", "The file is empty.") from error
    except (OSError, pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise InputError(parameter, str(path), "a readable table", str(error).splitlines()[0]) from error


def _timed(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Texts of columns that are called times become times; so does the first column, where it has dates and no name."""
    first = frame.columns[0] if frame.width else ""
    if first in ("", "column_0", "Unnamed: 0", "__index_level_0__"):
        frame = frame.rename({first: "time"})
    for name in frame.columns:
        if name.lower() in TIMES and frame.schema[name] == pl.String:
            column = frame[name].str.replace("Z$", "+00:00")
            zoned = bool(column.str.contains(r"[+-]\d\d:?\d\d$").any())
            try:
                made = column.str.to_datetime(strict=False, time_zone="UTC" if zoned else None)
            except pl.exceptions.ComputeError:  # no time at all: whoever needs it says so
                continue
            if made.null_count() == frame[name].null_count():
                frame = frame.with_columns(made.dt.cast_time_unit("us").alias(name))
    return frame


def table(path: Path, parameter: str, library: str) -> Any:
    """The rows of a file as a frame of that library; a wide frame of pandas has its times as index."""
    frame = read(path, parameter)
    if library == "polars":
        return frame
    made = frame.to_pandas()
    times = [c for c in made.columns if c.lower() in TIME_NAMES and made[c].dtype.kind == "M"]
    return made.set_index(times[0]) if len(times) == 1 and "symbol" not in made.columns else made
