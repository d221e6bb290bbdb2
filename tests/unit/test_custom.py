"""Features in Python: evaluated, restarted, restated, run live and audited like operators; a dishonest state is caught."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from market import MARKET
from numba import njit

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel, Revisions
from backcast.engine.cli import compose
from backcast.engine.configure import build
from backcast.engine.features.sheet import made_panel
from backcast.engine.research import run
from backcast.signals.custom import StepFeature, WindowFeature
from backcast.signals.feature import FeatureSet
from backcast.signals.kernels import reference
from backcast.signals.live import Live, Restated

FIELDS = ("close", "volume")


@njit(nogil=True)
def weighted_step(x: Floats, slot: int, state: Floats, out: Floats) -> None:
    """Close weighted by volume over as many rows as the state has pairs; the ring is read oldest first."""
    w = state.shape[0] // 2
    p = slot % w
    for b in range(x.shape[1]):
        state[p, b], state[w + p, b] = x[0, b], x[1, b]
        total, weight = 0.0, 0.0
        for q in range(1, w + 1):
            total += state[(p + q) % w, b] * state[w + (p + q) % w, b]
            weight += state[w + (p + q) % w, b]
        out[b] = total / weight


@njit(nogil=True)
def remembering_step(x: Floats, slot: int, state: Floats, out: Floats) -> None:
    """The sum of everything since the first row: more than any look-back says."""
    for b in range(x.shape[1]):
        if np.isnan(state[0, b]):
            state[0, b] = 0.0
        if not np.isnan(x[0, b]):
            state[0, b] += x[0, b]
        out[b] = state[0, b]


class WeightedPrice(StepFeature):
    def __init__(self, window: int = 5) -> None:
        super().__init__(["close", "volume"], window - 1, 2 * window, weighted_step)


class Remembering(StepFeature):
    def __init__(self) -> None:
        super().__init__(["returns(close, 1)"], 5, 1, remembering_step, scale_free=True)


class Counting(StepFeature):
    """Keeps a count on the object: what it gives depends on how often it was called."""

    def __init__(self) -> None:
        super().__init__(["close"], 0, 0, self.count)
        self.calls = 0

    def count(self, x: Floats, slot: int, state: Floats, out: Floats) -> None:
        self.calls += 1
        out[:] = self.calls


class Skew(WindowFeature):
    """The third standardised moment of a window."""

    def __init__(self, window: int = 7) -> None:
        super().__init__(["returns(close, 1)"], window)

    def compute(self, *windows: Floats) -> float:
        z = windows[0] - windows[0].mean()
        return float((z**3).mean() / (z**2).mean() ** 1.5)


class Peeking(WindowFeature):
    """Looks for anything beyond its window, and writes into it."""

    seen: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self) -> None:
        super().__init__(["close"], 4)

    def compute(self, *windows: Floats) -> float:
        whole = windows[0]
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        self.seen.append(whole.shape)
        with pytest.raises(ValueError, match="read-only"):
            windows[0][0] = 1.0
        return float(whole.max())


def _revised(seed: int = 0) -> Panel:
    panel, rng = made_panel(FIELDS, 6, 80), np.random.default_rng(seed)
    panel.values[rng.random(panel.values.shape) < 0.02] = np.nan
    time = rng.integers(0, 70, 25)
    decision = time + rng.integers(1, 9, 25)
    order = np.argsort(decision, kind="stable")
    known = panel.clock.decides_at[decision]
    value = rng.uniform(50, 150, 25)
    columns = (rng.integers(0, 2, 25), rng.integers(0, 6, 25), time, known, decision, value)
    return replace(panel, revisions=Revisions(*(c[order] for c in columns)))


def _same(one: Floats, two: Floats) -> bool:
    return bool(np.array_equal(one, two, equal_nan=True))


OWN = {"weighted": WeightedPrice(), "skew": Skew()}


def test_values_by_their_definitions() -> None:
    panel = made_panel(FIELDS, 3, 60)
    values = FeatureSet(own=OWN).compile(FIELDS, "raw").evaluate(panel).values
    for s in range(3):
        close, volume = panel.values[:, s]
        for t in range(10, 60):
            c, v = close[t - 4 : t + 1], volume[t - 4 : t + 1]
            assert values[0, s, t] == pytest.approx((c * v).sum() / v.sum(), rel=1e-13)
            r = close[t - 6 : t + 1] / close[t - 7 : t] - 1
            z = r - r.mean()
            assert values[1, s, t] == pytest.approx((z**3).mean() / (z**2).mean() ** 1.5, rel=1e-9)


def test_beside_expressions_threads_cuts_and_restarts_change_nothing() -> None:
    panel = _revised()
    graph = FeatureSet({"mean": "ts_mean(close, 3)"}, OWN).compile(FIELDS, "raw")
    assert graph.names == ("mean", "weighted", "skew") and graph.lookback == 7
    whole = graph.evaluate(panel, threads=1).values
    assert _same(whole, graph.evaluate(panel, threads=3).values)
    assert _same(whole[:, :, 47:], graph.evaluate(panel.since(40)).values[:, :, 7:])


def test_revisions_reach_the_windows_that_cover_them_when_they_are_known() -> None:
    panel = _revised()
    graph = FeatureSet(own=OWN).compile(FIELDS, "raw")
    ours, r = graph.evaluate(panel).values, panel.revisions
    changed = 0
    for t in range(10, 80):
        known = panel.values[:, :, : t + 1].copy()
        for n in np.flatnonzero(r.decision <= t):
            known[r.field[n], r.symbol[n], r.time[n]] = r.value[n]
        alone = replace(
            panel, values=known, clock=panel.clock.slice(0, t + 1), member=panel.member[:, : t + 1],
            revisions=r.where(r.decision < 0),
        )  # fmt: skip
        assert _same(graph.evaluate(alone).values[:, :, t], ours[:, :, t])
        changed += not _same(known, panel.values[:, :, : t + 1])
    assert changed


def test_live_equals_the_batch() -> None:
    panel = _revised(1)
    graph, r = FeatureSet({"rank": "cs_rank(ts_mean(close, 3))"}, OWN).compile(FIELDS, "raw"), panel.revisions
    batch, live = graph.evaluate(panel).values, Live(graph, panel.symbols, int(panel.clock.slots[0]))
    for t in range(80):
        news = [
            Restated(
                panel.symbols[r.symbol[n]],
                FIELDS[r.field[n]],
                int(panel.clock.slots[r.time[n]]),
                float(r.value[n]),
            )
            for n in np.flatnonzero(r.decision == t)
        ]
        assert _same(live.step(panel.values[:, :, t], panel.member[:, t], news), batch[:, :, t])


def test_a_window_is_all_that_there_is() -> None:
    panel = made_panel(FIELDS, 2, 30)
    values = FeatureSet(own={"peek": Peeking()}).compile(FIELDS, "raw").evaluate(panel).values[0]
    assert set(Peeking.seen) == {(1, 4)}
    for s in range(2):
        assert _same(values[s], reference.OVER_TIME["ts_max"](panel.values[0, s], 4))


def test_a_window_with_a_gap_is_not_computed() -> None:
    panel = made_panel(FIELDS, 1, 20)
    panel.values[0, 0, 10] = np.nan
    values = FeatureSet(own={"skew": Skew(4)}).compile(FIELDS, "raw").evaluate(panel).values[0, 0]
    assert np.isnan(values[:4]).all() and np.isnan(values[10:15]).all() and np.isfinite(values[15:]).all()


TARGET = f"{__name__}."


def _audited(folder: Path, home: Path, own: str) -> dict[str, Any]:
    """A run with a feature of this file, named in the configuration as a user's package would be."""
    (home / "extensions.txt").write_text(__name__.split(".")[0] + "\n")
    config = compose([*MARKET, "model=ridge", "study=s", "job=j", "audit.instants=4"])
    config["features"]["own"] = {"mine": {"_target_": TARGET + own}}
    run(config, folder)
    found: dict[str, Any] = json.loads((folder / "audit.json").read_text())
    return found


