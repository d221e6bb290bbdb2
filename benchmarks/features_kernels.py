"""Eight rolling operators at five windows, against pandas, polars and bottleneck: one core each, answers compared.

    python benchmarks/features_kernels.py [--small]

Ours is `Graph.evaluate` with one thread, from a panel (symbols x sessions) to features of the same layout, all five
windows in one graph. The peers get frames in the layout that they like best, made beforehand, and are given one thread.
Slope and argmax, for which pandas has only `apply`, run on fewer symbols and are shown apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"  # before polars is imported

import bottleneck as bn
import numpy as np
import pandas as pd
import polars as pl
from harness import record

from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.feature import FeatureSet

WINDOWS = (5, 10, 20, 30, 60)
BARS = {"pandas": 10.0, "polars": 5.0}
EXPRESSIONS = {
    "mean": "ts_mean(x, {w})", "std": "ts_std(x, {w})", "max": "ts_max(x, {w})", "rank": "ts_rank(x, {w})",
    "quantile": "ts_quantile(x, {w}, 0.3)", "corr": "ts_corr(x, y, {w})", "slope": "ts_slope(x, {w})",
    "argmax": "ts_argmax(x, {w})",
}  # fmt: skip
QUICK = ("mean", "std", "max")  # short enough for more rounds
Compute = Callable[[int], Any]


class Work:
    """The same two series per symbol, in everybody's own layout."""

    def __init__(self, symbols: int, rows: int) -> None:
        rng = np.random.default_rng(11)
        self.x = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (symbols, rows)), axis=1))
        self.y = rng.lognormal(10, 1, (symbols, rows))
        self.panel = _panel(np.stack([self.x, self.y]))
        self.frame, self.other = pd.DataFrame(self.x.T.copy()), pd.DataFrame(self.y.T.copy())
        names = [f"x{i}" for i in range(symbols)]
        self.columns = pl.from_numpy(self.x.T.copy(), schema=names)
        self.both = self.columns.hstack(
            pl.from_numpy(self.y.T.copy(), schema=[f"y{i}" for i in range(symbols)])
        )
        self.pairs = [(f"x{i}", f"y{i}") for i in range(symbols)]

    def ours(self, operator: str) -> Callable[[], list[Floats]]:
        """All windows at once -> a list of (symbols, rows)."""
        expressions = {f"f{w}": EXPRESSIONS[operator].format(w=w) for w in WINDOWS}
        graph = FeatureSet(expressions).compile(self.panel.fields, "raw")
        return lambda: list(graph.evaluate(self.panel, threads=1).values)

    def pandas(self, operator: str) -> Compute | None:
        frame, other = self.frame, self.other
        known: dict[str, Compute] = {
            "mean": lambda w: frame.rolling(w).mean(), "std": lambda w: frame.rolling(w).std(),
            "max": lambda w: frame.rolling(w).max(), "rank": lambda w: frame.rolling(w).rank(pct=True),
            "quantile": lambda w: frame.rolling(w).quantile(0.3), "corr": lambda w: frame.rolling(w).corr(other),
            "slope": lambda w: frame.rolling(w).apply(_slope(w), raw=True),
            "argmax": lambda w: frame.rolling(w).apply(lambda v: len(v) - 1 - np.argmax(v), raw=True),
        }  # fmt: skip
        return known[operator]

    def polars(self, operator: str) -> Compute | None:
        every, pick = pl.all(), self.columns.select
        known: dict[str, Compute] = {
            "mean": lambda w: pick(every.rolling_mean(w)), "std": lambda w: pick(every.rolling_std(w)),
            "max": lambda w: pick(every.rolling_max(w)), "rank": lambda w: pick(every.rolling_rank(w) / w),
            "quantile": lambda w: pick(every.rolling_quantile(0.3, "linear", window_size=w)),
            "corr": lambda w: self.both.select(pl.rolling_corr(x, y, window_size=w).alias(x) for x, y in self.pairs),
        }  # fmt: skip
        return known.get(operator)

    def bottleneck(self, operator: str) -> Compute | None:
        x = self.x
        known: dict[str, Compute] = {
            "mean": lambda w: bn.move_mean(x, w), "std": lambda w: bn.move_std(x, w, ddof=1),
            "max": lambda w: bn.move_max(x, w), "argmax": lambda w: bn.move_argmax(x, w),
            "rank": lambda w: ((bn.move_rank(x, w) + 1) / 2 * (w - 1) + 1) / w,
        }  # fmt: skip
        return known.get(operator)


