"""What a run's report needs beside its account: folds, benchmark and manifest."""

from __future__ import annotations

from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.coverage import coverage
from backcast.engine import given, holdout, runs, validation, walkforward
from backcast.engine.configure import Config, Experiment, digest, redacted
from backcast.engine.grid import Grid
from backcast.engine.pinned import Context, Outcome
from backcast.engine.sessions import periods_per_year
from backcast.engine.walkforward import World


def write_facts(context: Context, own: Outcome, searched: Grid | None) -> None:
    """Writes them. own: what the run's own model came to; searched: the grid that it is the best cell of."""
    pinned, config, out = context.pinned, context.config, context.out
    made, panel = pinned.made, context.world.panel
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
            **holdout.facts(pinned, panel, out),
            "grid": None if searched is None else searched.facts(),
            "every": made.folds.every,
            "design": made.folds.name,
            **validation.facts(made.folds, folds, panel.clock),
            "config_sha": digest(redacted(config)),
            "code": runs.code_version(),
            "packages": runs.packages(),
            "coverage": _coverage(context.world, own),
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
