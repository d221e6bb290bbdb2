"""States of dated facts, against a plain loop; members."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.universe import members, state_as_known

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 9), st.floats(-9, 9)), max_size=30
)


@settings(deadline=None)  # the first example compiles the kernel
@given(ROWS)
def test_the_newest_period_known_wins(rows: list[tuple[int, int, int, float]]) -> None:
    """Rows (series, period, first decision that knows it, value) in order of series and decision."""
    ordered = sorted(rows, key=lambda r: (r[0], r[2]))
    series, period, decision, value = (np.array([r[i] for r in ordered]) for i in range(4))
    got = state_as_known(series.astype(np.int64), period.astype(np.int64), decision.astype(np.int64),
                         value.astype(np.float64), (3, 8))  # fmt: skip
    for s in range(3):
        for t in range(8):
            known = [r for r in ordered if r[0] == s and r[2] <= t]
            newest = max((r[1] for r in known), default=None)
            expected = [r[3] for r in known if r[1] == newest][-1] if known else np.nan
            np.testing.assert_equal(got[s, t], expected)


def test_without_membership_whoever_has_a_bar_is_a_member() -> None:
    closes = np.array([[1.0, np.nan], [np.nan, 2.0]])
    assert members(None, closes).tolist() == [[True, False], [False, True]]
    assert members(np.array([[1.0, 0.0], [np.nan, 1.0]]), closes).tolist() == [[True, False], [False, True]]
