"""Frames as they were given, of pandas or polars: read as arrays, and given back in their own library with rows taken away,
columns taken away and values changed, so that a function meets the kind of table that it was written for.

Grammar of shapes: N rows of a table. Instants are `datetime64[us]` in UTC; `local` ones are as they stand in the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Instants, Ints

TIME_NAMES = ("time", "date", "datetime", "timestamp", "session", "decided_at", "event_at")


def is_pandas(value: Any) -> bool:
    """A pandas frame or series."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "iloc")


def is_frame(value: Any) -> bool:
    """What a table can be given as."""
    return isinstance(value, pl.DataFrame) or is_pandas(value)


@dataclass(frozen=True)
class Timed:
    """A column of times: instants (N,) in UTC, and local (N,), as they stand in the table."""

    instants: Instants
    local: Instants

    @property
    def daily(self) -> bool:
        """Whether all are midnights: labels of days."""
        return bool((self.local == self.local.astype("datetime64[D]")).all())

    def ends(self) -> Instants:
        """The instants by which what a row may know is known: the end of its day, where labels are days."""
        if not self.daily:
            return self.instants
        return self.instants + np.timedelta64(1, "D") - np.timedelta64(1, "us")


def timed(column: Any, where: str) -> Timed:
    """A pandas index or series, or a polars series, of dates or times. Errors: InputError naming the row."""
    if isinstance(column, pl.Series):
        return _timed_polars(column, where)
    import pandas as pd

    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        try:
            column = pd.to_datetime(column)
        except (ValueError, TypeError) as error:
            raise InputError(where, str(column[0]), "dates or times", "Use pandas.to_datetime.") from error
    if column.dtype.kind != "M" and not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise InputError(where, str(column.dtype), "dates or times", "A wide pandas frame has them as index.")
    index = pd.DatetimeIndex(column)
    if index.hasnans:
        raise InputError(f"{where}, row {int(index.isna().argmax()) + 1}", None, "a date or a time")
    local = index.tz_localize(None)
    utc = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else local
    return Timed(utc.to_numpy().astype("datetime64[us]"), local.to_numpy().astype("datetime64[us]"))


def _timed_polars(column: pl.Series, where: str) -> Timed:
    if column.dtype == pl.String:
        text, column = column, _parsed(column)
        if column.null_count() > text.null_count():
            row = int((column.is_null() & text.is_not_null()).arg_max() or 0)
            raise InputError(f"{where}, row {row + 1}", text[row], "an ISO date or time")
    if not (column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime)):
        raise InputError(where, str(column.dtype), "dates or times")
    if column.null_count():
        raise InputError(f"{where}, row {int(column.is_null().arg_max() or 0) + 1}", None, "a date or a time")
    local = utc = column
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        local = column.dt.replace_time_zone(None)
    kind = pl.Datetime("us")
    return Timed(utc.cast(kind).to_numpy().astype("M8[us]"), local.cast(kind).to_numpy().astype("M8[us]"))


def _parsed(text: pl.Series) -> pl.Series:
    """Texts as times, empty where one is none."""
    try:
        return text.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:  # no format fits the first of them
        return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))


