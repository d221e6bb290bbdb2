"""Of what moved: which layer is accused, through which table it looks, how many bars ahead, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backcast.engine.audit.findings import LAYERS as ORDER
from backcast.engine.audit.findings import LEAK, Finding, number
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

LENGTH = (
    "It depends on how many rows there are (a fold border, a month end, a share of the sample): take these from a calendar and "
    "fixed dates, so that a row is what it was on its day."
)

SEEDS, TRIED = 4, 3
"""Other futures in which a leak is shown at the full length, for so many of the replays that caught it."""


def accuse(session: Session, caught: list[tuple[Replay, dict[str, Moved]]]) -> None:
    """One finding, on the first layer in causal order that moved; or none, where f does not even repeat itself.

    Shown is a future with as many bars as the data where one moves the layer too: it tells most. Where none does, the row
    depends on how many bars come, and that alone is a look ahead.
    """
    if not repeats(session):
        return
    place = min(ORDER.index(layer) for _, moved in caught for layer, m in moved.items() if m.changed)
    layer = ORDER[place]
    seen = [(replay, m.first) for replay, moved in caught if (m := moved[layer]).first is not None]
    for replay, _ in seen[:TRIED]:
        proof = proved(session, replay, layer)
        if proof is not None:
            _leak(session, proof[0], layer, proof[1], replay)
            return
    for replay, cell in seen:
        cut = Replay(replay.row, Future("truncated"))
        moved = tried(session, cut)
        if moved is not None and moved[layer].changed:
            _leak(session, cut, layer, moved[layer].first or cell, replay, shorter=True)
            return
    _leak(session, seen[0][0], layer, seen[0][1], seen[0][0])


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


def _leak(
    session: Session, replay: Replay, layer: str, first: Cell, seen_in: Replay, shorter: bool = False
) -> None:
    future = alone(session, replay, layer)
    through = next(iter(future.only or ("",)))
    depth = depth_of(session, replay.row, future, layer, first)
    at, shown = session.tables.at(replay.row), _shown(session, first)
    to_end = depth is not None and _bar(session, first) + depth >= len(session.tables) - 2
    what = remedy(through, depth, to_end)
    if through == "bars" and shorter:
        what = LENGTH
    elif through == "bars" and _by_presence(session, replay, layer):
        what = PRESENCE
    sentence = f"{WORDS[layer]} of {shown} changes with what came after {at}"
    sentence += f": it looks {depth:,} bar{'s' if depth != 1 else ''} ahead." if depth is not None else "."
    session.check(seen_in.future.kind, layer).finding = Finding(
        LEAK, sentence, what, _column(layer, first), first.column, shown, depth, through,
        number(first.recorded), number(first.replayed), session.command.format(at=at),
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


def alone(session: Session, replay: Replay, layer: str) -> Future:
    """The future of the only table that moves the layer, of the first where several do; that of all where none does alone."""
    forms = session.tables.forms
    if len(forms) == 1:
        return replace(replay.future, only=forms)
    other = Future("scrambled", seed=replay.future.seed + 1)
    for future in (replay.future, Future("truncated"), other):
        for form in forms:
            one = replace(future, only=(form,))
            moved = tried(session, Replay(replay.row, one))
            if moved is not None and moved[layer].changed:
                return one
    return replay.future


def tried(session: Session, replay: Replay) -> dict[str, Moved] | None:
    """A replay, None where f raises."""
    try:
        return session.replay(replay)
    except Exception:  # searched for more words about a leak that is proved
        return None


def depth_of(session: Session, row: int, future: Future, layer: str, cell: Cell) -> int | None:
    """How many bars ahead a cell looks: the last bar after which another future still moves it, by bisection."""
    low, high = row, len(session.tables) - 1  # moved at low, not at high
    while high - low > 1:
        middle = (low + high) // 2
        moved = tried(session, Replay(middle, replace(future, until=None)))
        if moved is None:
            return None
        low, high = (middle, high) if cell.at in moved[layer].rows else (low, middle)
    return low + 1 - _bar(session, cell)


def _bar(session: Session, cell: Cell) -> int:
    """The last bar of a cell's own time."""
    times = session.tables.times
    at = cell.at + np.timedelta64(1, "D") - np.timedelta64(1, "us") if times.daily else cell.at
    return max(int((times.instants <= at).sum()) - 1, 0)


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
