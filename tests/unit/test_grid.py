"""A grid: every cell is the run that it would be alone, a trial, and a row; the chosen one is the run's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from market import MARKET

from backcast.data.errors import InputError
from backcast.data.store import Store
from backcast.engine.cli import compose, main
from backcast.engine.grid import Grid
from backcast.engine.grid_cells import MOST, cells
from backcast.engine.grid_trading import Result
from backcast.engine.research import run
from backcast.engine.trials import TrialLog

JOB = ("model=ridge", *MARKET, "study=s", "job=j", "threads=2")
AXES = ("+grid.portfolio.quantile=[0.25,0.4]", "+grid.costs.fee_bps=[5,0]", "+grid.model.alpha=[1,50]")


def config(*overrides: str) -> dict[str, Any]:
    return compose([*JOB, *overrides])


def test_the_cells_are_the_product_in_order() -> None:
    made = cells(config(*AXES))
    values = [
        tuple(cell.values[k] for k in ("portfolio.quantile", "costs.fee_bps", "model.alpha")) for cell in made
    ]
    assert values == [(q, f, a) for q in (0.25, 0.4) for f in (5, 0) for a in (1, 50)]
    for cell in made:
        own = cell.config
        assert "grid" not in own
        assert (own["portfolio"]["quantile"], own["costs"]["fee_bps"], own["model"]["alpha"]) == (
            cell.values["portfolio.quantile"], cell.values["costs.fee_bps"], cell.values["model.alpha"]
        )  # fmt: skip
    assert cells(config()) == []


def test_cells_share_what_they_agree_in() -> None:
    made = cells(config(*AXES))
    assert len({cell.key(("features",)) for cell in made}) == 1
    assert len({cell.key(("model",)) for cell in made}) == 2
    assert len({cell.key(("portfolio", "costs", "model")) for cell in made}) == 8


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("+grid.portfolio.quantil=[0.1]", "It has: quantile"),
        ("+grid.dataset.symbols=[10,20]", "a parameter of features"),
        ("+grid.portfolio.quantile=0.1", "a list of values"),
        ("+grid.portfolio.quantile=[]", "a list of values"),
        ("+grid.portfolio.quantile=[0.1,0.1]", "distinct values"),
        ("+grid.portfolio=[rank]", "one parameter of portfolio"),
        ("+grid.model._target_=[os.system]", "choose classes by their group"),
        ("+grid.seed.x=[1]", "a parameter of seed"),
        ("grid=3", "a mapping"),
        ("+grid.model.api_key=[a,b]", "It has"),
        (f"+grid.seed=[{','.join(map(str, range(400)))}]", ""),
    ],
)
def test_nonsense_is_one_error(override: str, told: str) -> None:
    if told:
        with pytest.raises(InputError, match="grid") as caught:
            cells(config(override))
        assert told in str(caught.value)
    else:
        many = config(override, f"+grid.capital=[{','.join(str(n + 1) for n in range(1 + MOST // 400))}]")
        with pytest.raises(InputError, match="at most"):
            cells(many)


def test_a_cell_that_cannot_be_is_named_before_anything_runs() -> None:
    with pytest.raises(InputError, match=r"portfolio\.quantile=0\.9"):
        Grid(cells(config("+grid.portfolio.quantile=[0.2,0.9]")), TrialLog("none"), {})


def test_every_cell_is_the_run_that_it_would_be_alone(tmp_path: Path) -> None:
    made = config(*AXES)
    found = run(made, tmp_path / "grid")
    table = pl.read_parquet(found.folder / "grid.parquet")
    assert table["error"].to_list() == [""] * 8
    log = TrialLog(Store().lineage("synthetic"))
    assert log.count().n == 8
    for cell in cells(made)[1:6:2]:
        alone = run(
            {**cell.config, "study": "s", "job": f"c{cell.number}"}, tmp_path / f"alone {cell.number}"
        )
        row = table.row(cell.number, named=True)
        account = pl.read_parquet(alone.folder / "account.parquet")
        assert row["final_equity"] == account["equity"][-1]
        assert row["fills"] == pl.read_parquet(alone.folder / "fills.parquet").height
    assert log.count().n == 8, "the same trials, whichever way they were launched"
    counted = json.loads((found.folder / "trials.json").read_text())
    assert counted["n"] == 8 and counted["sharpe_variance"] > 0


def test_the_chosen_cell_is_the_best_at_the_first_costs(tmp_path: Path) -> None:
    found = run(config(*AXES), tmp_path / "grid")
    table = pl.read_parquet(found.folder / "grid.parquet")
    manifest = json.loads((found.folder / "manifest.json").read_text())
    best = (
        table.filter(pl.col("costs.fee_bps") == 5)
        .sort("sharpe_per_session", descending=True)
        .row(0, named=True)
    )
    assert manifest["grid"] == {
        "cells": 8,
        "failed": 0,
        "chosen": {key: best[key] for key in ("costs.fee_bps", "model.alpha", "portfolio.quantile")},
    }
    audit = json.loads((found.folder / "audit.json").read_text())
    again = next(check for check in audit["checks"] if check["name"] == "grid cell")
    assert again["cells"] > 0 and again["changed"] == 0 and audit["passed"]
    assert pl.read_parquet(found.folder / "account.parquet")["equity"][-1] == best["final_equity"]
    assert "The best of 8 cells of a grid" in found.tearsheet.read_text()
    assert main(["verify", str(found.folder)]) == 0


def test_a_cell_that_fails_is_a_row_and_a_trial(tmp_path: Path) -> None:
    found = run(config("+grid.folds.first_fit=[260,419]"), tmp_path / "grid")
    table = pl.read_parquet(found.folder / "grid.parquet")
    assert [bool(error) for error in table["error"]] == [False, True]
    assert "2 cells of a grid, 1 of which failed" in found.tearsheet.read_text()
    assert table["final_equity"].is_null().to_list() == [False, True]
    assert TrialLog(Store().lineage("synthetic")).count().n == 2


def test_where_every_cell_fails_the_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not fail"):
        run(config("+grid.folds.first_fit=[418,419]"), tmp_path / "grid")
    assert TrialLog(Store().lineage("synthetic")).count().n == 2


def with_ratios(axes: tuple[str, ...], sharpes: list[float | None]) -> Grid:
    """A grid whose cells came to these Sharpe ratios per session, and twice as much a year."""
    grid = Grid(cells(config(*axes)), TrialLog("none"), {})
    for n, sharpe in enumerate(sharpes):
        figures = {"sharpe_per_session": sharpe, "sharpe_per_year": sharpe and 2 * sharpe}
        grid.results[n] = Result(np.zeros(3), figures)
    return grid


def test_a_cell_without_a_ratio_comes_last() -> None:
    assert with_ratios(("+grid.model.alpha=[1,2,3]",), [None, -0.5, -0.2]).best == 2
    assert with_ratios(("+grid.model.alpha=[1,2,3]",), [None, None, None]).best == 0


def test_the_mean_over_seeds_decides_and_not_the_luckiest() -> None:
    axes = ("+grid.model.alpha=[1,2,3]", "+grid.seed=[7,8]")
    grid = with_ratios(axes, [0.9, 0.0, 0.5, 0.6, 1.5, None])
    assert grid.chosen.values == {"model.alpha": 2, "seed": 7}
    assert grid.facts()["seeds"] == {
        "n": 2, "mean": pytest.approx(1.1), "sd": pytest.approx(np.std([1.0, 1.2], ddof=1)), "low": 1.0, "high": 1.2,
    }  # fmt: skip
    table = grid.seeds_table()
    assert table["model.alpha"].to_list() == [1, 2, 3] and table["seeds"].to_list() == [2, 2, 1]
    assert table["sharpe_mean"].to_list() == pytest.approx([0.9, 1.1, 3.0])
    assert table["sharpe_low"].to_list() == [0.0, 1.0, 3.0] and table["sharpe_high"].to_list() == [
        1.8,
        1.2,
        3.0,
    ]
    assert table["sharpe_sd"].is_null().to_list() == [False, False, True]


def test_only_seeds_are_one_configuration() -> None:
    grid = with_ratios(("+grid.seed=[3,1,2]",), [0.1, 0.9, 0.2])
    assert grid.chosen.values == {"seed": 3}
    assert grid.seeds_table().columns == ["seeds", "sharpe_mean", "sharpe_sd", "sharpe_low", "sharpe_high"]


def test_a_grid_over_seeds_says_how_far_they_spread(tmp_path: Path) -> None:
    found = run(config("+grid.model.alpha=[1,50]", "+grid.seed=[0,1]"), tmp_path / "grid")
    manifest = json.loads((found.folder / "manifest.json").read_text())
    table = pl.read_parquet(found.folder / "grid_seeds.parquet")
    assert table.height == 2 and table["seeds"].to_list() == [2, 2]
    told = manifest["grid"]["seeds"]
    assert told["n"] == 2 and told["low"] == told["high"] == table["sharpe_mean"].max()
    assert manifest["grid"]["chosen"]["seed"] == 0 == manifest["seed"]


def test_a_fault_of_ours_is_no_input_error() -> None:
    grid = Grid(cells(config("+grid.seed=[0,1]")), TrialLog("none"), {})
    grid.results = {n: Result(cause=ZeroDivisionError("x")) for n in range(2)}
    with pytest.raises(ZeroDivisionError):
        _ = grid.best
    assert grid.table()["error"].to_list() == ["ZeroDivisionError: x"] * 2


def test_values_of_different_kinds_are_written_as_text() -> None:
    grid = Grid(cells(config("+grid.folds.every=[5,weekly]")), TrialLog("none"), {})
    grid.results = {n: Result(cause=ValueError("x")) for n in range(2)}
    assert grid.table()["folds.every"].to_list() == ["5", "weekly"]
