"""Targets that were decided elsewhere, as a file or a frame has them: read, checked cell by cell, placed on a clock.

Long: `session` (a date; the decision follows that session's last bar) or `decided_at` (an instant, UTC where it has no offset;
the clock's first decision at or after it), `symbol`, and one of `weight`, `shares`, `order`. Wide: one of the two time columns
and a column a symbol. Rows are counted from 1, without the header. An empty cell of a wide table is absent, NaN is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Instants, Ints
from backcast.engine.types import ORDERS, SHARES, WEIGHTS

KINDS = {"weight": WEIGHTS, "shares": SHARES, "order": ORDERS}
TIMES = ("session", "decided_at")
MOST_BYTES, MOST_CELLS = 4 * 2**30, 200_000_000
SHAPE = "session or decided_at, symbol, and one of weight, shares, order; or session or decided_at and a column a symbol"


@dataclass(frozen=True)
class GivenTable:
    """N cells on D times: times (D,) ascending (midnight of a session, where `by_session`), first (D,) the row in which each
    begins; time, symbol (N,) indices, row (N,) and value (N,), finite. where: the file, for messages."""

    where: str
    kind: str
    by_session: bool
    times: Instants
    first: Ints
    symbols: tuple[str, ...]
    time: Ints
    symbol: Ints
    row: Ints
    value: Floats

    def at(self, d: int) -> str:
        """A time as it stands in the table."""
        return str(self.times[d].astype("datetime64[D]") if self.by_session else self.times[d])

    def before(self, date: np.datetime64) -> GivenTable:
        """What it says of times before a date. Errors: InputError where that is nothing."""
        count = int(np.searchsorted(self.times, date.astype("datetime64[us]")))
        if not count:
            raise InputError(self.where, self.at(0), f"a time before {date}, from where on it is held out")
        kept = self.time < count
        used, symbol = np.unique(self.symbol[kept], return_inverse=True)
        names = tuple(self.symbols[i] for i in used)
        return replace(self, times=self.times[:count], first=self.first[:count], symbols=names, time=self.time[kept],
                       symbol=symbol, row=self.row[kept], value=self.value[kept])  # fmt: skip

    def place(self, clock: Clock, truncated: bool = False) -> Ints:
        """(D,) the decision of each time; with `truncated`, of those that the clock has.

        Errors: InputError for a time outside the data, a date without a session, two times of one decision.
        """
        days = self.times.astype("datetime64[D]")
        if self.by_session:
            decision = np.searchsorted(clock.sessions, days, side="right") - 1
            late, early = days > clock.sessions[-1], days < clock.sessions[0]
        else:
            decision = np.searchsorted(clock.decides_at, self.times)
            late, early = decision >= len(clock), self.times < clock.opens_at[0]
        if truncated:
            decision, late, early = decision[~late], late[~late], early[~late]
        self._refuse(early, f"a time within the data, which begin on {clock.sessions[0]}", "Remove it.")
        hint = "Ingest newer data, or remove it: what is decided then cannot be traded in them."
        self._refuse(late, f"a decision before the data end, the last is of {clock.decides_at[-1]}", hint)
        if self.by_session:
            off = clock.sessions[decision] != days[: len(decision)]
            if off.any():
                d = int(off.argmax())
                near = clock.sessions[decision[d]]
                self._refuse(off, f"a session of {clock.calendar}", f"The session before it is {near}.")
        same = np.r_[False, np.diff(decision) == 0]
        if same.any():
            d = int(same.argmax())
            taken = f"{self.at(d - 1)} is for the decision of {clock.decides_at[decision[d]]} already."
            self._refuse(same, "a decision of its own", taken)
        return decision.astype(np.int64)

    def _refuse(self, wrong: Any, expected: str, hint: str) -> None:
        if wrong.any():
            d = int(np.flatnonzero(wrong)[0])
            name = TIMES[0 if self.by_session else 1]
            raise InputError(f"{self.where}, row {self.first[d]}, {name}", self.at(d), expected, hint)

    def widened(self, symbols: tuple[str, ...], named: str, strict: bool = True) -> Floats:
        """(D, S) values on an axis of symbols, NaN where absent. named: what the axis is called in the error for a symbol that
        is not on it; without `strict` such a one is left out."""
        place = {name: s for s, name in enumerate(symbols)}
        index = np.array([place.get(name, -1) for name in self.symbols], dtype=np.int64)
        unknown = index[self.symbol] < 0
        if unknown.any() and strict:
            i = int(unknown.argmax())
            name = self.symbols[self.symbol[i]]
            where = f"{self.where}, row {self.row[i]}, symbol"
            raise InputError(where, name, f"a symbol of {named}", did_you_mean(name, symbols))
        values = np.full((len(self.times), len(symbols)), np.nan)
        values[self.time[~unknown], index[self.symbol][~unknown]] = self.value[~unknown]
        return values

    def row_of(self, d: int, name: str) -> int:
        """The row of a cell."""
        found = np.flatnonzero((self.time == d) & (self.symbol == self.symbols.index(name)))
        return int(self.row[found[0]])


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """A hint with the known names closest to one that is not."""
    folded = {word.casefold(): word for word in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=most, cutoff=0.5)
    return f"Did you mean {' or '.join(folded[word] for word in close)}?" if close else ""


def read_file(path: Path) -> pl.DataFrame:
    """A .csv file, every cell as its text, or a .parquet file. Errors: InputError."""
    where = "portfolio.path"
    if path.is_dir():
        raise InputError(where, str(path), "a .csv or .parquet file", "This is a folder.")
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(where, str(path), "a .csv or .parquet file")
    if not path.exists():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, there) or f"There is no such file in {path.parent.resolve()}."
        raise InputError(where, str(path), "a file that is there", hint)
    try:
        if not path.stat().st_size:
            raise InputError(where, str(path), f"a table: {SHAPE}", "The file is empty.")
        _refuse_huge(path)
        if path.suffix.lower() == ".csv":
            return pl.read_csv(path, infer_schema=False)
        return pl.read_parquet(path)
    except pl.exceptions.NoDataError as error:
        raise InputError(where, str(path), f"a table: {SHAPE}", "The file is empty.") from error
    except (OSError, pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise InputError(where, str(path), "a readable table", str(error).splitlines()[0]) from error


def _refuse_huge(path: Path) -> None:
    size, hint = path.stat().st_size, "Split it by time into several runs, or leave out what does not change."
    if size > MOST_BYTES:
        raise InputError(
            "portfolio.path",
            str(path),
            f"at most {MOST_BYTES / 2**30:g} GiB, it has {size / 2**30:.1f}",
            hint,
        )
    if path.suffix.lower() == ".parquet":
        scan = pl.scan_parquet(path)
        cells = scan.select(pl.len()).collect().item() * len(scan.collect_schema())
        if cells > MOST_CELLS:
            raise InputError(
                "portfolio.path", str(path), f"at most {MOST_CELLS:,} cells, it has {cells:,}", hint
            )


def table_of(frame: pl.DataFrame, where: str, kind: str | None = None) -> GivenTable:
    """A checked table of a long or a wide frame. kind: weights, shares or orders; None: as the column says, weights in a wide
    frame. Errors: InputError naming the row and the column."""
    columns = frame.columns
    times = [name for name in TIMES if name in columns]
    twice = [name for name in columns if "_duplicated_" in name]
    if twice:
        raise InputError(where, twice[0].partition("_duplicated_")[0], "each column once")
    if len(times) != 1:
        raise InputError(f"columns of {where}", columns, SHAPE, "" if times else _rename(columns))
    if not frame.height:
        raise InputError(where, "no rows", "at least one decision")
    long = "symbol" in columns
    if long:
        _check_long(columns, where)
    elif len(columns) < 2:
        raise InputError(f"columns of {where}", columns, SHAPE)
    at = _times(frame[times[0]], where)
    read = _long if long else _wide
    return read(frame, where, kind, times[0], at)


def _rename(columns: list[str]) -> str:
    close = [
        name for name in columns if name.casefold() in ("date", "time", "timestamp", "datetime", "index", "")
    ]
    return f"Call the column {close[0]!r} session (a date) or decided_at (an instant)." if close else ""


def _check_long(columns: list[str], where: str) -> None:
    values = [name for name in KINDS if name in columns]
    others = [name for name in columns if name not in (*TIMES, "symbol", *KINDS)]
    if len(values) != 1:
        raise InputError(f"columns of {where}", columns, SHAPE)
    if others:
        raise InputError(f"columns of {where}", others[0], SHAPE, "Remove this column.")


def _times(column: pl.Series, where: str) -> Instants:
    """(N,) instants; of sessions their midnight."""
    name = f"{where}, row {{}}, {column.name}"
    session, kind = column.name == TIMES[0], column.dtype
    if kind == pl.String:
        text = column.str.strip_chars()
        if session:
            text = text.str.replace(r"[ T]00:00:00(\.0+)?$", "")
            parsed = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
        else:
            parsed = text.replace_strict(
                {t: _instant(t) for t in text.unique().drop_nulls()},
                default=None,
                return_dtype=pl.Datetime("us"),
            )
    elif isinstance(kind, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else column
        parsed = utc.cast(pl.Datetime("us"))
        timed = (parsed.dt.truncate("1d") != parsed).fill_null(False)
        if session and timed.any():
            row = int(timed.arg_max() or 0)
            hint = "Call the column decided_at if it holds instants."
            raise InputError(name.format(row + 1), str(column[row]), "a date without a time of day", hint)
    elif kind == pl.Date and session:
        parsed = column.cast(pl.Datetime("us"))
    else:
        raise InputError(f"{where}, {column.name}", str(kind), "dates" if session else "instants")
    if parsed.null_count():
        row = int(parsed.is_null().arg_max() or 0)
        expected = "a date as YYYY-MM-DD" if session else "an instant such as 2024-01-31T21:30:00"
        raise InputError(name.format(row + 1), column[row], expected)
    return parsed.to_numpy()


def _instant(text: str) -> Any:
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(text) <= 10:  # a bare date would be midnight, before that day's prices
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _numbers(column: pl.Series, where: str, absent: bool) -> Floats:
    """(N,) finite numbers; with `absent`, NaN stands for an empty cell."""
    kind = column.dtype
    if kind == pl.String:
        column = column.str.strip_chars().replace("", None)
    elif not kind.is_numeric() and kind != pl.Null:
        raise InputError(f"{where}, {column.name}", str(kind), "numbers")
    cast = column.cast(pl.Float64, strict=False)
    text = cast.is_null() & column.is_not_null()
    wrong = (text | ~cast.is_finite().fill_null(True)) | (cast.is_null() if not absent else text)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        hint = (
            ""
            if text[row]
            else "Remove what is not known: an empty cell of a wide table, or a missing row of a long one."
        )
        raise InputError(f"{where}, row {row + 1}, {column.name}", column[row], "a finite number", hint)
    return np.asarray(cast.fill_null(np.nan).to_numpy(), dtype=np.float64)


def _long(frame: pl.DataFrame, where: str, kind: str | None, time: str, at: Instants) -> GivenTable:
    name = next(name for name in KINDS if name in frame.columns)
    if kind not in (None, KINDS[name]):
        raise InputError("portfolio.kind", kind, f"{KINDS[name]} or null, since {where} has a column {name}")
    value = _numbers(frame[name], where, absent=False)
    words = frame["symbol"]
    if not (words.dtype in (pl.String, pl.Categorical, pl.Enum) or words.dtype.is_integer()):
        raise InputError(f"{where}, symbol", str(words.dtype), "text")
    words = words.cast(pl.String).str.strip_chars()
    empty = words.is_null() | (words == "")
    if empty.any():
        raise InputError(f"{where}, row {int(empty.arg_max() or 0) + 1}, symbol", None, "a symbol")
    _refuse_unsorted(at, np.diff(at).astype(np.int64) < 0, where, time)
    symbols = tuple(sorted(words.unique()))
    code = words.replace_strict({s: i for i, s in enumerate(symbols)}, return_dtype=pl.Int64).to_numpy()
    times, first, number = np.unique(at, return_index=True, return_inverse=True)
    cell = number * len(symbols) + code
    order = np.argsort(cell, kind="stable")
    same = np.flatnonzero(np.diff(cell[order]) == 0)
    if len(same):
        row, earlier = int(order[same + 1].min()), cell[int(order[same + 1].min())]
        before = int(np.flatnonzero(cell == earlier)[0])
        shown = f"{words[row]} at {at[row].astype('datetime64[D]') if time == TIMES[0] else at[row]}"
        raise InputError(
            f"{where}, row {row + 1}", shown, "each symbol once a decision", f"It is in row {before + 1} too."
        )
    rows = np.arange(1, len(at) + 1)
    return GivenTable(
        where, KINDS[name], time == TIMES[0], times, rows[first], symbols, number, code, rows, value
    )


def _wide(frame: pl.DataFrame, where: str, kind: str | None, time: str, at: Instants) -> GivenTable:
    symbols = tuple(name for name in frame.columns if name != time)
    if frame.height * len(symbols) > MOST_CELLS:
        cells = frame.height * len(symbols)
        raise InputError(
            where, f"{cells:,} cells", f"at most {MOST_CELLS:,} cells", "Split it by time into several runs."
        )
    _refuse_unsorted(at, np.diff(at).astype(np.int64) <= 0, where, time)
    values = np.column_stack([_numbers(frame[name], where, absent=True) for name in symbols])
    row, symbol = np.nonzero(np.isfinite(values))
    rows = np.arange(1, len(at) + 1)
    return GivenTable(
        where, kind or WEIGHTS, time == TIMES[0], at, rows, symbols, row, symbol, row + 1, values[row, symbol]
    )


def _refuse_unsorted(at: Instants, back: Any, where: str, time: str) -> None:
    if back.any():
        row = int(back.argmax()) + 1
        shown = str(at[row].astype("datetime64[D]") if time == TIMES[0] else at[row])
        twice = bool(at[row] == at[row - 1])
        expected = "each decision once" if twice else f"rows in order of {time}"
        hint = "Merge the two rows." if twice else f"Sort the table by {time}."
        raise InputError(f"{where}, row {row + 1}, {time}", shown, expected, hint)
