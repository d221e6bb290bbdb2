"""From a user's rows, as text or typed, to the store's tables: every wrong cell is one error that names its row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from backcast.data.calendar import DAILY
from backcast.data.errors import InputError
from backcast.data.schema import ACTION_KINDS, BAR_FIELDS, TABLES, DatasetInfo, Declared, Finding
from backcast.data.sources.base import Batch, Placed, Source, batch, on_bars, on_sessions, rules
from backcast.data.sources.cells import booleans, dates, integers, numbers, refuse, texts
from backcast.data.sources.instants import EXPECTED, HINT, instants, moments, zone_of

KINDS = {
    "bars": dict.fromkeys(BAR_FIELDS, "number"),
    "actions": {"kind": "text", "value": "number", "text": "text", "declared_on": "date", "pay_on": "date"},
    "membership": {"member": "boolean"},
    "facts": {"item": "text", "value": "number"},
}
"""The columns of a user's standard tables beside `date`, which becomes event_at, `symbol` and `known_at`; with their types."""

REQUIRED = {
    "bars": ("date", "symbol", "close"),
    "actions": ("date", "symbol", "kind"),
    "membership": ("date", "symbol", "member"),
    "facts": ("date", "symbol", "item", "value", "known_at"),
}
"""Columns that must be there. Facts need their own known_at: no rule states when a quarter was published."""

FROM_ROW = " from row "
"""What says where a later part of a file begins; errors count rows within the part."""

AMOUNTS = ("dividend", "merger", "delisting")


