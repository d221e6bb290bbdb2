"""The engine of features: compiling, the first answer, a second core, and a new day.

    python benchmarks/features_engine.py

Compiling: a process with an empty kernel cache evaluates an expression of every function and the feature sets, plain and
float32, batch and live, start of Python included. First answer: a process with a warm cache imports the library and
evaluates one expression with every kind of operator over 50 symbols x 500 sessions. Two cores: the momentum, ohlcv and
volatility sets over 800 symbols x 3,300 sessions in one graph, two threads against one, the same bits. A new day: 500
symbols x 2,520 sessions evaluated whole, against the newest session with its look-back (what the cache of a newer store
version does) and against one live step; the same bits.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness import alternate, record

from backcast.data.types import Panel
from backcast.engine.features.sheet import BARS, example_text, feature_sets, fields_of, made_panel, read_set
from backcast.signals.expression import FUNCTIONS
from backcast.signals.feature import FeatureSet
from backcast.signals.graph import Graph
from backcast.signals.live import Live

FIRST = """
import numpy as np
from backcast.data.types import Clock, Panel, Revisions
from backcast.signals.feature import FeatureSet

rng, rows = np.random.default_rng(1), 500
values = np.exp(np.cumsum(rng.normal(0, 0.02, (2, 50, rows)), axis=2))
at = (np.datetime64("2020-01-01") + np.arange(rows)).astype("datetime64[us]")
none = np.zeros(0, dtype=np.int64)
panel = Panel(("close", "volume"), tuple(f"S{s:02d}" for s in range(50)),
              Clock("made", at.astype("datetime64[D]"), at, at, at, np.arange(rows), 252.0), values,
              np.ones((50, rows), dtype=bool), Revisions(none, none, none, at[:0], none, np.zeros(0)), "raw", 0.0)
text = "cs_rank(ts_corr(close, volume, 10)) - cs_rank(delta(close, 5)) + ts_std(returns(close, 1), 20)"
values = FeatureSet({"alpha": text}).compile(panel.fields, "raw").evaluate(panel).values
assert np.isfinite(values[0, :, 30:]).all()
"""


def everything() -> None:
    """Calls every kernel in every form that it is called in."""
    inputs = ("x", "y", "z")
    panel = made_panel(inputs, 5, 80)
    graph = FeatureSet({f"f{k}": example_text(name) for k, name in enumerate(FUNCTIONS)}).compile(
        inputs, "raw"
    )
    whole = graph.evaluate(panel)
    graph.evaluate(panel, out=np.empty(whole.values.shape, np.float32))
    last = panel.clock.slice(len(panel.clock) - 1, len(panel.clock))
    Live.start(graph, panel).step(panel.values[:, :, -1], panel.member[:, -1], bar=last)
    for name in feature_sets():
        chosen = read_set(name)
        assert chosen is not None
        fields = fields_of(chosen)
        chosen.compile(fields, "raw").evaluate(made_panel(fields, 5, 80))


def seconds_of(arguments: list[str], cache: Path) -> float:
    """A process of its own, from its start to its end."""
    begin = time.perf_counter()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, *arguments], check=True, env=environment, cwd=Path(__file__).parent)
    return time.perf_counter() - begin


def compiling() -> None:
    with tempfile.TemporaryDirectory(prefix="backcast-bench-") as folder:
        cold = seconds_of([__file__, "--everything"], Path(folder))
        warm = statistics.median(seconds_of(["-c", FIRST], Path(folder)) for _ in range(5))
        again = seconds_of([__file__, "--everything"], Path(folder))
    record("features/compile/everything", cold, bar=40.0)
    print(f"The same from the warm cache: {again:.1f} s.")
    record("features/first_answer/warm", warm, bar=1.5)


def joined() -> Graph:
    """Three sets in one graph."""
    expressions = {}
    for name in ("momentum", "ohlcv", "volatility"):
        chosen = read_set(name)
        assert chosen is not None
        expressions |= {f"{name}_{k}": text for k, text in chosen.expressions.items()}
    return FeatureSet(expressions).compile(BARS, "raw")


def cores() -> None:
    panel, graph = made_panel(BARS, 800, 3300), joined()
    out = {n: np.empty((len(graph.names), 800, 3300)) for n in (1, 2)}  # nobody pays for fresh pages
    taken = alternate(
        {
            "one": lambda: graph.evaluate(panel, threads=1, out=out[1]).values,
            "two": lambda: graph.evaluate(panel, threads=2, out=out[2]).values,
        },
        rounds=5,
    )
    same = out[1].tobytes() == out[2].tobytes()
    print(f"{len(graph.names)} features, {len(graph.nodes)} operators.")
    record(
        "features/800x3300/two_cores",
        taken["two"].seconds,
        taken["one"].seconds,
        "one core",
        bar=1.7,
        equal=same,
    )


def new_day() -> None:
    panel, graph = made_panel(BARS, 500, 2520), joined()
    tail, before = panel.since(2520 - 1 - graph.lookback), _without_last(panel)
    live = Live.start(graph, before)
    cells = np.stack([panel.values[panel.fields.index(name), :, -1] for name in graph.fields])
    taken = alternate(
        {
            "whole": lambda: graph.evaluate(panel).values[:, :, -1],
            "tail": lambda: graph.evaluate(tail).values[:, :, -1],
            "step": lambda: live.step(cells, panel.member[:, -1]),
        },
        rounds=7,
    )
    step = Live.start(graph, before).step(cells, panel.member[:, -1])
    whole = taken["whole"].answer
    same = whole.tobytes() == taken["tail"].answer.tobytes()
    record(
        "features/new_day/tail",
        taken["tail"].seconds,
        taken["whole"].seconds,
        "all 2,520 sessions",
        equal=same,
    )
    same = np.array_equal(whole, step, equal_nan=True)
    record(
        "features/new_day/live_step",
        taken["step"].seconds,
        taken["whole"].seconds,
        "all 2,520 sessions",
        equal=same,
    )


def _without_last(panel: Panel) -> Panel:
    return replace(
        panel,
        clock=panel.clock.slice(0, len(panel.clock) - 1),
        values=np.ascontiguousarray(panel.values[:, :, :-1]),
        member=np.ascontiguousarray(panel.member[:, :-1]),
    )


def main() -> None:
    if "--everything" in sys.argv:
        everything()
        return
    compiling()
    cores()
    new_day()


if __name__ == "__main__":
    main()
