"""What users have as frames and files: returns, factor returns, groups. Each wrong cell is one error with its row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.stats import ratios
from backcast.engine.stats.statistics import (
    Account,
    Section,
    Statistics,
    performance_sections,
    performance_tables,
)

FRAME = "a pandas Series or frame with dates as index, or a polars frame with a column of dates"
LEAST_OF_CALENDAR = 0.8
"""Of the calendar's sessions between the first and the last return, the share that must have one."""


@dataclass(frozen=True)
class Table:
    """sessions (T,) datetime64[D] ascending; columns: by name (T,), NaN = none."""

    sessions: npt.NDArray[Any]
    columns: dict[str, Floats]

    def on(self, sessions: npt.NDArray[Any]) -> dict[str, Floats]:
        """The columns on other sessions, NaN where this has none."""
        at = np.minimum(np.searchsorted(self.sessions, sessions), max(len(self.sessions) - 1, 0))
        there = self.sessions[at] == sessions
        return {name: np.where(there, values[at], np.nan) for name, values in self.columns.items()}


class Factors(Table):
    """Factor returns, simple per session."""


def statistics(
    returns: Any,
    *,
    benchmark: Any = None,
    factors: Any = None,
    turnover: Any = None,
    risk_free_per_year: float = 0.0,
    calendar: str = "XNYS",
    periods_per_year: float | None = None,
    draws: int = ratios.DRAWS,
) -> Statistics:
    """See `backcast.statistics`, which says what everything means."""
    if isinstance(draws, bool) or not isinstance(draws, int) or not 0 <= draws <= 1_000_000:
        raise InputError("draws", draws, "a number of bootstrap draws from 0 (none) to 1,000,000")
    name, sessions, net = _one(returns, "returns")
    _refuse_cells(net, sessions, "returns")
    year = _year(sessions, calendar, periods_per_year)
    market_name, market = "", None
    if benchmark is not None:
        market_name, days, values = _one(benchmark, "benchmark")
        market = Table(days, {"": values}).on(sessions)[""]
        _refuse_apart(market, "benchmark")
    columns = {} if factors is None else factors_of(factors, "factors").on(sessions)
    for factor, values in columns.items():
        _refuse_apart(values, f"factors[{factor!r}]")
    traded = None
    if turnover is not None:
        _, days, values = _one(turnover, "turnover")
        traded = Table(days, {"": values}).on(sessions)[""]
        _refuse_cells(traded, sessions, "turnover")
    free = np.full(len(net), per_session(risk_free_per_year, year))
    account = Account(
        net, sessions, year, free, turnover=traded, benchmark=market, benchmark_name=market_name or "the benchmark",
        market=market, factors=columns,
    )  # fmt: skip
    header = {
        "run": name,
        "begins": str(sessions[0]),
        "ends": str(sessions[-1]),
        "sessions": len(sessions),
        "periods_per_year": year,
        "calendar": calendar if periods_per_year is None else "",
        "risk_free_per_year": float(risk_free_per_year),
        "benchmark": account.benchmark_name if market is not None else "",
        "returns": "simple, as given",
    }
    sections: list[Section] = performance_sections(account, draws)
    return Statistics(header, tuple(sections), performance_tables(account))


def per_session(rate_per_year: float, year: float) -> float:
    """A compound rate a year as a simple one a session. Errors: InputError for a rate that cannot be."""
    if (
        isinstance(rate_per_year, bool)
        or not isinstance(rate_per_year, int | float)
        or not -0.5 < rate_per_year < 5
    ):
        raise InputError("risk_free_per_year", rate_per_year, "a rate a year as a share, such as 0.03")
    return float((1 + rate_per_year) ** (1 / year) - 1)


def read_factors(path: Path) -> Factors:
    """Factor returns of a .csv or .parquet file: a column of dates, and one of simple returns for each factor."""
    return factors_of(_read(path, "--factors"), "--factors")


def read_groups(path: Path) -> dict[str, str]:
    """The group of each symbol, of a .csv or .parquet file with columns `symbol` and `group`."""
    frame = _read(path, "--groups")
    if not {"symbol", "group"} <= set(frame.columns):
        raise InputError(f"columns of {path}", frame.columns, "symbol and group")
    symbols = frame["symbol"].cast(pl.String)
    twice = symbols.is_duplicated() | symbols.is_null()
    if twice.any():
        row = int(twice.arg_max() or 0)
        raise InputError(f"{path}, row {row + 1}", symbols[row], "each symbol once")
    return dict(zip(symbols, frame["group"].cast(pl.String).fill_null(""), strict=True))