@dataclass(frozen=True, kw_only=True, eq=False)
class Tabular(Source):
    """Bars in long form, one row a symbol and bar; actions, membership, facts and declared tables beside them if there are any.

    name: the data set; price_basis: raw, split_adjusted or total_return; columns: of the bars, ours to theirs, such as
    {symbol: Ticker}, and under a table's name those of that table; calendar: of exchange_calendars; frequency: 1d, where
    `date` is a date, or minutes such as 1min, where it is an instant; bar_stamp: end or start, which end of its bar that
    instant is; off_session: refuse rows that no session of the calendar has, or adjust: leave such bars out and count such
    actions and memberships from the next session, each a finding; known_rule: when a row without a known_at could have been
    read (`rules` in base.py); time_zone: of times without an offset, such as America/New_York (they are refused without it:
    read as UTC, an evening's news in New York would be known before that day's decision); date_format: of strptime, ISO
    without; decimal: '.' or ',', what separates the decimals of numbers in text; benchmark: a symbol that is no candidate;
    price_unit: what a price or an amount of 1 is in the currency, such as 0.01 for pence; volume_unit: shares that a volume
    of 1 means; survivorship: why the members are known to have survived; tables: the user's own, by name, each with its
    `columns` and their types (text, number, integer, boolean, date, instant), its `key` and where its rows are.
    """

    name: str
    price_basis: str
    columns: Mapping[str, Any] | None = None
    calendar: str = "XNYS"
    frequency: str = DAILY
    bar_stamp: str = "end"
    off_session: str = "refuse"
    decision_delay: int = 30
    known_rule: str | None = None
    time_zone: str | None = None
    date_format: str | None = None
    decimal: str = "."
    benchmark: str | None = None
    price_unit: float = 1
    volume_unit: float = 1
    survivorship: str | None = None
    description: str = ""
    tables: Mapping[str, Any] | None = None

    rows_key: ClassVar[str] = "path"
    """The key under which a declared table says where its rows are."""

    def __post_init__(self) -> None:
        if not isinstance(self.calendar, str):
            raise InputError("dataset.calendar", self.calendar, "a calendar of exchange_calendars")
        self._info(("close",))
        rules(self.known_rule)
        zone_of(self.time_zone)
        for key in ("date_format", "benchmark", "survivorship", "description"):
            value = getattr(self, key)
            if value is not None and not isinstance(value, str):
                raise InputError(f"dataset.{key}", value, "text", "Put it in quotes.")
        for key in ("price_unit", "volume_unit"):
            unit = getattr(self, key)
            if isinstance(unit, bool) or not isinstance(unit, int | float) or not 0 < unit <= 1e9:
                raise InputError(f"dataset.{key}", unit, "a number above 0, at most 1e9")
        for key, allowed in (
            ("decimal", ".,"),
            ("bar_stamp", ("end", "start")),
            ("off_session", ("refuse", "adjust")),
        ):
            if getattr(self, key) not in list(allowed):
                raise InputError(f"dataset.{key}", getattr(self, key), " or ".join(map(repr, allowed)))
        self._check_columns()

    def _check_columns(self) -> None:
        if not isinstance(self.columns, Mapping | None):
            raise InputError("dataset.columns", self.columns, "a mapping from our names to the file's")
        known = self._kinds()
        for name in known:
            own = self._columns(name)
            if not isinstance(own, Mapping):
                raise InputError(f"dataset.columns.{name}", own, "a mapping from our names to the file's")
            for ours, theirs in own.items():
                where = f"dataset.columns.{ours}" if name == "bars" else f"dataset.columns.{name}.{ours}"
                columns = _columns_of(name, known[name])
                if ours not in columns or not isinstance(theirs, str):
                    raise InputError(where, theirs, f"a column's name, for one of {', '.join(columns)}")

    def _columns(self, table: str) -> Any:
        """Our columns of a table to theirs, as given."""
        given = self.columns or {}
        if table == "bars":
            return {k: v for k, v in given.items() if k not in self._kinds()}
        return given.get(table, {})

    @abstractmethod
    def frames(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        """The rows in parts: of which table, from where (a file, or an argument), and as they came; bars come first."""

    def read(self) -> Batch:
        findings: list[Finding] = []
        parts: dict[str, list[pl.DataFrame]] = {}
        for name, where, part in self.frames():
            parts.setdefault(name, []).append(self._table(name, where, part, findings))
        tables = {name: pl.concat(found, how="diagonal") for name, found in parts.items()}
        bars = tables.get("bars")
        if bars is not None and self.benchmark is not None and self.benchmark not in bars["symbol"]:
            raise InputError("dataset.benchmark", self.benchmark, "a symbol of the bars")
        present = () if bars is None else tuple(c for c in BAR_FIELDS if c in bars.columns)
        return batch(self._info(present), tables, tuple(findings))

    def streamed(self, identity: str) -> Iterator[Batch]:
        """The rows part by part, all of one batch."""
        fields: tuple[str, ...] | None = None
        benchmark_seen = self.benchmark is None
        for table, where, given in self.frames():
            findings: list[Finding] = []
            rows = self._table(table, where, given, findings)
            if table == "bars":
                present = tuple(c for c in BAR_FIELDS if c in rows.columns)
                if fields not in (None, present):
                    before = ", ".join(fields or ())
                    raise InputError(where, present, f"the same fields as in the files before it: {before}")
                fields = present
                benchmark_seen = benchmark_seen or self.benchmark in rows["symbol"]
            info = self._info(fields or ())
            if rows.height:
                yield batch(info, {table: rows}, tuple(findings), identity)
            else:
                yield Batch(info, {}, identity, tuple(findings))
        if fields and not benchmark_seen:
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
            frequency=self.frequency,
            declared=self._declared(),
        )

    def _declared(self) -> tuple[Declared, ...]:
        if not isinstance(self.tables, Mapping | None):
            raise InputError("dataset.tables", self.tables, "a mapping from names to tables")
        found = []
        for name, given in (self.tables or {}).items():
            where = f"dataset.tables.{name}"
            expected = ("columns", "key", self.rows_key)
            if (
                not isinstance(given, Mapping)
                or not set(given) <= set(expected)
                or self.rows_key not in given
            ):
                raise InputError(where, given, f"a mapping with {', '.join(expected)}")
            columns, key = given.get("columns"), given.get("key", [])
            if (
                not isinstance(columns, Mapping)
                or not columns
                or not all(isinstance(v, str) for v in columns.values())
            ):
                raise InputError(f"{where}.columns", columns, "a mapping from columns to their types")
            if not isinstance(key, list | tuple) or not all(isinstance(column, str) for column in key):
                raise InputError(f"{where}.key", key, "a list of columns")
            found.append(Declared(name, tuple(columns.items()), tuple(key)))
        return tuple(found)

    def _rows_of_tables(self) -> dict[str, Any]:
        """Where the rows of each declared table are."""
        return {name: given[self.rows_key] for name, given in (self.tables or {}).items()}

    def _kinds(self) -> dict[str, dict[str, str]]:
        """The columns of every table beside date and known_at, with their types."""
        standard = {name: {"symbol": "text", **columns} for name, columns in KINDS.items()}
        return standard | {own.name: dict(own.columns) for own in self._declared()}

    def _table(self, table: str, where: str, given: pl.DataFrame, findings: list[Finding]) -> pl.DataFrame:
        """One part of a table with our columns and types, and event_at in place of the date."""
        if not given.height:
            raise InputError(where, "no rows", f"the {table}")
        kinds = self._kinds()[table]
        required = REQUIRED.get(table, ("date", *kinds))
        mapping = _mapping(
            table, where, given.columns, _columns_of(table, kinds), required, self._columns(table)
        )
        unused = sorted(set(given.columns) - set(mapping.values()))
        if unused and FROM_ROW not in where:
            detail = f"{where}: columns that are not used: {', '.join(map(repr, unused))}"
            findings.append(Finding("info", "unused columns", "", "", detail))
        types = {**kinds, "date": self._date_kind(table), "known_at": "instant"}
        typed = pl.DataFrame(
            [
                self._cast(ours, types[ours], where, given[theirs]).alias(ours)
                for ours, theirs in mapping.items()
            ]
        )
        if table == "actions":
            _refuse_kinds(where, typed)
        return self._placed(table, f"{where}: {mapping['date']}", self._in_units(table, typed), findings)

    def _date_kind(self, table: str) -> str:
        if table not in KINDS or table == "facts":
            return "moment"
        return "instant" if table == "bars" and self.frequency != DAILY else "date"

    def _cast(self, ours: str, kind: str, where: str, column: pl.Series) -> pl.Series:
        parameter, zone = f"{where}: {column.name}", zone_of(self.time_zone)
        if kind == "moment":
            return moments(parameter, column, zone, self.date_format)
        if kind == "instant":
            cast = instants(parameter, column, zone, self.date_format if ours == "date" else None)
            wrong = cast.is_null() if ours in ("date", "known_at") else cast.is_null() & column.is_not_null()
            refuse(parameter, column, wrong, EXPECTED, HINT)
            return cast
        if kind in ("number", "integer"):
            return (numbers if kind == "number" else integers)(parameter, column, self.decimal)
        if kind == "date":
            return dates(parameter, column, self.date_format, required=ours == "date")
        return (booleans if kind == "boolean" else texts)(parameter, column)

    def _in_units(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Prices and amounts in the currency, volumes in shares."""
        if table == "bars":
            prices = [c for c in BAR_FIELDS[:-1] if c in rows.columns]
            volume = [c for c in ("volume",) if c in rows.columns]
            return rows.with_columns(pl.col(prices) * self.price_unit, pl.col(volume) * self.volume_unit)
        if table == "actions" and "value" in rows.columns:
            amount = pl.col("value") * pl.when(pl.col("kind").is_in(AMOUNTS)).then(self.price_unit).otherwise(
                1.0
            )
            return rows.with_columns(value=amount)
        return rows

    def _placed(self, table: str, where: str, rows: pl.DataFrame, findings: list[Finding]) -> pl.DataFrame:
        """The rows with event_at, on the bars and sessions of the calendar."""
        if self._date_kind(table) == "moment":
            return rows.rename({"date": "event_at"})
        if self._date_kind(table) == "instant":
            placed = on_bars(self.calendar, self.frequency, self.bar_stamp == "start", rows["date"], where)
        else:
            placed = on_sessions(self.calendar, rows["date"], where)
        if self.off_session == "refuse":
            placed.refuse_outside(where, self.calendar)
        rows = rows.drop("date").with_columns(placed.event_at)
        if placed.inside.all():
            return rows
        findings.append(_off_session(table, placed))
        return rows.filter(placed.inside) if table == "bars" else rows.filter(rows["event_at"].is_not_null())


def _off_session(table: str, placed: Placed) -> Finding:
    """What became of rows that no session has; actions and memberships lie on the next session already."""
    outside = (~placed.inside).sum()
    done = "are left out" if table == "bars" else "count from the next session"
    detail = f"rows of the {table} lie in no session and {done}; the first is of {placed.first_outside}"
    return Finding("warning", "off session", "", placed.first_outside[:10], detail, int(outside))


def _columns_of(table: str, kinds: Mapping[str, str]) -> tuple[str, ...]:
    return ("date", *kinds, "known_at")


def _mapping(
    table: str,
    where: str,
    present: list[str],
    columns: tuple[str, ...],
    required: tuple[str, ...],
    given: Mapping[str, str],
) -> dict[str, str]:
    """Our columns to theirs: as given, else the one with our name, in capitals or not."""
    found: dict[str, str] = {}
    for ours in columns:
        same = [given[ours]] if ours in given else [c for c in present if c.strip().lower() == ours]
        if len(same) == 1 and same[0] in present:
            found[ours] = same[0]
        elif ours in given or ours in required or len(same) > 1:
            wanted = f"one column {given.get(ours, ours)!r}"
            named = f"{ours}: ..." if table == "bars" else f"{table}: {{{ours}: ...}}"
            hint = f"Name it with 'dataset.columns={{{named}}}'."
            raise InputError(f"{where}: columns", present, wanted, hint)
    return found


def _refuse_kinds(where: str, actions: pl.DataFrame) -> None:
    """Each action is of a known kind, with the value or text that the kind needs."""
    kind = actions["kind"]
    known = kind.is_in(ACTION_KINDS).fill_null(False)
    refuse(f"{where}: kind", kind, ~known, f"one of {', '.join(ACTION_KINDS)}")
    renames, none = kind == "rename", pl.Series([None] * actions.height)
    text = actions["text"] if "text" in actions.columns else none.cast(pl.String)
    refuse(f"{where}: text", text, renames & text.is_null(), "the new symbol of a rename")
    value = actions["value"] if "value" in actions.columns else none.cast(pl.Float64)
    floor = pl.select(pl.when(kind == "delisting").then(value >= 0).otherwise(value > 0)).to_series()
    refuse(f"{where}: value", value, ~renames & ~floor.fill_null(False), "a positive value")


assert set(KINDS) == set(TABLES)
