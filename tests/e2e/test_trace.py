"""`backcast trace` on a made market whose every version, split, dividend and fact is known."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.calendar import clock
from backcast.engine.cli import main
from backcast.engine.trace import trace

CLOCK = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-10-30"), 30)
NAMES = ("AAA", "BBB", "CCC", "DDD")
SPLIT, DIVIDEND, CORRECTED = 150, 160, 170
"""Sessions: AAA splits 2 for 1, AAA pays 0.5, the bar of BBB three sessions before is corrected (and the one of this session
later)."""
RUN = ("model=ridge", "dataset=stored", "dataset.name=story", "features=ohlcv", "folds=monthly", "folds.first_fit=100",
       "costs=linear", "portfolio.quantile=0.5")  # fmt: skip


def market() -> dict[str, Any]:
    """Frames of bars (two of them twice), actions and facts."""
    generator = np.random.default_rng(11)
    days = CLOCK.sessions.astype("datetime64[us]").astype(object)
    known = CLOCK.closes_at.astype(object)
    rows = []
    for s, name in enumerate(NAMES):
        close = (50 + 10 * s) * np.exp(generator.normal(0, 0.02, len(CLOCK)).cumsum())
        close[SPLIT:] /= 2 if name == "AAA" else 1
        for t in range(len(CLOCK)):
            o, c, v = close[t] * np.exp(generator.normal(0, 0.005)), close[t], 1e5 * (1 + generator.random())
            late = timedelta(minutes=10)
            rows.append((days[t], name, o, max(o, c) * 1.01, min(o, c) * 0.99, c, v, known[t] + late))
            if name == "BBB" and t in (CORRECTED - 3, CORRECTED):
                again = (
                    CLOCK.closes_at[CORRECTED - 1 if t < CORRECTED else CORRECTED + 5].astype(object) + late
                )
                rows.append((days[t], name, o, max(o, c) * 1.01, min(o, c) * 0.99, c * 1.001, v, again))
    names = ["date", "symbol", "open", "high", "low", "close", "volume", "known_at"]
    bars = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("date").cast(pl.Date))
    early = datetime(2020, 1, 1)
    actions = pl.DataFrame({
        "date": [CLOCK.sessions[SPLIT].astype(object), CLOCK.sessions[DIVIDEND].astype(object)], "symbol": ["AAA", "AAA"],
        "kind": ["split", "dividend"], "value": [2.0, 0.5], "known_at": [early, early],
        "pay_on": [None, CLOCK.sessions[DIVIDEND + 4].astype(object)],
    })  # fmt: skip
    facts = pl.DataFrame({
        "date": [datetime(2019, 12, 31).date()] * 2, "symbol": ["*"] * 2, "item": ["earnings"] * 2, "value": [1.0, 2.0],
        "known_at": [datetime(2020, 2, 3), datetime(2020, 9, 1)],
    })  # fmt: skip
    return {"frame": bars, "actions": actions, "facts": facts}


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """A finished run on the market, with weights scaled in a second step."""
    before, cwd = os.environ.get("BACKCAST_HOME"), Path.cwd()
    os.environ["BACKCAST_HOME"] = str(place / "home")
    os.chdir(place)
    try:
        frames = market()
        backcast.ingest(frames.pop("frame"), "story", "raw", time_zone="UTC", **frames)
        run = backcast.run(
            *RUN, "portfolio.volatility_target=0.2", "portfolio.volatility_window=20", "study=story", "job=a"
        )
        return (place / run.folder).resolve()
    finally:
        os.chdir(cwd)
        os.environ["BACKCAST_HOME"] = before or ""


def decisions(folder: Path) -> list[str]:
    """Sessions on which the run decided."""
    decided = pl.read_parquet(folder / "targets.parquet")["decided_at"].unique().sort()
    return [str(day) for day in decided.dt.date()]


def test_it_says_what_the_run_recorded(folder: Path) -> None:
    forecasts, targets = (pl.read_parquet(folder / f"{name}.parquet") for name in ("forecasts", "targets"))
    for day in decisions(folder)[::7]:
        for name in NAMES:
            found = trace(folder, name, day)
            assert found.session == day and found.differences == () and found.member
            at = pl.col("decided_at").dt.date().cast(pl.String) == day
            everyone = forecasts.filter(at)
            mine = everyone.filter(pl.col("symbol") == name).row(0, named=True)
            assert found.forecast is not None and found.forecast.mean == mine["mean"]
            assert found.forecast.quantiles["q05"] == mine["q05"]
            order = everyone.sort("mean", descending=True)["symbol"].to_list()
            assert (found.forecast.rank, found.forecast.among) == (order.index(name) + 1, len(NAMES))
            weight = targets.filter(at & (pl.col("symbol") == name))["weight"].item()
            assert found.stages[0].stage == "rank" and len(found.stages) == 2
            assert (
                found.stages[-1].weight == weight and found.order is not None and found.order.target == weight
            )
            assert abs(found.stages[0].weight or 0) == 0.25


def test_nothing_that_it_calls_known_came_later(folder: Path) -> None:
    for day in decisions(folder)[::6]:
        found = trace(folder, "BBB", day)
        known = [row for row in found.inputs.bars if row["status"] != "not known then"]
        assert len({row["event_at"] for row in known}) == found.inputs.lookback + 1
        assert max(row["known_at"] for row in known) <= found.decided_at
        later = [row for row in found.inputs.bars if row["status"] == "not known then"]
        assert all(row["known_at"] > found.decided_at for row in later)
        assert max(row["event_at"] for row in found.inputs.bars) <= found.decided_at


def test_corrections_are_what_they_were_to_the_decision(folder: Path) -> None:
    first = next(d for d in decisions(folder) if d >= str(CLOCK.sessions[CORRECTED]))
    found = trace(folder, "BBB", first)
    inside = int(np.searchsorted(CLOCK.sessions, np.datetime64(first))) < CORRECTED + 5
    by_bar: dict[str, list[str]] = {}
    for row in found.inputs.bars:
        by_bar.setdefault(row["event_at"][:10], []).append(row["status"])
    assert by_bar[str(CLOCK.sessions[CORRECTED - 3])] == ["replaced by then", "known"]
    assert inside and by_bar[str(CLOCK.sessions[CORRECTED])] == ["known", "not known then"]
    assert sum(len(rows) > 1 for rows in by_bar.values()) == 2
    used = {row["session"]: row for row in found.inputs.used}
    newest = {r["event_at"][:10]: r["close"] for r in found.inputs.bars if r["status"] == "known"}
    assert {day: row["close"] for day, row in used.items()} == newest  # BBB has no actions: as they came


def test_the_split_is_in_the_story_and_the_position_survives_it(folder: Path) -> None:
    after = next(d for d in decisions(folder) if d >= str(CLOCK.sessions[SPLIT]))
    found = trace(folder, "AAA", after)
    assert [(row["kind"], row["value"], row["status"]) for row in found.inputs.actions] == [
        ("split", 2.0, "known")
    ]
    raw = {row["event_at"][:10]: row["close"] for row in found.inputs.bars}
    for row in found.inputs.used:  # forward-adjusted: in shares of the first session
        factor = 2.0 if row["session"] >= str(CLOCK.sessions[SPLIT]) else 1.0
        assert row["close"] == pytest.approx(raw[row["session"]] * factor)


def test_a_position_is_the_same_from_every_decision_that_it_lives_through(folder: Path) -> None:
    days = decisions(folder)
    held = [trace(folder, "AAA", day).position for day in days[8:14]]
    for before, after in pairwise(held):
        if before is not None and after is not None and before.opened == after.opened:
            assert before == after
    assert any(position is not None for position in held)


def test_a_date_between_decisions_is_the_one_before(folder: Path) -> None:
    days = decisions(folder)
    middle = str(np.datetime64(days[5]) - np.timedelta64(1, "D"))
    assert trace(folder, "AAA", middle).session == days[4]
    assert trace(folder, "AAA", f"{days[5]}T12:00").session == days[4]
    assert trace(folder, "AAA", f"{days[5]}T23:00").session == days[5]


def test_json_is_the_whole_story_in_plain_values(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = decisions(folder)[3]
    assert main(["trace", str(folder), "AAA", day, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(trace(folder, "AAA", day).to_json()))
    assert len(told["features"]) == 12 and told["features"][0]["definition"] == "close / ref(close, 1) - 1"


def test_the_terminal_shows_every_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = next(d for d in decisions(folder) if d >= str(CLOCK.sessions[CORRECTED]))
    assert main(["trace", str(folder), "BBB", first]) == 0
    said = capsys.readouterr().out
    for words in ("not known then", "replaced by then", "price_volume_10", "q95", "rank", "Order", "Fills", "Position",
                  "equals what the run recorded"):  # fmt: skip
        assert words in said, words


def test_what_was_tampered_with_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, day = tmp_path / "copy", decisions(folder)[3]
    shutil.copytree(folder, copy)
    table = pl.read_parquet(copy / "forecasts.parquet")
    table.with_columns(pl.col("mean") * (1 + 1e-12)).write_parquet(copy / "forecasts.parquet")
    found = trace(copy, "AAA", day)
    assert (
        len(found.differences) == 1 and "other forecasts than recorded for 4 symbols" in found.differences[0]
    )
    shutil.copy(folder / "forecasts.parquet", copy / "forecasts.parquet")
    targets = pl.read_parquet(copy / "targets.parquet")
    targets.with_columns(pl.col("weight") * 0.5).write_parquet(copy / "targets.parquet")
    assert main(["trace", str(copy), "AAA", day]) == 0
    assert (
        "DIFFERENT from what the run recorded: The portfolio gives other targets"
        in capsys.readouterr().out.replace("\n", " ")
    )


def test_facts_with_their_restatement_that_came_later(folder: Path) -> None:
    run = backcast.run(
        *RUN, "+features.expressions.known='earnings * close / close'", "study=story", "job=facts"
    )
    found = trace(run.folder, "AAA", "2020-08-14")
    assert [(row["value"], row["status"]) for row in found.inputs.facts] == [
        (1.0, "known"),
        (2.0, "not known then"),
    ]
    late = trace(run.folder, "AAA", "2020-10-16")
    assert [(row["value"], row["status"]) for row in late.inputs.facts][-1] == (2.0, "known")


def test_given_targets_and_what_nobody_knows_of_them(folder: Path) -> None:
    table = pl.read_parquet(folder / "targets.parquet").select("decided_at", "symbol", "weight")
    table.write_parquet("story.parquet")
    run = backcast.run("portfolio=given", "portfolio.path=story.parquet", "dataset=stored", "dataset.name=story",
                       "study=story", "job=given")  # fmt: skip
    day = decisions(folder)[3]
    found, model = trace(run.folder, "AAA", day), trace(folder, "AAA", day)
    assert found.forecast is None and found.features == () and "story.parquet" in found.notes[0]
    assert [s.stage for s in found.stages] == ["given"] and found.stages[0].weight == model.stages[-1].weight
    assert found.position == model.position and found.fills == model.fills


@pytest.mark.parametrize(
    ("symbol", "day", "says"),
    [
        ("AAB", "2020-08-14", "SYMBOL = 'AAB': expected a symbol of story. Did you mean AAA"),
        ("aaa", "2020-08-14", "Did you mean AAA?"),
        ("AAA", "2020-01-02", "DATE = '2020-01-02': expected a date from 2020-"),
        ("AAA", "2021-01-04", "where its account ends"),
        ("AAA", "yesterday", "DATE = 'yesterday': expected an ISO date"),
    ],
)
def test_a_wrong_question_is_one_line(
    symbol: str, day: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", str(folder), symbol, day]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and says in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["manifest.json", "config.yaml", "targets.parquet", "fills.parquet", "status.json"]
)
def test_a_broken_folder_is_one_line(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for content in (b"", b"{}", None):
        if content is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(content)
        assert main(["trace", str(copy), "AAA", "2020-08-14"]) == 2, content
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
