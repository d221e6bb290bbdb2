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
from backcast.engine.audit.foreign.calling import Output, Wide, call
from backcast.engine.audit.foreign.compare import compare
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


def check(session: Session) -> Check | None:
    """Whether returns are earned on the bar of their decision; None where f gave no returns."""
    if "execution" not in session.recorded:
        return None
    found = Check("returns earned after the decision", "execution", "weights times the returns of later bars")
    fits, rows = fitted(session.tables, session.recorded)
    found.cells = int(rows.sum())
    if not fits:
        found.finding = Finding(
            INFORMATION,
            "Returns came without weights, closes or enough rows to explain them.",
            "Give the weights of the same times beside them: {'weights': ..., 'returns': ...}.",
        )
        return found
    best = min(fits, key=lambda fit: fit.left)
    if best.share < EXPLAINED:
        found.finding = Finding(
            INFORMATION,
            f"Weights explain {max(best.share, 0):.0%} of the returns' variance at best (lag {best.lag}, {best.priced}).",
            "Look at costs, leverage and the label of a return's bar; nothing is said about when they were earned.",
        )
        return found
    others = [fit.left for fit in fits if fit.lag != 0]
    if best.lag == 0 and best.left < CLEARLY * min(others) and _moves_with_its_bar(session):
        found.changed = found.cells
        at = session.tables.at(int(np.flatnonzero(rows)[0]))
        found.finding = Finding(
            LEAK,
            f"Returns are those of the bar that the weights were decided on ({best.priced}, lag 0 explains {best.share:.1%}).",
            HINT, "returns", "", at, 0, "bars", reproduce=session.command.format(at=session.tables.at(_middle(rows))),
        )  # fmt: skip
    elif best.lag == 0 and best.left >= CLEARLY * min(others):
        found.finding = Finding(
            INFORMATION,
            "Weights change too little to say whether returns are of the same bar or of the next.",
            HINT,
        )
    return found


def _middle(rows: Bools) -> int:
    at = np.flatnonzero(rows)
    return int(at[len(at) // 2])


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


def on_bars(tables: Tables, wide: Wide) -> Floats:
    """(T, C) an output's rows on the bars of the prices, NaN where it has none."""
    values = np.full((len(tables), len(wide.columns)), np.nan)
    at = np.searchsorted(tables.times.instants, wide.at)
    inside = (at < len(tables)) & (tables.times.instants[np.minimum(at, len(tables) - 1)] == wide.at)
    values[at[inside]] = wide.values[inside]
    return values


def held(tables: Tables, wide: Wide) -> Floats:
    """(T, S) weights on the symbols of the prices; those of the last row before, on bars without a row."""
    values = np.full((len(tables), len(tables.symbols)), np.nan)
    last = (
        np.searchsorted(
            wide.at, tables.times.ends() if tables.times.daily else tables.times.instants, side="right"
        )
        - 1
    )
    place = {name: c for c, name in enumerate(wide.columns)}
    chosen = [(s, place[name]) for s, name in enumerate(tables.symbols) if name in place]
    for s, c in chosen:
        values[last >= 0, s] = wide.values[last[last >= 0], c]
    return np.nan_to_num(values)


def priced(tables: Tables) -> dict[str, Floats]:
    """What a bar may have earned: close to close, and open to open and open to close where there are opens. (T, S) each."""
    close, opened = field(tables, "close"), field(tables, "open")
    made = {}
    with np.errstate(all="ignore"):
        if close is not None:
            made["close to close"] = _simple(close)
            made["log returns"] = np.log1p(_simple(close))
        if opened is not None and close is not None:
            made["open to close"] = close / opened - 1.0
            made["open to open"] = _simple(opened)
    return {name: np.where(np.isfinite(v), v, np.nan) for name, v in made.items()}


def _simple(prices: Floats) -> Floats:
    known = prices.copy()
    for t in range(1, len(known)):
        known[t] = np.where(np.isnan(known[t]), known[t - 1], known[t])
    return np.vstack([np.full((1, known.shape[1]), np.nan), known[1:] / known[:-1] - 1.0])


def field(tables: Tables, name: str) -> Floats | None:
    """(T, S) a field of the prices; a frame of closes is the close."""
    table = tables.prices.get(name) or tables.prices.get("")
    if table is None or (tables.wide and "" in tables.prices and name != "close"):
        return None
    values = np.full((len(tables), len(tables.symbols)), np.nan)
    at = np.searchsorted(tables.times.instants, table.times().instants)
    place = {s: i for i, s in enumerate(tables.symbols)}
    if not tables.wide:
        column = next((c for c in table.columns if c.lower() == name), None)
        if column is None:
            return None
        values[at, [place[w] for w in table.words("symbol")]] = table.numbers(column)
        return values
    for column in table.columns:
        values[at, place[column]] = table.numbers(column)
    return values


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
