"""The tables of a data set: their columns, keys and the facts about their source.

Every row of every table carries event_at (the instant it describes), known_at (when it could have been read), known_basis
(`observed`, `vendor` or `rule`), ingested_at and the batch that brought it. Instants are UTC, to the microsecond.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backcast.data.calendar import DAILY, bar_minutes
from backcast.data.errors import InputError

INSTANT = pa.timestamp("us", tz="UTC")
BASES = ("observed", "vendor", "rule")
PRICE_BASES = ("raw", "split_adjusted", "total_return")
ACTION_KINDS = ("split", "dividend", "delisting", "merger", "rename")

PROVENANCE = ("known_at", "known_basis", "ingested_at", "batch")
"""The columns of a row that say when and from where it was known."""

_TIMES = [("event_at", INSTANT), ("known_at", INSTANT), ("known_basis", pa.string()), ("ingested_at", INSTANT),
          ("batch", pa.string())]  # fmt: skip
BAR_FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Table:
    """schema: the columns with their types; keys: what a row is about, which may come again with a later known_at: a
    correction."""

    schema: pa.Schema
    keys: tuple[str, ...]

    @property
    def versioned(self) -> tuple[str, ...]:
        """The columns that no two rows share: the key, and when it was known."""
        return (*self.keys, "known_at")

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that say something about the key."""
        return tuple(name for name in self.schema.names if name not in (*self.keys, *PROVENANCE))


def _table(columns: list[tuple[str, pa.DataType]], *keys: str) -> Table:
    return Table(pa.schema([*columns, *_TIMES]), keys)


_SYMBOL = ("symbol", pa.string())

TABLES: dict[str, Table] = {
    "bars": _table([_SYMBOL, *((name, pa.float64()) for name in BAR_FIELDS)], "symbol", "event_at"),
    "actions": _table(
        [
            *(_SYMBOL, ("kind", pa.string()), ("value", pa.float64()), ("text", pa.string())),
            *(("declared_on", pa.date32()), ("pay_on", pa.date32())),
        ],
        *("symbol", "event_at", "kind"),
    ),
    "membership": _table([_SYMBOL, ("member", pa.bool_())], "symbol", "event_at"),
    "facts": _table(
        [_SYMBOL, ("item", pa.string()), ("value", pa.float64())], *("symbol", "item", "event_at")
    ),
}
"""The tables that every data set has. An action's event_at is its ex date, or the date from which a rename or an end counts."""


@dataclass(frozen=True)
class Finding:
    """Something noticed about a batch. severity: error, warning or info; symbol and session may be empty; count: how often."""

    severity: str
    check: str
    symbol: str
    session: str
    detail: str
    count: int = 1


FINDINGS = pa.schema(
    [
        *((name, pa.string()) for name in ("batch", "severity", "check", "symbol", "session", "detail")),
        ("count", pa.int64()),
    ]
)
"""Findings with their batch; they stay with the data for ever."""

KINDS = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "date": pa.date32(),
         "instant": INSTANT}  # fmt: skip
"""The types that a declared table's columns may have."""

RESERVED = (*TABLES, "findings", "symbols")
"""Names that no declared table may have."""

TAKEN = ("date", "event_at", "superseded_at", *PROVENANCE, "source", "view", "column", "old", "new")
"""Names that no declared column may have: sources and answers have them."""

