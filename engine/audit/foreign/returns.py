"""A strategy's returns beside its weights: were they earned after the decision, or on the bar that it was made on?

The return of a bar is tried as sum over symbols of weight x simple return, with weights of `lag` bars before: 0 is the same
bar, -1 that of returns labelled at their decision. What is left over may be costs: a constant, and a multiple of turnover.
Lag 0 is a leak only where a weight moves with the bar of its own row: weights that are shifted already were decided before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backcast.data.types import Bools, Floats
from backcast.engine.audit.findings import INFORMATION, LEAK, Check, Finding
from backcast.engine.audit.foreign.bars import field, held, on_bars, simple
from backcast.engine.audit.foreign.calling import Output, call
from backcast.engine.audit.foreign.compare import compare
from backcast.engine.audit.foreign.earned import measured
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.tables import Tables

if TYPE_CHECKING:
    from backcast.engine.audit.foreign.audit import Session

LAGS = (0, 1, 2, 3, -1)
EXPLAINED, CLEARLY = 0.98, 0.1
"""Share of the returns' variance that a lag has to explain; and what it may leave over, of what any other does."""

HINT = "Earn from the next bar on: returns = (weights.shift(1) * prices.pct_change()).sum(axis=1)."


@dataclass(frozen=True)
class Fit:
    """How well one lag explains the returns: share of variance explained, and what is left over (a variance)."""

    lag: int
    priced: str
    share: float
    left: float


def check(session: Session, level: str) -> Check | None:
    """Whether returns are earned on the bar of their decision; None where f gave no returns."""
    if "execution" not in session.recorded:
        return None
    found = Check("returns earned after the decision", "execution", "weights times the returns of later bars")
    fits, rows = fitted(session.tables, session.recorded)
    found.cells = int(rows.sum())
    earned = measured(session, level) if rows.any() else None
    if earned is not None and earned.same_bar and _moves_with_its_bar(session):
        _accuse(session, found, earned.first, "a nudge of its close moves the return by the weight of its own bar")
    elif not fits:
        found.finding = Finding(
            INFORMATION,
            "Returns came without weights, closes or enough rows to explain them.",
            "Give the weights of the same times beside them: {'weights': ..., 'returns': ...}.",
        )
    elif earned is None or not earned.later:
        _by_fit(session, found, fits, rows)
    return found


def _by_fit(session: Session, found: Check, fits: list[Fit], rows: Bools) -> None:
    """What the best lag says; all that is left where no close moves a return (fills at the open), or too few weights change."""
    best = min(fits, key=lambda fit: fit.left)
    others = min((fit.left for fit in fits if fit.lag != 0), default=np.inf)
    if best.share < EXPLAINED:
        found.finding = Finding(
            INFORMATION,
            f"Weights explain {max(best.share, 0):.0%} of the returns' variance at best (lag {best.lag}, {best.priced}).",
            "Look at costs, leverage and the label of a return's bar; nothing is said about when they were earned.",
        )
    elif best.lag == 0 and best.left >= CLEARLY * others:
        found.finding = Finding(
            INFORMATION,
            "Weights change too little to say whether returns are of the same bar or of the next.",
            HINT,
        )
    elif best.lag == 0 and _moves_with_its_bar(session):
        _accuse(session, found, int(np.flatnonzero(rows)[0]), f"{best.priced}, lag 0 explains {best.share:.1%}")


def _accuse(session: Session, found: Check, row: int | None, why: str) -> None:
    found.changed = found.cells
    at = session.tables.at(row or 0)
    found.finding = Finding(
        LEAK, f"Returns are those of the bar that the weights were decided on ({why}).", HINT,
        "returns", "", at, 0, "bars", reproduce=session.command.format(at=at),
    )  # fmt: skip


def fitted(tables: Tables, recorded: Output) -> tuple[list[Fit], Bools]:
    """Every lag and price, as far as there are numbers for it, and the rows (T,) that have a return."""
    given = on_bars(tables, recorded["execution"][0])[:, 0]
    rows = np.isfinite(given)
    if "targets" not in recorded:
        return [], rows
    weights = held(tables, recorded["targets"][0])
    fits = []
    for name, earned in priced(tables).items():
        for lag in LAGS:
            fit = _fit(given, weights, earned, lag, name)
            if fit is not None:
                fits.append(fit)
    return fits, rows


def _fit(given: Floats, weights: Floats, earned: Floats, lag: int, name: str) -> Fit | None:
    """Least squares of what is left over on a constant and turnover: costs take away, and in proportion to what is traded."""
    shifted, earned = (
        (np.roll(weights, lag, axis=0), earned) if lag >= 0 else (weights, np.roll(earned, lag, axis=0))
    )
    turnover = np.abs(np.diff(weights, axis=0, prepend=weights[:1])).sum(axis=1)
    gross = np.nansum(shifted * earned, axis=1)
    ok = np.isfinite(given) & np.isfinite(earned).any(axis=1)
    ok[: max(lag, 0)] = False
    if lag < 0:
        ok[lag:] = False
    if ok.sum() < 20 or np.var(given[ok]) == 0:
        return None
    left = given[ok] - gross[ok]
    costs = np.column_stack([np.ones(ok.sum()), turnover[ok], np.roll(turnover, max(lag, 0))[ok]])
    rest = left - costs @ np.linalg.lstsq(costs, left, rcond=None)[0]
    return Fit(lag, name, 1.0 - float(np.var(rest) / np.var(given[ok])), float(np.var(rest)))


def priced(tables: Tables) -> dict[str, Floats]:
    """What a bar may have earned: close to close, and open to open and open to close where there are opens. (T, S) each."""
    close, opened = field(tables, "close"), field(tables, "open")
    made = {}
    with np.errstate(all="ignore"):
        if close is not None:
            made["close to close"] = simple(close)
            made["log returns"] = np.log1p(simple(close))
        if opened is not None and close is not None:
            made["open to close"] = close / opened - 1.0
            made["open to open"] = simple(opened)
    return {name: np.where(np.isfinite(v), v, np.nan) for name, v in made.items()}


def _moves_with_its_bar(session: Session) -> bool:
    """Whether the weights of some bar change with that bar's own prices: decided on its close, not before it."""
    before = replace(session.tables, decides="before", _rows={})
    weights = {"targets": session.recorded["targets"]}
    values = held(session.tables, session.recorded["targets"][0])
    rows = np.flatnonzero(np.abs(np.diff(values, axis=0)).sum(axis=1) > 0) + 1
    for row in rows[np.linspace(0, len(rows) - 1, min(4, len(rows))).astype(int)].tolist():
        try:
            again = call(
                session.f, Future("scrambled", True, seed=5, only=("bars",)).of(before, row), session.names
            )
        except Exception:  # nothing is said about what cannot be run
            continue
        ends = (
            session.tables.times.ends()[row]
            if session.tables.times.daily
            else session.tables.times.instants[row]
        )
        if compare(weights, again, ends)["targets"].changed:
            return True
    return False
