"""A research run: a resolved configuration in, a run folder out.

The path itself is `engine/walkforward.py`; here it is pinned, counted as trials, audited, written down and reported.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.coverage import coverage
from backcast.data.errors import InputError, reason
from backcast.data.ingest import ingest
from backcast.data.market import Market
from backcast.data.readonce import ReadOnce
from backcast.data.store import Store
from backcast.data.types import Floats
from backcast.engine import given, runs, walkforward
from backcast.engine.audit import checks as audit_checks
from backcast.engine.audit import given as given_audit
from backcast.engine.audit import outside
from backcast.engine.audit import own as own_audit
from backcast.engine.audit import world as audit_world
from backcast.engine.audit.findings import LEAK, Check, Finding, verdict
from backcast.engine.audit.path import Evidence
from backcast.engine.budget import thread_budget
from backcast.engine.configure import (
    INSTANTS,
    AuditLevel,
    Config,
    Experiment,
    cache_gib,
    digest,
    experiment,
    redacted,
    trial_config,
)
from backcast.engine.features.cache import FeatureCache
from backcast.engine.grid import Grid, cells
from backcast.engine.progress import Progress
from backcast.engine.reports.model import Report, write_report
from backcast.engine.reports.page import write_tearsheet
from backcast.engine.sensitivity import haircut_table
from backcast.engine.sessions import compounded, periods_per_year
from backcast.engine.stats import performance
from backcast.engine.trials import TrialLog
from backcast.engine.types import Account, Targets
from backcast.engine.walkforward import Fitted, World
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


@dataclass(frozen=True)
class Pinned:
    """An experiment with the store version that it reads."""

    made: Experiment
    store: Store
    pin: dict[str, int]
    threads: int

    def hold(self, folder: Path) -> None:
        """Notes in the store that a run or a model is made from this version."""
        self.store.pin(self.made.source.name, folder, self.pin)


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
        pinned = pin(made, config)
        pinned.hold(folder)
        searched = _searched(pinned, config, out, shown)
        if searched is not None:
            config = {**searched.chosen.config, "grid": config["grid"]}
            pinned = replace(pinned, made=experiment(config))
            out.write_yaml("config.yaml", redacted(config))
            clock.lap("grid")
        _evaluate(pinned, config, out, shown, clock, searched)
        report = write_report(folder)
        write_tearsheet(folder)
        clock.lap("report")
        out.write_json("status.json", {"state": "done", "error": "", "timings": clock.laps})
    return Run(folder, report)


def pin(made: Experiment, config: Config) -> Pinned:
    """The experiment at the store's present version, or at a named snapshot; a data set that the store does not hold yet is
    ingested."""
    store = ReadOnce()
    if made.source.name not in store.datasets():
        ingest(store, made.source)
    pinned = store.version(made.source.name, config.get("snapshot"))
    return Pinned(made, store, pinned, thread_budget(config["threads"]))


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
    if not made:
        return None
    if given.is_given(pinned.made):
        raise InputError("grid", config["grid"], "{}, where targets are given")
    store, name, cache = pinned.store, pinned.made.source.name, FeatureCache.at_home(cache_gib(config))
    grid = Grid(made, TrialLog(store.lineage(name)), pinned.pin)
    market = asof.load_market(store, name, pinned.pin)
    grid.evaluate(
        lambda one: walkforward.observe(one, store, pinned.pin, pinned.threads, cache=cache),
        market,
        pinned.threads,
        progress.stage(f"grid of {len(made):,} cells"),
    )
    out.write_table("grid.parquet", grid.table())
    return grid


@dataclass(frozen=True)
class Outcome:
    """What one model came to."""

    fitted: Fitted
    targets: Targets
    account: Account


def _evaluate(
    pinned: Pinned,
    config: Config,
    out: runs.RunFolder,
    progress: Progress,
    clock: Stopwatch,
    searched: Grid | None,
) -> None:
    """Every model's walk through the folds; the first is the run's own, the rest go under `challengers/`."""
    done = progress.stage("prices and features")
    cache = FeatureCache.at_home(cache_gib(config))
    world = walkforward.observe(pinned.made, pinned.store, pinned.pin, pinned.threads, cache=cache)
    market = asof.load_market(pinned.store, pinned.made.source.name, pinned.pin)
    first = int(walkforward.folds_of(pinned.made, world.panel)[0].test[0])
    pinned.made.execution.check_data(world.panel, market, pinned.made.cost, first)
    done(1.0)
    walkforward.folds_of(pinned.made, world.panel)  # what they refuse is no trial
    given.check(pinned.made, world.panel)
    clock.lap("prices and features")
    log = TrialLog(pinned.store.lineage(pinned.made.source.name))
    outcomes: dict[str, Outcome] = {}
    for name, model in pinned.made.models.items():
        part = out if not outcomes else out.inside(f"challengers/{name}")
        identity = trial_config(config, name if outcomes else None)
        with _trial(log, digest(identity), redacted(identity), pinned) as returns:
            outcomes[name] = _walk(pinned, world, market, model, part, progress)
            account = outcomes[name].account
            days = world.panel.clock.sessions[account.sessions]
            returns.append((compounded(days, account.net_return), days))
        clock.lap(f"model {name}")
    own = next(iter(outcomes.values()))
    _write_facts(pinned, world, own, config, out, searched)
    haircuts = haircut_table(pinned.made, world.panel, market, own.targets, own.account)
    if haircuts is not None:
        out.write_table("haircut.parquet", haircuts)
    clock.lap("facts and sensitivity")
    again = replace(pinned, made=experiment(config))  # as nobody has run them yet
    checks, more = _audit(again, world, own, out, progress)
    told = audit_world.Told([])
    if checks:
        grid = None if searched is None else searched.facts()
        chosen = audit_world.Chosen(digest(trial_config(config)), log.records(), grid)
        told = _told(pinned, world, market, own.targets, own.account, chosen, out)
        checks += outside.checks(config, world.panel)
    if searched is not None and checks:
        checks.append(_seen_again(world, own.account, searched))
    clock.lap("audit")
    out.write_json("trials.json", log.count().to_json())
    found = verdict(pinned.made.audit.level, [*checks, *told.checks], **more, **told.facts)
    out.write_json("audit.json", found)


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


def _walk(
    pinned: Pinned,
    world: World,
    market: Market,
    model: ForecastModel,
    out: runs.RunFolder,
    progress: Progress,
) -> Outcome:
    """One model from fit to account, and its tables."""
    made, clock = pinned.made, world.panel.clock
    fitted = walkforward.forecast(
        made, model, world, out.path / "models", pinned.threads, progress.stage(f"walk forward: {model.name}")
    )
    targets, account = walkforward.trade(made, world, market, fitted.forecast)
    out.write_table("forecasts.parquet", runs.forecast_table(fitted.forecast, clock, made.label.horizon))
    out.write_table("targets.parquet", runs.target_table(targets, clock))
    filled_at = clock.opens_at if made.execution.resolve(world.panel) == "next_open" else clock.closes_at
    out.write_table("fills.parquet", runs.fill_table(account, clock, filled_at))
    out.write_table("account.parquet", runs.account_table(account, clock))
    out.write_table("events.parquet", runs.event_table(account.events, clock, account.symbols))
    return Outcome(fitted, targets, account)


def _audit(
    pinned: Pinned, world: World, own: Outcome, out: runs.RunFolder, progress: Progress
) -> tuple[list[Check], dict[str, Any]]:
    """The replays of the configured level, and what else it states; nothing where it is off."""
    if pinned.made.audit.level == "off":
        return [], {}
    evidence = Evidence(own.fitted.forecast, own.targets, out.path / "models")
    return _replayed(pinned, world, evidence, progress)


def _replayed(
    pinned: Pinned, world: World, evidence: Evidence, progress: Progress, at: np.datetime64 | None = None
) -> tuple[list[Check], dict[str, Any]]:
    """A run's replays; with an instant, that of its decision alone."""
    made, update = pinned.made, progress.stage("leak audit")
    of = pinned.made, pinned.store, pinned.pin, world, evidence
    if given.is_given(made):
        return given_audit.checks(*of, update, at), {}
    checks, more = own_audit.checks(*of, pinned.threads, update, at)
    return [
        *checks,
        audit_checks.training_check(made, world),
        audit_checks.fold_check(made, world.panel),
    ], more


