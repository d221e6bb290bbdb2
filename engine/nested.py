"""Selection nested in the walk: at every fold's fit the cell of a grid is chosen by what was known then.

1. Every cell is evaluated as in any grid: out of sample over all folds, a trial each.
2. At a fold's fit the best cell is that with the highest net Sharpe ratio over the sessions before (`grid_choice.py`), among
   those with the first costs, execution and capital; while fewer than `LEAST` are known, the first cell of the grid.
3. Each cell that is chosen is run again from its fits. The forecasts and targets of a fold's decisions are those of its cell;
   where the cell changes, its whole portfolio is asked for, and none of it taken to be held already.
4. What results is one sequence of targets that nobody chose in hindsight: one more trial, planned, traded and reported as the
   run's own. Each chosen cell is audited as a run of it would be, and `known_check` audits the choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats
from backcast.engine import runs, walkforward
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.configure import Config, Experiment, nested
from backcast.engine.features.cache import FeatureCache
from backcast.engine.grid import Grid
from backcast.engine.grid_choice import Choice, known_at
from backcast.engine.pinned import Context, Outcome
from backcast.engine.sessions import compounded
from backcast.engine.types import Targets
from backcast.engine.walkforward import Fitted, World
from backcast.signals.folds import WalkForward
from backcast.signals.types import Fold, Forecast

VARIES = ("features", "model", "portfolio", "seed", "costs", "execution", "capital")
"""What a nested grid may vary: folds and labels are those of the run."""


@dataclass(frozen=True)
class Nested:
    """A nested selection: what it came to, the outcome of each cell that was chosen, over all folds, and the features that the
    decisions were made by."""

    outcome: Outcome
    cells: dict[int, Outcome]
    world: World


def refuse(config: Config, made: Experiment) -> None:
    """Errors: InputError for a nested selection that could not be made or told: without a grid, of folds or labels, or
    where folds do not walk forward."""
    if config.get("grid_selection", "best") == "nested" and not config.get("grid"):
        raise InputError(
            "grid_selection", "nested", "best, or a grid to choose from", "Such as +grid.seed=[0,1]."
        )
    if not nested(config):
        return
    for key in config["grid"]:
        group = str(key).split(".")[0]
        if group not in VARIES:
            raise InputError(f"grid.{key}", config["grid"][key], f"a parameter of {', '.join(VARIES)}",
                             "With grid_selection=nested all cells have the run's own folds and label.")  # fmt: skip
    if not isinstance(made.folds, WalkForward):
        raise InputError("grid_selection", "nested", "best, where folds do not walk forward")


def fits_of(folds: Sequence[Fold], clock: Clock) -> list[np.datetime64]:
    """The day of each fold's fit."""
    return [np.datetime64(clock.sessions[fold.fit_at], "D") for fold in folds]


def walk(context: Context, grid: Grid, cache: FeatureCache) -> Nested:
    """Chooses, runs the chosen cells again and joins them; `cells/<n>/` has their models, forecasts and targets, and
    `selection.parquet` the choices."""
    made, panel = context.pinned.made, context.world.panel
    folds = walkforward.folds_of(made, panel)
    choices = grid.choose(fits_of(folds, panel.clock))
    context.out.write_table("selection.parquet", selection_table(folds, choices, panel.clock))
    worlds: dict[int, World] = {}
    outcomes: dict[int, Outcome] = {}
    for n in sorted({choice.cell for choice in choices}):
        worlds[n], outcomes[n] = _again(context, grid, n, cache)
    forecast, counts = _forecast(folds, choices, outcomes)
    targets = _targets(grid, context.world, folds, choices, outcomes)
    account = walkforward.simulate(made, panel, context.market, targets)
    own = Outcome(Fitted([forecast], counts), targets, account)
    return Nested(own, outcomes, _world(grid, context.world, folds, choices, worlds))


def _again(context: Context, grid: Grid, n: int, cache: FeatureCache) -> tuple[World, Outcome]:
    """A chosen cell from its fits."""
    pinned, made, panel = context.pinned, grid.experiments[n], context.world.panel
    world = walkforward.observe(
        made, pinned.store, pinned.pin, pinned.threads, cache=cache, beside=context.world
    )
    update = context.progress.stage(f"cell {n:,} of the grid")
    out = context.out.inside(folder_of(n))
    fitted = walkforward.forecast(made, made.model, world, out.path / "models", pinned.threads, update)
    targets, account = walkforward.trade(made, world, context.market, fitted.forecast)
    table = runs.forecast_table(fitted.forecast, panel.clock, made.label.horizon)
    out.write_table("forecasts.parquet", table)
    out.write_table("targets.parquet", runs.target_table(targets, panel.clock))
    return world, Outcome(fitted, targets, account)


def folder_of(cell: int) -> str:
    """Where a run keeps a chosen cell's files."""
    return f"cells/{cell}"


