"""Whole functions, whatever they are made of: cuts, restarts, threads and corrections, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from language import CALENDAR, FIELDS, arity, compiled, everything, literals, panel, revisions, written

from backcast.data.types import Floats, Panel
from backcast.signals.functions import FUNCTIONS

ALL = [*everything(), *CALENDAR]
SYMBOLS, ROWS = 3, 34
SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CELLS = st.one_of(
    st.sampled_from([np.nan, 0.0, -0.0, 1.0, 0.1, 1e12, 1e-300, 5e-324, 1e6, 1e308]),
    st.floats(-1e6, 1e6, allow_subnormal=True),
    st.integers(-3, 3).map(float),
)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Prices that walk, with nasty cells, holes and comings and goings of members."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (len(FIELDS), SYMBOLS, ROWS)), axis=2))
    for cell in draw(st.lists(CELLS, max_size=8)):
        values[tuple(rng.integers(0, n) for n in values.shape)] = cell
    values[:, 0, : draw(st.integers(0, ROWS))] = np.nan  # a new listing
    return panel(values, rng.random((SYMBOLS, ROWS)) < 0.9, draw(st.integers(12_000, 13_000)))


@st.composite
def expressions(draw: st.DrawFn, function: str) -> str:
    if function not in FUNCTIONS:
        return written(function, FIELDS[: arity(function)])
    window = draw(st.sampled_from([w for w in range(1, 8) if literals(function, w)] or [0]))
    return written(
        function, FIELDS[: arity(function)], draw(st.sampled_from(literals(function, window) or [()]))
    )


def _evaluated(text: str, cells: Panel, threads: int = 1) -> Floats:
    return compiled(text).evaluate(cells, threads).values[0]


def _same(one: Floats, two: Floats) -> bool:
    """Equal to the bit, any NaN like any other."""
    unknown = np.isnan(one)
    return bool((unknown == np.isnan(two)).all()) and one[~unknown].tobytes() == two[~unknown].tobytes()


def _part(cells: Panel, start: int, stop: int) -> Panel:
    """What a store that holds these rows alone gives."""
    values, member = cells.values[:, :, start:stop].copy(), cells.member[:, start:stop].copy()
    return replace(cells, clock=cells.clock.slice(start, stop), values=values, member=member)


@pytest.mark.parametrize("function", ALL)
@SETTINGS
@given(cells=panels(), data=st.data())
def test_any_rows_give_the_same_bits(function: str, cells: Panel, data: st.DataObject) -> None:
    """From any first row, after the look-back, and to any last one; beside any number of threads."""
    text = data.draw(expressions(function))
    whole, back = _evaluated(text, cells), compiled(text).lookback
    start, stop = sorted(data.draw(st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS))))
    part = _evaluated(text, _part(cells, start, max(stop, start + 1)))
    first = 0 if start == 0 else back
    assert _same(part[:, first:], whole[:, start + first : max(stop, start + 1)])
    assert _same(whole, _evaluated(text, cells, threads=3))
    assert not np.isinf(whole).any()


@pytest.mark.parametrize("function", ALL)
@SETTINGS
@given(cells=panels(), data=st.data())
def test_a_correction_changes_only_what_covers_it(function: str, cells: Panel, data: st.DataObject) -> None:
    """And only from the decision that knew it: there, the answer is that of the cells as known then."""
    text, rng = data.draw(expressions(function)), np.random.default_rng(data.draw(st.integers(0, 99)))
    symbol, time = int(rng.integers(0, SYMBOLS)), int(rng.integers(0, ROWS - 1))
    knows, field = int(rng.integers(time, ROWS)), int(rng.integers(0, max(1, arity(function) % 5)))
    rows = revisions((field, symbol, time, knows, float(rng.uniform(50, 150))), of=cells.clock)
    plain, revised = _evaluated(text, cells), _evaluated(text, replace(cells, revisions=rows))
    corrected = cells.values.copy()
    corrected[field, symbol, time] = rows.value[0]
    after = _evaluated(text, replace(cells, values=corrected))
    assert _same(revised[:, :knows], plain[:, :knows])
    assert _same(revised[:, knows:], after[:, knows:])
    assert _same(
        after[:, time + compiled(text).lookback + 1 :], plain[:, time + compiled(text).lookback + 1 :]
    )


@pytest.mark.parametrize("function", [f for f in ALL if not f.startswith("cs_")])
@SETTINGS
@given(cells=panels(), seed=st.integers(0, 9999), count=st.integers(1, 60), late=st.integers(0, ROWS))
def test_every_decision_sees_the_cells_known_then(
    function: str, cells: Panel, seed: int, count: int, late: int
) -> None:
    """Many corrections, of one cell again too: each decision's answer is the one of the cells as known at it."""
    rng = np.random.default_rng(seed)
    chosen = [given for w in (4, 0) if function in FUNCTIONS for given in literals(function, w)]
    text = written(function, FIELDS[: arity(function)], *chosen[:1])
    time = rng.integers(0, ROWS, count)
    known = np.minimum(time + rng.integers(0, late + 1, count), ROWS)  # ROWS: no decision knows it
    rows = sorted(zip(known.tolist(), range(count), strict=True))
    drawn = [(int(rng.integers(0, len(FIELDS))), int(rng.integers(0, SYMBOLS))) for _ in range(count)]
    told = [(*drawn[n], int(time[n]), d, float(rng.uniform(50, 150))) for d, n in rows if d < ROWS]
    if not told:
        return
    revised = _evaluated(text, replace(cells, revisions=revisions(*told, of=cells.clock)))
    now = cells.values.copy()
    for t in range(ROWS):
        for field, symbol, at, _, value in (r for r in told if r[3] == t):
            now[field, symbol, at] = value
        alone = _evaluated(
            text, replace(_part(cells, 0, t + 1), values=np.ascontiguousarray(now[:, :, : t + 1]))
        )
        assert _same(revised[:, t], alone[:, t])
