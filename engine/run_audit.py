"""The audit of a run: within it, and of a finished one again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.market import Market
from backcast.engine import given, holdout, nested, runs, validation, walkforward
from backcast.engine.audit import checks as audit_checks
from backcast.engine.audit import given as given_audit
from backcast.engine.audit import outside, purge, selection
from backcast.engine.audit import own as own_audit
from backcast.engine.audit import world as audit_world
from backcast.engine.audit.findings import LEAK, Check, Finding, verdict
from backcast.engine.audit.path import Evidence
from backcast.engine.budget import thread_budget
from backcast.engine.configure import INSTANTS, AuditLevel, Config, digest, experiment, trial_config
from backcast.engine.configure import nested as is_nested
from backcast.engine.grid import Grid
from backcast.engine.grid_cells import cells as cells_of
from backcast.engine.pinned import Context, Outcome, Pinned
from backcast.engine.progress import Progress
from backcast.engine.reports.model import write_report
from backcast.engine.reports.page import write_tearsheet
from backcast.engine.sessions import compounded
from backcast.engine.trials import TrialLog
from backcast.engine.types import Account, Targets
from backcast.engine.walkforward import World
from backcast.signals.types import Forecast


def audit(
    context: Context, own: Outcome, log: TrialLog, searched: Grid | None, cells: Mapping[int, Outcome]
) -> dict[str, Any]:
    """What `audit.json` says of a run at its configured level. own: what the run's own model came to; cells: of a nested
    selection what each chosen cell came to."""
    config, world = context.config, context.world
    pinned = replace(context.pinned, made=experiment(config))  # as nobody has run it yet
    if pinned.made.audit.level == "off":
        return verdict("off", [])
    if searched is not None and cells:
        found = {n: (outcome.fitted.forecast, outcome.targets) for n, outcome in cells.items()}
        checks, more = _replayed_cells(pinned, config, context.out, found, context.progress)
    else:
        evidence = Evidence(own.fitted.forecast, own.targets, context.out.path / "models")
        checks, more = _replayed(pinned, world, evidence, context.progress)
    grid = None if searched is None else searched.facts()
    chosen = audit_world.Chosen(digest(trial_config(config)), log.records(columns=selection.READ), grid)
    told = _told(pinned, world, context.market, own.targets, own.account, chosen, context.out)
    checks += outside.checks(config, world.panel)
    if searched is not None and cells:
        fits = nested.fits_of(walkforward.folds_of(pinned.made, world.panel), world.panel.clock)
        checks.append(nested.seen_check(searched, dict(cells), world.panel.clock))
        checks.append(nested.known_check(searched, fits, pinned.made.seed))
    elif searched is not None:
        checks.append(_seen_again(world, own.account, searched))
    return verdict(pinned.made.audit.level, [*checks, *told.checks], **more, **told.facts)


def _replayed(
    pinned: Pinned, world: World, evidence: Evidence, progress: Progress, at: np.datetime64 | None = None
) -> tuple[list[Check], dict[str, Any]]:
    """A run's replays; with an instant, that of its decision alone."""
    made, update = pinned.made, progress.stage("leak audit")
    of = pinned.made, pinned.store, pinned.pin, world, evidence
    if given.is_given(made):
        return given_audit.checks(*of, update, at), {}
    checks, more = own_audit.checks(*of, pinned.threads, update, at)
    if validation.is_cross_validated(made.folds):
        return [*checks, *purge.checks(made, world)], more
    return [
        *checks,
        audit_checks.training_check(made, world),
        audit_checks.fold_check(made, world.panel),
    ], more


def _replayed_cells(
    pinned: Pinned,
    config: Config,
    out: runs.RunFolder,
    found: Mapping[int, tuple[Forecast, Targets]],
    progress: Progress,
    at: np.datetime64 | None = None,
) -> tuple[list[Check], dict[str, Any]]:
    """The replays of each chosen cell of a nested selection, as of a run of it alone; the chance stated is the least of theirs.

    found: what each forecast and asked for over all folds, of which the run has those of its folds.
    """
    checks: list[Check] = []
    more: list[dict[str, Any]] = []
    of = cells_of(config)
    for n, (forecast, targets) in found.items():
        made = replace(experiment(of[n].config), audit=pinned.made.audit)
        own = replace(pinned, made=made)
        world = walkforward.observe(made, own.store, own.pin, own.threads)
        evidence = Evidence(forecast, targets, nested.models_of(out.path, n))
        told, facts = _replayed(own, world, evidence, progress, at)
        checks += [replace(check, name=f"{check.name} (cell {n})") for check in told]
        more.append(facts)
    return checks, _least(more)


def _least(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The least of the chances that each states."""
    stated = [one["chance"] for one in facts if "chance" in one]
    if not stated:
        return {}
    first = stated[0]
    return {
        "chance": {
            layer: {depth: min(one[layer][depth] for one in stated) for depth in depths}
            for layer, depths in first.items()
        }
    }


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
    holdout.warn_of_sight(out)
    pinned = Pinned(made, holdout.store_of(made), manifest["store"]["pin"], thread_budget(None))
    world = walkforward.observe(made, pinned.store, pinned.pin, pinned.threads)
    folds = walkforward.folds_of(made, world.panel)
    decisions, numbers = walkforward.own_route(made, folds)
    clock, symbols = world.panel.clock, world.panel.symbols
    forecast = runs.read_forecast(out.read_table("forecasts.parquet"), clock, symbols, decisions, numbers)
    targets = runs.read_targets(out.read_table("targets.parquet"), clock, symbols)
    market = asof.load_market(pinned.store, made.source.name, pinned.pin)
    account = walkforward.simulate(made, world.panel, market, targets)
    shown = progress or Progress(quiet=True)
    if is_nested(config):
        ran = {}
        for n in sorted(set(out.read_table("selection.parquet")["cell"])):
            own = runs.RunFolder(out.path / nested.folder_of(n))
            asked = runs.read_targets(own.read_table("targets.parquet"), clock, symbols)
            table = own.read_table("forecasts.parquet")
            ran[n] = runs.read_forecast(table, clock, symbols, decisions, numbers), asked
        checks, more = _replayed_cells(pinned, config, out, ran, shown, at)
    else:
        checks, more = _replayed(pinned, world, Evidence(forecast, targets, out.path / "models"), shown, at)
    upto = out.read_json("trials.json")["upto"]
    records = TrialLog(pinned.store.lineage(made.source.name)).records(upto, selection.READ)
    chosen = audit_world.Chosen(digest(trial_config(config)), records, manifest.get("grid"))
    told = _told(pinned, world, market, targets, account, chosen, out)
    checks += outside.checks(config, world.panel)
    found = verdict(level, [*checks, *told.checks], **more, **told.facts)
    if at is None:
        out.write_json("audit.json", found)
        write_report(folder)
        write_tearsheet(folder)
    return found
