"""A file of weights beside prices: nobody can say what they knew, but a file alone can show more than nothing.

Times that the prices do not have (a zone that is off by a day), symbols held where they have no price, and foresight that no
honest strategy has: weights that put the next returns in order, date after date. A merely good correlation is information.
Grammar of shapes: R rows of weights that have a price bar, S symbols.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.engine.audit.findings import INFORMATION, LEAK, WARNING, Check, Finding
from backcast.engine.audit.foreign.audit import Audit
from backcast.engine.audit.foreign.bars import field, presence
from backcast.engine.audit.foreign.calling import Wide, outputs
from backcast.engine.audit.foreign.tables import Tables

HORIZONS = (1, 5, 21)
DELAYS = (0, 1, 2, 5, 21)
FORESIGHT, CHANCE = 0.98, 1e-9
"""Share of ordered pairs that the next returns agree with; and the probability of that by luck, date by date."""


def audit_weights(weights: Any, prices: Any) -> Audit:
    """What a frame of weights shows beside its prices. Errors: InputError for frames that cannot be read."""
    tables = Tables.of(prices, {})
    wide = outputs(weights, tables)["targets"][0]
    return Audit("file", [times_check(wide, tables), held_check(wide, tables), foresight_check(wide, tables)])


def times_check(wide: Wide, tables: Tables) -> Check:
    """Every row of weights is at a bar of the prices."""
    there = np.isin(wide.at, tables.times.instants)
    inside = (wide.at >= tables.times.instants[0]) & (wide.at <= tables.times.instants[-1])
    wrong = ~there
    check = Check(
        "times of the weights", "targets", "each is a time of the prices", len(wide.at), int(wrong.sum())
    )
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        day = np.timedelta64(1, "D")
        moved = [
            s
            for s in (-1, 1)
            if np.isin(wide.at + s * day, tables.times.instants).mean() > there.mean() + 0.2
        ]
        hint = "Label them with the times of the prices."
        if moved:
            hint = f"Moved by {moved[0]:+d} day they fit: a time zone that is off by a day?"
        what = "are not times of the prices" if inside[row] else "lie outside of the prices"
        check.finding = Finding(
            WARNING,
            f"{wrong.sum():,} of {len(wide.at):,} rows {what}.",
            hint,
            "time",
            "",
            str(wide.local[row]),
        )
    return check


def held_check(wide: Wide, tables: Tables) -> Check:
    """A symbol is held where it has prices only: not before its first, not after its last."""
    at, values = _bars(wide, tables)
    there, place = presence(tables), {s: i for i, s in enumerate(tables.symbols)}
    held = np.nan_to_num(values) != 0
    check = Check(
        "symbols held have prices", "universe", "from their first price to their last", int(held.sum())
    )
    for c, name in enumerate(wide.columns):
        rows = np.flatnonzero(there[:, place[name]]) if name in place else np.empty(0, dtype=np.int64)
        first, last = (rows[0], rows[-1]) if len(rows) else (len(tables), -1)
        wrong = held[:, c] & ((at < first) | (at > last))
        check.changed += int(wrong.sum())
        if wrong.any() and check.finding is None:
            r = int(np.flatnonzero(wrong)[0])
            when = (
                "has no price"
                if not len(rows)
                else "before its first price"
                if at[r] < first
                else "after its last price"
            )
            check.finding = Finding(
                WARNING, f"{name} is held, {when}." if len(rows) else f"{name} is held, but has no price at all.",
                "Choose from the symbols that trade at the date, by the names of that date.",
                "weight", name, tables.at(int(at[r])), recorded=float(values[r, c]),
            )  # fmt: skip
    return check


def foresight_check(wide: Wide, tables: Tables) -> Check:
    """Whether weights put what comes next in order: a leak where they always do, else the size and a table of delays."""
    check = Check("foresight", "targets", "weights against the returns after them, date by date")
    close = field(tables, "close")
    shared = [name for name in wide.columns if name in tables.symbols]
    if close is None or not shared:
        check.inconclusive = "the prices have no closes of the symbols of the weights"
        return check
    at, values = _bars(wide, tables)
    asked = np.nan_to_num(values[:, [wide.columns.index(n) for n in shared]])
    known = close[:, [tables.symbols.index(n) for n in shared]]
    delays = {lag: mean_correlation(asked, known, at, lag, 1) for lag in DELAYS}
    best: tuple[float, int, int, int, float] = (0.0, 0, 0, 0, 0.0)
    for horizon in HORIZONS:
        right, pairs, dates, luck = agreement(asked, known, at, horizon)
        check.cells = max(check.cells, pairs)
        if pairs and right / pairs > best[0]:
            best = (right / pairs, horizon, right, dates, luck)
    share, horizon, _, dates, luck = best
    shown = ", ".join(f"{lag} bars later {value:+.3f}" for lag, value in delays.items() if value is not None)
    if share >= FORESIGHT and luck < math.log(CHANCE):
        check.changed = check.cells
        check.finding = Finding(
            LEAK,
            f"Weights put the next returns ({horizon} bar{'s' if horizon > 1 else ''}) in order in {share:.1%} of all pairs, "
            f"on {dates:,} dates.",
            "No forecast does that: look for a negative shift where they were made, and audit the code itself.",
            "weight", "", tables.at(int(at[0])), horizon, "bars",
        )  # fmt: skip
    elif check.cells:
        check.finding = Finding(
            INFORMATION,
            f"Correlation with the next bar's returns by delay of the trade: {shown or 'none'}; {share:.1%} of pairs in order.",
            "A file cannot show more: audit the code that made it.",
        )
    else:
        check.inconclusive = "no date has two weights that differ and prices after it"
    return check


def _bars(wide: Wide, tables: Tables) -> tuple[Ints, Floats]:
    """(R,) the bars of the rows that have one, and (R, C) their values."""
    at = np.searchsorted(tables.times.instants, wide.at)
    there = (at < len(tables)) & (tables.times.instants[np.minimum(at, len(tables) - 1)] == wide.at)
    return at[there].astype(np.int64), wide.values[there]


def agreement(weights: Floats, close: Floats, at: Ints, horizon: int) -> tuple[int, int, int, float]:
    """Pairs in the order of the returns that follow, all pairs, dates, and the log of the chance that luck does as well:
    a fair coin a date, since the pairs of a date are not independent. One symbol alone is compared with nothing held."""
    right = pairs = dates = perfect = 0
    for r, t in enumerate(at.tolist()):
        if t + horizon >= len(close):
            continue
        with np.errstate(all="ignore"):
            move = close[t + horizon] / close[t] - 1.0
        ok = np.isfinite(move)
        w, m = (weights[r][ok], move[ok])
        if len(close[0]) == 1:
            w, m = np.r_[w, 0.0], np.r_[m, 0.0]
        difference, order = np.sign(w[:, None] - w), np.sign(m[:, None] - m)
        compared = np.triu((difference != 0) & (order != 0), 1)
        if not compared.any():
            continue
        good = int((compared & (difference == order)).sum())
        right, pairs, dates = right + good, pairs + int(compared.sum()), dates + 1
        perfect += good >= 0.9 * compared.sum()
    return right, pairs, dates, _log_tail(perfect, dates)


def _log_tail(hits: int, dates: int) -> float:
    """Log of the chance of at least so many heads."""
    from scipy.stats import binom

    return float(binom.logsf(hits - 1, dates, 0.5)) if dates else 0.0


def mean_correlation(weights: Floats, close: Floats, at: Ints, lag: int, horizon: int) -> float | None:
    """Mean over dates of the correlation of weights with the returns of `horizon` bars that begin `lag` bars later."""
    found = []
    for r, t in enumerate(at.tolist()):
        if t + lag + horizon >= len(close):
            continue
        with np.errstate(all="ignore"):
            move = close[t + lag + horizon] / close[t + lag] - 1.0
        ok = np.isfinite(move)
        w, m = weights[r][ok], move[ok]
        if len(w) > 2 and np.ptp(w) > 0 and np.ptp(m) > 0:
            found.append(float(np.corrcoef(w, m)[0, 1]))
    return float(np.mean(found)) if found else None
