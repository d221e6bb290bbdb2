"""Of what moved: which layer is accused, through which table it looks, how many bars ahead, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backcast.engine.audit.findings import INFORMATION, LEAK, Finding, number
from backcast.engine.audit.findings import LAYERS as ORDER
from backcast.engine.audit.foreign.calling import call
from backcast.engine.audit.foreign.compare import Cell, Moved, compare
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.plan import Replay

if TYPE_CHECKING:
    from backcast.engine.audit.foreign.audit import Session

WORDS = {
    "features": "A feature",
    "forecasts": "A forecast",
    "targets": "A weight",
    "execution": "A return",
}


PRESENCE = (
    "It depends on which symbols list, leave or miss prices later: at each row choose, count and rank those that have a price "
    "by then, the ones that leave later included."
)

SEEDS = 4
"""Other futures with which a leak is to be proved."""


def accuse(session: Session, caught: list[tuple[Replay, dict[str, Moved]]]) -> None:
    """One finding, on the first layer in causal order that moved; or none, where f does not even repeat itself.

    A leak is proved with futures that have as many bars as the data, at the same times: that sessions come, and how many rows
    there are, is known beforehand. What moves only where the table is shorter is said as information.
    """
    if not repeats(session):
        return
    moving = [
        (ORDER.index(layer), n)
        for n, (_, moved) in enumerate(caught)
        for layer, m in moved.items()
        if m.changed
    ]
    shorter: tuple[Replay, str, Cell] | None = None
    for place, n in sorted(moving):
        replay, layer = caught[n][0], ORDER[place]
        proof = proved(session, replay, layer)
        if proof is not None:
            _leak(session, proof[0], layer, proof[1], caught[n][0])
            return
        cell = caught[n][1][layer].first
        assert cell is not None  # it has changed cells
        shorter = shorter or (replay, layer, cell)
    assert shorter is not None  # something was caught
    _shorter(session, *shorter)


def proved(session: Session, replay: Replay, layer: str) -> tuple[Replay, Cell] | None:
    """The layer moves with another future of the same length and calendar, in some seed; None where it does not."""
    for seed in range(SEEDS):
        tried_with = Replay(replay.row, Future("scrambled", seed=seed + 100, unlisted=bool(seed % 2)))
        for milder in (False, True):
            again = Replay(replay.row, replace(tried_with.future, values_only=milder))
            moved = tried(session, again)
            if moved is not None:
                break
        if moved is not None and moved[layer].changed:
            cell = moved[layer].first
            assert cell is not None  # it has changed cells
            return again, cell
    return None


def _leak(session: Session, replay: Replay, layer: str, first: Cell, seen_in: Replay) -> None:
    through = table_of(session, replay, layer)
    depth = depth_of(session, replay, layer, first, through)
    at, shown = session.tables.at(replay.row), _shown(session, first)
    presence = through == "bars" and _by_presence(session, replay, layer)
    to_end = depth is not None and _bar(session, first) + depth >= len(session.tables) - 2
    what = PRESENCE if presence else remedy(through, depth, to_end)
    sentence = f"{WORDS[layer]} of {shown} changes with what came after {at}"
    sentence += f": it looks {depth:,} bar{'s' if depth != 1 else ''} ahead." if depth is not None else "."
    session.check(seen_in.future.kind, layer).finding = Finding(
        LEAK, sentence, what, _column(layer, first), first.column, shown, depth, through,
        number(first.recorded), number(first.replayed), session.command.format(at=at),
    )  # fmt: skip


def _shorter(session: Session, replay: Replay, layer: str, first: Cell) -> None:
    at, shown = session.tables.at(replay.row), _shown(session, first)
    session.check(replay.future.kind, layer).finding = Finding(
        INFORMATION,
        f"{WORDS[layer]} of {shown} depends on where the data end ({at}), but on nothing that happens afterwards.",
        "Take month ends and fold borders from a calendar and fixed dates, so that live rows equal those of the backtest.",
        _column(layer, first), first.column, shown, None, "bars", number(first.recorded), number(first.replayed),
        session.command.format(at=at),
    )  # fmt: skip


def _column(layer: str, first: Cell) -> str:
    if layer == "features" and first.frame:
        return first.frame
    return {"targets": "weights", "execution": "returns"}.get(layer, layer)


def _shown(session: Session, cell: Cell) -> str:
    unit = "D" if session.tables.times.daily else "s"
    return str(cell.local.astype(f"datetime64[{unit}]"))


def repeats(session: Session) -> bool:
    """Whether f gives the same again on the same tables; where not, every check is inconclusive."""
    session.runs += 1
    try:
        again = call(session.f, session.tables, session.names)
    except Exception as error:
        again, why = {}, f"; it raises {type(error).__name__} when it is run again"
    else:
        why = ""
    moved = compare(session.recorded, again, session.tables.times.ends()[-1])
    if not any(m.changed for m in moved.values()):
        return True
    for check in session.checks.values():
        check.inconclusive = f"not reproducible: two runs on the same data differ{why} (fix its seed)"
        check.changed = 0
    return False


def table_of(session: Session, replay: Replay, layer: str) -> str:
    """The only table whose future moves the layer; the first, where several do; "" where none does alone."""
    forms = session.tables.forms
    if len(forms) == 1:
        return forms[0]
    for form in forms:
        moved = tried(session, Replay(replay.row, replace(replay.future, only=(form,))))
        if moved is not None and moved[layer].changed:
            return form
    return ""


def tried(session: Session, replay: Replay) -> dict[str, Moved] | None:
    """A replay, None where f raises."""
    try:
        return session.replay(replay)
    except Exception:  # searched for more words about a leak that is proved
        return None


def depth_of(session: Session, replay: Replay, layer: str, cell: Cell, through: str) -> int | None:
    """How many bars ahead a cell looks: the last bar after which another future still moves it, by bisection."""
    only = (through,) if through else None
    here = _bar(session, cell)
    low, high = replay.row, len(session.tables) - 1  # moved at low, not at high
    while high - low > 1:
        middle = (low + high) // 2
        moved = tried(session, Replay(middle, replace(replay.future, only=only, until=None)))
        if moved is None:
            return None
        low, high = (middle, high) if _moves(moved[layer], cell) else (low, middle)
    return low + 1 - here


def _bar(session: Session, cell: Cell) -> int:
    """The last bar of a cell's own time."""
    times = session.tables.times
    at = cell.at + np.timedelta64(1, "D") - np.timedelta64(1, "us") if times.daily else cell.at
    return max(int((times.instants <= at).sum()) - 1, 0)


def _moves(moved: Moved, cell: Cell) -> bool:
    return cell.at in moved.rows


def _by_presence(session: Session, replay: Replay, layer: str) -> bool:
    """Whether it is which symbols are there later, and not their prices, that moves it."""
    values = Future("scrambled", True, None, ("bars",), replay.future.seed)
    moved = tried(session, Replay(replay.row, values))
    return moved is not None and not moved[layer].changed


def remedy(through: str, depth: int | None, to_end: bool) -> str:
    """What to do, from what was seen."""
    if through == "facts":
        return "Join facts by known_at, not by their period or event_at, and take the version known then."
    if through == "membership":
        return "Use the members of the date, as known then, not those of today."
    if through == "actions":
        return "Apply a split or dividend from its known_at on; do not adjust earlier prices by it."
    if to_end:
        return "Something is fitted on the whole sample (a mean, a scaler, a model, a ranking): fit it on past rows only."
    if depth == 1:
        return "A negative shift, or a value of the same bar that is not known yet: shift it forward by one."
    if depth is not None:
        return "A centred window, a back-fill, or a period labelled at its start: use past rows only, label at the end."
    return "Let a row read nothing but what was known by its time."
