"""A run on bars of minutes, from a made market to its page: what is by the bar, what by the session, and no fill too early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.calendar import clock
from backcast.engine.cli import main
from backcast.engine.reports.trust import CONDITIONS
from backcast.engine.sessions import compounded, first_bars, summed
from backcast.engine.trace import trace

CLOCK = clock("XNYS", np.datetime64("2024-05-01"), np.datetime64("2024-08-16"), 0, "60min")
RUN = ("model=ridge", "dataset=stored", "dataset.name=hours", "folds=intraday", "features=ohlcv",
       "label.horizon=4")  # fmt: skip


def bars(symbols: int = 6, seed: int = 3) -> pl.DataFrame:
    """Random walks with gaps over night, and an index without its own bars' noise."""
    generator = np.random.default_rng(seed)
    parts = []
    for name in [*(f"S{i}" for i in range(symbols)), "INDEX"]:
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.004, len(CLOCK))))
        open_ = np.r_[100.0, close[:-1]] * np.exp(generator.normal(0, 0.001, len(CLOCK)))
        high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
        volume = generator.integers(1_000, 9_000, len(CLOCK)).astype(float)
        columns = {"open": open_, "high": high, "low": low, "close": close, "volume": volume}
        parts.append(pl.DataFrame({"date": CLOCK.closes_at, "symbol": name, **columns}))
    return pl.concat(parts)


def put(name: str, **changes: Any) -> None:
    facts = {"frequency": "60min", "time_zone": "UTC", "known_rule": "event_at + 0min", "decision_delay": 0}
    backcast.ingest(bars(), name, "raw", benchmark="INDEX", **{**facts, **changes})


@pytest.fixture(scope="module")
def hours(place: Path) -> Any:
    """A finished run, and its tables."""
    import os

    before, cwd = os.environ.get("BACKCAST_HOME"), Path.cwd()
    os.environ["BACKCAST_HOME"] = str(place / "home")
    os.chdir(place)
    try:
        put("hours")
        return backcast.run(*RUN, "study=hours", "job=first")
    finally:
        os.chdir(cwd)
        os.environ["BACKCAST_HOME"] = before or ""


def test_the_audit_passes_and_both_simulators_agree(hours: Any) -> None:
    audit = json.loads((hours.folder / "audit.json").read_text())
    assert audit["passed"] is True
    looked = [check for check in audit["checks"] if check["layer"] not in CONDITIONS]
    assert all(check["cells"] > 0 or check["proved"] for check in looked)
    assert main(["verify", str(hours.folder)]) == 0


def test_decisions_end_sessions_half_days_too_and_fill_at_the_next_open(hours: Any) -> None:
    fills = pl.read_parquet(hours.folder / "fills.parquet").drop_nulls("decided_at")
    assert fills.height > 100
    decided, filled = (fills[c].dt.replace_time_zone(None).to_numpy() for c in ("decided_at", "filled_at"))
    t = np.searchsorted(CLOCK.decides_at, decided)
    assert (CLOCK.decides_at[t] == decided).all()
    np.testing.assert_array_equal(CLOCK.opens_at[t + 1], filled)
    last = np.r_[CLOCK.sessions[1:] != CLOCK.sessions[:-1], True]
    assert last[t].all()
    assert np.datetime64("2024-07-03T17:00", "us") in decided


def test_the_account_is_by_the_bar_and_the_report_by_the_session(hours: Any) -> None:
    account = pl.read_parquet(hours.folder / "account.parquet")
    closed = account["closed_at"].dt.replace_time_zone(None).to_numpy()
    np.testing.assert_array_equal(closed, CLOCK.closes_at[-len(closed) :])
    ends = account.group_by("session", maintain_order=True).agg(pl.col("equity").last())
    equity = np.r_[1_000_000.0, ends["equity"].to_numpy()]
    returns = equity[1:] / equity[:-1] - 1
    figures = hours.report.strategy
    manifest = json.loads((hours.folder / "manifest.json").read_text())
    assert figures.sessions == ends.height == len(np.unique(CLOCK.sessions)) - 15 - 1
    assert manifest["periods_per_year"] == pytest.approx(252, abs=1)
    sharpe = returns.mean() / returns.std(ddof=1) * np.sqrt(manifest["periods_per_year"])
    assert figures.sharpe_per_year == pytest.approx(sharpe)
    traded = account.group_by("session", maintain_order=True).agg(pl.col("turnover").sum())["turnover"]
    assert figures.turnover_per_year == pytest.approx(float(traded.mean()) * manifest["periods_per_year"])
    assert "end of each session" in hours.tearsheet.read_text()


def test_the_benchmark_is_held_from_session_to_session(hours: Any) -> None:
    found = pl.read_parquet(hours.folder / "benchmark.parquet")
    index = bars().filter(pl.col("symbol") == "INDEX")["close"].to_numpy()
    ends = index[np.r_[CLOCK.sessions[1:] != CLOCK.sessions[:-1], True]]
    assert found["session"].is_unique().all()
    np.testing.assert_allclose(
        found["ret"].to_numpy(), (ends[1:] / ends[:-1] - 1)[-found.height :], atol=1e-15
    )


def test_the_trial_that_is_counted_is_by_the_session(hours: Any) -> None:
    trials = json.loads((hours.folder / "trials.json").read_text())
    assert trials["n"] == 1


