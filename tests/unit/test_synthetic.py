"""The planted signal has the strength it claims, and every nuisance leads back to the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data.asof import as_known, load_panel
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.store import Store
from backcast.data.synthetic import RATES, SyntheticSource
from backcast.data.synthetic_truth import SyntheticTruth

OFF = dict.fromkeys(RATES, 0.0)


def market(**options: Any) -> tuple[pl.DataFrame, SyntheticTruth]:
    batch, truth = SyntheticSource(**options).market()
    return pl.DataFrame(batch.tables["bars"]), truth


def correlation(truth: SyntheticTruth, horizon: int) -> tuple[float, float]:
    """Mean and standard error of the sessions' rank-free correlation of scores with the return that a decision can earn."""
    log = np.log(truth.opens)
    ahead = log[:, 1 + horizon :] - log[:, 1:-horizon]
    score = truth.alpha[:, : ahead.shape[1]]
    each = [np.corrcoef(score[:, t], ahead[:, t])[0, 1] for t in range(0, ahead.shape[1], horizon)]
    return float(np.mean(each)), float(np.std(each) / np.sqrt(len(each)))


@pytest.mark.parametrize(("signal", "horizon"), [(0.0, 5), (0.05, 5), (0.2, 5), (0.3, 1), (0.1, 20)])
def test_the_signal_is_as_strong_as_it_says(signal: float, horizon: int) -> None:
    _, truth = market(symbols=400, sessions=500, seed=3, signal=signal, horizon=horizon, rates=OFF)
    mean, error = correlation(truth, horizon)
    assert truth.information_coefficient == signal
    assert abs(mean - signal) < 3 * error


def test_the_score_tells_nothing_of_the_past() -> None:
    _, truth = market(symbols=400, sessions=500, seed=3, signal=0.3, rates=OFF)
    log = np.log(truth.opens)
    behind = log[:, 6:] - log[:, 1:-5]
    each = [np.corrcoef(truth.alpha[:, t + 6], behind[:, t])[0, 1] for t in range(0, 490, 5)]
    assert abs(np.mean(each)) < 4 * np.std(each) / np.sqrt(len(each))


def test_a_seed_is_a_market() -> None:
    same = [SyntheticSource(symbols=10, sessions=100, seed=1).read().batch for _ in range(2)]
    assert same[0] == same[1]
    assert SyntheticSource(symbols=10, sessions=100, seed=2).read().batch != same[0]


def test_without_nuisances_every_cell_is_the_truth() -> None:
    bars, truth = market(symbols=7, sessions=60, rates=OFF)
    assert bars.height == 7 * 60
    assert np.array_equal(bars.sort("symbol", "event_at")["close"].to_numpy().reshape(7, 60), truth.closes)
    order = (pl.col("low") <= pl.min_horizontal("open", "close")) & (
        pl.col("high") >= pl.max_horizontal("open", "close")
    )
    assert bars.select(order.all()).item()


CLEAN = {"late": 0.0, "corrections": 0.0, "gaps": 0.0, "halts": 0.0}
"""Dividends are reinvested at the close before as first known: exact where that bar is there, on time and right."""


@pytest.mark.parametrize(
    ("rates", "tolerance"),
    [(CLEAN, 1e-9), ({"dividends": 0.0, "late": 5.0, "corrections": 5.0}, 1e-9), ({"late": 5.0}, 1e-3)],
    ids=["clean", "no dividends", "all"],
)
def test_adjusting_what_is_known_at_last_gives_the_truth_back(
    rates: dict[str, float], tolerance: float
) -> None:
    store, source = (
        Store(),
        SyntheticSource(symbols=20, sessions=300, seed=5, rates={"renames": 0.5, **rates}),
    )
    ingest(store, source)
    _, truth = source.market()
    panel = load_panel(store, source.name, store.version(source.name), ("close",))
    at_last = as_known(panel, np.datetime64("2100-01-01"))[0]
    assert panel.symbols == truth.symbols  # renamed symbols are one symbol
    assert len(truth.renamed) > 3
    known = np.isfinite(at_last)
    assert not (known & ~truth.listed).any()
    assert known.sum() > 0.95 * truth.listed.sum()
    first = np.array([truth.factor[s, row.argmax()] for s, row in enumerate(np.isfinite(at_last))])
    expected = truth.closes / first[:, None]  # forward adjustment has factor 1 at the first bar
    assert np.allclose(at_last[known], expected[known], rtol=tolerance, atol=0)


def test_late_and_corrected_cells_are_so_at_their_decision() -> None:
    rates = OFF | {"late": 5.0, "corrections": 5.0}
    store, source = Store(), SyntheticSource(symbols=20, sessions=300, seed=5, rates=rates)
    ingest(store, source)
    _, truth = source.market()
    panel = load_panel(store, source.name, store.version(source.name), ("close",))
    shown = panel.field("close")
    wrong = truth.corrected & ~truth.late
    assert np.isnan(shown[truth.late]).all()
    assert np.allclose(shown[wrong], 1.05 * truth.closes[wrong])
    assert np.array_equal(shown[~wrong & ~truth.late], truth.closes[~wrong & ~truth.late])
    assert truth.late.sum() > 50
    assert wrong.sum() > 50


@pytest.mark.parametrize(("rate", "table", "kind"), [
    ("splits", "actions", "split"), ("dividends", "actions", "dividend"), ("renames", "actions", "rename"),
    ("delistings", "actions", "delisting")])  # fmt: skip
def test_a_rate_switches_its_kind(rate: str, table: str, kind: str) -> None:
    def kinds(value: float) -> set[str]:
        batch = SyntheticSource(symbols=30, sessions=252, rates=OFF | {rate: value}).read()
        return set(batch.tables[table]["kind"].to_pylist()) if table in batch.tables else set()

    assert kinds(0.0) == set()
    assert kinds(0.8) == {kind}


def test_restatements_come_later_under_the_same_period() -> None:
    facts = pl.DataFrame(
        SyntheticSource(symbols=30, sessions=400, rates=OFF | {"restatements": 2.0}).read().tables["facts"]
    )
    versions = facts.filter(pl.col("item") == "earnings").group_by("symbol", "event_at").len()["len"]
    assert set(versions.unique()) == {1, 2}
    assert facts.filter(pl.col("item") == "alpha").height == 30 * 400


@pytest.mark.parametrize("options", [
    {"symbols": 1}, {"sessions": 5}, {"seed": -1}, {"signal": 0.9}, {"horizon": 0}, {"start": "soon"},
    {"rates": {"earthquakes": 1}}, {"rates": {"splits": -1}}, {"name": "A B"}, {"symbols": True},
    {"signal": 0.1, "horizon": 250}])  # fmt: skip
def test_wrong_parameters(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        SyntheticSource(**options)
