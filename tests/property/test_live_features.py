"""Batch is live for whole graphs: from any bar, over gaps, restatements, listings and saved files, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.feature import FeatureSet
from backcast.signals.graph import Graph
from backcast.signals.live import Live, Restated

FIELDS = ("close", "volume")
EXPRESSIONS = {
    "now": "close",
    "old": "ref(close, 3) / close - 1",
    "vol": "ts_std(returns(close, 1), 7)",
    "corr": "ts_corr(close, volume, 6)",
    "order": "ts_rank(close, 5) + ts_quantile(volume, 4, 0.3)",
    "rank": "cs_rank(ts_mean(close, 5))",
    "alpha": "cs_rank(ts_corr(close, volume, 4)) - cs_rank(delta(close, 5))",
    "above": "ts_mean(cs_zscore(close), 4) + ts_corr(cs_demean(volume), close, 6)",
    "deep": "cs_rank(ts_mean(cs_zscore(returns(close, 2)), 3))",
    "if": "where(close > ts_median(close, 9), ts_argmax(volume, 8), ts_sum(2, 3))",
    "slope": "ts_slope(log(close), 6) * ts_max(volume, 3)",
}
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def _panel(seed: int, symbols: int, rows: int, slot: int, revised: int) -> Panel:
    rng = np.random.default_rng(seed)
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (2, symbols, rows)), axis=2))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[:, 0, rows // 3 : rows // 2] = 7.0  # a constant window, then a halt
    values[:, 0, rows // 2 : rows // 2 + 3] = np.nan
    values[0, 1, rows // 2] = 1e12
    days = np.datetime64("2020-01-01") + np.arange(rows + 1)
    at = days.astype("datetime64[us]")
    time = rng.integers(0, rows, revised)
    decision = np.minimum(time + rng.integers(1, 12, revised), rows)
    order = np.argsort(decision, kind="stable")
    value = np.where(rng.random(revised) < 0.2, np.nan, rng.uniform(50, 150, revised))
    columns = (
        rng.integers(0, 2, revised),
        rng.integers(0, symbols, revised),
        time,
        at[decision],
        decision,
        value,
    )
    clock = Clock("XNYS", days[:rows], at[:rows], at[:rows], at[:rows], slot + np.arange(rows), 252.0)
    names = tuple(f"S{i:02d}" for i in range(symbols))
    member = rng.random((symbols, rows)) < 0.85
    return Panel(FIELDS, names, clock, values, member, Revisions(*(c[order] for c in columns)), "raw", 0.0)


def _graph() -> Graph:
    return FeatureSet(EXPRESSIONS).compile(FIELDS, "raw")


def _cut(panel: Panel, rows: int) -> Panel:
    return replace(
        panel,
        clock=panel.clock.slice(0, rows),
        values=np.ascontiguousarray(panel.values[:, :, :rows]),
        member=np.ascontiguousarray(panel.member[:, :rows]),
        revisions=panel.revisions.where(panel.revisions.decision < rows),
    )


def _news(panel: Panel, t: int) -> list[Restated]:
    r, slots = panel.revisions, panel.clock.slots
    return [
        Restated(panel.symbols[r.symbol[n]], FIELDS[r.field[n]], int(slots[r.time[n]]), float(r.value[n]))
        for n in np.flatnonzero(r.decision == t)
    ]


def _step(live: Live, panel: Panel, t: int) -> Floats:
    return live.step(panel.values[:, :, t], panel.member[:, t], _news(panel, t))


def _same(one: Floats, two: Floats) -> bool:
    """Equal to the bit, any NaN like any other."""
    unknown = np.isnan(one)
    return bool((unknown == np.isnan(two)).all()) and one[~unknown].tobytes() == two[~unknown].tobytes()


@SETTINGS
@given(
    seed=st.integers(0, 10_000),
    symbols=st.integers(2, 70),
    rows=st.integers(8, 60),
    slot=st.integers(0, 30_000),
    revised=st.integers(0, 60),
    data=st.data(),
)
def test_every_row_of_the_batch(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    symbols: int,
    rows: int,
    slot: int,
    revised: int,
    data: st.DataObject,
) -> None:
    panel, graph = _panel(seed, symbols, rows, slot, revised), _graph()
    batch = graph.evaluate(panel).values
    start = data.draw(st.integers(1, rows - 1))
    saved = data.draw(st.sets(st.integers(start, rows), max_size=3))
    live = Live.start(graph, _cut(panel, start))
    for t in range(start, rows):
        if t in saved:
            path = tmp_path_factory.mktemp("live") / "state.safetensors"
            live.save(path)
            live = Live.load(path, graph)
        assert _same(_step(live, panel, t), batch[:, :, t]), t


def test_from_the_first_bar_on() -> None:
    panel, graph = _panel(1, 5, 50, 17, 30), _graph()
    live, batch = Live(graph, panel.symbols, 17), graph.evaluate(panel).values
    for t in range(50):
        assert _same(_step(live, panel, t), batch[:, :, t])


@pytest.mark.parametrize("joined", [3, 20, 41])
def test_new_listings_join_at_their_sorted_place(joined: int) -> None:
    panel, graph = _panel(2, 6, 60, 400, 0), _graph()
    fresh = [0, 3, 5]
    panel.values[:, fresh, :joined], panel.member[fresh, :joined] = np.nan, False
    batch = graph.evaluate(panel).values
    known = [s for s in range(6) if s not in fresh]
    live = Live(graph, [panel.symbols[s] for s in known], 400)
    for t in range(joined):
        row = live.step(panel.values[:, known, t], panel.member[known, t])
        assert _same(row, batch[:, known, t])
    live.admit([panel.symbols[s] for s in reversed(fresh)])
    assert live.symbols == panel.symbols
    for t in range(joined, 60):
        assert _same(live.step(panel.values[:, :, t], panel.member[:, t]), batch[:, :, t])


def test_a_restated_bar_changes_its_symbol_alone_and_only_while_windows_cover_it() -> None:
    panel = _panel(3, 4, 60, 0, 0)
    panel.values[np.isnan(panel.values)] = 100.0
    graph = FeatureSet({"f": "ts_mean(close, 10)"}).compile(FIELDS, "raw")
    batch = graph.evaluate(panel).values[0]
    live = Live.start(graph, _cut(panel, 30))
    changed = np.zeros((4, 60), dtype=bool)
    for t in range(30, 60):
        news = [Restated("S02", "close", 25, 1.0)] if t == 31 else []
        row = live.step(panel.values[:1, :, t], panel.member[:, t], news)[0]
        changed[:, t] = (row != batch[:, t]) & ~(np.isnan(row) & np.isnan(batch[:, t]))
    assert not changed[[0, 1, 3]].any()
    assert not changed[2, 35:].any() and not changed[2, :31].any()
    assert changed[2, 31:35].all()


def test_a_bar_older_than_every_window_changes_nothing() -> None:
    panel, graph = _panel(3, 4, 60, 0, 0), _graph()
    live, batch = Live.start(graph, _cut(panel, 50)), graph.evaluate(panel).values
    row = live.step(panel.values[:, :, 50], panel.member[:, 50], [Restated("S02", "close", 3, 1.0)])
    assert _same(row, batch[:, :, 50])


def test_a_state_of_another_graph_is_refused(tmp_path: Path) -> None:
    live = Live.start(_graph(), _panel(1, 3, 20, 0, 0))
    live.save(tmp_path / "state")
    other = FeatureSet({**EXPRESSIONS, "now": "close * 2"}).compile(FIELDS, "raw")
    with pytest.raises(InputError, match="graph"):
        Live.load(tmp_path / "state", other)
    spelt = FeatureSet({**EXPRESSIONS, "now": " (close) "}).compile(FIELDS, "raw")
    assert Live.load(tmp_path / "state", spelt).slot == 20


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "text"])
def test_a_damaged_state_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state"
    Live.start(_graph(), _panel(1, 3, 20, 0, 0)).save(path)
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    changed = {"cut": content[:-40], "flip": content, "gone": None, "text": b"{}"}[damage]
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    with pytest.raises(InputError, match="Start it again"):
        Live.load(path, _graph())


def test_wrong_news_and_shapes_are_refused() -> None:
    panel, graph = _panel(1, 3, 20, 0, 0), _graph()
    live = Live.start(graph, panel)
    row, member = panel.values[:, :, -1], panel.member[:, -1]
    for news in (
        Restated("X", "close", 3, 1.0),
        Restated("S00", "open", 3, 1.0),
        Restated("S00", "close", 20, 1.0),
    ):
        with pytest.raises(InputError, match="restated"):
            live.step(row, member, [news])
    with pytest.raises(InputError, match="cells and member"):
        live.step(row[:, :2], member)
    with pytest.raises(InputError, match="not there yet"):
        live.admit(["S00"])
    with pytest.raises(InputError, match="sorted"):
        Live(graph, ["B", "A"], 0)
