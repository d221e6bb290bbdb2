"""Checks of a batch before it enters the store: findings are rows; an error stops the batch whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from backcast.data.calendar import DAILY, clock
from backcast.data.quality_bars import SHOWN, UNIT, Whole, checked, off_grid
from backcast.data.query import connected, first, quoted, ranges, scan
from backcast.data.schema import DatasetInfo, Finding

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENDS = 5
"""A symbol whose last bar is more sessions than this before the last one has ended."""

BUCKET = 1_000_000
"""Bars that are checked in memory at a time, whole symbols."""

READ = "symbol, open, high, low, close, volume, event_at, known_at"
"""What the checks read of a bar."""

ENDINGS = {"actions": "kind IN ('delisting', 'merger', 'rename')", "membership": "NOT member"}
"""What says in each table that a symbol ends."""


def check(info: DatasetInfo, tables: Mapping[str, pa.Table]) -> list[Finding]:
    """What is wrong or odd in the tables of a batch, held against each other and against the calendar."""
    with connected() as connection:
        for name, rows in tables.items():
            connection.register(f"given_{name}", rows)
        return _check(info, connection, {name: f"given_{name}" for name in tables})


def check_files(info: DatasetInfo, files: Mapping[str, Sequence[Path]]) -> list[Finding]:
    """`check` of files of any size, in memory for so many symbols at a time."""
    with connected("1GB") as connection:
        return _check(info, connection, {name: scan(found) for name, found in files.items() if found})


def _check(info: DatasetInfo, connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    found = [finding for name in sources for finding in _future(info, connection, name, sources[name])]
    if "facts" in sources:
        found += [*_early(connection, sources["facts"]), *_late(connection, sources["facts"])]
        found += _restated(connection, sources["facts"])
    if "actions" in sources:
        found += [*_dates(connection, sources["actions"]), *_impossible(connection, sources)]
    return found + (_bars(info, connection, sources) if "bars" in sources else [])


def _bars(info: DatasetInfo, connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    bars = sources["bars"]
    if not first(connection, f"SELECT count(close) FROM {bars}")[0]:
        return [Finding("error", "no close", "", "", "no bar has a close")]
    whole = _whole(info, connection, sources)
    found, odd, long = [], 0, 0
    for chosen in ranges(connection, bars, "symbol", BUCKET):
        frame = connection.sql(f"SELECT {READ} FROM {bars} WHERE {chosen}").pl()
        frame = frame.sort("symbol", "event_at", "known_at")
        found += checked(frame, whole)
        off, enough = off_grid(frame)
        odd, long = odd + off, long + enough
    found += [*_sessions(info, whole), *_survivors(info, whole), *_ends(info, whole)]
    return [*found, *_back_adjusted(info, odd, long), *_absent(connection, sources)]


def _whole(info: DatasetInfo, connection: DuckDBPyConnection, sources: Mapping[str, str]) -> Whole:
    bars = sources["bars"]
    told = [
        row[0]
        for name, ends in ENDINGS.items()
        if name in sources
        for row in connection.execute(f"SELECT DISTINCT symbol FROM {sources[name]} WHERE {ends}").fetchall()
    ]
    return Whole(
        info.frequency == DAILY,
        connection.sql(f"SELECT DISTINCT event_at FROM {bars} ORDER BY event_at").pl()["event_at"],
        connection.sql(
            f"SELECT symbol, min(event_at) AS first, max(event_at) AS last FROM {bars} GROUP BY symbol ORDER BY symbol"
        ).pl(),
        frozenset(told),
    )


def _sessions(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Sessions of the calendar without any bar, and those that lack some of their bars."""
    events = whole.instants.dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    day = np.timedelta64(1, "D")
    bars = clock(info.calendar, events[0] - day, events[-1] + day, 0, info.frequency)
    inside = (bars.closes_at >= events[0]) & (bars.closes_at <= events[-1])
    missing = inside & ~np.isin(bars.closes_at, events)
    sessions, lacking = np.unique(bars.sessions[missing], return_counts=True)
    of = dict(zip(*np.unique(bars.sessions[inside], return_counts=True), strict=True))
    return [
        Finding("warning", "missing session", "", str(session), "no symbol has a bar")
        if count == of[session]
        else Finding(
            "warning",
            "missing bars",
            "",
            str(session),
            f"{count} of {of[session]} bars are missing of all symbols",
        )
        for session, count in zip(sessions, lacking, strict=True)
    ]