def _forecast(
    folds: Sequence[Fold], choices: Sequence[Choice], outcomes: dict[int, Outcome]
) -> tuple[Forecast, list[dict[str, int]]]:
    """Each fold's forecasts by its cell, and the counts of its rows."""
    whole = next(iter(outcomes.values())).fitted.forecast
    mean, quantiles, counts = whole.mean.copy(), whole.quantiles.copy(), []
    for k, (fold, choice) in enumerate(zip(folds, choices, strict=True)):
        own, at = outcomes[choice.cell].fitted, whole.fold == fold.number
        mean[at], quantiles[at] = own.forecast.mean[at], own.forecast.quantiles[at]
        counts.append(own.counts[k])
    return replace(whole, mean=mean, quantiles=quantiles), counts


def _targets(
    grid: Grid,
    world: World,
    folds: Sequence[Fold],
    choices: Sequence[Choice],
    outcomes: dict[int, Outcome],
) -> Targets:
    """Each fold's targets by its cell. A target that leaves alone what its cell holds is, where the cell changes, the weight
    that the cell holds: nobody holds it yet."""
    whole = next(iter(outcomes.values())).targets
    if any(not np.array_equal(one.targets.decisions, whole.decisions) for one in outcomes.values()):
        expected = "best, where portfolios do not all decide at every decision"
        raise InputError("grid_selection", "nested", expected)
    weights, before = whole.weights.copy(), choices[0].cell
    for fold, choice in zip(folds, choices, strict=True):
        own, portfolio = outcomes[choice.cell], grid.experiments[choice.cell].portfolio
        at = np.isin(whole.decisions, fold.test)
        weights[at] = own.targets.weights[at]
        row = int(at.argmax())
        if choice.cell != before and np.isnan(weights[row]).any():
            stages = portfolio.stages(own.fitted.forecast, world.panel, int(whole.decisions[row]))
            weights[row] = stages[-1][1]
        before = choice.cell
    return replace(whole, weights=weights)


def _world(
    grid: Grid, world: World, folds: Sequence[Fold], choices: Sequence[Choice], worlds: dict[int, World]
) -> World:
    """The world with, at each decision, the features of its fold's cell."""
    if len({grid.cells[n].key(("features",)) for n in (0, *worlds)}) == 1:
        return world
    values = world.features.values.copy()
    for fold, choice in zip(folds, choices, strict=True):
        values[:, :, fold.test] = worlds[choice.cell].features.values[:, :, fold.test]
    return replace(world, features=replace(world.features, values=values))


def selection_table(folds: Sequence[Fold], choices: Sequence[Choice], clock: Clock) -> pl.DataFrame:
    """A row a fold: fold, fit_at (the instant of its fit), cell, sharpe (per session, what it was chosen by) and the sessions
    that were known."""
    return pl.DataFrame(
        {
            "fold": [fold.number for fold in folds],
            "fit_at": pl.Series(clock.decides_at[[fold.fit_at for fold in folds]]).dt.replace_time_zone(
                "UTC"
            ),
            "cell": [choice.cell for choice in choices],
            "sharpe": pl.Series([choice.sharpe for choice in choices], dtype=pl.Float64),
            "sessions": [choice.sessions for choice in choices],
        }
    )


def known_check(grid: Grid, fits: Sequence[np.datetime64], seed: int) -> Check:
    """Each choice again, from returns that end at the fit, and from returns that are others from then on."""
    check = Check(
        "selection known by the fit", "selection", "each fold's cell, with no and with another future"
    )
    generator = np.random.default_rng(seed)
    for fit, choice in zip(fits, grid.choices, strict=True):
        ended = {n: (days[days < fit], returns[days < fit]) for n, (days, returns) in grid.accounts.items()}
        other = {n: (days, np.where(days < fit, returns, generator.normal(0.0, 0.1, len(days))))
                 for n, (days, returns) in grid.accounts.items()}  # fmt: skip
        for accounts in (ended, other):
            check.cells += 1
            again = known_at(fit, accounts, grid.rivals)
            check.changed += again != choice
            if again != choice and check.finding is None:
                sentence = f"Cell {choice.cell} was chosen at this fit by returns that nobody knew then."
                check.finding = Finding(LEAK, sentence, "Report it: this is a bug.", at=str(fit))
    return check


def seen_check(grid: Grid, cells: dict[int, Outcome], clock: Clock) -> Check:
    """The chosen cells, run again from their fits, against what the grid saw."""
    check = Check("grid cell", "account", "the chosen cells' returns in the grid and in this run")
    for n, outcome in cells.items():
        bars = clock.sessions[outcome.account.sessions]
        again = compounded(bars, outcome.account.net_return)
        seen: Floats = np.asarray(grid.results[n].returns)
        what = Finding(
            LEAK, f"Cell {n} of the grid is not what it comes to alone.", "Report it: this is a bug."
        )
        days = [str(day) for day in np.unique(bars)]
        check.compare(seen[:, None], again[:, None], ("net_return",), days, what)
    return check


def models_of(run: Path, cell: int) -> Path:
    """The folder of a chosen cell's fitted folds."""
    return run / folder_of(cell) / "models"
