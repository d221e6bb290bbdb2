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
from backcast.data.query import Files, connected, quoted, shared
from backcast.data.schema import Table

LATER = "A correction needs a later known_at."


@contextmanager
def staging() -> Iterator[defaultdict[str, list[Part]]]:
    """Staged files by table; what is still staged at the end, because something was wrong, is removed."""
    staged: defaultdict[str, list[Part]] = defaultdict(list)
    try:
        yield staged
    finally:
        for part in chain.from_iterable(staged.values()):
            part.path.unlink(missing_ok=True)


def new_only(log: Log, name: str, staged: list[Part], held: Files) -> list[Part]:
    """The staged files without the rows that are held already. Errors: InputError as in `Store.commit`."""
    if len(staged) > 1:
        _refuse_duplicates(name, held.table, staged)
    if not held.tail:
        return staged
    same = query.matching("g", "h", held.table.versioned)
    with shared() as connection:
        if not refuse_contradictions(connection, name, held, query.scan([p.path for p in staged])):
            return staged
        new = []
        for part in staged:
            absent = (
                f"SELECT * FROM {query.scan([part.path])} g "
                f"WHERE NOT EXISTS (SELECT 1 FROM ({query.rows(held)}) h WHERE {same})"
            )
            rows = connection.sql(f"{absent} ORDER BY {held.order}").to_arrow_table()
            new += log.stage([rows.cast(log.schema)])
    for part in staged:
        part.path.unlink()
    return new


def _refuse_duplicates(name: str, table: Table, staged: list[Part]) -> None:
    """Several files of one batch: no key and known_at twice among them."""
    keys = ", ".join(quoted(k) for k in table.versioned)
    with connected("1GB") as connection:
        found = query.first(
            connection,
            f"SELECT {keys}, count(*) FROM {query.scan([p.path for p in staged])} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1",
        )
    if found:
        raise InputError(
            f"{name} row {[str(value) for value in found[:-1]]}", f"{found[-1]} rows",
            f"one row a {', '.join(table.keys)} and known_at", LATER,
        )  # fmt: skip


def refuse_contradictions(connection: Any, name: str, held: Files, given: str) -> bool:
    """Whether some of the given rows are held already. Errors: InputError where one is held with other values."""
    keys, values = held.table.versioned, held.table.values
    columns = [f"g.{quoted(k)}" for k in keys] + [f"{side}.{quoted(v)}" for v in values for side in "gh"]
    differs = " OR ".join(f"g.{quoted(v)} IS DISTINCT FROM h.{quoted(v)}" for v in values)
    joined = f"{given} g JOIN ({query.rows(held)}) h ON {query.matching('g', 'h', keys)}"
    found = query.first(
        connection, f"SELECT {', '.join(columns)} FROM {joined} WHERE {differs} ORDER BY ALL LIMIT 1"
    )
    if found:
        pairs = found[len(keys) :]
        raise InputError(
            f"{name} row {[str(value) for value in found[: len(keys)]]}",
            dict(zip(values, pairs[::2], strict=True)),
            f"the stored values {dict(zip(values, pairs[1::2], strict=True))}",
            LATER,
        )
    return query.first(connection, f"SELECT 1 FROM {joined} LIMIT 1") is not None
