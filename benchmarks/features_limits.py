"""Rolling operators against what the machine can do: a hand-written loop, a bare copy, and the same windows unrestated.

    python benchmarks/features_limits.py [--small]

1. Eight operators at five windows: the loop below does them all in one pass over each symbol, as one would by hand for
   just this job: running sums about the first value, monotonic queues for the extreme, a sorted window for the quantile.
2. Moments and extremes at five windows, beside copying the input's bytes into an answer of the same size.
3. A window of 60 rows where 5 % of the rows are restated 1 to 400 sessions later, beside the same without: so late that final
   values would be wrong in 90 % of the cells and first-known ones in 20 %. `soon` has them 1 to 60 sessions later.

One thread each; process time, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from features_kernels import EXPRESSIONS, WINDOWS, Work
from harness import record
from numba import njit

from backcast.data.types import Floats, Panel, Revisions
from backcast.signals.feature import FeatureSet

COPIES = {name: EXPRESSIONS[name] for name in ("mean", "std", "max", "argmax")} | {
    "var": "ts_var(x, {w})", "min": "ts_min(x, {w})", "skew": "ts_skew(x, {w})", "kurt": "ts_kurt(x, {w})",
}  # fmt: skip
EIGHT = tuple(EXPRESSIONS)


@njit(cache=True, error_model="numpy")
def by_hand(x: Floats, y: Floats, windows: Any, level: float, out: Floats) -> None:
    """out (operators, windows, symbols, rows), the operators in the order of EXPRESSIONS."""
    symbols, rows = x.shape
    queue, ordered = np.empty(rows, dtype=np.int64), np.empty(windows.max() + 1)
    for s in range(symbols):
        a, b = x[s], y[s]
        for i in range(len(windows)):
            w = windows[i]
            sa, saa, sb, sbb, sab, sk, head, tail = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0
            for t in range(rows):
                u, v = a[t] - a[0], b[t] - b[0]
                if t >= w:
                    p, q = a[t - w] - a[0], b[t - w] - b[0]
                    sk -= sa - w * p  # places move down by one; the oldest was at -1 + 1
                    sa, saa, sb, sbb, sab = sa - p, saa - p * p, sb - q, sbb - q * q, sab - p * q
                    sk += (w - 1) * u - (w - 1) * p
                else:
                    sk += t * u
                sa, saa, sb, sbb, sab = sa + u, saa + u * u, sb + v, sbb + v * v, sab + u * v
                while tail > head and a[queue[tail - 1]] <= a[t]:
                    tail -= 1
                queue[tail] = t
                tail += 1
                if queue[head] <= t - w:
                    head += 1
                n = min(t, w)
                if t >= w:
                    k = np.searchsorted(ordered[:w], a[t - w])
                    for j in range(k, w - 1):
                        ordered[j] = ordered[j + 1]
                    n = w - 1
                k = np.searchsorted(ordered[:n], a[t])
                for j in range(n, k, -1):
                    ordered[j] = ordered[j - 1]
                ordered[k] = a[t]
                if t < w - 1:
                    out[:, i, s, t] = math.nan
                    continue
                m2, n2 = saa - sa * sa / w, sbb - sb * sb / w
                out[0, i, s, t] = sa / w + a[0]
                out[1, i, s, t] = math.sqrt(max(m2, 0.0) / (w - 1))
                out[2, i, s, t] = a[queue[head]]
                above = np.searchsorted(ordered[:w], a[t], side="right")
                out[3, i, s, t] = (k + above + 1) / (2.0 * w)
                place = (w - 1) * level
                low = int(place)
                high = min(low + 1, w - 1)
                out[4, i, s, t] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
                out[5, i, s, t] = (sab - sa * sb / w) / math.sqrt(m2 * n2)
                out[6, i, s, t] = (sk - 0.5 * (w - 1) * sa) * 12.0 / (w * (w * w - 1.0))
                out[7, i, s, t] = t - queue[head]


def _graph(expressions: dict[str, str], panel: Panel) -> Callable[[], Floats]:
    graph = FeatureSet(expressions).compile(panel.fields, "raw")
    return lambda: graph.evaluate(panel, threads=1).values


def _at_windows(templates: dict[str, str]) -> dict[str, str]:
    return {f"{name}_{w}": text.format(w=w) for name, text in templates.items() for w in WINDOWS}


def pair(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float, Any, Any]:
    """Medians of process times taken turn by turn, and the last answers."""
    seconds: tuple[list[float], list[float]] = ([], [])
    answers: list[Any] = [ours(), theirs()]
    for _ in range(rounds):
        for k, function in enumerate((ours, theirs)):
            answers[k] = None  # nobody's clock pays for holding an old answer
            begin = time.process_time()
            answers[k] = function()
            seconds[k].append(time.process_time() - begin)
    return statistics.median(seconds[0]), statistics.median(seconds[1]), *answers


def hand_written(work: Work, rounds: int) -> None:
    windows = np.array(WINDOWS)

    def loop() -> Floats:
        out = np.empty((len(EIGHT), len(WINDOWS), *work.x.shape))
        by_hand(work.x, work.y, windows, 0.3, out)
        return out

    ours, theirs, mine, other = pair(_graph(_at_windows(EXPRESSIONS), work.panel), loop, rounds)
    equal = np.allclose(mine, other.reshape(mine.shape), rtol=1e-6, atol=1e-6, equal_nan=True)
    _limit(work, "eight/hand", ours, theirs, "a hand-written loop", 1 / 1.1, equal)


def copies(work: Work, rounds: int) -> None:
    def copy() -> Floats:
        out = np.empty((len(WINDOWS), *work.x.shape))
        for k in range(len(WINDOWS)):
            out[k] = work.x
        return out

    for name, template in COPIES.items():
        ours, theirs, mine, other = pair(_graph(_at_windows({name: template}), work.panel), copy, rounds)
        _limit(work, f"{name}/copy", ours, theirs, "copying the bytes", 0.1, mine.shape == other.shape)


def restated(panel: Panel, latest: int, share: float = 0.05) -> Panel:
    """The panel with a share of the cells of x restated, each 1 to `latest` sessions later."""
    rng, (symbols, rows) = np.random.default_rng(5), panel.member.shape
    cell = rng.choice(symbols * rows, int(share * symbols * rows), replace=False)
    decision = cell % rows + rng.integers(1, latest + 1, len(cell))
    cell, decision = cell[decision < rows], decision[decision < rows]
    order = np.argsort(decision, kind="stable")
    cell, decision = cell[order], decision[order]
    s, t = cell // rows, cell % rows
    value = panel.values[0, s, t] * (1 + rng.normal(0, 0.01, len(cell)))
    field = np.zeros(len(cell), dtype=np.int64)
    return replace(panel, revisions=Revisions(field, s, t, panel.clock.decides_at[decision], decision, value))


def restatements(work: Work, rounds: int) -> None:
    cases = {
        "mean60": {"f": "ts_mean(x, 60)"},
        "std60": {"f": "ts_std(x, 60)"},
        "eight": _at_windows(EXPRESSIONS),
    }
    for name, expressions in cases.items():
        plain = _graph(expressions, work.panel)
        for label, latest, bar in ((name, 400, 1 / 3), (f"{name}/soon", 60, None)):
            panel = restated(work.panel, latest)
            if name == "mean60":
                print(
                    "{}: wrong by final values {:.0%}, by first-known ones {:.0%}".format(
                        label, *wrong(panel)
                    )
                )
            ours, theirs, mine, _ = pair(_graph(expressions, panel), plain, rounds)
            equal = name != "mean60" or _as_known(panel, mine[0])
            _limit(work, f"restated/{label}", ours, theirs, "the same without restatements", bar, equal)


def wrong(panel: Panel, window: int = 60) -> tuple[float, float]:
    """The shares of decisions whose window has a cell that is restated later, and one that was restated by then."""
    r, (symbols, rows) = panel.revisions, panel.member.shape
    later, known = np.zeros((2, symbols, rows + window), dtype=np.int64)
    for s, t, d in zip(r.symbol, r.time, r.decision, strict=True):
        later[s, t : min(d, t + window)] += 1
        known[s, min(d, t + window) : t + window] += 1
    whole = slice(window - 1, rows)
    return float((later[:, whole] > 0).mean()), float((known[:, whole] > 0).mean())


def _as_known(panel: Panel, ours: Floats, symbols: int = 5) -> bool:
    """Each decision of some symbols, from the cells as known then."""
    r, cells = panel.revisions, panel.values[0].copy()
    expected, n = np.full((symbols, cells.shape[1]), np.nan), 0
    for t in range(cells.shape[1]):
        while n < len(r) and r.decision[n] <= t:
            cells[r.symbol[n], r.time[n]] = r.value[n]
            n += 1
        if t >= 59:
            expected[:, t] = cells[:symbols, t - 59 : t + 1].mean(axis=1)
    return bool(np.allclose(ours[:symbols], expected, rtol=1e-12, equal_nan=True))


def _limit(
    work: Work, name: str, ours: float, theirs: float, peer: str, bar: float | None, equal: bool
) -> dict[str, Any]:
    symbols, rows = work.x.shape
    return record(
        f"features/{symbols}x{rows}/{name}", ours, theirs, peer, bar=bar and round(bar, 3), equal=equal
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the symbols, one round")
    small = parser.parse_args().small
    work, rounds = Work(50 if small else 500, 2520), 1 if small else 5
    hand_written(work, rounds)
    copies(work, rounds)
    restatements(work, 1 if small else 3)


if __name__ == "__main__":
    main()
