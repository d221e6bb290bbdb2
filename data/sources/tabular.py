"""From a user's rows, as text or typed, to the store's tables: every wrong cell is one error that names its row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from backcast.data.errors import InputError
from backcast.data.quality import Finding
from backcast.data.schema import ACTION_KINDS, DatasetInfo
from backcast.data.sources.base import Batch, Source, batch, closes, rule
from backcast.data.sources.instants import EXPECTED, HINT, instants, zone_of

NUMBERS = ("open", "high", "low", "close", "volume")
COLUMNS: dict[str, tuple[str, ...]] = {
    "bars": ("date", "symbol", *NUMBERS, "known_at"),
    "actions": ("date", "symbol", "kind", "value", "text", "known_at"),
    "membership": ("date", "symbol", "member", "known_at"),
    "facts": ("date", "symbol", "item", "value", "known_at"),
}
"""The columns of a user's tables; `date` becomes event_at, the close of that session."""

REQUIRED = {
    "bars": ("date", "symbol", "close"),
    "actions": ("date", "symbol", "kind"),
    "membership": ("date", "symbol", "member"),
    "facts": ("date", "symbol", "item", "value", "known_at"),
}
"""Columns that must be there. Facts need their own known_at: no rule states when a quarter was published."""

FROM_ROW = " from row "
"""What says where a later part of a file begins; errors count rows within the part."""

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tabular(Source):
    """Bars in long form, one row a symbol and session; actions, membership and facts beside them if there are any.

    name: the data set; price_basis: raw, split_adjusted or total_return; columns: of the bars, ours to theirs, such as
    {symbol: Ticker}; calendar: of exchange_calendars; known_rule: when a row without a known_at could have been read,
    `event_at + N` with min, h or d; time_zone: of times of known_at without an offset, such as America/New_York (they are
    refused without it: read as UTC, an evening's news in New York would be known before that day's decision);
    date_format: of strptime, ISO without; decimal: '.' or ',', what separates the decimals of numbers in text;
    benchmark: a symbol that is no candidate; volume_unit: shares that a volume of 1 means; survivorship: why the members
    are known to have survived.
    """

    name: str
    price_basis: str
    columns: Mapping[str, str] = field(default_factory=dict)
    calendar: str = "XNYS"
    decision_delay: int = 30
    known_rule: str | None = None
    time_zone: str | None = None
    date_format: str | None = None
    decimal: str = "."
    benchmark: str | None = None
    volume_unit: float = 1
    survivorship: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        self._info(("close",))
        rule(self.known_rule)
        zone_of(self.time_zone)
        for key in ("calendar", "date_format", "benchmark", "survivorship", "description"):
            value = getattr(self, key)
            if value is not None and not isinstance(value, str):
                raise InputError(f"dataset.{key}", value, "text", "Put it in quotes.")
        unit = self.volume_unit
        if isinstance(unit, bool) or not isinstance(unit, int | float) or not 0 < unit <= 1e9:
            raise InputError("dataset.volume_unit", unit, "a number of shares above 0, at most 1e9")
        if self.decimal not in (".", ","):
            raise InputError("dataset.decimal", self.decimal, "'.' or ','")
        if not isinstance(self.columns, Mapping):
            raise InputError("dataset.columns", self.columns, "a mapping from our names to the file's")
        for ours, theirs in self.columns.items():
            if ours not in COLUMNS["bars"] or not isinstance(theirs, str):
                known = ", ".join(COLUMNS["bars"])
                raise InputError(f"dataset.columns.{ours}", theirs, f"a column's name, for one of {known}")

    @abstractmethod
    def frames(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        """The rows in parts: of which table, from where (a file, or an argument), and as they came; bars come first."""

    def read(self) -> Batch:
        findings: list[Finding] = []
        parts: dict[str, list[pl.DataFrame]] = {}
        for name, where, part in self.frames():
            parts.setdefault(name, []).append(self._table(name, where, part, findings))
        tables = {name: pl.concat(found, how="diagonal") for name, found in parts.items()}
        bars = tables.get("bars", pl.DataFrame({"symbol": []}, schema={"symbol": pl.String}))
        present = tuple(c for c in NUMBERS if c in bars.columns)
        if self.benchmark is not None and self.benchmark not in bars["symbol"]:
            raise InputError("dataset.benchmark", self.benchmark, "a symbol of the bars")
        return batch(self._info(present), tables, tuple(findings))

    def streamed(self, identity: str) -> Iterator[Batch]:
        """The rows part by part, all of one batch."""
        fields: tuple[str, ...] | None = None
        benchmark_missing = self.benchmark is not None
        for table, where, given in self.frames():
            findings: list[Finding] = []
            rows = self._table(table, where, given, findings)
            if table == "bars":
                present = tuple(c for c in NUMBERS if c in rows.columns)
                if fields not in (None, present):
                    before = ", ".join(fields or ())
                    raise InputError(where, present, f"the same fields as in the files before it: {before}")
                fields = present
                benchmark_missing = benchmark_missing and self.benchmark not in rows["symbol"]
            yield batch(self._info(fields or ()), {table: rows}, tuple(findings), identity)
        if benchmark_missing:
            raise InputError("dataset.benchmark", self.benchmark, "a symbol of the bars")

    def _info(self, fields: tuple[str, ...]) -> DatasetInfo:
        return DatasetInfo(
            name=self.name,
            calendar=self.calendar,
            price_basis=self.price_basis,
            bar_fields=fields,
            decision_delay=self.decision_delay,
            benchmark=self.benchmark,
            description=self.description,
            survivorship=self.survivorship,
            known_rule=self.known_rule,
        )

    def _table(self, table: str, where: str, given: pl.DataFrame, findings: list[Finding]) -> pl.DataFrame:
        """One part of a table with our columns and types, and event_at in place of the date."""
        if not given.height:
            raise InputError(where, "no rows", f"the {table}")
        mapping = _mapping(table, where, given.columns, self.columns if table == "bars" else {})
        unused = sorted(set(given.columns) - set(mapping.values()))
        if unused and FROM_ROW not in where:
            detail = f"{where}: columns that are not used: {', '.join(map(repr, unused))}"
            findings.append(Finding("info", "unused columns", "", "", detail))
        typed = pl.DataFrame([self._cast(ours, where, given[theirs]) for ours, theirs in mapping.items()])
        if table == "actions":
            _kinds(where, typed)
        if "volume" in typed.columns:
            typed = typed.with_columns(pl.col("volume") * self.volume_unit)
        if table == "facts":  # a period may end on any day
            event = typed["date"].cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("event_at")
        else:
            event = closes(self.calendar, typed["date"], f"{where}: {mapping['date']}")
        return typed.drop("date").with_columns(event)

    def _cast(self, ours: str, where: str, column: pl.Series) -> pl.Series:
        parameter = f"{where}: {column.name}"
        if ours == "date":
            cast = _dates(parameter, column, self.date_format)
        elif ours == "known_at":
            cast = instants(parameter, column, zone_of(self.time_zone))
            _refuse(parameter, column, cast.is_null(), EXPECTED, HINT)
        elif ours == "member":
            cast = _booleans(parameter, column)
        elif ours in (*NUMBERS, "value"):
            cast = _numbers(parameter, column, self.decimal)
        else:
            cast = _texts(parameter, column)
        return cast.alias(ours)


def _mapping(table: str, where: str, present: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """Our columns to theirs: as given, else the one with our name, in capitals or not."""
    found: dict[str, str] = {}
    for ours in COLUMNS[table]:
        same = [given[ours]] if ours in given else [c for c in present if c.strip().lower() == ours]
        if len(same) == 1 and same[0] in present:
            found[ours] = same[0]
        elif ours in given or ours in REQUIRED[table] or len(same) > 1:
            wanted = f"one column {given.get(ours, ours)!r}"
            hint = f"Name it with dataset.columns.{ours}." if table == "bars" else ""
            raise InputError(f"{where}: columns", present, wanted, hint)
    return found


def _refuse(parameter: str, column: pl.Series, wrong: pl.Series, expected: str, hint: str = "") -> None:
    """Raises for the first row that is wrong."""
    if wrong.any():
        row = wrong.fill_null(False).arg_max() or 0
        raise InputError(f"{parameter} in row {row + 1}", column[row], expected, hint)


def _numbers(parameter: str, column: pl.Series, decimal: str) -> pl.Series:
    """Floats; empty and NaN are a missing value, infinity is none. With a decimal comma 1.234,5 and 1234,5 are numbers."""
    if column.dtype == pl.String:
        column = column.str.strip_chars().replace("", None)
        if decimal == ",":
            grouped = column.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$").fill_null(False)
            plain = column.str.contains(r"^[^.]*$").fill_null(False)
            _refuse(parameter, column, ~(grouped | plain) & column.is_not_null(), "a number such as 1.234,5")
            column = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    elif not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise InputError(parameter, str(column.dtype), "numbers")
    cast = column.cast(pl.Float64, strict=False).fill_nan(None)
    named = column.cast(pl.String).str.to_lowercase().is_in(["nan", "-nan"])
    _refuse(parameter, column, cast.is_null() & column.is_not_null() & ~named, "a number")
    _refuse(parameter, column, cast.is_infinite(), "a finite number")
    return cast


def _dates(parameter: str, column: pl.Series, form: str | None) -> pl.Series:
    hint = "" if form else "Set dataset.date_format, such as '%d/%m/%Y'."
    if column.dtype.is_integer() and form:  # 20240131
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        try:
            cast = column.str.strip_chars().str.to_date(form or "%Y-%m-%d", strict=False)
        except pl.exceptions.PolarsError as error:
            raise InputError("dataset.date_format", form, "a format of strptime", str(error)) from error
    elif column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        cast = column.cast(pl.Date)
        timed = column.cast(cast.dtype).cast(column.dtype) != column
        _refuse(parameter, column, timed, "a date without a time of day", "Bars are daily.")
    else:
        raise InputError(parameter, str(column.dtype), "dates", hint)
    _refuse(parameter, column, cast.is_null(), f"a date as {form or 'YYYY-MM-DD'}", hint)
    return cast


def _texts(parameter: str, column: pl.Series) -> pl.Series:
    """Text; whole numbers are tickers in some markets."""
    kind = column.dtype
    if not (kind in (pl.String, pl.Categorical, pl.Enum, pl.Null) or kind.is_integer()):
        raise InputError(parameter, str(kind), "text")
    return column.cast(pl.String)


def _booleans(parameter: str, column: pl.Series) -> pl.Series:
    if column.dtype != pl.Boolean:
        text = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        cast = text.replace_strict(BOOLEANS, default=None, return_dtype=pl.Boolean)
    else:
        cast = column
    _refuse(parameter, column, cast.is_null(), "true or false")
    return cast


def _kinds(where: str, actions: pl.DataFrame) -> None:
    """Each action is of a known kind, with the value or text that the kind needs."""
    kind = actions["kind"]
    known = kind.is_in(ACTION_KINDS).fill_null(False)
    _refuse(f"{where}: kind", kind, ~known, f"one of {', '.join(ACTION_KINDS)}")
    renames = kind == "rename"
    text = (
        actions["text"] if "text" in actions.columns else pl.Series([None] * actions.height, dtype=pl.String)
    )
    _refuse(f"{where}: text", text, renames & text.is_null(), "the new symbol of a rename")
    value = (
        actions["value"]
        if "value" in actions.columns
        else pl.Series([None] * actions.height, dtype=pl.Float64)
    )
    floor = pl.select(pl.when(kind == "delisting").then(value >= 0).otherwise(value > 0)).to_series()
    _refuse(f"{where}: value", value, ~renames & ~floor.fill_null(False), "a positive value")