def _seen_again(world: World, account: Account, searched: Grid) -> Check:
    """The grid's chosen cell, run again from its fit, against what the grid saw."""
    found = Check("grid cell", "account", "the chosen cell's returns in the grid and in this run")
    sessions = world.panel.clock.sessions[account.sessions]
    again, seen = compounded(sessions, account.net_return), searched.results[searched.best].returns
    days = [str(day) for day in np.unique(sessions)]
    what = Finding(
        LEAK, f"Cell {searched.best} of the grid is not what this run comes to.", "Report it: this is a bug."
    )
    found.compare(np.asarray(seen)[:, None], again[:, None], ("net_return",), days, what)
    return found


def _told(
    pinned: Pinned,
    world: World,
    market: Market,
    targets: Targets,
    account: Account,
    chosen: audit_world.Chosen,
    out: runs.RunFolder,
) -> audit_world.Told:
    """What is audited beside the replays."""
    run, store, pin = "/".join(out.path.resolve().parts[-2:]), pinned.store, pinned.pin
    return audit_world.checks(pinned.made, store, pin, world.panel, market, targets, account, chosen, run)


def _write_facts(
    pinned: Pinned,
    world: World,
    own: Outcome,
    config: Config,
    out: runs.RunFolder,
    searched: Grid | None,
) -> None:
    """Folds, benchmark and manifest: what the report needs beside the account."""
    made, panel = pinned.made, world.panel
    folds = walkforward.folds_of(made, panel)
    out.write_table("folds.parquet", runs.fold_table(folds, own.fitted.counts, panel.clock))
    closes = asof.load_benchmark(pinned.store, made.source.name, pinned.pin)
    if closes is not None:
        out.write_table("benchmark.parquet", runs.benchmark_table(closes, own.account, panel.clock))
    info = pinned.store.info(made.source.name)
    out.write_json(
        "manifest.json",
        {
            "format": runs.FORMAT,
            "run": "/".join(out.path.resolve().parts[-2:]),
            "dataset": info.to_json(),
            "store": {"lineage": pinned.store.lineage(made.source.name), "pin": pinned.pin},
            "model": next(iter(made.models)),
            "challengers": list(made.models)[1:],
            "simulator": made.simulator.name,
            "capital": made.capital,
            "seed": made.seed,
            "periods_per_year": periods_per_year(panel.clock),
            "costs": made.cost.to_json(),
            "execution": {**config["execution"], "fill": made.execution.resolve(panel)},
            "portfolio": _sizing(made, config),
            "label": {"horizon": made.label.horizon},
            **given.facts(made, own.targets),
            "grid": None if searched is None else searched.facts(),
            "every": made.folds.every,
            "config_sha": digest(redacted(config)),
            "code": runs.code_version(),
            "packages": runs.packages(),
            "coverage": _coverage(world, own),
            "findings": pinned.store.findings_by_check(made.source.name, pinned.pin),
        },
    )