def _survivors(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Whether nobody ever leaves: the mark of a sample chosen at its end."""
    candidates = whole.spells.filter(whole.spells["symbol"] != (info.benchmark or ""))
    if candidates.height > 1 and candidates["last"].dt.date().n_unique() == 1:
        detail = f"none of the {candidates.height} symbols ends before the data do"
        return [Finding("warning", "survivorship", "", "", detail)]
    return []


def _ends(info: DatasetInfo, whole: Whole) -> list[Finding]:
    """Symbols whose bars end before the data do, and nothing says why."""
    sessions = whole.instants.dt.date().unique().sort()
    if len(sessions) <= ENDS:
        return []
    early = whole.spells.filter(whole.spells["last"].dt.date() < sessions[-1 - ENDS])
    detail = "its last bar, and nothing says why: delisted or renamed?"
    return [
        Finding("warning", "ends", symbol, str(event.date()), detail)
        for symbol, event in early.select("symbol", "last").iter_rows()
        if symbol not in whole.told and symbol != info.benchmark
    ]


def _back_adjusted(info: DatasetInfo, odd: int, long: int) -> list[Finding]:
    """Prices that are called raw and look adjusted backwards."""
    if info.price_basis != "raw" or odd <= long / 2:
        return []
    detail = f"{odd} of {long} symbols have early closes that no exchange quotes, and newer ones that it does"
    return [Finding("warning", "back-adjusted?", "", "", detail)]


def _absent(connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    """Members without a bar in all of a spell that the bars reach: they are missing, or known there by another ticker."""
    if "membership" not in sources:
        return []
    spells = connection.execute(
        f"""
        WITH range AS (SELECT min(event_at) AS lo, max(event_at) AS hi FROM {sources["bars"]}),
        states AS (SELECT symbol, event_at, arg_max(member, known_at) AS member FROM {sources["membership"]} GROUP BY ALL),
        spells AS (SELECT *, lead(event_at) OVER (PARTITION BY symbol ORDER BY event_at) AS until FROM states)
        SELECT symbol, event_at FROM spells s, range
        WHERE member AND event_at <= hi AND (until IS NULL OR until > lo) AND NOT EXISTS (
            SELECT 1 FROM {sources["bars"]} b
            WHERE b.symbol = s.symbol AND b.event_at >= s.event_at AND (s.until IS NULL OR b.event_at < s.until))
        ORDER BY symbol, event_at"""
    ).fetchall()
    detail = "a member from here on, without a single bar: missing, or known by another ticker?"
    return [
        Finding("warning", "member without bars", symbol, str(event.date()), detail)
        for symbol, event in spells
    ]


def _future(info: DatasetInfo, connection: DuckDBPyConnection, name: str, source: str) -> list[Finding]:
    """Rows that will be known only after they came: a date for another, or a clock that is wrong."""
    about = "symbol" if "symbol" in info.table(name).schema.names else "''"
    rows = connection.execute(
        f"SELECT {about}, min(event_at), count(*) FROM {source} WHERE known_at > ingested_at GROUP BY 1 ORDER BY 1"
    ).fetchall()
    detail = f"rows of the {name} will be known only after they were ingested"
    return [
        Finding("error", "future known_at", symbol, str(event.date()), detail, count)
        for symbol, event, count in rows
    ]


def _early(connection: DuckDBPyConnection, facts: str) -> list[Finding]:
    """Facts known before their period ended: a forecast, or a filing date that is none."""
    rows = connection.execute(
        f"SELECT item, min(event_at), count(*) FROM {facts} WHERE known_at < event_at GROUP BY item ORDER BY item"
    ).fetchall()
    return [
        Finding(
            "warning",
            "early known_at",
            "",
            str(event.date()),
            f"{item!r}: facts were known before their period ended",
            n,
        )
        for item, event, n in rows
    ]


def _late(connection: DuckDBPyConnection, facts: str) -> list[Finding]:
    """Facts first known after a later period's: a backfill, or a column mistaken for another."""
    rows = connection.execute(
        f"""
        WITH firsts AS (SELECT symbol, item, event_at, min(known_at) AS known FROM {facts} GROUP BY ALL),
        later AS (SELECT *, min(known) OVER (PARTITION BY symbol, item ORDER BY event_at
                                             ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next FROM firsts)
        SELECT symbol, min(event_at), count(*) FROM later WHERE known > next GROUP BY symbol ORDER BY symbol"""
    ).fetchall()
    detail = "facts were first known after those of a later period"
    return [
        Finding("warning", "late known_at", symbol, str(event.date()), detail, count)
        for symbol, event, count in rows
    ]


def _restated(connection: DuckDBPyConnection, facts: str) -> list[Finding]:
    """Restatements by a factor that is one of units: thousands for ones, or the like."""
    rows = connection.execute(
        f"""
        WITH steps AS (SELECT *, lag(value) OVER (PARTITION BY symbol, item, event_at ORDER BY known_at) AS before FROM {facts})
        SELECT symbol, item, event_at, before, value FROM steps
        WHERE before != 0 AND value != 0 AND NOT abs(value / before) BETWEEN {1 / UNIT} AND {UNIT}
        ORDER BY symbol, item, event_at, known_at"""
    ).fetchall()
    found = [
        Finding(
            "warning",
            "unit jump",
            symbol,
            str(event.date()),
            f"{item!r} is restated from {before:g} to {value:g}",
        )
        for symbol, item, event, before, value in rows[: SHOWN * SHOWN]
    ]
    more = len(rows) - len(found)
    return found + (
        [Finding("warning", "unit jump", "", "", "more facts are restated so", more)] if more else []
    )


def _dates(connection: DuckDBPyConnection, actions: str) -> list[Finding]:
    """Actions that were declared after their ex date, or paid before it, and that are known only after it."""
    found = []
    for name, wrong, detail in (
        ("declared late", "declared_on > event_at::DATE", "declared after its ex date"),
        ("paid early", "pay_on < event_at::DATE", "paid before its ex date"),
        ("late action", "known_at > event_at + INTERVAL 1 DAY", "known only after its ex date"),
    ):
        rows = connection.execute(
            f"SELECT symbol, event_at, kind FROM {actions} WHERE {wrong} ORDER BY {quoted('symbol')}, event_at, kind"
        ).fetchall()
        found += [
            Finding("warning", name, symbol, str(event.date()), f"a {kind} that was {detail}")
            for symbol, event, kind in rows
        ]
    return found


def _impossible(connection: DuckDBPyConnection, sources: Mapping[str, str]) -> list[Finding]:
    """Actions that no price can be adjusted by: what `adjust.ratios` would refuse, and a ticker renamed to itself."""
    wrong = {
        "a ratio that no split has": "kind = 'split' AND NOT value < 1e6",
        "a new ticker that is the old one": "kind = 'rename' AND text = symbol",
    }
    if "bars" in sources:
        before = (
            f"(SELECT arg_max(b.close, b.event_at) FROM {sources['bars']} b "
            "WHERE b.symbol = a.symbol AND b.event_at < a.event_at)"
        )
        wrong["no less than the last close before it"] = f"kind = 'dividend' AND value >= {before}"
    found = []
    for detail, condition in wrong.items():
        rows = connection.execute(
            f"SELECT symbol, event_at, kind FROM {sources['actions']} a WHERE {condition} ORDER BY ALL"
        ).fetchall()
        found += [
            Finding("error", "impossible action", symbol, str(event.date()), f"a {kind} with {detail}")
            for symbol, event, kind in rows
        ]
    return found
