"""Data that real life makes: none of it looks ahead, and the full audit accuses none of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.engine.cli import compose
from backcast.engine.research import run
from backcast.engine.run_audit import audit_again

BUSY = [
    "dataset=synthetic",
    "dataset.symbols=12",
    "dataset.sessions=360",
    "folds=monthly",
    "folds.first_fit=300",
]


def passes(folder: Path, *overrides: str) -> None:
    """A run whose full audit passes, with nothing that could not be looked at."""
    run(compose([*overrides, "study=s", "job=j", "audit=full"]), folder)
    found = json.loads((folder / "audit.json").read_text())
    assert found["passed"] is True and found["level"] == "full"
    assert not [c for c in found["checks"] if c["changed"] or c["inconclusive"]]
    assert {"data", "universe", "features", "labels", "fit", "forecasts", "targets"} <= {
        c["layer"] for c in found["checks"]
    }
    assert set(found["chance"]) == {"features", "forecasts", "targets"}


def test_late_bars_corrections_delistings_and_restated_facts(tmp_path: Path) -> None:
    rates = ("corrections", "late", "delistings", "restatements")
    known = [f"+dataset.rates.{name}=3.0" for name in rates]
    passes(tmp_path / "run", *BUSY, "features=fundamental", "model=ridge", *known)


def test_raw_prices_with_splits_that_come_late(tmp_path: Path) -> None:
    days = clock("XNYS", np.datetime64("2019-01-02"), np.datetime64("2020-06-30"), 30)
    generator = np.random.default_rng(0)
    parts, moves = [], []
    for i in range(6):
        close = 50 * np.exp(np.cumsum(generator.normal(0, 0.02, len(days))))
        ex = 250 + 15 * i
        close[ex:] /= 2
        parts.append(pl.DataFrame({"date": days.sessions, "symbol": f"S{i}", "close": close,
                                   "volume": generator.integers(1_000, 9_000, len(days)).astype(float)}))  # fmt: skip
        known = days.closes_at[ex + (0 if i % 2 else 9)] + np.timedelta64(20, "m")
        moves.append(
            {
                "symbol": f"S{i}",
                "kind": "split",
                "value": 2.0,
                "date": days.sessions[ex],
                "known_at": known,
            }
        )
    told = {key: [move[key] for move in moves] for key in ("symbol", "kind", "value")}
    utc = {"known_at": np.array([move["known_at"] for move in moves], dtype="datetime64[us]")}
    ex_dates = {"date": np.array([move["date"] for move in moves], dtype="datetime64[D]")}
    actions = pl.DataFrame(told | utc | ex_dates).with_columns(pl.col(*utc).dt.replace_time_zone("UTC"))
    backcast.ingest(pl.concat(parts), "splits", "raw", known_rule="event_at + 15min", actions=actions)
    passes(tmp_path / "run", "dataset=stored", "dataset.name=splits", "features=momentum", "model=ridge",
           "folds=monthly", "folds.first_fit=320")  # fmt: skip


def test_bars_of_minutes(tmp_path: Path) -> None:
    bars = clock("XNYS", np.datetime64("2024-05-01"), np.datetime64("2024-07-16"), 0, "60min")
    generator, parts = np.random.default_rng(3), []
    for i in range(5):
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.004, len(bars))))
        columns = {
            "open": np.r_[100.0, close[:-1]],
            "high": close * 1.01 + 1,
            "low": close * 0.98 - 1,
            "close": close,
        }
        volume = generator.integers(1_000, 9_000, len(bars)).astype(float)
        parts.append(pl.DataFrame({"date": bars.closes_at, "symbol": f"S{i}", **columns, "volume": volume}))
    backcast.ingest(pl.concat(parts), "hours", "raw", frequency="60min", time_zone="UTC",
                    known_rule="event_at + 0min", decision_delay=0)  # fmt: skip
    passes(tmp_path / "run", "model=lightgbm", "model.rounds=5", "dataset=stored", "dataset.name=hours",
           "folds=intraday", "features=ohlcv", "label.horizon=4")  # fmt: skip


def test_a_finished_run_is_audited_again_at_one_instant(tmp_path: Path) -> None:
    """Which leaves its folder as it is."""
    folder = tmp_path / "run"
    run(compose([*BUSY, "features=ohlcv", "model=ridge", "study=s", "job=j"]), folder)
    before = (folder / "audit.json").read_bytes()
    at = pl.read_parquet(folder / "forecasts.parquet")["decided_at"].max()
    found = audit_again(folder, "full", np.datetime64(at.replace(tzinfo=None), "us"))
    assert found["passed"] is True and "chance" not in found
    assert (folder / "audit.json").read_bytes() == before


@pytest.mark.parametrize("value", ["ful", "1", "quick,full"])
def test_a_level_that_is_none_is_one_error(value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="quick, full or off"):
        run(compose([*BUSY, f'audit.level="{value}"', "study=s", "job=j"]), tmp_path / "run")
