"""A made-up run folder: every file of the contract, from seeded noise."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

MakeRun = Callable[..., Path]


def _sessions(years: float, first: dt.date) -> list[dt.date]:
    days = (first + dt.timedelta(days=i) for i in range(round(years * 365.25)))
    return [day for day in days if day.weekday() < 5]


def account(sessions: list[dt.date], seed: int, mean: float, traded: float = 0.06) -> pl.DataFrame:
    """An account that earns `mean` a session before costs at 0.6 % volatility, and pays 10 bp per unit traded."""
    generator = np.random.default_rng(seed)
    n = len(sessions)
    gross = generator.normal(mean, 0.006, n)
    turnover = traded * generator.uniform(0.5, 1.5, n)
    net = gross - 0.001 * turnover
    equity = 1e6 * np.cumprod(1 + net)
    cost = (gross - net) * np.r_[1e6, equity[:-1]]
    return pl.DataFrame({
        "session": sessions, "equity": equity, "cash": equity, "gross_return": gross, "net_return": net,
        "turnover": turnover, "fee": cost / 2, "spread": cost / 2,
        **{name: np.zeros(n) for name in ("owed", "impact", "borrow", "dividend", "interest", "deposit")},
    })  # fmt: skip


def folds(sessions: list[dt.date]) -> pl.DataFrame:
    """A fold a year, fitted and begun at the decision before its first session."""
    firsts = [day for i, day in enumerate(sessions) if i == 0 or day.year != sessions[i - 1].year]
    begins = [dt.datetime.combine(day, dt.time(21), dt.UTC) for day in [sessions[0], *firsts[1:]]]
    n = len(begins)
    return pl.DataFrame({
        "fold": range(n), "fit_at": begins, "train_start": [begins[0] - dt.timedelta(days=2000)] * n,
        "train_end": begins, "train_rows": [40_000 + i for i in range(n)], "purged_rows": [100] * n,
        "test_start": begins, "test_end": [*begins[1:], dt.datetime.combine(sessions[-1], dt.time(21), dt.UTC)],
        "test_decisions": [50] * n, "embargo": [5] * n,
    })  # fmt: skip


def manifest(challengers: list[str]) -> dict[str, Any]:
    return {
        "format": 2,
        "run": "first/tft_us20",
        "dataset": {"name": "us20", "description": "20 US large caps, total-return close", "calendar": "XNYS",
                    "benchmark": "SPX", "price_basis": "total_return", "known_rule": "event_at + 15min",
                    "survivorship": "members chosen afterwards: survivors only"},
        "store": {"lineage": "5d3c0f2e-91aa-4c1e-9d52-7b7b3f1f0a11", "pin": {"bars": 0, "actions": 0}},
        "model": "tft", "challengers": challengers, "simulator": "native", "capital": 1e6, "seed": 0,
        "periods_per_year": 252.0, "costs": {"fee_bps": 5.0, "half_spread_bps": 5.0},
        "execution": {"fill": "next_close", "exit_after": 5}, "label": {"horizon": 5}, "every": 5,
        "portfolio": {"side": "long_short", "gross": 1.0, "quantile": 0.25, "volatility_target": None},
        "config_sha": "44aa2c9d10e5b7f0", "code": {"version": "0.1.0", "git": "7c1d0ab93e21"}, "packages": {},
        "coverage": {"symbols": 20, "sessions": 8_313, "bars": 166_260, "missing_sessions": 0, "gaps": 3,
                     "revised_cells": 0, "known_by_rule": 1.0, "warmup_cells": 0, "incomplete_cells": 12,
                     "unlabelled_cells": 340, "left_universe": 0, "joined": 20},
    }  # fmt: skip


AUDIT = {
    "level": "quick",
    "passed": True,
    "checks": [
        {
            "name": "truncation replay: features",
            "layer": "features",
            "cells": 3520,
            "changed": 0,
            "first": None,
        },
        {
            "name": "fills after their decisions",
            "layer": "execution",
            "cells": 900,
            "changed": 0,
            "first": None,
        },
    ],
}


@pytest.fixture
def made_up_run(tmp_path: Path) -> MakeRun:
    """Builds a run folder: `means` a session of the strategy and each challenger; `change` edits the JSON files."""

    def make(
        years: float = 6.0,
        means: tuple[float, ...] = (0.0003, 0.0002),
        change: dict[str, dict[str, Any]] | None = None,
        folder: Path | None = None,
    ) -> Path:
        path = folder or tmp_path / "runs" / "first" / "tft_us20"
        names = ["ridge", "lightgbm", "mean"][: len(means) - 1]
        sessions = _sessions(years, dt.date(1998, 1, 2))
        for i, (name, mean) in enumerate(zip(["", *names], means, strict=True)):
            part = path / "challengers" / name if name else path
            part.mkdir(parents=True)
            account(sessions, i, mean).write_parquet(part / "account.parquet")
        folds(sessions).write_parquet(path / "folds.parquet")
        kinds = ["frozen_price", "rejected_order", "frozen_price"]
        events = {"session": sessions[:3], "symbol": ["GE", "", "BA"], "kind": kinds, "detail": [""] * 3}
        pl.DataFrame(events).write_parquet(path / "events.parquet")
        market = np.random.default_rng(9).normal(0.0003, 0.011, len(sessions))
        pl.DataFrame({"session": sessions, "ret": market}).write_parquet(path / "benchmark.parquet")
        files = {"manifest.json": manifest(names), "audit.json": AUDIT,
                 "trials.json": {"lineage": "5d3c0f2e", "n": 3, "sharpe_variance": 0.0004, "upto": "x"},
                 "status.json": {"state": "done", "error": "", "timings": {}}}  # fmt: skip
        for name, content in files.items():
            (path / name).write_text(json.dumps({**content, **(change or {}).get(name, {})}))
        return path

    return make
