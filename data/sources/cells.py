"""Cells as files and frames have them, to our types: every wrong one is an error that names its row."""

from __future__ import annotations

import polars as pl

from backcast.data.errors import InputError

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def refuse(parameter: str, column: pl.Series, wrong: pl.Series, expected: str, hint: str = "") -> None:
    """Raises for the first row that is wrong."""
    if wrong.any():
        row = wrong.fill_null(False).arg_max() or 0
        raise InputError(f"{parameter} in row {row + 1}", column[row], expected, hint)


def numbers(parameter: str, column: pl.Series, decimal: str) -> pl.Series:
    """Floats; empty and NaN are a missing value, infinity is none. With a decimal comma 1.234,5 and 1234,5 are numbers."""
    if column.dtype == pl.String:
        column = column.str.strip_chars().replace("", None)
        if decimal == ",":
            grouped = column.str.contains(r"^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$").fill_null(False)
            plain = column.str.contains(r"^[^.]*$").fill_null(False)
            refuse(parameter, column, ~(grouped | plain) & column.is_not_null(), "a number such as 1.234,5")
            column = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    elif not column.dtype.is_numeric() and column.dtype != pl.Null:
        raise InputError(parameter, str(column.dtype), "numbers")
    cast = column.cast(pl.Float64, strict=False)
    refuse(parameter, column, cast.is_null() & column.is_not_null(), "a number")
    cast = cast.fill_nan(None)
    refuse(parameter, column, cast.is_infinite(), "a finite number")
    return cast


def dates(parameter: str, column: pl.Series, form: str | None, required: bool = True) -> pl.Series:
    """Dates; an empty cell is none where one is not required."""
    hint = "" if form else "Set dataset.date_format, such as '%d/%m/%Y'."
    if column.dtype == pl.Null and not required:
        return column.cast(pl.Date)
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
        refuse(
            parameter,
            column,
            timed,
            "a date without a time of day",
            "Or set dataset.frequency for intraday bars.",
        )
    else:
        raise InputError(parameter, str(column.dtype), "dates", hint)
    empty = (
        column.is_null() if column.dtype != pl.String else column.is_null() | (column.str.strip_chars() == "")
    )
    wrong = cast.is_null() if required else cast.is_null() & ~empty
    refuse(parameter, column, wrong, f"a date as {form or 'YYYY-MM-DD'}", hint)
    return cast


def texts(parameter: str, column: pl.Series) -> pl.Series:
    """Text; whole numbers are tickers in some markets."""
    kind = column.dtype
    if not (kind in (pl.String, pl.Categorical, pl.Enum, pl.Null) or kind.is_integer()):
        raise InputError(parameter, str(kind), "text")
    return column.cast(pl.String)


def booleans(parameter: str, column: pl.Series) -> pl.Series:
    if column.dtype.is_nested():
        raise InputError(parameter, str(column.dtype), "true or false")
    if column.dtype != pl.Boolean:
        text = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        cast = text.replace_strict(BOOLEANS, default=None, return_dtype=pl.Boolean)
    else:
        cast = column
    refuse(parameter, column, cast.is_null(), "true or false")
    return cast


def integers(parameter: str, column: pl.Series, decimal: str) -> pl.Series:
    """Whole numbers, whatever type they came in."""
    cast = numbers(parameter, column, decimal)
    whole = ((cast == cast.floor()) & (cast.abs() < 2.0**53)) | cast.is_null()
    refuse(parameter, column, ~whole, "a whole number")
    return cast.cast(pl.Int64)
