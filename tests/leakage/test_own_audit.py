"""The audit of our own runs: planted leaks are caught on their layer, with depth and table; their honest twins are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.ingest import ingest
from backcast.data.store import Store
from backcast.data.types import Floats, Panel, Revisions
from backcast.engine import walkforward
from backcast.engine.audit import own
from backcast.engine.audit.findings import Check
from backcast.engine.audit.path import Evidence
from backcast.engine.cli import compose
from backcast.engine.configure import INSTANTS, AuditLevel, Experiment, experiment
from backcast.engine.portfolio import RankPortfolio
from backcast.engine.types import Targets
from backcast.signals.feature import FeatureSet
from backcast.signals.graph import Graph
from backcast.signals.labels import ForwardReturn
from backcast.signals.models.base import FittedModel, Progress
from backcast.signals.models.linear import FittedRidge, Ridge
from backcast.signals.types import Features, FeatureSource, FillTable, Forecast, Labels, TrainingSet

MARKET = ["dataset=synthetic", "dataset.symbols=12", "dataset.sessions=360", "folds=monthly", "folds.first_fit=300",
          "model=ridge", "features=ohlcv", "study=s", "job=j"]  # fmt: skip
TEXTS = {"back": "close / ref(close, 5) - 1", "vol": "ts_std(returns(close, 1), 10)"}
LEFT: dict[str, Panel] = {}
"""What the features of a run left behind in the process."""

Leak = Callable[[Floats, Panel], Floats]


@dataclass(frozen=True)
class Changed:
    """The features of a graph, changed by a function of all of them and of the panel."""

    graph: Graph
    leak: Leak
    lookback: int

    @property
    def names(self) -> tuple[str, ...]:
        return self.graph.names

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        features = self.graph.evaluate(panel, threads)
        return replace(features, values=self.leak(features.values, panel))


class Planted(FeatureSource):
    """A user's own source of features."""

    def __init__(self, leak: Leak, lookback: int = 10) -> None:
        self.leak, self.lookback, self.expressions = leak, lookback, TEXTS

    def compile(self, fields: tuple[str, ...], price_basis: str) -> Changed:
        return Changed(FeatureSet(TEXTS).compile(fields, price_basis), self.leak, self.lookback)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Experiment]:
    """A store with corrections, late bars, splits, delistings, restated facts and changing members."""
    made, store = experiment(compose(MARKET)), Store(tmp_path_factory.mktemp("market"))
    ingest(store, made.source)
    return store, made


def audited(
    market: tuple[Store, Experiment], folder: Path, level: str, at: np.datetime64 | None = None, **parts: Any
) -> list[Check]:
    """The checks of a walk forward with some parts of it replaced."""
    store, made = market
    made = replace(made, audit=AuditLevel(level, INSTANTS[level]), **parts)
    pin = store.version(made.source.name)
    world = walkforward.observe(made, store, pin, 1)
    fitted = walkforward.forecast(made, made.model, world, folder, 1, lambda _: None)
    targets = made.portfolio.targets(fitted.forecast, world.panel)
    evidence = Evidence(fitted.forecast, targets, folder)
    return own.checks(made, store, pin, world, evidence, 1, lambda _: None, at)[0]


def found(checks: list[Check]) -> Check:
    """The one check that accuses."""
    (check,) = (c for c in checks if c.finding is not None)
    return check


def next_bar(values: Floats, panel: Panel) -> Floats:
    """The features of the next decision."""
    return np.concatenate([values[:, :, 1:], np.full_like(values[:, :, :1], np.nan)], axis=2)


def bar_before(values: Floats, panel: Panel) -> Floats:
    return np.concatenate([np.full_like(values[:, :, :1], np.nan), values[:, :, :-1]], axis=2)


def scored(values: Floats, panel: Panel) -> Floats:
    """Scaled by the deviation of all of time."""
    return values / np.nanstd(values, axis=2, keepdims=True)


def scored_so_far(values: Floats, panel: Panel) -> Floats:
    """Scaled by the mean size of all rows so far; the sum is a loop, since NumPy's own depends on how many rows there are."""
    out, total, count = np.empty_like(values), np.zeros(values.shape[:2]), np.zeros(values.shape[:2])
    for t in range(values.shape[2]):
        total += np.nan_to_num(np.abs(values[:, :, t]))
        count += np.isfinite(values[:, :, t])
        out[:, :, t] = values[:, :, t] * count / np.where(total > 0, total, np.nan)
    return out


