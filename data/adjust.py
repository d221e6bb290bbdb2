"""Forward adjustment of raw prices: what one share of a symbol's first session has become.

A symbol's factor is 1 at its first session. On the ex date of a split of r new shares for an old one it is multiplied by r; on
the ex date of a cash dividend d by c / (c - d), where c is the last close before it as first known (the dividend is
reinvested at the ex-dividend price that c implies; the convention of back-adjusted series, run forwards). An adjusted
price is raw price x factor, an adjusted volume raw volume / split factor. A later action never changes an earlier price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Ints, Revisions

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Actions:
    """One symbol's splits and dividends, a corrected one once for each version: ex (N,) the session index of each ex date,
    decision (N,) the first decision that knows it, known_at (N,), ratio (N,) its price factor, shares (N,) its share factor;
    superseded_at and superseded_by (N,) when the next version was known, and the first decision that knew that one."""

    ex: Ints
    decision: Ints
    known_at: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    ratio: Floats
    shares: Floats
    superseded_at: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    superseded_by: Ints

    def factors(self, sessions: int) -> tuple[Floats, Floats]:
        """Price and share factors (T,) that each decision knew for its own session."""
        every = np.ones(len(self.ex), dtype=bool)
        return self._cumulated(every, np.maximum(self.ex, self.decision), self.superseded_by, sessions)

    def factors_known(self, instant: np.datetime64, sessions: int) -> tuple[Floats, Floats]:
        """Price and share factors (T,) by the actions known at one instant."""
        known = (self.known_at <= instant) & (instant < self.superseded_at)
        return self._cumulated(known, self.ex, np.full(len(self.ex), sessions), sessions)

    def _cumulated(self, chosen: Bools, start: Ints, stop: Ints, sessions: int) -> tuple[Floats, Floats]:
        """The product of the chosen, each from its start to before its stop."""
        price, shares = np.ones(sessions), np.ones(sessions)
        for at in np.argsort(start, kind="stable"):
            if chosen[at]:
                price[start[at] : stop[at]] *= self.ratio[at]
                shares[start[at] : stop[at]] *= self.shares[at]
        return price, shares


def ratios(kind: str, value: float, symbol: str, last_close: float) -> tuple[float, float]:
    """Price and share factor of a split or a dividend. Errors: InputError for one that cannot be."""
    if kind == "split":
        if not 0 < value < 1e6:
            raise InputError(f"actions.split of {symbol}", value, "new shares for an old one, above 0")
        return value, value
    if not 0 <= value < last_close:
        raise InputError(
            f"actions.dividend of {symbol}", value, f"an amount below the last close before it ({last_close})"
        )
    return last_close / (last_close - value), 1.0


def adjusted(
    values: Floats, revisions: Revisions, actions: dict[int, Actions], fields: tuple[str, ...]
) -> tuple[Floats, Revisions]:
    """Raw values (F, S, T) and their revisions in forward-adjusted units, by the actions of each symbol index.

    An action that became known after its ex date revises the sessions in between, dated when it was known.
    """
    scaled, parts = values.copy(), [revisions.where(~np.isin(revisions.symbol, list(actions)))]
    for s, known in actions.items():
        price, shares = known.factors(values.shape[2])
        own = revisions.where(revisions.symbol == s)
        for f, name in enumerate(fields):
            scaled[f, s] = values[f, s] * price if name in PRICES else values[f, s] / shares
        parts += [_restated(values[:, s], own, s, known, *learned, fields) for learned in _late(known, own)]
    return scaled, Revisions.joined(parts)


def _late(actions: Actions, own: Revisions) -> list[tuple[np.datetime64, int]]:
    """When something about a symbol became known after the decision of its session, and the first decision after."""
    late = actions.decision > actions.ex
    learned = {*zip(actions.known_at[late], actions.decision[late].tolist(), strict=True)}
    return sorted(learned | {*zip(own.known_at, own.decision.tolist(), strict=True)})


def _restated(
    values: Floats,
    own: Revisions,
    s: int,
    actions: Actions,
    instant: np.datetime64,
    decision: int,
    fields: tuple[str, ...],
) -> Revisions:
    """The cells of a symbol that change by what becomes known at an instant; values (F, T) are its raw ones."""
    sessions = values.shape[1]
    price, shares = actions.factors_known(instant, sessions)
    before_price, before_shares = actions.factors_known(instant - np.timedelta64(1, "us"), sessions)
    known = own.where(own.known_at <= instant)
    parts = []
    for f, name in enumerate(fields):
        raw, mine = values[f].copy(), known.where(known.field == f)
        raw[mine.time] = mine.value
        is_price = name in PRICES
        touched = (price != before_price) if is_price else (shares != before_shares)
        touched[decision:] = False  # decisions from here on knew it in time
        touched &= np.isfinite(raw)
        touched[mine.time[mine.known_at == instant]] = True
        at = np.flatnonzero(touched)
        new = raw[at] * price[at] if is_price else raw[at] / shares[at]
        n = len(at)
        parts.append(Revisions.of_field(f, np.full(n, s), at, np.full(n, instant), np.full(n, decision), new))
    return Revisions.joined(parts)
