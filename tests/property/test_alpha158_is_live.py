"""Alpha158 by qlib's conventions: batch is live, restated bars count from when they were known, threads change no bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.alpha158 import Alpha158
from backcast.signals.qlib_features import LOOKBACK, Live

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
MADE = Alpha158().compile(FIELDS, "raw")
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NASTY = (np.nan, 0.0, -0.0, 1e-300, 1e12, 1e300, -5.0, np.inf)


def clock(rows: int) -> Clock:
    days = np.datetime64("2015-01-01") + np.arange(rows)
    at = days.astype("datetime64[us]")
    return Clock("XNYS", days, at, at, at, 40 + np.arange(rows), 252.0)


def panel_of(values: Floats, revisions: Revisions | None = None) -> Panel:
    _, symbols, rows = values.shape
    none = np.zeros(0, dtype=np.int64)
    empty = Revisions(none, none, none, clock(rows).decides_at[:0], none, np.zeros(0))
    names, member = tuple(f"S{i:02d}" for i in range(symbols)), np.ones((symbols, rows), dtype=bool)
    return Panel(FIELDS, names, clock(rows), values, member, revisions or empty, "raw", 0.0)


@st.composite
def cells(draw: st.DrawFn, least: int = 1, most: int = 210) -> Floats:
    """(F, S, T): prices near a level, with gaps, absences, flat stretches and nasty values."""
    rows, symbols = draw(st.integers(least, most)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    level = draw(st.sampled_from([1e-4, 1.0, 50.0, 3e5]))
    made = level * np.exp(np.cumsum(rng.normal(0, 0.02, (6, symbols, rows)), axis=2))
    made[5] = np.round(rng.lognormal(10, 1, (symbols, rows)))
    made = np.where(draw(st.booleans()), np.round(made / level * 20) * level / 20, made)
    made[:, rng.random((symbols, rows)) < draw(st.sampled_from([0.0, 0.1, 0.6]))] = np.nan
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, rows - 1))
        last = first + draw(st.sampled_from([1, 30, 60, 61, 90]))
        made[:, draw(st.integers(0, symbols - 1)), first:last] = draw(st.sampled_from([np.nan, level]))
    wild = rng.random(made.shape) < draw(st.sampled_from([0.0, 0.01]))
    made[wild] = rng.choice(NASTY, int(wild.sum()))
    return made


def same(one: Floats, two: Floats) -> bool:
    """Equal to the bit, any NaN like any other."""
    unknown = np.isnan(one)
    return bool((unknown == np.isnan(two)).all()) and one[~unknown].tobytes() == two[~unknown].tobytes()


def batch(values: Floats, revisions: Revisions | None = None, threads: int = 1) -> Floats:
    return MADE.evaluate(panel_of(values, revisions), threads).values


@SETTINGS
@given(values=cells())
def test_stepping_equals_the_batch(values: Floats) -> None:
    live = MADE.live(values.shape[1])
    steps = [live.step(np.ascontiguousarray(values[:, :, t])) for t in range(values.shape[2])]
    assert same(batch(values), np.stack(steps, axis=2))


@SETTINGS
@given(values=cells(least=LOOKBACK + 1, most=LOOKBACK + 80), data=st.data())
def test_a_start_beyond_the_lookback_equals_the_batch(values: Floats, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, values.shape[2] - LOOKBACK - 1))
    whole, tail = batch(values), batch(values[:, :, start:].copy())
    assert same(whole[:, :, start + LOOKBACK :], tail[:, :, LOOKBACK:])


@SETTINGS
@given(values=cells(), data=st.data())
def test_neighbours_threads_and_what_follows_never_change_a_bit(values: Floats, data: st.DataObject) -> None:
    stop = data.draw(st.integers(1, values.shape[2]))
    whole = batch(values)
    assert same(np.tile(whole, (1, 9, 1)), batch(np.tile(values, (1, 9, 1)), threads=3))
    assert same(whole[:, :, :stop], batch(values[:, :, :stop].copy()))
    again = values.copy()
    again[:, :, stop:] = 7.0
    assert same(whole[:, :, :stop], batch(again)[:, :, :stop])


@st.composite
def restated(draw: st.DrawFn) -> tuple[Floats, Revisions]:
    """Cells and their later versions, some known at once, some never."""
    values = draw(cells(least=40))
    _, symbols, rows = values.shape
    number, rng = draw(st.integers(1, 12)), np.random.default_rng(draw(st.integers(0, 2**20)))
    time = rng.integers(0, rows, number)
    decision = np.minimum(time + rng.integers(1, 90, number), rows)
    order = np.argsort(decision, kind="stable")
    value = rng.uniform(20, 80, number)
    value[rng.random(number) < 0.2] = np.nan
    known = clock(rows + 1).decides_at[decision]
    columns = (
        rng.integers(0, 6, number),
        rng.integers(0, symbols, number),
        time,
        known,
        decision,
        value,
    )
    return values, Revisions(*(column[order] for column in columns))


def as_known(values: Floats, r: Revisions, decision: int) -> Floats:
    """The cells up to a decision, in the versions that it knows."""
    known = values[:, :, : decision + 1].copy()
    for n in range(len(r)):
        if r.decision[n] <= decision:
            known[r.field[n], r.symbol[n], r.time[n]] = r.value[n]
    return known


@SETTINGS
@given(case=restated(), data=st.data())
def test_every_decision_uses_what_it_knew(case: tuple[Floats, Revisions], data: st.DataObject) -> None:
    values, revisions = case
    ours, rows = batch(values, revisions), values.shape[2]
    near = [min(int(d) + k, rows - 1) for d in revisions.decision for k in (-1, 0, 1)]
    for decision in sorted({*near, data.draw(st.integers(0, rows - 1)), rows - 1}):
        expected = batch(as_known(values, revisions, decision))[:, :, -1]
        assert same(ours[:, :, decision], expected)


def test_a_restated_bar_changes_only_windows_that_cover_it_from_when_it_was_known() -> None:
    rng = np.random.default_rng(3)
    values = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (6, 3, 200)), axis=2))
    one = np.array([1])
    r = Revisions(
        np.array([3]), one, np.array([60]), clock(201).decides_at[[75]], np.array([75]), np.array([99.0])
    )
    plain, again = batch(values), batch(values, r)
    changed = (plain != again) & ~(np.isnan(plain) & np.isnan(again))
    assert set(np.argwhere(changed.any(axis=0))[:, 0]) == {1}
    when = np.flatnonzero(changed[:, 1].any(axis=0))
    assert when.min() == 75
    assert when.max() == 60 + 60  # ROC60 reads 60 rows back, CORD60 the change of the row after


def test_a_saved_state_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    values = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (6, 3, 260)), axis=2))
    values[:, 1, 20:150] = np.nan
    whole = batch(values)
    live, other, replayed = (MADE.live(3) for _ in range(3))
    for t in range(200):
        live.step(values[:, :, t])
    live.save(tmp_path / "state.npz")
    other.load(tmp_path / "state.npz")
    replayed.replay(values[:, :, 200 - LOOKBACK - 1 : 200])
    for t in range(200, 260):
        for state in (live, other, replayed):
            assert same(state.step(values[:, :, t]), whole[:, :, t])


def test_a_state_of_other_features_or_symbols_is_refused(tmp_path: Path) -> None:
    MADE.live(3).save(tmp_path / "state.npz")
    for other in (MADE.live(4), Alpha158(only=["MA5"]).compile(FIELDS, "raw").live(3)):
        with pytest.raises(InputError, match="the state of these features"):
            other.load(tmp_path / "state.npz")
    with pytest.raises(InputError, match="fields x symbols"):
        Live(MADE, 3).step(np.zeros((6, 2)))
    with pytest.raises(InputError, match="at least one symbol"):
        Live(MADE, 0)