def mixed(values: Floats, other: Floats, where: Any) -> Floats:
    out = values.copy()
    out[where] = other[where]
    return out


def one_symbol(values: Floats, panel: Panel) -> Floats:
    return mixed(values, next_bar(values, panel), (slice(None), panel.symbols.index("S004")))


def one_symbol_before(values: Floats, panel: Panel) -> Floats:
    return mixed(values, bar_before(values, panel), (slice(None), panel.symbols.index("S004")))


def one_part(values: Floats, panel: Panel) -> Floats:
    """One part in 10,000 of a feature is the next bar's."""
    return np.asarray(values * 0.9999 + next_bar(values, panel) * 0.0001)


def one_part_before(values: Floats, panel: Panel) -> Floats:
    return np.asarray(values * 0.9999 + bar_before(values, panel) * 0.0001)


def filled_back(values: Floats, panel: Panel) -> Floats:
    """A gap gets the next value that there is."""
    out = values.copy()
    for t in range(out.shape[2] - 2, -1, -1):
        out[:, :, t] = np.where(np.isnan(out[:, :, t]), out[:, :, t + 1], out[:, :, t])
    return out


LEAKS = [next_bar, scored, one_symbol, one_part]
TWINS: list[tuple[Leak, int]] = [
    (bar_before, 11), (scored_so_far, 10_000), (one_symbol_before, 11), (one_part_before, 11),
]  # fmt: skip


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize("leak", LEAKS)
def test_features_that_look_ahead_are_caught(
    leak: Leak, level: str, market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    check = found(audited(market, tmp_path, level, features=Planted(leak)))
    assert check.layer == "features" and check.finding is not None
    assert check.finding.through == "bars" and check.finding.column in TEXTS
    if leak is not scored:
        assert check.finding.depth == 1
    if leak is one_symbol:
        assert check.finding.symbol == "S004"


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize(("twin", "lookback"), TWINS)
def test_their_honest_twins_pass(
    twin: Leak, lookback: int, level: str, market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    checks = audited(market, tmp_path, level, features=Planted(twin, lookback))
    assert not [c for c in checks if c.finding or c.changed]
    (live,) = (c for c in checks if c.name == "live replay: features")
    assert live.state == "inconclusive" and "no live state" in live.inconclusive


def test_a_gap_filled_from_behind_is_caught_in_full(market: tuple[Store, Experiment], tmp_path: Path) -> None:
    finding = found(audited(market, tmp_path, "full", features=Planted(filled_back))).finding
    assert finding is not None and finding.recorded is not None


def test_one_date_alone_is_caught_where_it_is_replayed(
    market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    """A single row that looks 5 bars ahead: the first decision, which every level replays."""
    store, made = market
    clock = asof.load_panel(store, made.source.name, store.version(made.source.name)).clock
    first = int(made.folds.split(clock)[0].test[0])
    moment = clock.decides_at[first]

    def one_date(values: Floats, panel: Panel) -> Floats:
        out = values.copy()
        at = np.flatnonzero(panel.clock.decides_at == moment)
        if len(at) and at[0] + 5 < values.shape[2]:
            out[:, :, at[0]] = values[:, :, at[0] + 5]
        return out

    finding = found(audited(market, tmp_path, "quick", features=Planted(one_date))).finding
    assert finding is not None and finding.at == str(moment) and finding.depth == 5


def leave(values: Floats, panel: Panel) -> Floats:
    """Honest values, but the panel is left where others find it."""
    LEFT["panel"] = panel
    return values


class Reads(Ridge):
    """A ridge line whose fitted model reads what the features left behind."""

    def load(self, folder: Path) -> FittedModel:
        return Reading(**vars(FittedRidge.load(folder)))

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> Reading:
        return Reading(**vars(super().fit(train, seed, progress)))


class Reading(FittedRidge):
    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        mean, quantiles = super().forecast(window)
        shift = float(np.nanmean(LEFT["panel"].field("close")))
        return mean + shift, quantiles + shift


class Scales(Ridge):
    """A ridge line whose scaler is fitted on all rows that the features left behind."""

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedRidge:
        scale = float(np.nanstd(LEFT["panel"].field("close")))
        return super().fit(replace(train, features=train.features / scale), seed, progress)


class Foretells(ForwardReturn):
    """A label from closes that the features left behind, whenever those were known."""

    def build(self, fills: FillTable) -> Labels:
        labels = super().build(fills)
        closes = LEFT["panel"].field("close")[:, : labels.values.shape[1]]
        values = labels.values.copy()
        values[:, : closes.shape[1] - 8] = closes[:, 8:] / closes[:, :-8] - 1
        return replace(labels, values=np.where(np.isfinite(labels.values), values, np.nan))


@pytest.mark.parametrize(
    ("parts", "layer", "column"),
    [
        ({"models": {"ridge": Reads()}}, "forecasts", "mean"),
        ({"models": {"ridge": Scales()}}, "fit", "coefficients[0]"),
        ({"label": Foretells(5)}, "labels", "label"),
    ],
    ids=["model", "scaler", "label"],
)
def test_what_is_read_past_the_features_is_caught_on_its_layer(
    parts: dict[str, Any], layer: str, column: str, market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    check = found(audited(market, tmp_path, "full", features=Planted(leave), **parts))
    assert check.layer == layer and check.finding is not None
    assert check.finding.column == column


class LooksAhead(RankPortfolio):
    """Ranks by the next session's return."""

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        closes = panel.field("close").T
        after = np.minimum(forecast.decisions + 1, len(panel.clock) - 1)
        return super().targets(replace(forecast, mean=closes[after] / closes[forecast.decisions]), panel)


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_portfolio_that_peeks_is_caught(
    level: str, market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    check = found(audited(market, tmp_path, level, portfolio=LooksAhead()))
    assert check.layer == "targets" and check.finding is not None
    assert (check.finding.depth, check.finding.through) == (1, "bars")


def test_members_of_today_are_caught_on_the_universe(
    market: tuple[Store, Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = asof.members
    monkeypatch.setattr(asof, "members", lambda state, closes: np.repeat(honest(state, closes)[:, -1:],
                                                                        closes.shape[1], axis=1))  # fmt: skip
    check = found(audited(market, tmp_path, "quick"))
    assert check.layer == "universe" and check.finding is not None
    assert check.finding.through in ("membership", "bars")


def test_final_in_place_of_first_values_are_caught_on_the_data(
    market: tuple[Store, Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = asof._versions

    def final(*given: Any) -> tuple[Floats, Revisions]:
        values, r = honest(*given)
        values[r.field, r.symbol, r.time] = r.value
        return values, r

    monkeypatch.setattr(asof, "_versions", final)
    check = found(audited(market, tmp_path, "quick"))
    assert check.layer == "data" and check.finding is not None and check.finding.through == "bars"


@pytest.mark.parametrize("level", ["quick", "full"])
def test_an_honest_run_passes_and_says_what_is_proved(
    level: str, market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    checks = audited(market, tmp_path, level)
    assert not [c for c in checks if c.finding or c.changed or c.inconclusive]
    assert [c.name for c in checks if c.proved] == ["static proof: features"]
    full = {"live replay: features", "fit replay: training rows", "fit replay: saved models"}
    assert full & {c.name for c in checks} == (full if level == "full" else set())
    assert all(c.cells > 0 or c.proved for c in checks)


def test_exactly_one_instant_is_replayed(market: tuple[Store, Experiment], tmp_path: Path) -> None:
    finding = found(audited(market, tmp_path / "a", "quick", features=Planted(next_bar))).finding
    assert finding is not None and finding.reproduce.startswith("backcast audit ")
    at = np.datetime64(finding.reproduce.split("--at ")[1])
    again = found(audited(market, tmp_path / "b", "quick", at, features=Planted(next_bar)))
    assert again.layer == "features" and again.finding is not None
    assert again.finding.at == finding.at and again.detail.endswith(
        " 1 decisions from panels that end at them"
    )


def test_code_that_cannot_bear_another_world_is_inconclusive(
    market: tuple[Store, Experiment], tmp_path: Path
) -> None:
    """Never passed: it says why."""

    def picky(values: Floats, panel: Panel) -> Floats:
        if len(panel.clock) < 360:
            raise RuntimeError("all of 360 rows, please")
        return values

    checks = audited(market, tmp_path, "full", features=Planted(picky))
    states = {c.name: c.state for c in checks}
    for name in ("replay: features", "fit replay: training rows", "fit replay: saved models"):
        assert states[name] == "inconclusive", states
    assert not [c for c in checks if c.finding]
