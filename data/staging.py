"""A batch on its way in: staged files, held against each other and against what is stored, before anything is committed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from backcast.data import query
from backcast.data.errors import InputError
from backcast.data.log import Log, Part
from backcast.data.query import connected, quoted
from backcast.data.schema import KEYS, TABLES


@contextmanager
def staging() -> Iterator[defaultdict[str, list[Part]]]:
    """Staged files by table; what is still staged at the end, because something was wrong, is removed."""
    staged: defaultdict[str, list[Part]] = defaultdict(list)
    try:
        yield staged
    finally:
        for part in chain.from_iterable(staged.values()):
            part.path.unlink(missing_ok=True)


def new_only(log: Log, table: str, staged: list[Part], version: int) -> list[Part]:
    """The staged files without the rows that a version holds already. Errors: InputError as in `Store.commit`."""
    held = [p for p in log.parts(version) if any(p.meets(part) for part in staged)] if version else []
    if len(staged) > 1:
        _refuse_duplicates(table, staged)
    if not held:
        return staged
    source, keys = query.scan([p.path for p in held]), _matching(table, "g", "h")
    order = ", ".join((*KEYS[table], "known_at"))
    with connected() as connection:
        if not refuse_contradictions(connection, table, query.scan([p.path for p in staged]), source):
            return staged
        new = []
        for part in staged:
            absent = f"SELECT * FROM {query.scan([part.path])} g WHERE NOT EXISTS (SELECT 1 FROM {source} h WHERE {keys})"
            rows = connection.sql(f"{absent} ORDER BY {order}").to_arrow_table()
            new += log.stage([rows.cast(TABLES[table])])
    for part in staged:
        part.path.unlink()
    return new


def _refuse_duplicates(table: str, staged: list[Part]) -> None:
    """Several files of one batch: no key and known_at twice among them."""
    keys = ", ".join(quoted(k) for k in (*KEYS[table], "known_at"))
    with connected("1GB") as connection:
        found = query.first(
            connection,
            f"SELECT {keys}, count(*) FROM {query.scan([p.path for p in staged])} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1",
        )
    if found:
        raise InputError(
            f"{table} row {[str(value) for value in found[:-1]]}", f"{found[-1]} rows",
            f"one row a {', '.join(KEYS[table])} and known_at", "A correction needs a later known_at.",
        )  # fmt: skip


def _matching(table: str, left: str, right: str) -> str:
    """The condition that two rows are the same version of the same key."""
    return " AND ".join(f"{left}.{quoted(k)} = {right}.{quoted(k)}" for k in (*KEYS[table], "known_at"))


def refuse_contradictions(connection: Any, table: str, given: str, held: str) -> bool:
    """Whether some of the given rows are stored already. Errors: InputError where one is stored with other values."""
    values = [
        c
        for c in TABLES[table].names
        if c not in (*KEYS[table], "known_at", "ingested_at", "batch", "known_basis")
    ]
    keys = [*KEYS[table], "known_at"]
    columns = ", ".join(
        [*(f"g.{quoted(k)}" for k in keys), *(f"g.{quoted(v)}, h.{quoted(v)}" for v in values)]
    )
    differs = " OR ".join(f"g.{quoted(v)} IS DISTINCT FROM h.{quoted(v)}" for v in values)
    joined = f"{given} g JOIN {held} h ON {_matching(table, 'g', 'h')}"
    found = query.first(connection, f"SELECT {columns} FROM {joined} WHERE {differs} ORDER BY ALL LIMIT 1")
    if found:
        pairs = found[len(keys) :]
        raise InputError(
            f"{table} row {[str(value) for value in found[: len(keys)]]}",
            dict(zip(values, pairs[::2], strict=True)),
            f"the stored values {dict(zip(values, pairs[1::2], strict=True))}",
            "A correction needs a later known_at.",
        )
    return query.first(connection, f"SELECT 1 FROM {joined} LIMIT 1") is not None
