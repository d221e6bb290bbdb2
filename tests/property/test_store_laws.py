"""The bitemporal laws of the store: a plain oracle, and the same answer from log, read copy, half a copy, Python and SQL."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backcast.data.history import changes
from backcast.data.schema import DatasetInfo
from backcast.data.sources.base import batch
from backcast.data.sql import select
from backcast.data.store import Store

INFO = DatasetInfo("world", "XNYS", "raw", ("close",))
START = np.datetime64("2020-01-02T21:00", "us")
SMALL = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Row = tuple[str, str, int, int, float]  # symbol, item, period, known, value

rows_of = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "'; --"]), st.sampled_from(["eps", "sales"]), st.integers(0, 4),
        st.integers(0, 30), st.floats(-1e6, 1e6, allow_subnormal=False),
    ),
    min_size=1, max_size=40, unique_by=lambda row: row[:4],
)  # fmt: skip


def at(minutes: int) -> np.datetime64:
    return START + np.timedelta64(minutes, "m")


def put(store: Store, rows: list[Row], name: str) -> None:
    """One batch of facts."""
    frame = pl.DataFrame(
        {
            "symbol": [r[0] for r in rows],
            "item": [r[1] for r in rows],
            "event_at": np.array([START - np.timedelta64(90 - r[2], "D") for r in rows]),
            "known_at": np.array([at(r[3]) for r in rows]),
            "value": [r[4] for r in rows],
        }
    )
    utc = [pl.col(c).dt.replace_time_zone("UTC") for c in ("event_at", "known_at")]
    bar = {"symbol": "A", "close": 1.0, "event_at": START, "known_at": START}
    bars = pl.DataFrame([{k: v.item() if isinstance(v, np.datetime64) else v for k, v in bar.items()}])
    whole = batch(INFO, {"facts": frame.with_columns(utc), "bars": bars.with_columns(utc)})
    store.append("world", "facts", whole.tables["facts"], name)


def filled(store: Store, rows: list[Row], batches: int, rebuild_after: int | None) -> Store:
    """The rows in some batches, with a read copy built after one of them."""
    store.create(INFO)
    for k in range(batches):
        if part := rows[k::batches]:
            put(store, part, f"batch {k}")
        if k == rebuild_after:
            store.refresh("world", always=True)
    return store


def known(rows: list[Row], minutes: int) -> dict[tuple[str, str, int], float]:
    """The oracle: of each key the value with the latest known_at by then."""
    newest: dict[tuple[str, str, int], float] = {}
    for row in sorted(rows, key=lambda r: r[3]):
        if row[3] <= minutes:
            newest[row[:3]] = row[4]
    return newest


def answer(table: pl.DataFrame) -> dict[tuple[str, str, int], float]:
    first = START - np.timedelta64(90, "D")
    period = [(e - first.item()).days for e in table["event_at"].dt.replace_time_zone(None)]
    found = dict(zip(zip(table["symbol"], table["item"], period, strict=True), table["value"], strict=True))
    assert len(found) == table.height, "a key is there twice"
    return found


@SMALL
@given(
    rows=rows_of,
    batches=st.integers(1, 4),
    rebuild=st.none() | st.integers(0, 3),
    minutes=st.integers(-1, 31),
)
def test_as_of_equals_the_oracle_from_log_copy_python_and_sql(
    rows: list[Row], batches: int, rebuild: int | None, minutes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = filled(Store(tmp_path_factory.mktemp("home")), rows, batches, rebuild)
    expected = known(rows, minutes)
    assert answer(pl.DataFrame(store.as_of("world", "facts", at(minutes)))) == expected
    assert answer(select(store, "SELECT * FROM facts", at(minutes))) == expected
    every = pl.DataFrame(store.read("world", "facts", store.version("world"), at(minutes)))
    assert answer(every.sort("known_at").unique(["symbol", "item", "event_at"], keep="last")) == expected
    versions = select(store, "SELECT * FROM facts_versions WHERE superseded_at IS NULL", at(minutes))
    assert answer(versions) == expected
    first = {row[:3]: row[4] for row in sorted(rows, key=lambda r: -r[3]) if row[3] <= minutes}
    assert answer(select(store, "SELECT * FROM facts_first", at(minutes))) == first


@SMALL
@given(rows=rows_of, minutes=st.integers(0, 29), seed=st.integers(0, 9))
def test_rows_known_later_change_no_earlier_answer(
    rows: list[Row], minutes: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    early = [r for r in rows if r[3] <= minutes] or [("A", "eps", 0, 0, 1.0)]
    store = filled(Store(tmp_path_factory.mktemp("home")), early, 2, 0)
    before = store.as_of("world", "facts", at(minutes))
    late = [(*r[:3], 31 + k, r[4]) for k, r in enumerate(random.Random(seed).sample(rows, len(rows)))]
    pin = store.version("world")
    put(store, late, "late")
    assert store.as_of("world", "facts", at(minutes)).equals(before)
    assert store.as_of("world", "facts", at(100), pin).num_rows == len({r[:3] for r in early})


@SMALL
@given(rows=rows_of, seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_of_batches_matters(
    rows: list[Row], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mixed = random.Random(seed).sample(rows, len(rows))
    one = filled(Store(tmp_path_factory.mktemp("home")), rows, 1, None)
    other = filled(Store(tmp_path_factory.mktemp("home")), mixed, 3, 1)
    columns = ["symbol", "item", "event_at", "known_at", "value"]
    for minutes in (0, 10, 31):
        first, second = (s.as_of("world", "facts", at(minutes)).select(columns) for s in (one, other))
        assert first.equals(second)


@SMALL
@given(rows=rows_of, a=st.integers(-1, 31), b=st.integers(-1, 31), rebuild=st.none() | st.just(0))
def test_changes_lead_from_one_answer_to_the_other(
    rows: list[Row], a: int, b: int, rebuild: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    a, b = min(a, b), max(a, b)
    store = filled(Store(tmp_path_factory.mktemp("home")), rows, 2, rebuild)
    before, after = known(rows, a), known(rows, b)
    expected = {k: v for k, v in after.items() if before.get(k) != v}
    found = changes(store, "world", "facts", at(a), at(b))
    assert answer(found.with_columns(value=pl.col("new").cast(pl.Float64))) == expected
    old = {k: before[k] for k in expected if k in before}
    assert answer(found.drop_nulls("old").with_columns(value=pl.col("old").cast(pl.Float64))) == old


def test_a_pin_before_the_copy_is_answered_from_the_log(tmp_path: Path) -> None:
    rows: list[Any] = [("A", "eps", 0, k, float(k)) for k in range(4)]
    store = Store(tmp_path)
    store.create(INFO)
    put(store, rows[:1] + rows[2:3], "one")
    pin = store.version("world")
    put(store, rows[1:2] + rows[3:], "two")
    store.refresh("world", always=True)
    assert answer(pl.DataFrame(store.as_of("world", "facts", at(1), pin))) == {("A", "eps", 0): 0.0}
    assert answer(pl.DataFrame(store.as_of("world", "facts", at(1)))) == {("A", "eps", 0): 1.0}
    assert answer(pl.DataFrame(store.as_of("world", "facts", at(9), pin))) == {("A", "eps", 0): 2.0}