def _panel(values: Floats) -> Panel:
    _, symbols, rows = values.shape
    at = (np.datetime64("2015-01-01") + np.arange(rows)).astype("datetime64[us]")
    none = np.zeros(0, dtype=np.int64)
    clock = Clock("XNYS", at.astype("datetime64[D]"), at, at, at, np.arange(rows) + 11_500, 252.0)
    revisions = Revisions(none, none, none, at[:0], none, np.zeros(0))
    names = tuple(f"S{i}" for i in range(symbols))
    return Panel(
        ("x", "y"), names, clock, values, np.ones((symbols, rows), dtype=bool), revisions, "raw", 0.0
    )


def _slope(w: int) -> Callable[[Floats], float]:
    place = np.arange(w) - (w - 1) / 2
    return lambda v: float(place @ v / (place @ place))


def _time(function: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    answer = function()
    return time.perf_counter() - begin, answer


def _agree(ours: list[Floats], theirs: list[Any], rows_first: bool) -> bool:
    """Equal to the digits that the peers' running sums keep, with the same cells unknown."""
    for mine, other in zip(ours, theirs, strict=True):
        array = other.to_numpy() if hasattr(other, "to_numpy") else other
        if not np.allclose(mine, array.T if rows_first else array, rtol=1e-6, atol=1e-6, equal_nan=True):
            return False
    return True


def measure(work: Work, operator: str, rounds: int) -> list[dict[str, Any]]:
    """One record per peer: medians of times taken turn by turn."""
    mine = work.ours(operator)
    mine()  # compiled, or read from the cache
    peers = {name: getattr(work, name)(operator) for name in ("pandas", "polars", "bottleneck")}
    peers = {name: compute for name, compute in peers.items() if compute}
    taken: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
    equal = {}
    for _ in range(rounds):
        seconds, answers = _time(mine)
        taken["ours"].append(seconds)
        for name, compute in peers.items():
            seconds, theirs = _time(lambda compute=compute: [compute(w) for w in WINDOWS])
            taken[name].append(seconds)
            equal[name] = _agree(answers, theirs, name != "bottleneck")
            del theirs  # nobody's clock pays for holding another's answer
        del answers
    ours = statistics.median(taken["ours"])
    versions = {"pandas": pd.__version__, "polars": pl.__version__, "bottleneck": bn.__version__}
    return [_record(work, operator, f"{name} {versions[name]}", ours, statistics.median(taken[name]), equal[name])
            for name in peers]  # fmt: skip


def _record(work: Work, operator: str, peer: str, ours: float, theirs: float, equal: bool) -> dict[str, Any]:
    name, (symbols, rows) = peer.split()[0], work.x.shape
    bar = None if operator in ("slope", "argmax") else BARS.get(name)
    return record(f"features/{symbols}x{rows}/{operator}/{name}", ours, theirs, peer, bar=bar, equal=equal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the symbols, one round")
    small = parser.parse_args().small
    work, few, rounds = Work(50 if small else 500, 2520), Work(20, 2520), (1, 1) if small else (3, 9)
    print(f"Windows {WINDOWS}, one thread each.")
    records = []
    for operator in EXPRESSIONS:
        apart = operator in ("slope", "argmax")
        records += measure(few if apart else work, operator, 1 if apart else rounds[operator in QUICK])
    for peer in BARS:
        total(work, [r for r in records if r["peer"].startswith(peer) and r["bar"]])


def total(work: Work, records: list[dict[str, Any]]) -> None:
    """The operators that a peer compiles, added up."""
    ours, theirs = sum(r["ours"] for r in records), sum(r["theirs"] for r in records)
    _record(work, "six", records[0]["peer"], ours, theirs, all(r["equal"] for r in records))


if __name__ == "__main__":
    main()