DUCKDB = ("main", "memory", "temp", "system", "pg_catalog", "information_schema")
"""Names of schemas and databases that DuckDB has already."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Declared:
    """A table of the user's own: its columns with their types (of `KINDS`), and which of them, with event_at, are its key."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"dataset.tables.{self.name}"
        named = isinstance(self.name, str) and _NAME.fullmatch(self.name)
        if not named or self.name in RESERVED or self.name.endswith(("_first", "_versions")):
            expected = (
                f"a name of lower-case letters, digits and _, none of {', '.join(RESERVED)}, nor a view's"
            )
            raise InputError(where, self.name, expected)
        for column, kind in self.columns:
            if not isinstance(column, str) or column in TAKEN or not _NAME.fullmatch(column):
                expected = (
                    f"a name of lower-case letters, digits and _ that is free, none of {', '.join(TAKEN)}"
                )
                raise InputError(f"{where}.columns", column, expected)
            known = ("text",) if column == "symbol" else tuple(KINDS)
            if kind not in known:
                raise InputError(f"{where}.columns.{column}", kind, f"one of {', '.join(known)}")
        names = [column for column, _ in self.columns]
        if not set(self.key) < set(names) or len(set(self.key)) != len(self.key):
            expected = f"some, not all, of the columns {', '.join(names)}"
            raise InputError(f"{where}.key", list(self.key), expected)

    @property
    def table(self) -> Table:
        return _table([(column, KINDS[kind]) for column, kind in self.columns], *self.key, "event_at")

    @staticmethod
    def from_json(value: dict[str, Any]) -> Declared:
        columns = tuple((column, kind) for column, kind in value["columns"])
        return Declared(value["name"], columns, tuple(value["key"]))


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for a whole data set.

    name: letters, digits and _; calendar: an exchange_calendars name; frequency: of the bars, 1d or minutes such as 1min;
    decision_delay: minutes from a bar's end to its decision; price_basis: raw, split_adjusted or total_return; benchmark:
    a symbol of the bars that is no candidate; bar_fields: the columns of `bars` that the source has, none for a data set of
    facts alone; survivorship: why the members are known to have survived, if they are; known_rule: the rule behind known_at
    where the source gives none; declared: tables of the user's own.
    """

    name: str
    calendar: str
    price_basis: str
    bar_fields: tuple[str, ...]
    decision_delay: int = 30
    benchmark: str | None = None
    description: str = ""
    survivorship: str | None = None
    known_rule: str | None = None
    frequency: str = DAILY
    declared: tuple[Declared, ...] = ()

    def __post_init__(self) -> None:
        if check_name(self.name) in DUCKDB:
            raise InputError(
                "dataset.name", self.name, f"a name that SQL has not taken ({', '.join(DUCKDB)})"
            )
        bar_minutes(self.frequency)
        if self.price_basis not in PRICE_BASES:
            raise InputError("dataset.price_basis", self.price_basis, f"one of {', '.join(PRICE_BASES)}")
        if not set(self.bar_fields) <= set(BAR_FIELDS) or (
            self.bar_fields and "close" not in self.bar_fields
        ):
            raise InputError(
                "dataset.bar_fields", self.bar_fields, f"close and others of {', '.join(BAR_FIELDS)}, or none"
            )
        whole = isinstance(self.decision_delay, int) and not isinstance(self.decision_delay, bool)
        if not whole or not 0 <= self.decision_delay <= 24 * 60:
            raise InputError("dataset.decision_delay", self.decision_delay, "minutes from 0 to 1440")

    @property
    def tables(self) -> dict[str, Table]:
        """Every table of the data set: the standard ones, then the declared ones."""
        return TABLES | {own.name: own.table for own in self.declared}

    @property
    def logs(self) -> dict[str, pa.Schema]:
        """Everything that the data set logs, with its columns."""
        return {**{name: table.schema for name, table in self.tables.items()}, "findings": FINDINGS}

    def table(self, name: str) -> Table:
        """One table. Errors: InputError for one that there is not."""
        if name not in self.tables:
            raise InputError("table", name, f"one of {', '.join(self.tables)}")
        return self.tables[name]

    def joined(self, held: DatasetInfo) -> DatasetInfo:
        """What holds once this batch is in: as held, with bars and declared tables that the data set had no row of so far.

        Errors: InputError where the two contradict each other.
        """
        ours, theirs = self.to_json(), held.to_json()
        for key in (k for k in ours if k != "declared"):
            extends = key == "bar_fields" and not (ours[key] and theirs[key])
            if ours[key] != theirs[key] and not extends:
                raise _contradiction(self.name, key, ours[key], theirs[key])
        declared = {own.name: own for own in (*held.declared, *self.declared)}
        for own in held.declared:
            if declared[own.name] != own:
                given, held_ = (
                    {"columns": dict(t.columns), "key": list(t.key)} for t in (declared[own.name], own)
                )
                raise _contradiction(self.name, f"tables.{own.name}", given, held_)
        fields = self.bar_fields or held.bar_fields
        return replace(held, bar_fields=fields, declared=tuple(declared.values()))

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return value

    @staticmethod
    def from_json(value: dict[str, Any]) -> DatasetInfo:
        own = tuple(Declared.from_json(entry) for entry in value.get("declared", []))
        return DatasetInfo(**{**value, "bar_fields": tuple(value["bar_fields"]), "declared": own})


def _contradiction(name: str, key: str, given: object, held: object) -> InputError:
    hint = f"The data set {name} is in the store with it; choose another dataset.name."
    return InputError(f"dataset.{key}", given, repr(held), hint)


def check_name(name: object, parameter: str = "dataset.name") -> str:
    """A name that is a folder's or a file's name too."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(parameter, name, "a lower-case letter, then letters, digits and _ (at most 64)")
    return name


def validate(name: str, table: Table, rows: pa.Table) -> None:
    """Columns, types, keys and known_at are as the schema says. Errors: InputError naming the first thing that is not."""
    if not rows.schema.equals(table.schema):
        raise InputError(f"{name} columns", rows.schema.names, f"{table.schema.names} with their types")
    for column in (*table.keys, *PROVENANCE):
        if rows[column].null_count:
            raise InputError(
                f"{name}.{column}", None, "a value in every row", f"{rows[column].null_count} are missing."
            )
    bases = set(pc.unique(rows["known_basis"]).to_pylist())
    if not bases <= set(BASES):
        raise InputError(f"{name}.known_basis", sorted(bases), f"one of {', '.join(BASES)}")
    keys = rows.select(table.versioned)
    if keys.group_by(keys.column_names).aggregate([]).num_rows != rows.num_rows:
        raise InputError(
            f"{name} keys", f"{rows.num_rows} rows", f"one row a {', '.join(table.keys)} and known_at"
        )
