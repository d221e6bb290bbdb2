"""Purged splits of random clocks and label spans: the purge equals a loop over all pairs of cells, and nothing overlaps."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.types import Clock
from backcast.engine.audit import purge
from backcast.signals.dataset import training_set
from backcast.signals.types import Features, Labels
from backcast.signals.validation import CombinatorialPurged, Split


@st.composite
def cases(draw: st.DrawFn) -> tuple[Clock, CombinatorialPurged, Labels, np.ndarray]:
    """A clock of one or more bars a session, a design, labels of spans that have nothing to do with rows, and members."""
    bars, a_session = draw(st.integers(14, 40)), draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    session = np.sort(generator.integers(0, max(8, bars // a_session), bars))
    days = np.datetime64("2020-01-01") + np.unique(session, return_inverse=True)[1]
    at = days.astype("datetime64[us]") + np.arange(bars) * np.timedelta64(1, "m")
    clock = Clock("made up", days, at, at, at, np.arange(7, 7 + bars), 252.0)
    groups = draw(st.integers(2, min(5, len(np.unique(days)) // 2)))
    every = draw(st.integers(1, 2)) if len(np.unique(days)) >= 4 * groups else 1
    design = CombinatorialPurged(
        groups,
        draw(st.integers(1, groups - 1)),
        embargo=draw(st.integers(0, 3)),
        begin=draw(st.integers(0, 1)),
        every=every,
        train_every=draw(st.sampled_from([None, 1])),
    )
    shape = (3, bars)
    span = np.where(
        generator.random(shape) < 0.1, generator.integers(1, bars, shape), 1 + draw(st.integers(0, 4))
    )
    known = np.minimum(np.arange(bars) + span, bars)
    values = np.where((known < bars) & (generator.random(shape) < 0.9), 1.0, np.nan)
    return (
        clock,
        design,
        Labels(values, np.where(np.isfinite(values), known, bars)),
        generator.random(shape) < 0.8,
    )


def allowed(clock: Clock, split: Split, labels: Labels, member: np.ndarray, s: int, t: int) -> bool:
    """Whether a cell may train, asked of every test cell in turn."""
    days = np.unique(clock.sessions).tolist()
    if t in split.test.tolist() or not member[s, t] or not np.isfinite(labels.values[s, t]):
        return False
    known = int(labels.known[s, t])
    if known > split.fit_at or any(begin <= t < end for begin, end in split.blocks):
        return False
    for begin, end in split.blocks:
        decisions = [d for d in split.test.tolist() if begin <= d < end]
        last = decisions[-1]
        for d, other in itertools.product(decisions, range(len(member))):
            if not member[other, d] or not np.isfinite(labels.values[other, d]):
                continue
            ends = int(labels.known[other, d])
            if max(t, d) < min(known, ends):  # (t, known] and (d, ends] share a bar
                return False
            last = max(last, ends)
        since = days.index(clock.sessions[t]) - days.index(clock.sessions[last])
        if t >= last and since < split.embargo:
            return False
    return True


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_purge_is_that_of_a_loop_over_all_pairs(
    case: tuple[Clock, CombinatorialPurged, Labels, np.ndarray],
) -> None:
    clock, design, labels, member = case
    for split in design.split(clock):
        assert isinstance(split, Split)
        out = split.kept_out(labels, member)
        rows = np.zeros_like(member)
        rows[:, split.train] = member[:, split.train]
        rows[:, : split.fit_at + 1] &= ~out["purged"] & ~out["embargoed"]
        rows &= np.isfinite(labels.values)
        candidates = set(split.train.tolist())
        for s, t in itertools.product(range(len(member)), range(len(clock))):
            expected = t in candidates and allowed(clock, split, labels, member, s, t)
            assert rows[s, t] == expected, (split.number, s, t)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_no_training_cell_overlaps_a_test_span_or_its_embargo(
    case: tuple[Clock, CombinatorialPurged, Labels, np.ndarray],
) -> None:
    """By the audit's own way of looking, on the training sets that models get; what may not train is not in them at all."""
    clock, design, labels, member = case
    features = Features(("one",), ("A", "B", "C"), np.ones((1, *member.shape)))
    for split in design.split(clock):
        try:
            train, counts = training_set(features, labels, split, member)
        except Exception as error:
            assert "at least one training row" in str(error)
            continue
        bars, known = np.arange(split.fit_at + 1), labels.known[:, : split.fit_at + 1]
        tested, ends = purge.test_spans(labels, member, split)
        assert not (train.rows & purge.overlaps(bars, known, tested, ends)).any()
        assert not (train.rows & purge.too_soon(bars, ends, clock, split.embargo)).any()
        assert np.isnan(train.labels[:, np.isin(bars, split.test)]).all()
        candidates = int(member[:, split.train].sum())
        assert sum(counts.values()) == candidates and counts["rows"] == int(train.rows.sum())


@settings(max_examples=60, deadline=None)
@given(cases())
def test_each_group_is_forecast_once_on_each_path(
    case: tuple[Clock, CombinatorialPurged, Labels, np.ndarray],
) -> None:
    clock, design, _, _ = case
    folds = design.split(clock)
    n, k = design.groups, design.test_groups
    assert len(folds) == design.fits == math.comb(n, k)
    routes = design.routes(folds)
    assert routes.shape[0] == design.paths == math.comb(n, k) * k // n
    decisions = np.unique(np.concatenate([fold.test for fold in folds]))
    used = set()
    for path, route in enumerate(routes):
        for number in np.unique(route):
            split = folds[number]
            assert isinstance(split, Split)
            at = decisions[route == number]
            groups = np.unique(split.group[np.isin(split.test, at)])
            np.testing.assert_array_equal(at, split.test[np.isin(split.group, groups)])  # whole groups
            used |= {(number, int(g), path) for g in groups}
    assert len(used) == design.fits * k == design.paths * n
    assert len({(number, group) for number, group, _ in used}) == len(used)
