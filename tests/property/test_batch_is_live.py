"""Batch is live: one step at a time, from any starting row, beside any other symbols, gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from language import kernel_inputs, kernel_literals

from backcast.data.types import Floats
from backcast.signals.kernels.operators import ROLLING, rolled

VALUES = st.one_of(
    st.sampled_from([np.nan, 0.0, -0.0, 1.0, 0.1, 1e12, -1e12, 1e-300, 1e6]),
    st.floats(-1e6, 1e6, allow_subnormal=True),
    st.integers(-3, 3).map(float),
)
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, Floats, int, int]:
    """Two blocks (T, B) of nasty series, a first slot and a window."""
    rows, lanes = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    drawn = draw(st.lists(VALUES, min_size=rows * lanes, max_size=rows * lanes))
    x = np.array(drawn).reshape(rows, lanes)
    noise = np.random.default_rng(draw(st.integers(0, 9))).normal(size=x.shape)
    x = draw(st.sampled_from([x, np.where(np.isnan(x), x, 100 + noise), x + noise]))
    return (
        x,
        np.where(draw(st.booleans()), noise, x[::-1]),
        draw(st.integers(0, 30_000)),
        draw(st.integers(4, 12)),
    )


def _same(one: Floats, two: Floats) -> bool:
    """Equal to the bit, any NaN like any other."""
    unknown = np.isnan(one)
    return bool((unknown == np.isnan(two)).all()) and one[~unknown].tobytes() == two[~unknown].tobytes()


@pytest.mark.parametrize("operator", sorted(ROLLING))
@SETTINGS
@given(case=cases())
def test_stepping_equals_the_batch(operator: str, case: tuple[Floats, Floats, int, int]) -> None:
    x, y, slot, window = case
    literals = kernel_literals(operator, window)
    batch = rolled(operator, kernel_inputs(operator, x, y), literals, slot)
    state, rows = ROLLING[operator].state(window, x.shape[1]), []
    for t in range(len(x)):
        row = kernel_inputs(operator, x[t : t + 1].copy(), y[t : t + 1].copy())
        rows.append(rolled(operator, row, literals, slot + t, state))
    assert _same(batch, np.concatenate(rows))


@pytest.mark.parametrize("operator", sorted(ROLLING))
@SETTINGS
@given(case=cases(), data=st.data())
def test_a_restart_anywhere_equals_the_batch(
    operator: str, case: tuple[Floats, Floats, int, int], data: st.DataObject
) -> None:
    """Once its window is full, an answer does not depend on the row that the computation started from."""
    x, y, slot, window = case
    literals, start = kernel_literals(operator, window), data.draw(st.integers(0, len(x) - 1))
    batch = rolled(operator, kernel_inputs(operator, x, y), literals, slot)
    later = kernel_inputs(operator, x[start:].copy(), y[start:].copy())
    again = rolled(operator, later, literals, slot + start)
    full = window if operator == "ref" else window - 1
    assert _same(batch[start + full :], again[full:])
    assert ROLLING[operator].partial or np.isnan(again[:full]).all()


@pytest.mark.parametrize("operator", sorted(ROLLING))
@SETTINGS
@given(case=cases(), chunks=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_chunks_and_neighbours_never_change_a_bit(
    operator: str, case: tuple[Floats, Floats, int, int], chunks: list[int]
) -> None:
    x, y, slot, window = case
    literals = kernel_literals(operator, window)
    batch = rolled(operator, kernel_inputs(operator, x, y), literals, slot)
    wide = kernel_inputs(operator, np.tile(x, 7), np.tile(y, 7))
    assert _same(np.tile(batch, 7), rolled(operator, wide, literals, slot))
    state, start, parts = ROLLING[operator].state(window, x.shape[1]), 0, []
    while start < len(x):
        stop = start + chunks[len(parts) % len(chunks)]
        part = kernel_inputs(operator, x[start:stop].copy(), y[start:stop].copy())
        parts.append(rolled(operator, part, literals, slot + start, state))
        start = stop
    assert _same(batch, np.concatenate(parts))
