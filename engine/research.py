"""A research run: a resolved configuration in, a run folder out.

The path itself is `engine/walkforward.py`; here it is pinned, counted as trials, audited, written down and reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.errors import InputError, reason
from backcast.data.types import Floats
from backcast.engine import between_jobs, given, holdout, run_audit, runs, validation, walkforward
from backcast.engine.configure import (
    Config,
    cache_gib,
    digest,
    experiment,
    nested,
    redacted,
    trial_config,
)
from backcast.engine.facts import write_facts
from backcast.engine.features.cache import FeatureCache
from backcast.engine.grid import Grid
from backcast.engine.grid_cells import cells
from backcast.engine.nested import Nested, refuse, walk
from backcast.engine.pinned import Context, Outcome, Pinned, pin
from backcast.engine.progress import Progress
from backcast.engine.reports.model import Report, write_report
from backcast.engine.reports.page import write_tearsheet
from backcast.engine.sensitivity import haircut_table
from backcast.engine.sessions import compounded
from backcast.engine.stats import performance
from backcast.engine.stats.paths import NAME as PATHS
from backcast.engine.trial_facts import trial_facts
from backcast.engine.trials import TrialLog
from backcast.signals.models.base import ForecastModel


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, and the report drawn from it."""

    folder: Path
    report: Report

    @property
    def tearsheet(self) -> Path:
        """The page to open in a browser."""
        return self.folder / "tearsheet.html"


def run(config: Config, folder: Path, progress: Progress | None = None) -> Run:
    """Runs a resolved configuration in a folder of its own.

    Errors: InputError for anything wrong in the configuration or the data. A run that fails after its folder was made
    leaves a `status.json` that says so, and its trials stay counted.
    """
    clock = Stopwatch()
    out = runs.RunFolder.create(folder)
    with _failure_recorded(out), progress or Progress(quiet=True) as shown:
        out.write_yaml("config.yaml", redacted(config))
        made = experiment(config)
        config = given.recorded(made, config)
        out.write_yaml("config.yaml", redacted(config))
        pinned = holdout.kept(pin(made, config), "/".join(folder.resolve().parts[-2:]))
        pinned.hold(folder)
        searched = _searched(pinned, config, out, shown)
        if searched is not None:
            own = searched.cells[0] if nested(config) else searched.chosen
            config = {**own.config, **{k: config[k] for k in ("grid", "grid_selection") if k in config}}
            pinned = replace(pinned, made=experiment(config))
            out.write_yaml("config.yaml", redacted(config))
            clock.lap("grid")
        context = _observed(pinned, config, out, shown)
        log = TrialLog(pinned.store.lineage(pinned.made.source.name))
        return _written(context, clock, searched, log)


def evaluate(
    pinned: Pinned,
    config: Config,
    out: runs.RunFolder,
    log: TrialLog,
    progress: Progress | None,
    before: Callable[[], object],
) -> Run:
    """A run of a pinned experiment with a trial log of the caller's. before: called once it is known that the run can be made,
    and before anything of it is evaluated."""
    with _failure_recorded(out), progress or Progress(quiet=True) as shown:
        if nested(config):
            raise InputError("grid_selection", "nested", "best: one experiment without a grid to choose from")
        out.write_yaml("config.yaml", redacted(config))
        clock = Stopwatch()
        context = _observed(pinned, config, out, shown)
        before()
        pinned.hold(out.path)
        return _written(context, clock, None, log)


def _written(context: Context, clock: Stopwatch, searched: Grid | None, log: TrialLog) -> Run:
    """Everything that is evaluated, then its report, its page and, last, its status."""
    out = context.out
    _evaluate(context, clock, searched, log)
    report = write_report(out.path)
    write_tearsheet(out.path)
    clock.lap("report")
    out.write_json("status.json", {"state": "done", "error": "", "timings": clock.laps})
    return Run(out.path, report)


class Stopwatch:
    """Seconds by stage; they live in `status.json` alone, because a run's other files are a function of its pin."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now


@contextmanager
def _failure_recorded(out: runs.RunFolder) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        out.write_json("status.json", {"state": "failed", "error": reason(error), "timings": {}})
        raise


def _searched(pinned: Pinned, config: Config, out: runs.RunFolder, progress: Progress) -> Grid | None:
    """Every cell of the configuration's grid, each a trial; None where it has no grid."""
    made = cells(config)
    refuse(config, pinned.made)
    if not made:
        return None
    if given.is_given(pinned.made):
        raise InputError("grid", config["grid"], "{}, where targets are given")
    holdout.refuse_varied(config, [cell.config for cell in made])
    store, name, cache = pinned.store, pinned.made.source.name, FeatureCache.at_home(cache_gib(config))
    grid = Grid(made, TrialLog(store.lineage(name), "grid"), pinned.pin)
    market = between_jobs.read(asof.load_market, store, name, pinned.pin)
    grid.evaluate(
        lambda one, beside: walkforward.observe(
            one, store, pinned.pin, pinned.threads, cache=cache, beside=beside
        ),
        market,
        pinned.threads,
        progress.stage(f"grid of {len(made):,} cells"),
    )
    out.write_table("grid.parquet", grid.table())
    if grid.varies_seeds:
        out.write_table("grid_seeds.parquet", grid.seeds_table())
    return grid


