"""What holders get is no choice of an execution: a user's own must pay what the facts and the configuration say.

Orders, fill prices and what trades are its own business (`execution.py`, `futures.py`). Proceeds, splits, dividends, closes and
the configured haircut are not: they are held against those of a plain `Execution` with the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backcast.data.market import Market
from backcast.data.types import Floats, Panel
from backcast.engine.audit.findings import LEAK, Check, Finding, number
from backcast.engine.configure import Experiment
from backcast.engine.execution import Execution
from backcast.engine.types import Plan, Targets

NAME = "what holders get"
TOLERANCE = 1e-9


@dataclass(frozen=True)
class _Other:
    """What a plan gives in place of what it should: bar and symbol, what of, and both values, NaN = nothing."""

    t: int
    s: int
    what: str
    given: float
    due: float


@dataclass(frozen=True)
class _Both:
    """A user's plan and a plain one, on the market that both were made of."""

    theirs: Plan
    plain: Plan
    market: Market

    def of(self, name: str, empty: float) -> tuple[Floats, Floats]:
        """(T, S) a part of either plan on the market's bars, `empty` where it has none."""
        shape = len(self.market.clock), len(self.market.symbols)
        found = []
        for plan in (self.theirs, self.plain):
            part, whole = getattr(plan, name), np.full(shape, empty)
            if part is not None:
                whole[plan.offset :] = part
            found.append(whole)
        return found[0], found[1]

    @property
    def begin(self) -> int:
        """The first bar of both."""
        return max(self.theirs.offset, self.plain.offset)


def check(made: Experiment, panel: Panel, market: Market, targets: Targets, plan: Plan) -> list[Check]:
    """LEAK where a plan of a user's own execution pays otherwise; nothing for ours, which is what it is held against."""
    if type(made.execution) is Execution:
        return []
    plain = Execution.__new__(Execution)
    plain.__dict__.update(vars(made.execution))
    both = _Both(plan, plain.plan(panel, market, targets, made.cost), market)
    parts: tuple[Callable[[_Both], Iterator[_Other]], ...] = (
        _splits,
        _marks,
        _proceeds,
        _haircuts,
        _dividends,
    )
    wrong = [other for part in parts for other in part(both)]
    told = "proceeds, haircuts, splits, dividends and closes of the plan"
    found = Check(NAME, "account", told, plan.mark_price.size, len(wrong))
    if wrong:
        first = min(wrong, key=lambda one: one.t)  # of one bar what causes the rest comes first
        given = "nothing" if np.isnan(first.given) else f"{first.given:.6g}"
        found.finding = Finding(
            LEAK,
            f"The plan gives {given} as {first.what} of {market.symbols[first.s]}; by the data it is {first.due:.6g}.",
            "Leave to the facts what holders get; change it in the data or the configuration (execution.haircut).",
            column=first.what,
            symbol=market.symbols[first.s],
            at=str(market.clock.closes_at[first.t]),
            recorded=number(first.given),
            replayed=number(first.due),
        )
    return [found]


def _apart(one: Floats, other: Floats) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return ~(np.abs(one - other) <= TOLERANCE * np.abs(other))


def _splits(both: _Both) -> Iterator[_Other]:
    theirs, plain = both.of("split", 1.0)
    for t, s in np.argwhere(_apart(theirs, plain)).tolist():
        if t >= both.begin:
            yield _Other(t, s, "the split", float(theirs[t, s]), float(plain[t, s]))


def _marks(both: _Both) -> Iterator[_Other]:
    """Where there is a close, a holding is worth that, or its proceeds once those are due."""
    theirs, plain = both.of("mark_price", np.nan)
    close = both.market.field("close").T
    for t, s in np.argwhere(np.isfinite(close) & _apart(theirs, plain) & _apart(theirs, close)).tolist():
        if t >= both.begin:
            yield _Other(t, s, "the value", float(theirs[t, s]), float(plain[t, s]))


def _proceeds(both: _Both) -> Iterator[_Other]:
    """What ended by a fact is paid out at its proceeds, whenever that is."""
    theirs, plain = both.of("exits", np.nan)
    for t, s in np.argwhere(np.isfinite(plain)).tolist():
        paid = np.flatnonzero(np.isfinite(theirs[:, s]))
        wrong = paid[_apart(theirs[paid, s], plain[t, s])]
        if len(wrong) or not len(paid):
            at = int(wrong[0]) if len(wrong) else t
            yield _Other(at, s, "the proceeds", float(theirs[at, s]), float(plain[t, s]))


def _haircuts(both: _Both) -> Iterator[_Other]:
    """What vanished is closed at no less than the configured haircut, or paid out."""
    theirs, plain = both.of("forced", np.nan)
    exits, _ = both.of("exits", np.nan)
    for t, s in np.argwhere(plain > 0).tolist():
        if not ((theirs[:, s] >= plain[t, s] - TOLERANCE).any() or np.isfinite(exits[:, s]).any()):
            given = theirs[np.isfinite(theirs[:, s]), s]
            yield _Other(
                t, s, "the haircut", float(given[0]) if len(given) else float("nan"), float(plain[t, s])
            )


def _dividends(both: _Both) -> Iterator[_Other]:
    """No dividend that is not due, none larger, none before its ex or pay date. Less is a tax."""
    due = _paid(both.plain)
    for (ex, s), (pay, amount) in _paid(both.theirs).items():
        until, most = due.get((ex, s), (pay, 0.0))
        if pay < until or amount > most * (1 + TOLERANCE):
            what = "the dividend, before its day," if pay < until else "the dividend"
            yield _Other(ex, s, what, amount, most)


def _paid(plan: Plan) -> dict[tuple[int, int], tuple[int, float]]:
    """Of each ex date and symbol: when it is first paid, and how much of it in all."""
    found: dict[tuple[int, int], tuple[int, float]] = {}
    paid = plan.dividends
    if paid is not None:
        rows = zip(
            paid.ex.tolist(), paid.symbol.tolist(), paid.pay.tolist(), paid.amount.tolist(), strict=True
        )
        for ex, s, pay, amount in rows:
            first, summed = found.get((plan.offset + ex, s), (plan.offset + pay, 0.0))
            found[plan.offset + ex, s] = min(first, plan.offset + pay), summed + amount
    return found