def _read(path: Path, parameter: str) -> pl.DataFrame:
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(parameter, str(path), "a .csv or .parquet file")
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(parameter, str(path), "a readable file", str(error)) from error


def factors_of(frame: Any, parameter: str) -> Factors:
    """A frame of factor returns. Errors: InputError for what is none."""
    found = _table(frame, parameter)
    empty = [name for name, values in found.columns.items() if not np.isfinite(values).any()]
    if empty:
        raise InputError(f"{parameter}: {empty[0]}", "no numbers", "returns, such as 0.01 for 1 %")
    return Factors(found.sessions, found.columns)


def _one(frame: Any, parameter: str) -> tuple[str, npt.NDArray[Any], Floats]:
    found = _table(frame, parameter)
    if len(found.columns) != 1:
        raise InputError(parameter, list(found.columns), "one column of numbers beside the dates")
    ((name, values),) = found.columns.items()
    return name, found.sessions, values


def _table(frame: Any, parameter: str) -> Table:
    plain = _polars(frame, parameter)
    if not plain.height:
        raise InputError(parameter, "no rows", FRAME)
    time = _dates(plain, parameter)
    days = plain[time].to_numpy().astype("datetime64[D]")
    behind = np.flatnonzero(np.diff(days).astype(int) <= 0)
    if len(behind):
        row = int(behind[0]) + 1
        expected = "each date once" if days[row] == days[row - 1] else "dates in ascending order"
        raise InputError(f"{parameter}, row {row + 1}", str(days[row]), expected)
    columns = {}
    for name in plain.columns:
        if name == time:
            continue
        if not plain.schema[name].is_numeric():
            raise InputError(f"{name} of {parameter}", str(plain.schema[name]), "numbers")
        columns[name] = plain[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if not columns:
        raise InputError(parameter, plain.columns, FRAME)
    return Table(days, columns)


def _polars(frame: Any, parameter: str) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if type(frame).__module__.partition(".")[0] != "pandas":
        raise InputError(parameter, type(frame).__name__, FRAME)
    import pandas as pd

    table = frame.to_frame(str(frame.name or parameter)) if isinstance(frame, pd.Series) else frame
    if table.index.dtype.kind == "M" or table.index.dtype == object:
        table = table.rename_axis("date").reset_index()
    table.columns = [str(column) for column in table.columns]
    return pl.from_pandas(table, nan_to_null=True)


def _dates(frame: pl.DataFrame, parameter: str) -> str:
    """The only column of dates."""
    found = [name for name in frame.columns if frame.schema[name].is_temporal()]
    if len(found) == 1 and not frame[found[0]].null_count():
        return found[0]
    raise InputError(
        f"columns of {parameter}", frame.columns, "one column of dates, each row with one", FRAME
    )


def _year(sessions: npt.NDArray[Any], calendar: str, given: float | None) -> float:
    """Sessions in a year, by the exchange's calendar. Errors: InputError where the returns are not by its sessions."""
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 1 <= given <= 366:
            raise InputError("periods_per_year", given, "a number of periods from 1 to 366")
        return float(given)
    held = clock(calendar, sessions[0], sessions[-1], 0)
    hint = "Name their calendar=, or say periods_per_year= (12 for months)."
    off = ~np.isin(sessions, held.sessions)
    if off.any():
        raise InputError("returns", str(sessions[off][0]), f"a session of {calendar}", hint)
    if len(sessions) < LEAST_OF_CALENDAR * len(held):
        raise InputError(
            "returns", f"{len(sessions):,} of {len(held):,} sessions of {calendar}", "one each session", hint
        )
    return float(held.periods_per_year)


def _refuse_cells(values: Floats, sessions: npt.NDArray[Any], parameter: str) -> None:
    wrong = ~np.isfinite(values) | (values < -1 if parameter == "returns" else values < 0)
    if wrong.any():
        row = int(wrong.argmax())
        expected = "a simple return of at least -1" if parameter == "returns" else "a number of at least 0"
        hint = "Leave out sessions without one." if parameter == "returns" else ""
        raise InputError(f"{parameter}, row {row + 1} ({sessions[row]})", float(values[row]), expected, hint)


def _refuse_apart(values: Floats, parameter: str) -> None:
    if np.isinf(values).any():
        raise InputError(parameter, "an infinite value", "simple returns")
    if not np.isfinite(values).any():
        raise InputError(parameter, "no session in common", "some sessions of the returns")
