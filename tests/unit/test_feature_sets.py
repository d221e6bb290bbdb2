"""The feature sets of conf/: range estimators beside plain NumPy, and facts as known beside a walk through announcements."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from backcast.data.asof import load_panel
from backcast.data.ingest import ingest
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats
from backcast.engine.features.sheet import compiled, feature_sets, fields_of, made_panel, read_set
from backcast.signals.feature import FeatureSet

BARS = ("open", "high", "low", "close", "volume")


def _set(name: str) -> FeatureSet:
    found = read_set(name)
    assert found is not None
    return found


def _values(name: str, panel_rows: int = 300) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Of one symbol: bars and features by name."""
    panel = made_panel(BARS, 3, panel_rows)
    features = _set(name).compile(BARS, "raw").evaluate(panel)
    return (
        {f: panel.values[k, 1] for k, f in enumerate(BARS)},
        {n: features.values[k, 1] for k, n in enumerate(features.names)},
    )


def _over(x: Floats, n: int, t: int) -> Floats:
    return x[t - n + 1 : t + 1]


@pytest.mark.parametrize("t", [40, 173, 299])
def test_range_estimators_by_their_definitions(t: int) -> None:
    bars, ours = _values("volatility")
    o, h, low, c = (np.log(bars[name]) for name in ("open", "high", "low", "close"))
    n = 20
    overnight = o - np.concatenate([[np.nan], c[:-1]])
    satchell = (h - c) * (h - o) + (low - c) * (low - o)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    mean = {
        "parkinson_20": (h - low) ** 2 / (4 * math.log(2)),
        "garman_klass_20": 0.5 * (h - low) ** 2 - (2 * math.log(2) - 1) * (c - o) ** 2,
        "rogers_satchell_20": satchell,
    }
    truth = {name: _over(x, n, t).mean() for name, x in mean.items()}
    truth["yang_zhang_20"] = (
        _over(overnight, n, t).var(ddof=1)
        + k * _over(c - o, n, t).var(ddof=1)
        + (1 - k) * _over(satchell, n, t).mean()
    )
    for name, value in truth.items():
        assert ours[name][t] == pytest.approx(value, rel=1e-11), name


@pytest.mark.parametrize("t", [40, 173, 299])
def test_har_components_by_their_definitions(t: int) -> None:
    bars, ours = _values("volatility")
    r = np.diff(np.log(bars["close"]), prepend=np.nan)
    p = np.log(bars["high"] / bars["low"]) ** 2 / (4 * math.log(2))
    for name, x in (("har", r**2), ("range", p)):
        for part, n in (("day", 1), ("week", 5), ("month", 22)):
            assert ours[f"{name}_{part}"][t] == pytest.approx(_over(x, n, t).mean(), rel=1e-11)
    assert ours["falls_month"][t] == pytest.approx((np.minimum(_over(r, 22, t), 0) ** 2).mean(), rel=1e-11)


def test_estimators_find_the_variance_of_a_random_walk() -> None:
    """Each is unbiased on a driftless walk seen at every instant; 400 steps a session miss little of the range."""
    rng, sessions, steps, sigma = np.random.default_rng(3), 3000, 400, 0.01
    path = np.cumsum(rng.normal(0, sigma / math.sqrt(steps), (sessions, steps)), axis=1)
    last = np.concatenate([[0.0], np.cumsum(path[:-1, -1])])
    levels = 100 * np.exp(last[:, None] + np.concatenate([np.zeros((sessions, 1)), path], axis=1))
    bars = np.stack([levels[:, 0], levels.max(axis=1), levels.min(axis=1), levels[:, -1], np.ones(sessions)])
    panel = made_panel(BARS, 1, sessions, np.ascontiguousarray(bars[:, None, :]))
    features = _set("volatility").compile(BARS, "raw").evaluate(panel)
    for name in ("parkinson_20", "garman_klass_20", "rogers_satchell_20", "yang_zhang_20", "har_month"):
        mean = np.nanmean(features.values[features.names.index(name), 0])
        assert mean == pytest.approx(sigma**2, rel=0.12), name