@dataclass(frozen=True)
class Table:
    """A frame, or a pandas series (a frame of one column), with names for its columns as text.

    time: the name of its column of times; "" where they are the pandas index.
    """

    given: Any
    where: str
    time: str = ""

    @staticmethod
    def of(given: Any, where: str, time: str | None = None) -> Table:
        """Checks that it is a frame with each column once, and finds its times. Errors: InputError."""
        if isinstance(given, pl.LazyFrame):
            given = given.collect()
        if not is_frame(given):
            raise InputError(where, type(given).__name__, "a pandas or polars frame")
        names = _names(given)
        if is_pandas(given) and given.ndim == 2 and given.columns.nlevels > 1:
            hint = "Give a mapping of fields, {'close': frame, 'volume': frame}."
            raise InputError(where, "columns of several levels", "one level of columns", hint)
        if len(set(names)) < len(names):
            raise InputError(where, next(n for n in names if names.count(n) > 1), "each column once")
        return Table(given, where, _time_of(given, where, names) if time is None else time)

    @property
    def columns(self) -> list[str]:
        """Its columns without that of times."""
        return [name for name in _names(self.given) if name != self.time or not self.time]

    def __len__(self) -> int:
        return len(self.given)

    def times(self) -> Timed:
        """Of its rows."""
        return self.instants(self.time) if self.time else timed(self.given.index, f"{self.where}, index")

    def instants(self, name: str) -> Timed:
        """A column of times."""
        return timed(self._column(name), f"{self.where}, {name}")

    def _column(self, name: str) -> Any:
        if isinstance(self.given, pl.DataFrame):
            return self.given[name]
        if self.given.ndim == 1:
            return self.given
        return self.given.iloc[:, _names(self.given).index(name)]

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers that may change: flags and codes of kinds are none."""
        column = self._column(name)
        if isinstance(column, pl.Series):
            return column.dtype.is_numeric()
        return column.dtype.kind in "fiu" if hasattr(column.dtype, "kind") else False

    def numbers(self, name: str) -> Floats:
        """(N,) a column as floats, NaN where it is empty. Errors: InputError."""
        column = self._column(name)
        try:
            if isinstance(column, pl.Series):
                plain = column.cast(pl.Float64).fill_null(float("nan"))
                return np.asarray(plain.to_numpy(), dtype=np.float64)
            return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{self.where}, {name}", str(column.dtype), "numbers") from error

    def block(self, names: Sequence[str]) -> Floats:
        """(N, C) columns as floats, NaN where they are empty. Errors: InputError."""
        if is_pandas(self.given) and self.given.ndim == 2:
            place = {n: i for i, n in enumerate(_names(self.given))}
            part = self.given if len(place) == len(names) else self.given.iloc[:, [place[n] for n in names]]
            if list(names) == [str(c) for c in part.columns] and all(k.kind in "fiu" for k in _kinds(part)):
                return np.array(part.to_numpy(), dtype=np.float64)
        return np.column_stack([self.numbers(name) for name in names])

    def words(self, name: str) -> npt.NDArray[Any]:
        """(N,) a column as text."""
        column = self._column(name)
        values = column.to_list() if isinstance(column, pl.Series) else column.tolist()
        return np.array([str(v) for v in values], dtype=object)

    def taken(
        self, rows: Bools | Ints, without: Sequence[str] = (), changed: Mapping[str, Any] | None = None
    ) -> Table:
        """Its rows with these numbers, in this order, without some columns; changed: column -> its new values, one a row
        taken. Always a copy. A column of integers gets integers."""
        keep: Ints = (
            np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=np.int64)
        )
        give = self._taken_polars if isinstance(self.given, pl.DataFrame) else self._taken_pandas
        return Table(give(keep, without, changed or {}), self.where, self.time)

    def _taken_polars(self, keep: Ints, without: Sequence[str], changed: Mapping[str, Any]) -> pl.DataFrame:
        made = self.given[keep].drop(without)
        new = []
        for name, values in changed.items():
            kind = made.schema[name]
            if kind.is_temporal():
                series = pl.Series(name, values)
                if isinstance(kind, pl.Datetime) and kind.time_zone:
                    series = series.dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone)
                new.append(series.cast(kind))
                continue
            series = pl.Series(name, values)
            if series.dtype.is_float():
                empty = made[name].null_count() > 0 or kind.is_integer()
                series = series.fill_nan(None) if empty else series
                series = series.round(0) if kind.is_integer() else series
            new.append(series.cast(kind))
        return made.with_columns(new)

    def _taken_pandas(self, keep: Ints, without: Sequence[str], changed: Mapping[str, Any]) -> Any:
        made = self.given.iloc[_run(keep)].copy()
        names = _names(self.given)
        if isinstance(
            self.given.index, type(self.given.reset_index(drop=True).index)
        ):  # rows are numbered, not named
            made = made.reset_index(drop=True)
        if self.given.ndim == 1:
            for values in changed.values():
                made.iloc[:] = _fitting(values, made.dtype)
            return made
        if len(changed) == len(names) and all(kind == np.float64 for kind in _kinds(made)):
            values = np.column_stack([changed[name] for name in names])
            made = type(made)(values, index=made.index, columns=made.columns)
            changed = {}
        for name, values in changed.items():
            at = names.index(name)
            column = made.iloc[:, at]
            made.isetitem(at, type(column)(_fitting(values, column.dtype), index=made.index))
        if without:
            made = made.iloc[:, [i for i, name in enumerate(names) if name not in without]]
        return made


def _run(keep: Ints) -> Any:
    """A slice where the rows are neighbours, which keeps the frequency of a pandas index."""
    if len(keep) and keep[-1] - keep[0] + 1 == len(keep) and (np.diff(keep) == 1).all():
        return slice(int(keep[0]), int(keep[-1]) + 1)
    return keep


def _fitting(values: Any, kind: Any) -> Any:
    """Values of the kind of the column that they replace."""
    values = np.asarray(values)
    if getattr(kind, "tz", None) is not None:
        import pandas as pd

        return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(kind.tz)
    if getattr(kind, "kind", "") in "iu" and values.dtype.kind == "f":
        return values if np.isnan(values).any() else np.round(values).astype(np.int64).astype(kind)
    if getattr(kind, "kind", "") in "fM":
        return values.astype(kind if isinstance(kind, np.dtype) else values.dtype)
    return values


def _kinds(given: Any) -> list[Any]:
    """The kinds of a pandas frame's columns; those of pandas' own have no numpy kind."""
    return [k if isinstance(k, np.dtype) else np.dtype(object) for k in given.dtypes]


def _names(given: Any) -> list[str]:
    if is_pandas(given) and given.ndim == 1:
        return [str(given.name) if given.name is not None else "value"]
    return [str(name) for name in given.columns]


def _time_of(given: Any, where: str, names: list[str]) -> str:
    """The name of the column of times; "" for a pandas index of times."""
    if is_pandas(given):
        import pandas as pd

        index = given.index
        if isinstance(index, pd.DatetimeIndex) or (
            index.dtype == object and index.inferred_type in ("date", "datetime")
        ):
            return ""
        if given.ndim == 1:
            raise InputError(where, str(index.dtype), "dates or times as index")
        kinds = {str(n): given.iloc[:, i].dtype.kind == "M" for i, n in enumerate(given.columns)}
    else:
        kinds = {n: kind.is_temporal() for n, kind in given.schema.items()}
    named = [n for n in names if n.lower() in TIME_NAMES and kinds[n]]
    times = named or [n for n in names if kinds[n]] or [n for n in names if n.lower() in TIME_NAMES]
    if not times:
        hint = "A pandas frame may have them as index; text becomes times by pandas.to_datetime."
        raise InputError(where, names[:8], "a column of dates or times", hint)
    return times[0]