def test_decisions_within_the_day(hours: Any, place: Path) -> None:
    run = backcast.run(*RUN, "folds.every=['11:30','14:30']", "study=hours", "job=within")
    decided = (
        pl.read_parquet(run.folder / "targets.parquet")["decided_at"]
        .unique()
        .dt.convert_time_zone("America/New_York")
    )
    assert sorted(set(decided.dt.strftime("%H:%M"))) == ["11:30", "14:30"]
    half_day = [str(at) for at in decided.dt.strftime("%Y-%m-%d %H:%M") if str(at).startswith("2024-07-03")]
    assert half_day == ["2024-07-03 11:30"]
    assert json.loads((run.folder / "audit.json").read_text())["passed"] is True
    assert main(["run", *RUN, "folds.every=['11:45']", "study=hours", "job=none"]) == 2


def test_a_position_on_bars_is_traced_by_the_instant(hours: Any) -> None:
    fills = pl.read_parquet(hours.folder / "fills.parquet").drop_nulls("decided_at").sort("filled_at")
    first = fills.row(0, named=True)
    found = trace(hours.folder, first["symbol"], first["decided_at"].replace(tzinfo=None).isoformat())
    assert found.differences == () and found.order is not None and found.position is not None
    assert found.order.session == found.position.opened == first["filled_at"].replace(tzinfo=None).isoformat()
    assert found.order.shares_before == 0 and found.order.shares_after == first["quantity"]
    assert [row["quantity"] for row in found.fills] == [first["quantity"]]
    assert len(found.inputs.bars) == found.inputs.lookback + 1


def test_a_delay_that_would_fill_before_its_decision_is_refused(
    hours: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put("late", decision_delay=30)
    late = [part.replace("hours", "late") for part in RUN]
    assert main(["run", *late, "study=late", "job=one"]) == 2
    said = capsys.readouterr().err
    assert "dataset.decision_delay = 30: expected at most 0 minutes" in said
    typical = ("execution.fill=next_typical", "study=late", "job=typical")
    assert main(["run", *late, *typical]) == 2  # the mean of a bar is made from its open on
    assert main(["run", *late, "folds.train_every=session", "study=late", "job=two"]) == 0
    assert main(["run", *late, "execution.fill=next_close", "study=late", "job=three"]) == 0


def test_a_week_of_retraining_on_bars(hours: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["retrain", *RUN, "--as-of", "2024-08-16T20:00:00", "retrain.holdout_sessions=10"]
    assert main(command) == 0
    assert "10 newest decisions" in capsys.readouterr().out


def test_sessions_compound_their_bars() -> None:
    days = np.array(["2024-01-02", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    assert first_bars(days).tolist() == [0, 2]
    np.testing.assert_allclose(compounded(days, np.array([0.1, 0.1, -0.5])), [0.21, -0.5])
    assert summed(days, np.array([1.0, 2.0, 4.0])).tolist() == [3.0, 4.0]
    one = np.array([0.1, 0.2])
    assert compounded(days[1:], one) is one
    assert compounded(days[:0], one[:0]).tolist() == summed(days[:0], one[:0]).tolist() == []


def test_statistics_are_by_session_and_horizons_by_bar(hours: Any) -> None:
    assert main(["stats", str(hours.folder), "--draws", "0"]) == 0
    table = pl.read_parquet(hours.folder / "statistics.parquet")
    found = {(row["name"], row["item"]): row["value"] for row in table.iter_rows(named=True)}
    account = pl.read_parquet(hours.folder / "account.parquet")
    sessions = account["session"].n_unique()
    assert pl.read_parquet(hours.folder / "statistics" / "context.parquet").height == sessions
    assert pl.read_parquet(hours.folder / "statistics" / "rolling.parquet").height == sessions
    assert found["sharpe_per_session", ""] == pytest.approx(hours.report.strategy.sharpe_per_session)
    assert found["rank_ic_at_horizon", "4 bars"] == pytest.approx(found["rank_ic", ""])
    assert found["sharpe_at_delay", "1 bar"] is not None


def test_a_cross_validation_of_sessions_trains_on_bars(hours: Any) -> None:
    """Groups and embargo count sessions, label spans count bars: an embargo of two sessions keeps out two sessions of bars."""
    small = (
        "folds=cpcv",
        "folds.groups=4",
        "folds.begin=5",
        "folds.embargo=2",
        "folds.every=session",
        "+folds.train_every=1",
    )
    made = backcast.run(
        *(text for text in RUN if text != "folds=intraday"), *small, "study=hours", "job=cpcv"
    )
    audit = json.loads((made.folder / "audit.json").read_text())
    assert audit["passed"] is True
    paths, account = (
        pl.read_parquet(made.folder / "paths.parquet"),
        pl.read_parquet(made.folder / "account.parquet"),
    )
    assert paths["path"].n_unique() == 3
    returns = compounded(account["session"].to_numpy(), account["net_return"].to_numpy())
    np.testing.assert_array_equal(paths.filter(pl.col("path") == 0)["net_return"].to_numpy(), returns)
    folds = pl.read_parquet(made.folder / "folds.parquet")
    sides = [sum(b < 3 and b + 1 not in groups for b in groups) for groups in folds["test_groups"].to_list()]
    kept_out = folds["embargoed_rows"].to_numpy() / 6  # six members on every bar
    assert ((kept_out >= 7 * np.array(sides)) & (kept_out <= 14 * np.array(sides))).all()