def _sizing(made: Experiment, config: Config) -> dict[str, Any]:
    """The portfolio's settings, and the side and gross that its rule has where they do not say so."""
    own = {k: v for k, v in config["portfolio"].items() if k != "_target_"}
    return {"side": made.portfolio.side, "gross": made.portfolio.gross, **own}


def _coverage(world: World, own: Outcome) -> dict[str, Any]:
    """What there was, and what was left out of the test decisions and why: a member without a forecast has features
    that still warm up, or are incomplete."""
    panel, at = world.panel, own.fitted.forecast.decisions
    complete = np.isfinite(world.features.values).all(axis=0)
    begun = np.logical_or.accumulate(complete, axis=1)[:, at]
    asked = bool(world.features.names)  # where targets are given nobody forecasts
    silent = panel.member[:, at] & ~np.isfinite(own.fitted.forecast.mean.T) & asked
    left_out = {
        "warmup_cells": int((silent & ~begun).sum()),
        "incomplete_cells": int((silent & begun).sum()),
        "unlabelled_cells": sum(c["unlabelled"] for c in own.fitted.counts),
    }
    return {**coverage(panel), "known_by_rule": panel.known_by_rule, **left_out}


def audit_again(
    folder: Path,
    level: str = "full",
    at: np.datetime64 | None = None,
    progress: Progress | None = None,
    instants: int | None = None,
) -> dict[str, Any]:
    """Audits a finished run's recorded decisions again, and draws its page with the new finding.

    level: quick or full; instants: how many decisions are replayed on their own (default: the level's). With `at`, exactly the
    decision at that instant or the last before it is replayed, and the folder stays as it is.
    """
    out = runs.RunFolder.open(folder)
    config, manifest = out.read_yaml("config.yaml"), out.read_json("manifest.json")
    made = replace(experiment(config), audit=AuditLevel(level, instants or INSTANTS.get(level, 2)))
    pinned = Pinned(made, ReadOnce(), manifest["store"]["pin"], thread_budget(None))
    world = walkforward.observe(made, pinned.store, pinned.pin, pinned.threads)
    folds = walkforward.folds_of(made, world.panel)
    decisions = np.concatenate([fold.test for fold in folds])
    numbers = np.concatenate([np.full(len(fold.test), fold.number, dtype=np.int64) for fold in folds])
    clock, symbols = world.panel.clock, world.panel.symbols
    forecast = runs.read_forecast(out.read_table("forecasts.parquet"), clock, symbols, decisions, numbers)
    targets = runs.read_targets(out.read_table("targets.parquet"), clock, symbols)
    market = asof.load_market(pinned.store, made.source.name, pinned.pin)
    account = walkforward.simulate(made, world.panel, market, targets)
    evidence = Evidence(forecast, targets, out.path / "models")
    checks, more = _replayed(pinned, world, evidence, progress or Progress(quiet=True), at)
    upto = out.read_json("trials.json")["upto"]
    records = [r for r in TrialLog(pinned.store.lineage(made.source.name)).records() if r["id"] <= upto]
    chosen = audit_world.Chosen(digest(trial_config(config)), records, manifest.get("grid"))
    told = _told(pinned, world, market, targets, account, chosen, out)
    checks += outside.checks(config, world.panel)
    found = verdict(level, [*checks, *told.checks], **more, **told.facts)
    if at is None:
        out.write_json("audit.json", found)
        write_report(folder)
        write_tearsheet(folder)
    return found
