"""Nested selection: each fold's cell is the one that its fit could have chosen, and the run is what they come to together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import MARKET

from backcast.data.errors import InputError
from backcast.data.store import Store
from backcast.engine.cli import compose, main
from backcast.engine.configure import digest, trial_config
from backcast.engine.grid_cells import cells
from backcast.engine.grid_choice import LEAST, Choice, known_at
from backcast.engine.research import run
from backcast.engine.run_audit import audit_again
from backcast.engine.trials import TrialLog

JOB = (
    "model=ridge",
    *MARKET,
    "folds.first_fit=200",
    "study=s",
    "job=j",
    "threads=2",
    "grid_selection=nested",
)
AXES = ("+grid.portfolio.quantile=[0.1,0.25,0.5]", "+grid.model.alpha=[1,5000]", "+grid.costs.fee_bps=[5,0]")


def config(*overrides: str) -> dict[str, Any]:
    return compose([*JOB, *overrides])


def accounts(seed: int, cells: int, sessions: int) -> dict[int, Any]:
    generator = np.random.default_rng(seed)
    days = np.datetime64("2020-01-01") + np.arange(sessions)
    return {n: (days, generator.normal(0.0005, 0.01, sessions)) for n in range(cells)}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 200), seeds=st.booleans())
def test_a_choice_knows_nothing_from_its_fit_on(seed: int, at: int, seeds: bool) -> None:
    """Against the definition, in plain NumPy; and whatever comes after the fit."""
    of, fit = accounts(seed, 6, 200), np.datetime64("2020-01-01") + at
    configured = [[0, 1], [2, 3], [4, 5]] if seeds else [[n] for n in range(6)]
    found = known_at(fit, of, configured)
    if at < LEAST:
        assert found == Choice(0, None, at)
    else:
        ratios = [returns[:at].mean() / returns[:at].std(ddof=1) for _, returns in of.values()]
        means = [float(np.mean([ratios[n] for n in members])) for members in configured]
        assert found.cell == configured[int(np.argmax(means))][0] and found.sessions == at
        assert found.sharpe == pytest.approx(max(means), rel=1e-12)
    noise = np.random.default_rng(1).normal(size=200)
    other = {n: (days, np.where(days < fit, returns, noise)) for n, (days, returns) in of.items()}
    assert known_at(fit, other, configured) == found
    ended = {n: (days[:at], returns[:at]) for n, (days, returns) in of.items()}
    assert known_at(fit, ended, configured) == found


def test_a_nested_run_is_its_cells_fold_by_fold(tmp_path: Path) -> None:
    made = config(*AXES)
    found = run({**made, "audit": {"level": "off", "instants": 2}}, tmp_path / "s" / "nested")
    read = {
        name: pl.read_parquet(found.folder / f"{name}.parquet") for name in ("selection", "grid", "folds")
    }
    choice = read["selection"]
    assert choice["fold"].to_list() == read["folds"]["fold"].to_list() and choice["cell"][0] == 0
    assert choice.filter(pl.col("sharpe").is_null())["cell"].to_list() == [0] * int(
        (choice["sessions"] < LEAST).sum()
    )
    assert choice["cell"].n_unique() > 1, "a test of nothing"
    firsts = read["grid"].filter(pl.col("costs.fee_bps") == 5)["cell"].to_list()
    assert set(choice["cell"]) <= set(firsts)
    _check_choices(made, tmp_path, choice, firsts)
    targets = pl.read_parquet(found.folder / "targets.parquet")
    edges = [*choice["fit_at"].to_list(), None]
    for k, cell in enumerate(choice["cell"].to_list()):
        own = pl.read_parquet(found.folder / "cells" / str(cell) / "targets.parquet")
        inside = pl.col("decided_at") >= edges[k]
        inside = inside if edges[k + 1] is None else inside & (pl.col("decided_at") < edges[k + 1])
        assert targets.filter(inside).equals(own.filter(inside))


def _check_choices(made: dict[str, Any], folder: Path, choice: pl.DataFrame, firsts: list[int]) -> None:
    """Each choice again from runs of the cells alone, which end where nobody has heard of a choice."""
    returns = {}
    for cell in [cells(made)[n] for n in firsts]:
        alone = {
            **cell.config,
            "study": "s",
            "job": f"c{cell.number}",
            "audit": {"level": "off", "instants": 2},
        }
        out = run(alone, folder / "s" / f"c{cell.number}").folder
        returns[cell.number] = pl.read_parquet(out / "account.parquet").select("session", "net_return")
    for row in choice.iter_rows(named=True):
        before = {n: frame.filter(pl.col("session").cast(pl.Date) < row["fit_at"].date())["net_return"].to_numpy()
                  for n, frame in returns.items()}  # fmt: skip
        assert row["sessions"] == len(before[0])
        if row["sessions"] >= LEAST:
            ratios = {n: float(r.mean() / r.std(ddof=1)) for n, r in before.items()}
            assert row["cell"] == max(ratios, key=lambda n: ratios[n])
            assert row["sharpe"] == ratios[row["cell"]]


def test_a_nested_run_is_one_more_trial_and_audited(tmp_path: Path) -> None:
    made = config(*AXES[:2])
    found = run(made, tmp_path / "s" / "nested")
    manifest, counted, audit = (
        json.loads((found.folder / f"{name}.json").read_text()) for name in ("manifest", "trials", "audit")
    )
    assert counted["n"] == 7, "six cells, and what was made of them"
    log = TrialLog(Store().lineage("synthetic"))
    ran = {**cells(made)[0].config, "grid": made["grid"], "grid_selection": "nested"}
    assert digest(trial_config(ran)) in {record["trial"] for record in log.records()}
    choice = pl.read_parquet(found.folder / "selection.parquet")
    assert manifest["grid"] == {
        "cells": 6, "failed": 0,
        "nested": {"folds": choice.height, "used": choice["cell"].n_unique(), "first": choice["sharpe"].null_count()},
    }  # fmt: skip
    assert audit["passed"]
    named = {check["name"]: check for check in audit["checks"]}
    assert named["selection known by the fit"]["cells"] == 2 * choice.height
    assert named["grid cell"]["cells"] > 0 and named["grid cell"]["changed"] == 0
    for cell in set(choice["cell"]):
        assert named[f"replay: targets (cell {cell})"]["cells"] > 0
    assert "no cell was chosen in hindsight" in found.tearsheet.read_text()
    assert main(["verify", str(found.folder)]) == 0
    again = audit_again(found.folder, "quick")
    assert again["passed"] and {c["name"] for c in again["checks"]} <= set(named)
    with pytest.raises(InputError, match="another cell of its grid at every fold"):
        from backcast.engine.trace.run import TracedRun

        TracedRun(found.folder)


def test_where_a_cell_changes_its_whole_portfolio_is_asked_for(tmp_path: Path) -> None:
    """Top k leaves alone what it holds: the next fold's cell must not take for held what the last one's did not."""
    made = config(
        "portfolio=topk", "portfolio.n_drop=1", "+grid.portfolio.topk=[1,2,4,8]", "+grid.model.alpha=[1,5000]"
    )
    found = run(made, tmp_path / "s" / "nested")
    choice = pl.read_parquet(found.folder / "selection.parquet")
    targets = pl.read_parquet(found.folder / "targets.parquet")
    changes = [k for k in range(1, choice.height) if choice["cell"][k] != choice["cell"][k - 1]]
    assert changes, "a test of nothing"
    topk = {cell.number: cell.values["portfolio.topk"] for cell in cells(made)}
    for k in changes:
        first = targets.filter(pl.col("decided_at") == choice["fit_at"][k])
        assert (first["weight"] > 0).sum() == topk[choice["cell"][k]]
    assert json.loads((found.folder / "audit.json").read_text())["passed"]


def test_features_may_vary(tmp_path: Path) -> None:
    made = config("audit=off")
    name = next(iter(made["features"]["expressions"]))
    made["grid"] = {
        f"features.expressions.{name}": ["close / ref(close, 3) - 1", "close / ref(close, 30) - 1"]
    }
    found = run(made, tmp_path / "s" / "nested")
    manifest = json.loads((found.folder / "manifest.json").read_text())
    assert manifest["grid"]["cells"] == 2 and manifest["coverage"]["incomplete_cells"] >= 0


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ((), "a grid to choose from"),
        (("+grid.label.horizon=[1,5]",), "the run's own folds and label"),
        (("+grid.folds.every=[1,5]",), "the run's own folds and label"),
        (("grid_selection=luckiest", "+grid.seed=[0,1]"), "best or nested"),
        (("+grid.portfolio.quantile=[0.1,0.2]", "folds=cpcv"), "walk forward"),
    ],
)
def test_what_cannot_be_nested_is_one_error(tmp_path: Path, overrides: tuple[str, ...], told: str) -> None:
    given = [o for o in JOB if not ("folds=cpcv" in overrides and o.startswith("folds"))]
    with pytest.raises(InputError, match=told):
        run(compose([*given, *overrides]), tmp_path / "nested")


def test_a_selection_is_no_part_of_a_cells_identity() -> None:
    plain, made = compose([*JOB[:-1], *AXES]), config(*AXES)
    for ours, theirs in zip(cells(made), cells(plain), strict=True):
        assert digest(trial_config(ours.config)) == digest(trial_config(theirs.config))
    old = {k: v for k, v in plain.items() if k != "grid_selection"}
    assert digest(trial_config(old)) == digest(trial_config(plain)) != digest(trial_config(made))
