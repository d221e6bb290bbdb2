"""The tables of a data set: their columns, keys and the facts about their source.

Every row of every table carries event_at (the instant it describes), known_at (when it could have been read), known_basis
(`observed`, `vendor` or `rule`), ingested_at and the batch that brought it. Instants are UTC, to the microsecond.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backcast.data.errors import InputError

INSTANT = pa.timestamp("us", tz="UTC")
BASES = ("observed", "vendor", "rule")
PRICE_BASES = ("raw", "split_adjusted", "total_return")
ACTION_KINDS = ("split", "dividend", "delisting", "merger", "rename")

_TIMES = [
    ("event_at", INSTANT),
    ("known_at", INSTANT),
    ("known_basis", pa.string()),
    ("ingested_at", INSTANT),
    ("batch", pa.string()),
]
_NUMBERS = [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]

TABLES: dict[str, pa.Schema] = {
    "bars": pa.schema([("symbol", pa.string()), *_NUMBERS, *_TIMES]),
    "actions": pa.schema(
        [
            ("symbol", pa.string()),
            ("kind", pa.string()),
            ("value", pa.float64()),
            ("text", pa.string()),
            *_TIMES,
        ]
    ),
    "membership": pa.schema([("symbol", pa.string()), ("member", pa.bool_()), *_TIMES]),
    "facts": pa.schema([("symbol", pa.string()), ("item", pa.string()), ("value", pa.float64()), *_TIMES]),
}
"""The column types of each table."""

KEYS: dict[str, tuple[str, ...]] = {
    "bars": ("symbol", "event_at"),
    "actions": ("symbol", "event_at", "kind"),
    "membership": ("symbol", "event_at"),
    "facts": ("symbol", "item", "event_at"),
}
"""What a row is about; a key may come again with a later known_at, which is a correction."""

FINDINGS = pa.schema(
    [(name, pa.string()) for name in ("batch", "severity", "check", "symbol", "session", "detail")]
)
"""What was noticed about a batch when it came; it stays with the data for ever."""

LOGS: dict[str, pa.Schema] = {**TABLES, "findings": FINDINGS}
"""Everything that a data set logs."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for a whole data set.

    name: letters, digits and _; calendar: an exchange_calendars name; decision_delay: minutes from a session's close to its
    decision; price_basis: raw, split_adjusted or total_return; benchmark: a symbol of the bars that is no candidate;
    bar_fields: the columns of `bars` that the source has, none for a data set of facts alone; survivorship: why the
    members are known to have survived, if they are; known_rule: the rule behind known_at where the source gives none.
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

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.price_basis not in PRICE_BASES:
            raise InputError("dataset.price_basis", self.price_basis, f"one of {', '.join(PRICE_BASES)}")
        fields = [name for name, _ in _NUMBERS]
        if not set(self.bar_fields) <= set(fields) or (self.bar_fields and "close" not in self.bar_fields):
            raise InputError(
                "dataset.bar_fields", self.bar_fields, f"close and others of {', '.join(fields)}, or none"
            )
        if not isinstance(self.decision_delay, int) or not 0 <= self.decision_delay <= 24 * 60:
            raise InputError("dataset.decision_delay", self.decision_delay, "minutes from 0 to 1440")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"bar_fields": list(self.bar_fields)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> DatasetInfo:
        return DatasetInfo(**{**value, "bar_fields": tuple(value["bar_fields"])})


def check_name(name: object) -> str:
    """A data set's name, which is a folder's name too."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError("dataset.name", name, "a lower-case letter, then letters, digits and _ (at most 64)")
    return name


def validate(table: str, rows: pa.Table) -> None:
    """Columns, types, keys and known_at are as the schema says. Errors: InputError naming the first thing that is not."""
    if table not in TABLES:
        raise InputError("table", table, f"one of {', '.join(TABLES)}")
    if not rows.schema.equals(TABLES[table]):
        raise InputError(f"{table} columns", rows.schema.names, f"{TABLES[table].names} with their types")
    for name in (*KEYS[table], "known_at", "known_basis", "ingested_at", "batch"):
        if rows[name].null_count:
            raise InputError(
                f"{table}.{name}", None, "a value in every row", f"{rows[name].null_count} are missing."
            )
    bases = set(pc.unique(rows["known_basis"]).to_pylist())
    if not bases <= set(BASES):
        raise InputError(f"{table}.known_basis", sorted(bases), f"one of {', '.join(BASES)}")
    keys = rows.select([*KEYS[table], "known_at"])
    if keys.group_by(keys.column_names).aggregate([]).num_rows != rows.num_rows:
        raise InputError(
            f"{table} keys", f"{rows.num_rows} rows", f"one row a {', '.join(KEYS[table])} and known_at"
        )