@pytest.mark.parametrize("own", ["WeightedPrice", "Skew"])
def test_the_audit_passes_an_honest_one(own: str, tmp_path: Path, home: Path) -> None:
    found = _audited(tmp_path / "run", home, own)
    assert found["passed"] is True
    assert "restart replay: features" in [c["name"] for c in found["checks"]]


@pytest.mark.parametrize(("own", "check"), [("Remembering", "restart"), ("Counting", "replay")])
def test_the_audit_catches_a_wrong_state(own: str, check: str, tmp_path: Path, home: Path) -> None:
    found = _audited(tmp_path / "run", home, own)
    assert found["passed"] is False
    assert [
        c
        for c in found["checks"]
        if c["layer"] == "features" and c["name"].startswith(check) and c["changed"]
    ]


def test_a_class_outside_the_allow_list_is_refused(home: Path) -> None:
    node = {"_target_": "backcast.signals.feature.FeatureSet", "own": {"evil": {"_target_": "os.system"}}}
    with pytest.raises(InputError, match=r"extensions\.txt"):
        build(node, "features", FeatureSet)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Skew(0), "window"),
        (lambda: Skew(2.5), "window"),  # type: ignore[arg-type] # a float, as a YAML may give it
        (lambda: WeightedPrice(0), "lookback"),
        (lambda: StepFeature("close", 3, 1, weighted_step), "list of expressions"),
        (lambda: StepFeature(["close +"], 3, 1, weighted_step), "at character"),
        (lambda: StepFeature(["close"], 3, -1, weighted_step), "rows"),
        (lambda: StepFeature(["close"], 3, 1, None), "step"),  # type: ignore[arg-type] # as a YAML may give it
        (lambda: FeatureSet(own={"mine": 3}), "StepFeature"),  # type: ignore[dict-item] # as a YAML may give it
        (lambda: FeatureSet(own={"a b": Skew()}), "letters"),
        (lambda: FeatureSet({"a": "close"}, {"a": Skew()}), "no expression has"),
        (lambda: FeatureSet(own={}), "mapping"),
    ],
)
def test_wrong_settings_are_refused(make: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()


def test_fields_and_levels_are_checked_as_for_expressions() -> None:
    with pytest.raises(InputError, match="It has: close"):
        FeatureSet(own={"w": WeightedPrice()}).compile(("close",), "raw")
    with pytest.raises(InputError, match="scale_free"):
        FeatureSet(own={"w": WeightedPrice()}).compile(FIELDS, "total_return")
    FeatureSet(own={"r": Remembering()}).compile(FIELDS, "total_return")


def test_float32_answers_are_rounded_once_and_never_infinite(tmp_path: Path) -> None:
    panel = _revised()
    graph = FeatureSet({"f": "ts_mean(close, 4)", "huge": "close * 1e60", "r": "cs_rank(close)"}).compile(
        FIELDS, "raw"
    )
    whole = graph.evaluate(panel).values
    mapped = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, whole.shape)
    for out in (np.empty(whole.shape, np.float32), mapped):
        single = graph.evaluate(panel, threads=2, out=out).values
        assert single.dtype == np.float32
        assert _same(single[[0, 2]], whole[[0, 2]].astype(np.float32))
        assert np.isnan(single[1]).all() and np.isfinite(whole[1]).any()
    assert _same(np.load(tmp_path / "out.npy")[0], whole[0].astype(np.float32))
    with pytest.raises(ValueError, match="out must be"):
        graph.evaluate(panel, out=np.empty((1, 2, 3)))
