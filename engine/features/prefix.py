"""Whether a panel begins with another one: SHA-256 of what its first rows say about each symbol."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backcast.data.types import Floats, Ints, Panel
from backcast.signals.types import Reproducible


class Prefixes:
    """SHA-256 of what the first rows of a panel say about each symbol: the cells of a graph's fields, whether it is a
    member, and the revisions known within those rows."""

    def __init__(self, graph: Reproducible, panel: Panel) -> None:
        self.panel, self.places = panel, [panel.fields.index(name) for name in graph.fields]
        self.order = np.full(len(panel.fields), -1)
        self.order[self.places] = np.arange(len(self.places))
        r = panel.revisions
        chosen = np.flatnonzero(np.isin(r.field, self.places))
        chosen = chosen[np.argsort(r.symbol[chosen], kind="stable")]
        self.bounds = np.searchsorted(r.symbol[chosen], np.arange(len(panel.symbols) + 1))
        self.chosen = chosen

    def digests(self, symbols: Sequence[str], rows: int) -> list[str]:
        """Of each symbol."""
        index = {name: s for s, name in enumerate(self.panel.symbols)}
        return [self._digest(index[name], rows) for name in symbols]

    def _digest(self, s: int, rows: int) -> str:
        found = hashlib.sha256()
        for f in self.places:
            found.update(np.ascontiguousarray(self.panel.values[f, s, :rows]).tobytes())
        found.update(self.panel.member[s, :rows].tobytes())
        known, r = self._known(s, rows), self.panel.revisions
        for column in (
            self.order[r.field[known]],
            r.time[known],
            r.decision[known],
            r.value[known],
        ):
            found.update(column.tobytes())
        return found.hexdigest()

    def _known(self, s: int, rows: int) -> Ints:
        """The revisions of a symbol that one of the first rows knows."""
        own = self.chosen[self.bounds[s] : self.bounds[s + 1]]
        return own[self.panel.revisions.decision[own] < rows]

    def appears(self, symbol: str, rows: int) -> bool:
        """Whether anything about a symbol is in the first rows."""
        s = self.panel.symbols.index(symbol)
        cells = self.panel.values[self.places, s, :rows]
        return bool(
            np.isfinite(cells).any() or self.panel.member[s, :rows].any() or len(self._known(s, rows))
        )


def unlisted(graph: Reproducible, panel: Panel, f: int, rows: int) -> Floats:
    """(T,) feature f of a symbol that nothing is known of."""
    nothing = np.full((len(panel.fields), 1, rows), np.nan)
    none = panel.revisions.where(np.zeros(len(panel.revisions), dtype=bool))
    alone = replace(
        panel, symbols=("",), clock=panel.clock.slice(0, rows), values=nothing,
        member=np.zeros((1, rows), dtype=bool), revisions=none,
    )  # fmt: skip
    return np.asarray(graph.evaluate(alone).values[f, 0])
