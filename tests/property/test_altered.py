"""A data set with another future is, up to the instant, the data set itself: every table, and the panel made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backcast.data import asof
from backcast.data.altered import TABLES_READ, Held
from backcast.data.ingest import ingest
from backcast.data.scrambled import scrambled_delistings, scrambled_panel
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Panel

NAME = "altered"
LAWS = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHARES = st.floats(0.2, 0.97)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, int], Held, Panel]:
    """Late bars, corrections, splits, delistings, renames, restated facts and members that change."""
    store = Store(tmp_path_factory.mktemp("home"))
    ingest(store, SyntheticSource(NAME, 12, 200, 1, 0.05, 5, "2015-01-02"))
    pin = store.version(NAME)
    return store, pin, Held.of(store, NAME, pin), asof.load_panel(store, NAME, pin)


def instant(panel: Panel, share: float, minutes: int) -> np.datetime64:
    at: np.datetime64 = panel.clock.decides_at[int(share * len(panel.clock))] + np.timedelta64(minutes, "m")
    return at


@LAWS
@given(share=SHARES, minutes=st.integers(-600, 600), seed=st.integers(0, 99))
def test_nothing_known_by_then_changes_in_any_table(
    share: float, minutes: int, seed: int, market: tuple[Store, dict[str, int], Held, Panel]
) -> None:
    store, pin, held, panel = market
    at = instant(panel, share, minutes)
    other, cut = held.scrambled(at, seed), held.truncated(at)
    for table in TABLES_READ:
        stored = store.read(NAME, table, pin, at).combine_chunks()
        assert cut.read(NAME, table, pin).equals(stored)
        assert other.read(NAME, table, pin, at).equals(stored)
        rows = other.read(NAME, table, pin)
        assert rows.schema == stored.schema
        keys = store.info(NAME).table(table).versioned
        assert rows.equals(rows.sort_by([(key, "ascending") for key in keys]))
        assert rows.group_by(list(keys)).aggregate([]).num_rows == rows.num_rows
    assert cut.items(NAME, pin) == store.items(NAME, pin) == other.items(NAME, pin)
    assert cut.last_bar(NAME, pin) == store.last_bar(NAME, pin) == other.last_bar(NAME, pin)


@LAWS
@given(share=SHARES, seed=st.integers(0, 99), tables=st.sets(st.sampled_from(TABLES_READ), min_size=1))
def test_the_other_future_is_another_in_the_chosen_tables_alone(
    share: float, seed: int, tables: set[str], market: tuple[Store, dict[str, int], Held, Panel]
) -> None:
    _, pin, held, panel = market
    at = instant(panel, share, 0)
    other = held.scrambled(at, seed, tuple(sorted(tables)))
    for table in TABLES_READ:
        same = other.read(NAME, table, pin).equals(held.whole.read(NAME, table, pin))
        assert same == (table not in tables), table


@LAWS
@given(share=SHARES, seed=st.integers(0, 99), mild=st.booleans())
def test_the_panel_is_the_same_up_to_there_and_another_after(
    share: float, seed: int, mild: bool, market: tuple[Store, dict[str, int], Held, Panel]
) -> None:
    _, pin, held, panel = market
    k = int(share * len(panel.clock))
    other = asof.load_panel(held.scrambled(panel.clock.decides_at[k], seed, mild=mild), NAME, pin)
    both = sorted({*panel.symbols} & {*other.symbols})
    ours, theirs = ([p.symbols.index(s) for s in both] for p in (panel, other))
    early = slice(0, k + 1)
    np.testing.assert_array_equal(panel.values[:, ours, early], other.values[:, theirs, early])
    np.testing.assert_array_equal(panel.member[ours, early], other.member[theirs, early])
    gone = [panel.symbols.index(s) for s in {*panel.symbols} - {*both}]
    new = [other.symbols.index(s) for s in {*other.symbols} - {*both}]
    bars = slice(0, 5)
    assert np.isnan(panel.values[bars, gone, early]).all() and np.isnan(other.values[bars, new, early]).all()
    later = panel.field("close")[ours, k + 1 :], other.field("close")[theirs, k + 1 :]
    known = np.isfinite(later[0])
    assert (later[0] != later[1])[known].mean() > 0.99
    with np.errstate(invalid="ignore"):
        low, high = (other.field(f) for f in ("low", "high"))
        for name in ("open", "close"):
            assert not (other.field(name) > high * (1 + 1e-12)).any()
            assert not (other.field(name) < low * (1 - 1e-12)).any()
        assert not (low <= 0).any()


@LAWS
@given(k=st.integers(20, 190), seed=st.integers(0, 99))
def test_a_scrambled_panel_is_the_same_up_to_its_row(
    k: int, seed: int, market: tuple[Store, dict[str, int], Held, Panel]
) -> None:
    store, pin, _, panel = market
    other, now = scrambled_panel(panel, k, seed), panel.clock.decides_at[k]
    np.testing.assert_array_equal(asof.as_known(panel, now), asof.as_known(other, now))
    np.testing.assert_array_equal(panel.values[:, :, : k + 1], other.values[:, :, : k + 1])
    np.testing.assert_array_equal(panel.member[:, : k + 1], other.member[:, : k + 1])
    assert (panel.values[0, :, k + 1 :] != other.values[0, :, k + 1 :]).all()
    delisted = asof.delistings(store, NAME, pin)
    changed = scrambled_delistings(delisted, panel, k, seed)
    assert asof.delisted_by(delisted, now) == asof.delisted_by(changed, now)


@LAWS
@given(begin=st.integers(0, 100), end=st.integers(101, 200))
def test_a_panel_between_rows_is_that_of_a_store_that_ends_there(
    begin: int, end: int, market: tuple[Store, dict[str, int], Held, Panel]
) -> None:
    _, pin, held, panel = market
    part = panel.between(begin, end)
    stored = asof.load_panel(held.whole, NAME, pin, until=panel.clock.decides_at[end - 1]).since(begin)
    here = [panel.symbols.index(s) for s in stored.symbols]
    np.testing.assert_array_equal(part.values[:, here], stored.values)
    np.testing.assert_array_equal(part.member[here], stored.member)
    assert len(part.revisions) == len(stored.revisions)
    np.testing.assert_array_equal(part.revisions.value, stored.revisions.value)
    np.testing.assert_array_equal(np.array(here)[stored.revisions.symbol], part.revisions.symbol)


def test_a_data_set_without_members_stays_without(tmp_path: Path) -> None:
    """Rows that are known later must not turn "whoever has a bar" into "nobody so far"."""
    store = Store(tmp_path)
    ingest(store, SyntheticSource(NAME, 5, 80, 1, 0.05, 5, "2015-01-02"))
    pin = store.version(NAME)
    held = Held.of(store, NAME, pin)
    none = held.whole.rows["membership"].slice(0, 0)
    rows, known = (
        {**held.whole.rows, "membership": none},
        {**held.whole.known, "membership": np.empty(0, "M8[us]")},
    )
    bare = replace(held, whole=replace(held.whole, rows=rows, known=known))
    at = np.datetime64("2015-02-20", "us")
    assert bare.scrambled(at, 0).read(NAME, "membership", pin).num_rows == 0
    assert isinstance(none, pa.Table)
