"""The live replay: a run's own features again bar by bar, every cell of them, as they would have come live.

Each step is handed the cells that its decision knew, the corrections and late bars that it is the first to know, and new
listings as they appear. It cannot be handed more, so a batch that looks ahead, or remembers what a state does not, differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backcast.data.types import Bools, Floats, Ints, Panel
from backcast.engine.audit.explain import Spot
from backcast.engine.audit.findings import Check, differing, number
from backcast.engine.audit.path import Recorded
from backcast.engine.progress import Update
from backcast.signals import qlib_features
from backcast.signals.graph import Graph
from backcast.signals.live import Live, Restated
from backcast.signals.qlib_features import QlibFeatures

NAME = "live replay: features"


def live_replay(recorded: Recorded, first: int, update: Update) -> tuple[Check, Spot | None]:
    """Every feature of every symbol at the rows from `first` on against its live state, and the first cell that differs."""
    compiled, rows = recorded.compiled, len(recorded.panel.clock)
    told = f"every cell from {recorded.panel.clock.sessions[first]} on, bar by bar"
    check = Check(NAME, "features", told)
    if type(compiled) is Graph:
        steps: Iterator[tuple[int, Bools, Floats]] = _graph_steps(compiled, recorded.panel, first)
    elif type(compiled) is QlibFeatures:
        steps = _qlib_steps(compiled, recorded.panel, first)
    else:
        kind = f"{type(compiled).__module__}.{type(compiled).__name__}"
        check.inconclusive = f"{kind} has no live state, so that its features cannot be replayed bar by bar."
        return check, None
    spot = None
    for t, symbols, values in steps:
        once = recorded.world.features.values[:, symbols, t]
        wrong = differing(once, values)
        check.cells += wrong.size
        if wrong.any():
            check.changed += int(wrong.sum())
            spot = spot or _spot(recorded, t, np.flatnonzero(symbols), once, values, wrong)
        if t % 64 == 0:
            update((t - first) / (rows - first))
    update(1.0)
    return check, spot


def _spot(recorded: Recorded, t: int, symbols: Ints, once: Floats, values: Floats, wrong: Bools) -> Spot:
    s, f = (int(i) for i in np.argwhere(wrong.T)[0])
    both = number(once[f, s]), number(values[f, s])
    return Spot("features", f, recorded.world.features.names[f], int(symbols[s]), t, *both, "live", t)


def _graph_steps(graph: Graph, panel: Panel, first: int) -> Iterator[tuple[int, Bools, Floats]]:
    """Of each row its index, the symbols that have come so far (S,), and their features (F, S')."""
    place = [panel.fields.index(name) for name in graph.fields]
    listed, news = _listed(panel), _news(graph, panel)
    here = listed < first if first else listed <= 0
    symbols = tuple(np.array(panel.symbols, dtype=object)[here].tolist())
    slots = panel.clock.slots
    if first:
        here = np.ones(len(panel.symbols), dtype=bool)
        live = Live.start(graph, panel.between(0, first))
    else:
        live = Live(graph, symbols, int(slots[0]))
    for t in range(first, len(panel.clock)):
        fresh = (listed <= t) & ~here
        if fresh.any():
            live.admit([panel.symbols[s] for s in np.flatnonzero(fresh)])
            here = here | fresh
        bar = panel.clock.slice(t, t + 1)
        cells = np.ascontiguousarray(panel.values[place, :, t][:, here])
        yield t, here, live.step(cells, panel.member[here, t], news(t, t - live.seen), bar)


def _listed(panel: Panel) -> Ints:
    """(S,) the first row at which anything of a symbol is known; the clock's length where nothing ever is."""
    rows = len(panel.clock)
    known = np.isfinite(panel.values).any(axis=0) | panel.member
    first = np.where(known.any(axis=1), known.argmax(axis=1), rows)
    np.minimum.at(first, panel.revisions.symbol, panel.revisions.decision)
    return np.asarray(first, dtype=np.int64)


def _news(graph: Graph, panel: Panel) -> Callable[[int, int], list[Restated]]:
    """The new versions that a row's decision is the first to know, of the cells from some row on."""
    r, names = panel.revisions, graph.fields
    order = np.argsort(
        r.decision, kind="stable"
    )  # in order of known_at within a decision: the last one stays
    order = order[np.isin(r.field[order], [panel.fields.index(n) for n in names])]
    begins = np.searchsorted(r.decision[order], np.arange(len(panel.clock) + 1))

    def told(t: int, since: int) -> list[Restated]:
        mine = order[begins[t] : begins[t + 1]]
        return [
            Restated(panel.symbols[s], panel.fields[f], int(panel.clock.slots[at]), float(value))
            for s, f, at, value in zip(
                r.symbol[mine], r.field[mine], r.time[mine], r.value[mine], strict=True
            )
            if at >= since
        ]

    return told


def _qlib_steps(made: QlibFeatures, panel: Panel, first: int) -> Iterator[tuple[int, Bools, Floats]]:
    """The same of Alpha158 by qlib's conventions: what a decision restates is replayed from its look-back."""
    live, everyone = made.live(len(panel.symbols)), np.ones(len(panel.symbols), dtype=bool)
    r, now, reach = panel.revisions, panel.values.copy(), qlib_features.LOOKBACK + 1
    order = np.argsort(r.decision, kind="stable")
    begins = np.searchsorted(r.decision[order], np.arange(len(panel.clock) + 1))
    early = order[: begins[first]]
    now[r.field[early], r.symbol[early], r.time[early]] = r.value[early]
    live.replay(np.ascontiguousarray(now[:, :, max(0, first - reach) : first]))
    for t in range(first, len(panel.clock)):
        mine = order[begins[t] : begins[t + 1]]
        if len(mine):
            now[r.field[mine], r.symbol[mine], r.time[mine]] = r.value[mine]
            live.replay(np.ascontiguousarray(now[:, :, max(0, t - reach) : t]))
        yield t, everyone, live.step(np.ascontiguousarray(panel.values[:, :, t]))
