"""The panel as each decision of a path knows it, without copying it at each: corrections are put in as they become known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats, Panel
from backcast.signals.types import FeatureSource


class History:
    """Cells of one panel as known at decisions, which should come in ascending order (going back costs a copy).

    Nothing that it answers about a decision depends on a row, or on a version of one, that was known later.
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._cells: dict[str, _Cells] = {}
        self._features: dict[int, tuple[FeatureSource, Floats]] = {}
        self._frictions: dict[tuple[str, object], Floats] = {}
        self._first = self._cells_of("close").first_known()

    def seen(self, decision: int) -> Bools:
        """(S,) the symbols of which anybody has known a close by then."""
        return self._first <= decision

    def traded_in(self, session: int, decision: int) -> Bools:
        """(S,) whether a bar of a session is known at a decision; one without volume, of a symbol that ever had any, repeats a
        price at which nobody could trade."""
        there = np.isfinite(self.window("close", decision, decision + 1)[:, session])
        if "volume" not in self.panel.fields:
            return np.asarray(there)
        volume = self.window("volume", decision, decision + 1)
        idle = np.flatnonzero(volume[:, session] == 0.0)
        there[idle[(volume[idle] > 0.0).any(axis=1)]] = False
        return np.asarray(there)

    def seen_since(self, sessions: int, decision: int) -> Bools:
        """(S,) whether a close of the last so many sessions is known at a decision."""
        first = self.panel.clock.before(decision, sessions)
        return np.asarray(np.isfinite(self.window("close", decision, max(decision - first, 1))).any(axis=1))

    def window(self, field: str, decision: int, rows: int) -> Floats:
        """(S, up to rows) the last cells of a field as known at a decision: fewer where the data begin later.

        Errors: InputError for a field that the panel does not have.
        """
        known = self._cells_of(field).known_at(decision)
        return known[:, max(0, decision + 1 - rows) : decision + 1]

    def features(self, source: FeatureSource, decision: int) -> Floats:
        """(F, S) features as known at a decision; all decisions are computed at the first question."""
        if id(source) not in self._features:
            compiled = source.compile(self.panel.fields, self.panel.price_basis)
            self._features[id(source)] = source, compiled.evaluate(self.panel).values
        return np.asarray(self._features[id(source)][1][:, :, decision])

    def friction(self, name: str, setting: object, decision: int, all_of: Callable[[], Floats]) -> Floats:
        """(S,) of a decision what `all_of` gives for all of them (S, T), as each knew it; asked once for a name and setting."""
        if (name, setting) not in self._frictions:
            self._frictions[name, setting] = all_of()
        return np.asarray(self._frictions[name, setting][:, decision])

    def drifted(self, weights: Floats, since: int, decision: int) -> Floats:
        """(S,) what weights set at `since` have become by a decision, by the returns of the closes as known then.

        A share of equity grows with its own return over that of the whole account, cash at no interest; the lag to the
        fill is not known to a portfolio and not counted. A missing close is the last one known. Where the account is worth
        nothing, nothing is held.
        """
        held = np.flatnonzero(weights)
        if not len(held):
            return np.zeros_like(weights)
        growth = self._growth(held, since, decision)
        grown = weights[held] * growth
        equity = 1.0 + float((grown - weights[held]).sum())
        out = np.zeros_like(weights)
        if equity > 0:
            out[held] = grown / equity
        return out

    def _growth(self, held: np.ndarray, since: int, decision: int) -> Floats:
        """(H,) close at a decision over close at an earlier one, as known at the later; 1 where either is not known."""
        known = self._cells_of("close").known_at(decision)
        block = known[held, since : decision + 1]
        start = block[:, 0].copy()
        for row in np.flatnonzero(~np.isfinite(start)):
            before = known[held[row], : since + 1]
            finite = np.flatnonzero(np.isfinite(before))
            start[row] = before[finite[-1]] if len(finite) else np.nan
        last = block.shape[1] - 1 - np.isfinite(block)[:, ::-1].argmax(axis=1)
        end = block[np.arange(len(held)), last]
        whole = np.isfinite(end) & (start > 0)
        growth = np.ones(len(held))
        growth[whole] = end[whole] / start[whole]
        return growth

    def _cells_of(self, field: str) -> _Cells:
        if field not in self._cells:
            if field not in self.panel.fields:
                raise InputError("portfolio", field, f"a field of the panel: {', '.join(self.panel.fields)}")
            self._cells[field] = _Cells(self.panel, field)
        return self._cells[field]


class _Cells:
    """One field of a panel, moved along decisions."""

    def __init__(self, panel: Panel, field: str) -> None:
        self._base = panel.field(field)
        own = panel.revisions.where(panel.revisions.field == panel.fields.index(field))
        order = np.argsort(
            own.decision, kind="stable"
        )  # within a decision in order of known_at: the last one stays
        self._symbol, self._time, self._value = own.symbol[order], own.time[order], own.value[order]
        self._decision = own.decision[order]
        self._now, self._done = self._base, 0

    def known_at(self, decision: int) -> Floats:
        """(S, T) the cells as known at a decision; columns after it are not to be read."""
        until = int(np.searchsorted(self._decision, decision, side="right"))
        if until < self._done:
            self._now, self._done = self._base, 0
        if until > self._done:
            if self._now is self._base:
                self._now = self._base.copy()
            part = slice(self._done, until)
            self._now[self._symbol[part], self._time[part]] = self._value[part]
            self._done = until
        return self._now

    def first_known(self) -> Floats:
        """(S,) the first decision that knows any of a symbol's cells; infinite where none does."""
        known = np.isfinite(self._base)
        first = np.where(known.any(axis=1), known.argmax(axis=1), np.inf)
        late = np.isfinite(self._value)
        np.minimum.at(first, self._symbol[late], self._decision[late].astype(np.float64))
        return first
