"""The audit of a function that did not come from us: is a row still what it was, where the future is another?

1. Run it on the tables as given. Plan replays for the level (`plan.py`).
2. For each, change everything that became known after a bar K, run it again, and compare all rows up to K.
3. The first layer that moved, in causal order, is accused; but first it is run again as it was: what differs from itself is not
   reproducible, and nothing is said.
4. Only then is searched which table it looks through (one at a time), and how far (by bisection).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from backcast.data.errors import InputError
from backcast.engine.audit.findings import Check, Finding, verdict
from backcast.engine.audit.foreign import blame, earned, returns
from backcast.engine.audit.foreign.calling import Output, arguments, call, check_first, reason
from backcast.engine.audit.foreign.chance import chance
from backcast.engine.audit.foreign.compare import Moved, compare
from backcast.engine.audit.foreign.frames import timed
from backcast.engine.audit.foreign.futures import Future, unseen
from backcast.engine.audit.foreign.plan import PULSES, Replay, check_level, planned, scores
from backcast.engine.audit.foreign.pulses import Pulses, pulses
from backcast.engine.audit.foreign.tables import Tables

NAMES = {"truncated": "truncation replay", "scrambled": "scramble replay"}
DETAILS = {
    "truncated": "run again on tables that end at an instant",
    "scrambled": "run again with another future after an instant",
}


@dataclass(frozen=True)
class Audit:
    """What was found. passed: False where a leak is proved; None where nothing could be compared. cost: rows replayed over all
    rows, of the planned replays. chance: depth in bars -> that of catching a single leaked cell (see `chance.py`)."""

    level: str
    checks: list[Check]
    cost: float = 0.0
    chance: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        if any(check.failed for check in self.checks):
            return False
        return True if any(check.cells and not check.inconclusive for check in self.checks) else None

    @property
    def findings(self) -> list[Finding]:
        """Of the checks that found something, in their order."""
        return [check.finding for check in self.checks if check.finding is not None]

    def layer_of(self, finding: Finding) -> str:
        """The layer on which a finding is."""
        return next(check.layer for check in self.checks if check.finding is finding)

    def to_json(self) -> dict[str, Any]:
        """What `audit.json` holds of a run, for this."""
        return {
            **verdict(self.level, self.checks),
            "passed": self.passed,
            "cost": self.cost,
            "chance": self.chance,
        }

    def __str__(self) -> str:
        from backcast.engine.audit.show import text

        return text(self.to_json())


@dataclass
class Session:
    """One function with its tables and what it gave on them; every further run is counted."""

    f: Callable[..., Any]
    tables: Tables
    names: tuple[str, ...]
    recorded: Output
    command: str
    runs: int = 0
    checks: dict[tuple[str, str], Check] = field(default_factory=dict)

    def replay(self, replay: Replay) -> dict[str, Moved]:
        """Layer -> what moved. Errors: what f raises on such a future."""
        tables = replay.future.of(self.tables, replay.row)
        self.runs += 1
        again = call(self.f, tables, self.names)
        listed = replay.future.kind == "scrambled" and not replay.future.unlisted
        gone = [] if listed else unseen(self.tables, replay.row)
        decided = {layer: frames for layer, frames in self.recorded.items() if layer != "execution"}
        return compare(decided, again, instants_until_row(self.tables, replay.row), gone)

    def check(self, kind: str, layer: str) -> Check:
        key = (kind, layer)
        if key not in self.checks:
            self.checks[key] = Check(f"{NAMES[kind]}: {layer}", layer, DETAILS[kind])
        return self.checks[key]


def instants_until_row(tables: Tables, row: int) -> Any:
    """Rows of an output with a label up to that of bar `row` are compared."""
    return tables.times.ends()[row] if tables.times.daily else tables.times.instants[row]


def audit(
    f: Callable[..., Any],
    prices: Any,
    *,
    level: str = "full",
    facts: Any = None,
    membership: Any = None,
    actions: Any = None,
    at: Any = None,
    decides: str = "after",
    seed: int = 0,
    command: str = "",
) -> Audit:
    """See `backcast.audit`, which says what everything means."""
    tables = Tables.of(prices, {"facts": facts, "membership": membership, "actions": actions}, decides)
    names = arguments(f, tables)
    session = Session(f, tables, names, first_run(f, tables, names), command or _command(f))
    pulsed, nudges = Pulses(), 0.0
    suspects: list[Replay] = []
    if at is None:
        check_level(level)
        score = scores(tables, session.recorded)
        if level == "full":
            pulsed, suspects = pulses(session, score, PULSES, seed)
        nudges = earned.SHARE[level] if earned.asked(session) else 0.0
        replays = planned(tables, score, level, seed, pulsed.runs + nudges)
    else:
        row = bar_at(tables, at)
        replays = [Replay(row, Future("truncated")), Replay(row, Future("scrambled", seed=seed))]
        level = "one instant"
    caught: list[tuple[Replay, dict[str, Moved]]] = []
    for replay in [*replays, *suspects]:
        moved = attempt(session, replay)
        if moved is not None and any(m.changed for m in moved.values()):
            caught.append((replay, moved))
    if caught:
        blame.accuse(session, caught)
    paid = returns.check(session, level)
    if paid is not None:
        session.checks["returns", "execution"] = paid
    cost = nudges + pulsed.runs + sum(r.future.share(tables, r.row) for r in replays)
    seen = chance(tables, session.recorded, replays, pulsed)
    return Audit(level, list(session.checks.values()), cost, seen)


def first_run(f: Callable[..., Any], tables: Tables, names: tuple[str, ...]) -> Output:
    """What it gives on the tables as they are. Errors: InputError where it raises, or gives something else."""
    try:
        made = call(f, tables, names)
    except InputError:
        raise
    except Exception as error:
        raise InputError("f", reason(error), "a function that runs on the prices as given") from error
    check_first(made, tables)
    return made


def attempt(session: Session, replay: Replay) -> dict[str, Moved] | None:
    """A replay, counted in its checks; where f raises, one in which only values change; None where it raises there too."""
    future = replay.future
    milder = Future("scrambled", True, None, future.only, future.seed)
    failed = ""
    for tried in (future, milder):
        try:
            moved = session.replay(Replay(replay.row, tried))
        except Exception as error:  # what a user's function raises is part of what is found
            failed = f"at {session.tables.at(replay.row)} it raises {reason(error)}"
            continue
        for layer, one in moved.items():
            check = session.check(tried.kind, layer)
            check.cells += one.cells
            check.changed += one.changed
        return moved
    for layer in session.recorded.keys() - {"execution"}:
        check = session.check(future.kind, layer)
        if not check.cells:
            check.inconclusive = failed
    return None


def bar_at(tables: Tables, at: Any) -> int:
    """The bar at or before an instant. Errors: InputError."""
    import polars as pl

    column = pl.Series("at", [str(at)])
    instant = timed(column, "at")
    times = tables.times.local if tables.times.daily else tables.times.instants
    row = int((times <= instant.instants[0]).sum()) - 1
    if not 0 <= row < len(tables) - 1:
        last = tables.at(len(tables) - 2)
        raise InputError("at", str(at), f"from {tables.at(0)} to {last}, which has a future")
    return row


def _command(f: Callable[..., Any]) -> str:
    return f"backcast.audit({getattr(f, '__qualname__', 'f')}, prices, at={{at!r}})"