def _evaluate(context: Context, clock: Stopwatch, searched: Grid | None, log: TrialLog) -> None:
    """Every model's walk through the folds; the first is the run's own, the rest go under `challengers/`."""
    pinned, config, out = context.pinned, context.config, context.out
    world, market = context.world, context.market
    clock.lap("prices and features")
    outcomes: dict[str, Outcome] = {}
    chosen: Nested | None = None
    for name, model in pinned.made.models.items():
        part = out if not outcomes else out.inside(f"challengers/{name}")
        identity = trial_config(config, name if outcomes else None)
        with _trial(log, digest(identity), redacted(identity), pinned) as returns:
            if searched is not None and not outcomes and nested(config):
                chosen = walk(context, searched, FeatureCache.at_home(cache_gib(config)))
                outcomes[name] = _written_down(context, chosen.outcome, part)
            else:
                outcomes[name] = _walk(context, model, part)
            account = outcomes[name].account
            bars = world.panel.clock.sessions[account.sessions]
            returns.append((compounded(bars, account.net_return), np.unique(bars)))
        clock.lap(f"model {name}")
    own = next(iter(outcomes.values()))
    write_facts(context if chosen is None else replace(context, world=chosen.world), own, searched)
    haircuts = haircut_table(pinned.made, world.panel, market, own.targets, own.account)
    if haircuts is not None:
        out.write_table("haircut.parquet", haircuts)
    clock.lap("facts and sensitivity")
    found = run_audit.audit(context, own, log, searched, {} if chosen is None else chosen.cells)
    clock.lap("audit")
    days = np.unique(world.panel.clock.sessions[own.account.sessions])
    out.write_json("trials.json", trial_facts(log, digest(trial_config(config)), days))
    clock.lap("luck")
    out.write_json("audit.json", found)


def _observed(pinned: Pinned, config: Config, out: runs.RunFolder, progress: Progress) -> Context:
    """What the run's decisions knew and what happened. Errors: InputError where that cannot make a run, which is no trial."""
    done = progress.stage("prices and features")
    cache = FeatureCache.at_home(cache_gib(config))
    world = walkforward.observe(pinned.made, pinned.store, pinned.pin, pinned.threads, cache=cache)
    market = between_jobs.read(asof.load_market, pinned.store, pinned.made.source.name, pinned.pin)
    first = int(walkforward.folds_of(pinned.made, world.panel)[0].test[0])
    pinned.made.execution.check_data(world.panel, market, pinned.made.cost, first)
    given.check(pinned.made, world.panel)
    done(1.0)
    return Context(pinned, config, world, market, out, progress)


@contextmanager
def _trial(log: TrialLog, trial: str, config: Any, pinned: Pinned) -> Iterator[list[tuple[Floats, Any]]]:
    """Counts a trial from its start; the net returns that are put into the list, with their days, are its outcome."""
    log.start(trial, config, pinned.pin)
    returns: list[tuple[Floats, Any]] = []
    try:
        yield returns
    except Exception as error:
        log.fail(trial, f"{type(error).__name__}: {error}")
        raise
    log.finish(trial, trial_sharpe(returns[0][0]), *returns[0])


def trial_sharpe(returns: Floats) -> float | None:
    """Sharpe ratio per session, None where it is undefined."""
    sharpe = float(performance.sharpe_per_session(returns))
    return sharpe if np.isfinite(sharpe) else None


def _walk(context: Context, model: ForecastModel, out: runs.RunFolder) -> Outcome:
    """One model from fit to account, and its tables."""
    pinned, world = context.pinned, context.world
    made = pinned.made
    update = context.progress.stage(f"{made.folds.name.replace('_', ' ')}: {model.name}")
    fitted = walkforward.forecast(made, model, world, out.path / "models", pinned.threads, update)
    targets, account = walkforward.trade(made, world, context.market, fitted.forecast)
    if validation.is_cross_validated(made.folds):
        paths = validation.trade_paths(context.config, world, context.market, fitted, account, pinned.threads)
        out.write_table(PATHS, paths)
    return _written_down(context, Outcome(fitted, targets, account), out)


def _written_down(context: Context, outcome: Outcome, out: runs.RunFolder) -> Outcome:
    """The outcome, whose tables are in the folder."""
    made, world, clock = context.pinned.made, context.world, context.world.panel.clock
    targets, account = outcome.targets, outcome.account
    table = runs.forecast_table(outcome.fitted.forecast, clock, made.label.horizon)
    out.write_table("forecasts.parquet", table)
    out.write_table("targets.parquet", runs.target_table(targets, clock))
    filled_at = clock.opens_at if made.execution.resolve(world.panel) == "next_open" else clock.closes_at
    out.write_table("fills.parquet", runs.fill_table(account, clock, filled_at))
    out.write_table("account.parquet", runs.account_table(account, clock))
    out.write_table("events.parquet", runs.event_table(account.events, clock, account.symbols))
    return outcome