@pytest.mark.parametrize("t", [260, 299])
def test_classics_by_their_definitions(t: int) -> None:
    b, ours = _values("classic")
    c, r = b["close"], b["close"] / np.concatenate([[np.nan], b["close"][:-1]]) - 1
    impact = np.abs(r) / (c * b["volume"])
    moves = np.diff(c, prepend=np.nan)
    low, high = _over(b["low"], 14, t).min(), _over(b["high"], 14, t).max()
    truth = {
        "momentum_12_1": c[t - 21] / c[t - 252] - 1,
        "high_252": c[t] / _over(b["high"], 252, t).max(),
        "lottery_21": _over(r, 21, t).max(),
        "illiquidity": _over(impact, 21, t).mean() / _over(impact, 252, t).mean(),
        "crossover_50_200": _over(c, 50, t).mean() / _over(c, 200, t).mean() - 1,
        "rsi_14": np.maximum(_over(moves, 14, t), 0).sum() / np.abs(_over(moves, 14, t)).sum(),
        "stochastic_14": (c[t] - low) / (high - low),
        "overnight_21": _over(b["open"] / np.concatenate([[np.nan], c[:-1]]) - 1, 21, t).mean(),
    }
    for name, value in truth.items():
        assert ours[name][t] == pytest.approx(value, rel=1e-10), name


@pytest.mark.parametrize("name", sorted(feature_sets()))
def test_every_feature_of_a_set_is_known_somewhere(name: str) -> None:
    chosen = _set(name)
    graph = compiled(chosen)
    panel = made_panel(fields_of(chosen), 5, graph.lookback + 60)
    values = graph.evaluate(panel).values
    for feature, one in zip(graph.names, values, strict=True):
        assert np.isfinite(one[:, graph.lookback :]).mean() > 0.5, feature


@pytest.mark.parametrize("name", ["classic", "volatility", "momentum", "ohlcv"])
def test_sets_for_back_adjusted_prices(name: str) -> None:
    _set(name).compile(BARS, "total_return")


def test_fundamentals_are_what_was_known_then() -> None:
    store, source = (
        Store(),
        SyntheticSource(symbols=6, sessions=420, rates={"restatements": 4.0, "renames": 0.0}),
    )
    ingest(store, source)
    panel = load_panel(store, "synthetic", store.version("synthetic"))
    features = _set("fundamental").compile(panel.fields, panel.price_basis).evaluate(panel)
    ours = dict(zip(features.names, features.values, strict=True))
    facts = source.read().tables["facts"].to_pylist()

    def known(symbol: str, t: int) -> float:
        """The newest period announced by a decision, in its newest version; a walk through the announcements."""
        at = panel.clock.decides_at[t].item()
        rows = [f for f in facts if f["symbol"] == symbol and f["item"] == "earnings"
                and f["known_at"].replace(tzinfo=None) <= at]  # fmt: skip
        newest = max((f["event_at"] for f in rows), default=None)
        return (
            max((f for f in rows if f["event_at"] == newest), key=lambda f: f["known_at"])["value"]
            if rows
            else math.nan
        )

    compared = 0
    for s, symbol in enumerate(panel.symbols):
        for t in range(300, 420, 17):
            now, then = known(symbol, t), known(symbol, t - 252)
            if math.isfinite(now) and math.isfinite(then):
                assert ours["growth_year"][s, t] == pytest.approx((now - then) / abs(then), rel=1e-12)
                changed = sum(known(symbol, u) != known(symbol, u - 1) for u in range(t - 20, t + 1))
                assert ours["news_21"][s, t] == changed
                compared += 1
    assert compared > 10
    assert np.nanmax(ours["news_21"]) >= 1


def test_a_later_restatement_changes_no_earlier_feature() -> None:
    store, source = Store(), SyntheticSource(symbols=6, sessions=420, rates={"restatements": 4.0})
    ingest(store, source)
    pin = store.version("synthetic")
    panel = load_panel(store, "synthetic", pin)
    graph = _set("fundamental").compile(panel.fields, panel.price_basis)
    whole = graph.evaluate(panel)
    past = load_panel(store, "synthetic", pin, until=panel.clock.decides_at[380])
    part = graph.evaluate(replace(past, fields=panel.fields))
    place = [panel.symbols.index(s) for s in past.symbols]
    assert np.array_equal(part.values, whole.values[:, place, :381], equal_nan=True)
