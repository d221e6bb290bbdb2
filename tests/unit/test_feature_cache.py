"""The cache of features: shared, keyed by content, extended by new rows, never believed when damaged; always the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from market import MARKET

from backcast.data.asof import load_panel
from backcast.data.errors import InputError
from backcast.data.store import Pin, Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats, Panel
from backcast.engine.cli import compose, main
from backcast.engine.features import cache as feature_cache
from backcast.engine.features.cache import CacheWarning, FeatureCache
from backcast.engine.research import run
from backcast.signals.alpha158 import Alpha158
from backcast.signals.custom import WindowFeature
from backcast.signals.feature import FeatureSet
from backcast.signals.graph import Graph
from backcast.signals.qlib_features import LOOKBACK, QlibFeatures
from backcast.signals.types import Features

EXPRESSIONS = {
    "return_5": "close / ref(close, 5) - 1",
    "volatility": "ts_std(returns(close, 1), 20)",
    "rank": "ts_mean(cs_rank(returns(close, 5)), 4)",
    "number": "ts_sum(2, 3)",
}


@dataclass
class Calls:
    """The rows of the panels that were evaluated, one after the other."""

    rows: list[int] = field(default_factory=list)

    def taken(self) -> list[int]:
        taken, self.rows = self.rows, []
        return taken


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    counted, honest = Calls(), Graph.evaluate

    def evaluate(
        self: Graph, panel: Panel, threads: int = 1, out: npt.NDArray[Any] | None = None
    ) -> Features:
        if panel.symbols != ("",):
            counted.rows.append(len(panel.clock))
        return honest(self, panel, threads, out)

    monkeypatch.setattr(Graph, "evaluate", evaluate)
    return counted


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(1.0, tmp_path / "cache")


class Market:
    """A synthetic data set that enters the store in as many batches as one likes, by when its rows were known."""

    def __init__(self, sessions: int = 160, symbols: int = 8) -> None:
        source = SyntheticSource(
            symbols=symbols, sessions=sessions, rates={"listings": 0.4, "corrections": 9.0}
        )
        self.batch, self.store, self.entered = source.read(), Store(), 0
        self.store.create(self.batch.info)

    def enter(self, after: np.datetime64 | None, until: np.datetime64 | None) -> Pin:
        """The rows known after one instant and by another."""
        self.entered += 1
        self.store.commit("synthetic", [{n: self._between(t, after, until) for n, t in self.batch.tables.items()}],
                          f"batch {self.entered}")  # fmt: skip
        return self.store.version("synthetic")

    @staticmethod
    def _between(rows: pa.Table, after: np.datetime64 | None, until: np.datetime64 | None) -> pa.Table:
        known = rows["known_at"].combine_chunks().cast(pa.timestamp("us"))
        chosen = pa.array(np.ones(rows.num_rows, dtype=bool))
        if after is not None:
            chosen = pc.and_(chosen, pc.greater(known, pa.scalar(after, pa.timestamp("us"))))
        if until is not None:
            chosen = pc.and_(chosen, pc.less_equal(known, pa.scalar(until, pa.timestamp("us"))))
        return rows.filter(chosen)

    def decision(self, t: int) -> np.datetime64:
        return np.datetime64(self._clock[t], "us")

    @property
    def _clock(self) -> npt.NDArray[Any]:
        bars = self.batch.tables["bars"]["event_at"].combine_chunks().cast(pa.timestamp("us"))
        return np.unique(bars.to_numpy(zero_copy_only=False)) + np.timedelta64(30, "m")


def _values(
    cache: FeatureCache,
    market: Market,
    pin: Pin,
    expressions: dict[str, str] = EXPRESSIONS,
    until: Any = None,
) -> Floats:
    panel = load_panel(market.store, "synthetic", pin, until=until)
    graph = FeatureSet(expressions).compile(panel.fields, panel.price_basis)
    return cache.features(market.store, "synthetic", pin, until, graph, panel, 2).values


def _truth(market: Market, pin: Pin, expressions: dict[str, str] = EXPRESSIONS, until: Any = None) -> Floats:
    panel = load_panel(market.store, "synthetic", pin, until=until)
    graph = FeatureSet(expressions).compile(panel.fields, panel.price_basis)
    return graph.evaluate(panel).values


def test_the_second_time_nothing_is_computed_and_no_bit_differs(cache: FeatureCache, calls: Calls) -> None:
    market = Market()
    pin = market.enter(None, None)
    first = _values(cache, market, pin)
    assert calls.taken() == [160]
    second = _values(cache, market, pin)
    spelt = _values(cache, market, pin, {**EXPRESSIONS, "return_5": " (close/ref( close,5 )) - 1.0"})
    assert calls.taken() == []
    truth = _truth(market, pin)
    assert truth.tobytes() == first.tobytes() == second.tobytes() == spelt.tobytes()


def test_an_edited_expression_another_name_and_another_end_are_computed(
    cache: FeatureCache, calls: Calls
) -> None:
    market = Market()
    pin = market.enter(None, None)
    _values(cache, market, pin)
    calls.taken()
    edited = {**EXPRESSIONS, "return_5": "close / ref(close, 6) - 1"}
    assert _values(cache, market, pin, edited).tobytes() == _truth(market, pin, edited).tobytes()
    assert calls.taken() == [160, 160]
    _values(cache, market, pin, {("other" if n == "rank" else n): e for n, e in EXPRESSIONS.items()})
    until = market.decision(100)
    part = _values(cache, market, pin, until=until)
    assert calls.taken() == [160, 101]
    assert part.tobytes() == _truth(market, pin, until=until).tobytes()


def test_edited_sources_are_computed_anew(
    cache: FeatureCache, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market()
    pin = market.enter(None, None)
    _values(cache, market, pin)
    monkeypatch.setattr(feature_cache, "code", lambda: "edited")
    _values(cache, market, pin)
    assert calls.taken() == [160, 160]


@pytest.mark.parametrize("rows", [60, 120, 158])
def test_a_version_that_adds_sessions_costs_those_and_the_look_back(
    cache: FeatureCache, calls: Calls, rows: int
) -> None:
    market = Market()
    border = market.decision(rows - 1)
    before = market.enter(None, border)
    assert _values(cache, market, before).shape[2] == rows
    after = market.enter(border, None)
    calls.taken()
    whole = _values(cache, market, after)
    assert calls.taken() == [160 - rows + 20], "the new rows and a look-back of 20"
    assert whole.tobytes() == _truth(market, after).tobytes()


def test_alpha158_is_kept_and_extended(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    market, rows, honest = Market(sessions=150, symbols=4), [], QlibFeatures.evaluate

    def evaluate(made: QlibFeatures, panel: Panel, threads: int = 1, out: Any = None) -> Features:
        if panel.symbols != ("",):
            rows.append(len(panel.clock))
        return honest(made, panel, threads, out)

    monkeypatch.setattr(QlibFeatures, "evaluate", evaluate)
    border = market.decision(140)
    for pin in (market.enter(None, border), market.enter(border, None)):
        panel = load_panel(market.store, "synthetic", pin)
        made = Alpha158(vwap="typical").compile(panel.fields, panel.price_basis)
        assert isinstance(made, QlibFeatures)
        kept = [cache.features(market.store, "synthetic", pin, None, made, panel, 2).values for _ in range(2)]
        truth = honest(made, panel).values
        assert kept[0].tobytes() == kept[1].tobytes() == truth.tobytes()
    assert rows == [141, 9 + LOOKBACK]


def test_day_after_day(cache: FeatureCache, calls: Calls) -> None:
    market, border = Market(), None
    for t in range(110, 130):
        pin = market.enter(border, market.decision(t))
        border = market.decision(t)
        ours = _values(cache, market, pin)
        assert max(calls.taken()) == (111 if t == 110 else 21)
        assert ours.tobytes() == _truth(market, pin).tobytes()
        calls.taken()


def test_a_backfill_is_computed_whole(cache: FeatureCache, calls: Calls) -> None:
    market = Market()
    early, late = market.decision(80), market.decision(100)
    market.enter(None, early)
    _values(cache, market, market.enter(late, None))  # the rows between come later, with a known_at of then
    calls.taken()
    pin = market.enter(early, late)
    whole = _values(cache, market, pin)
    assert calls.taken() == [160]
    assert whole.tobytes() == _truth(market, pin).tobytes()


def _damage(folder: Path, how: str) -> None:
    values, entry = folder / "values.npy", folder / "entry.json"
    if how == "flip":
        content = bytearray(values.read_bytes())
        content[-3] ^= 16
        values.write_bytes(content)
    elif how == "cut":
        values.write_bytes(values.read_bytes()[:-100])
    elif how == "seal":
        entry.write_text(entry.read_text().replace('"rows": 160', '"rows": 161'))
    elif how == "format":
        entry.write_text(json.dumps({"format": 9}))
    else:
        (values if how == "no values" else entry).unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "seal", "format", "no values", "no entry"])
def test_a_damaged_entry_is_said_and_computed_again(cache: FeatureCache, calls: Calls, how: str) -> None:
    market = Market()
    pin = market.enter(None, None)
    truth = _values(cache, market, pin).copy()
    (folder,) = cache.folder.iterdir()
    calls.taken()
    _damage(folder, how)
    with pytest.warns(CacheWarning, match="computed again"):
        assert _values(cache, market, pin).tobytes() == truth.tobytes()
    assert calls.taken() == [160]
    _values(cache, market, pin)
    assert calls.taken() == []


def test_the_least_recently_used_goes_first_and_what_is_in_use_stays(tmp_path: Path, calls: Calls) -> None:
    market = Market()
    pin = market.enter(None, None)
    sets = [{"f": f"ts_mean(close, {w})"} for w in (2, 3, 4)]
    _values(FeatureCache(1.0, tmp_path / "one"), market, pin, sets[0])
    size = sum(p.stat().st_size for p in (tmp_path / "one").rglob("*.*"))
    cache = FeatureCache(2.5 * size / 2**30, tmp_path / "cache")
    for chosen in (sets[0], sets[1], sets[0], sets[2]):
        _values(cache, market, pin, chosen)
    calls.taken()
    _values(cache, market, pin, sets[0])
    assert calls.taken() == []
    held = _values(cache, market, pin, sets[1])
    assert calls.taken() == [160], "it was the one to go"
    for chosen in (sets[2], sets[0], sets[2], sets[0]):
        _values(cache, market, pin, chosen)
    calls.taken()
    _values(cache, market, pin, sets[1])
    assert calls.taken() == [], "mapped, so it stayed"
    assert held.tobytes() == _truth(market, pin, sets[1]).tobytes()


def test_without_room_nothing_is_kept(tmp_path: Path) -> None:
    market = Market()
    pin = market.enter(None, None)
    for size in (0.0, 1e-9):
        cache = FeatureCache(size, tmp_path / "cache")
        assert _values(cache, market, pin).tobytes() == _truth(market, pin).tobytes()
        assert not list(cache.folder.glob("*"))


def test_a_full_disk_is_noticed_before_a_page_has_no_room(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    market = Market()
    pin = market.enter(None, None)
    with pytest.warns(CacheWarning, match="No space left on device; the features are not kept"):
        assert _values(cache, market, pin).tobytes() == _truth(market, pin).tobytes()
    assert not list(cache.folder.iterdir())


class Middle(WindowFeature):
    def __init__(self) -> None:
        super().__init__(["close"], window=5)

    def compute(self, *windows: Floats) -> float:
        return float(np.median(windows[0]))


def test_features_in_python_are_not_kept(cache: FeatureCache) -> None:
    market = Market()
    pin = market.enter(None, None)
    panel = load_panel(market.store, "synthetic", pin)
    graph = FeatureSet(own={"middle": Middle()}).compile(panel.fields, "raw")
    cache.features(market.store, "synthetic", pin, None, graph, panel, 1)
    assert not cache.folder.exists()


WRITER = """
import sys
from pathlib import Path
from backcast.data.asof import load_panel
from backcast.data.store import Store
from backcast.engine.features.cache import FeatureCache
from backcast.signals.feature import FeatureSet

