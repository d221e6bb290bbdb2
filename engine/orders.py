"""The orders of a plan, and the events of making them: what could not be done, and what was done to a holding."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Bools, Clock, Floats, Ints
from backcast.engine.types import ORDERS, Events, Targets

ROUNDING = 1e-9
"""What orders leave is nothing where it is this share of the largest: the last digits of sums differ."""


class Orders:
    """weights (T, S), NaN = no order, in the unit of their targets; decided (T,) the decision behind a session's, -1 = none.

    filled (D,): the session in which each decision is to be filled. What is held is taken from the orders: what the last
    one asked for.
    """

    def __init__(self, clock: Clock, targets: Targets, filled: Ints) -> None:
        sessions = len(clock)
        self.kind, self.symbols, self.sessions = targets.kind, targets.symbols, clock.sessions
        self.weights = np.empty((sessions, len(targets.symbols)))
        self.decided = np.full(sessions, -1, dtype=np.int64)
        self._ended: dict[int, int] = {}
        self._shares: Floats = np.ones((1, len(targets.symbols)))
        self._rows: list[tuple[int, int, str, str]] = []
        inside = filled < sessions
        idle = np.ones(sessions, dtype=bool)
        idle[filled[inside]] = False
        self.weights[idle] = np.nan
        self.weights[filled[inside]] = targets.weights[
            : int(inside.sum())
        ]  # ascending: the last ones are not
        self.decided[filled[inside]] = targets.decisions[inside]
        for decision in targets.decisions[~inside]:
            detail = f"the decision of {clock.decides_at[decision]} would fill after the data end"
            self._rows.append((sessions - 1, -1, "unfilled_at_end", detail))

    def scale(self, split: Floats) -> None:
        """A number of shares that was decided before a split is a number of old ones: brokers adjust open orders."""
        self.weights *= split
        self._shares = np.asarray(np.cumprod(split, axis=0))

    def asked(self, columns: slice | Ints = slice(None)) -> Floats:
        """(T, S) the position that the orders so far asked for, in their unit; 0 where none did, or the symbol ended."""
        orders, shares = self.weights[:, columns], self._shares[:, columns]
        if self.kind != ORDERS:
            return np.nan_to_num(carried(orders))
        # What was bought before a split has grown by it.
        total = np.nancumsum(orders / shares, axis=0) * shares
        most = np.nan_to_num(np.abs(orders / shares)).max(axis=0, initial=0.0) * shares
        return np.where(np.abs(total) > ROUNDING * most, total, 0.0)

    def held(self) -> Bools:
        """(T, S) whether the orders so far left a position."""
        return self._held(np.arange(self.weights.shape[1]))

    def _held(self, columns: Ints) -> Bools:
        """(T, N) the same, of some symbols in ascending order."""
        held: Bools = self.asked(columns) != 0.0
        for s, at in self._ended.items():
            held[at:, columns == s] = False
        return held

    def ever(self) -> Bools:
        """(S,) whether any order was for more than nothing."""
        return np.asarray(np.nan_to_num(self.weights).any(axis=0))

    def held_before(self) -> Bools:
        """(T, S) the same, before the session's own orders."""
        return np.vstack([np.zeros((1, self.weights.shape[1]), dtype=bool), self.held()[:-1]])

    def drop_untradable(self, untradable: tuple[Ints, Ints]) -> None:
        """Takes out orders of sessions and symbols (N,) that do not trade at the fill; those that would have traded are
        events."""
        asked = self.weights[untradable]
        missing = np.isfinite(asked)
        if not missing.any():
            return
        sessions, symbols = untradable[0][missing], untradable[1][missing]
        wanted = asked[missing] != 0.0
        if self.kind != ORDERS and not wanted.all():
            columns, place = np.unique(symbols, return_inverse=True)
            held = self._held(columns)
            wanted |= (sessions > 0) & held[sessions - 1, place]
        for t, s in zip(sessions[wanted].tolist(), symbols[wanted].tolist(), strict=True):
            self._rows.append(
                (t, s, "not_tradable", f"it did not trade at the fill; {self._asked(t, s)} not done")
            )
        self.weights[sessions, symbols] = np.nan

    def _asked(self, t: int, s: int) -> str:
        value = self.weights[t, s]
        return {"weights": f"weight {value:.4f}", "shares": f"{value:g} shares"}.get(
            self.kind, f"order of {value:g}"
        )

    def end(self, s: int, last: int, exit_at: int) -> float:
        """No orders after a symbol's last session. Gives the position that was asked for until then."""
        self.weights[last + 1 :, s] = np.nan
        self._ended[s] = exit_at
        return float(self.asked(slice(s, s + 1))[exit_at, 0])

    def note_frozen(self, columns: Ints, unknown: Bools) -> None:
        """An event for each spell in which a holding is valued at an old price. columns (N,): the symbols that lack a price in
        any session, ascending; unknown (T, N): where they do."""
        frozen = self._held(columns) & unknown
        begins = frozen & ~np.vstack([np.zeros((1, frozen.shape[1]), dtype=bool), frozen[:-1]])
        for t, column in np.argwhere(begins).tolist():
            rest = frozen[t:, column]
            length = len(rest) if rest.all() else int((~rest).argmax())
            detail = f"valued at its last price for {length} sessions"
            self._rows.append((t, int(columns[column]), "frozen_price", detail))

    def note(self, session: int, symbol: int, kind: str, detail: str) -> None:
        self._rows.append((session, symbol, kind, detail))

    def events(self) -> Events:
        """All events in order of session, symbol and kind."""
        rows = sorted(self._rows)
        return Events(
            np.array([r[0] for r in rows], dtype=np.int64),
            np.array([r[1] for r in rows], dtype=np.int64),
            tuple(r[2] for r in rows),
            tuple(r[3] for r in rows),
        )


def carried(values: Floats, split: Floats | None = None) -> Floats:
    """(T, S) the last value seen, carried forward in time; with splits (T, S) as the price of what the share has become."""
    at = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    np.maximum.accumulate(at, axis=0, out=at)
    last = np.take_along_axis(values, at, axis=0)
    if split is None:
        return np.asarray(last)
    shares = np.cumprod(split, axis=0)
    return np.asarray(last * (np.take_along_axis(shares, at, axis=0) / shares))