store = Store()
pin = store.version("synthetic")
panel = load_panel(store, "synthetic", pin)
graph = FeatureSet({"f": "ts_mean(close, 9)", "g": "cs_rank(close)"}).compile(panel.fields, "raw")
cache = FeatureCache(float(sys.argv[2]), Path(sys.argv[1]))
for _ in range(6):
    values = cache.features(store, "synthetic", pin, None, graph, panel, 1).values
    assert values.tobytes() == graph.evaluate(panel).values.tobytes()
    list(cache.clear(0.0, apply=True))
"""


def test_several_processes_write_read_and_clear_at_once(tmp_path: Path) -> None:
    Market().enter(None, None)
    jobs = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, str(tmp_path / "cache"), "1.0"])
        for _ in range(3)
    ]
    assert [job.wait(timeout=120) for job in jobs] == [0, 0, 0]


def test_the_jobs_of_a_sweep_share_and_the_audit_computes_itself(
    tmp_path: Path, calls: Calls, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [*MARKET, "model=mean", "study=s"]
    run(compose([*base, "job=1", "audit=off"]), tmp_path / "1")
    assert calls.taken() == [420]
    run(compose([*base, "job=2", "audit=off", "portfolio.gross=0.5"]), tmp_path / "2")
    assert calls.taken() == []
    run(compose([*base, "job=3", "audit.instants=4"]), tmp_path / "3")
    assert len(calls.taken()) >= 4, "each replay computes the features of its truncated store"
    run(compose([*base, "job=4", "audit=off", "cache.max_gib=0"]), tmp_path / "4")
    assert calls.taken() == [420]
    for name in ("forecasts.parquet", "account.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()
    assert json.loads((tmp_path / "3" / "audit.json").read_text())["passed"] is True
    assert main(["gc", "--older-than", "0"]) == 0
    assert "computed features" in capsys.readouterr().out
    assert list((home / "cache" / "features").iterdir())
    assert main(["gc", "--older-than", "0", "--apply"]) == 0
    assert not list((home / "cache" / "features").iterdir())


@pytest.mark.parametrize("cache", ["-1", "many", "true"])
def test_a_size_that_is_none_is_refused(tmp_path: Path, cache: str) -> None:
    with pytest.raises(InputError, match="max_gib"):
        run(compose([*MARKET, "model=mean", "study=s", "job=j", f"cache.max_gib={cache}"]), tmp_path / "r")
