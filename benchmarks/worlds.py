"""Whether the rules keep their word: sweeps without skill, and sweeps with one planted skill, in many worlds.

    python benchmarks/worlds.py [--worlds 200] [--sessions 2520] [--kinds normal market] [--jobs 2] [--seed 2026] [--out DIR]

On noise, in how many worlds the best of 10 to 2,000 trials is called better than luck: by StepM at 5 %, by the page's verdict,
by a deflated Sharpe ratio of 95 %, and by the figures that vectorbt (its deflated Sharpe ratio) and QuantStats (its
probabilistic Sharpe ratio) print, taken at 95 %. With a planted skill, how often it is found: the power curves, beside a
Bonferroni test that knows the true variance. Writes table.txt, worlds.json and power.svg to the folder given.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")  # a world a process

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from harness import record
from rich.console import Console
from rich.progress import Progress
from scipy.special import ndtri
from worlds_chart import power_chart

from backcast.engine.reports.verdict import Grounds, judge
from backcast.engine.stats import performance, significance
from backcast.engine.stats.multiple import certainly_bad, luck_block_length, step_down
from backcast.engine.stats.resampling import (
    DRAWS,
    SEED,
    block_counts,
    block_starts,
    resampled_sharpes,
)
from backcast.engine.stats.worlds import KINDS, long_run, noise

SIZES = (10, 50, 200, 1000, 2000)
POWER_SIZES = (10, 200, 2000)
SKILLS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
"""Sharpe ratios a year of the planted trial."""
YEAR = 252
RULES = ("stepm", "verdict", "deflated", "vectorbt", "quantstats")
FINDERS = ("verdict", "stepm", "bonferroni", "deflated")


class World:
    """A sweep of trials, and what each rule says of the first K of them."""

    def __init__(self, kind: str, sessions: int, trials: int, seed: tuple[int, int]) -> None:
        self.kind = kind
        self.returns = noise(kind, sessions, trials, np.random.default_rng([*seed, list(KINDS).index(kind)]))
        self.root = np.sqrt(sessions)
        self.means, self.spreads = self.returns.mean(axis=0), self.returns.std(axis=0, ddof=1)
        counts = _counts(sessions)
        kept = np.where(certainly_bad(self.returns), self.means, 0.0)
        self.drawn = resampled_sharpes(self.returns, counts, kept)
        self.first = resampled_sharpes(self.returns[:, :1], counts, np.zeros(1))[:, 0]
        self.sorted: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def noise(self, trials: int) -> dict[str, bool]:
        """By rule, whether it calls the best of the first `trials` better than luck."""
        sharpes = (self.means / self.spreads)[:trials]
        best = int(sharpes.argmax())
        p = _share(self.drawn[:, :trials].max(axis=1), sharpes[best])
        page = self._page(best, sharpes, p)
        deflated = page.deflated or 0.0
        return {
            "stepm": p <= 0.05,  # no trial is declared before the best
            "verdict": _better(page),
            "deflated": deflated >= 0.95,
            "vectorbt": deflated >= 0.95,  # the same formula: `check_peers` holds them together
            "quantstats": self._probabilistic(best, sharpes) >= 0.95,
        }

    def found(self, trials: int, skill: float) -> dict[str, bool]:
        """By rule, whether it finds the skill planted in trial 0 of the first `trials`."""
        planted = skill / np.sqrt(YEAR)
        own = float((self.means[0] + planted) / self.spreads[0])
        p, rank = self.planted_p(trials, own)
        known = self.root * (self.means[0] + planted) / long_run(self.kind)
        sharpes = np.r_[own, (self.means / self.spreads)[1:trials]]
        page = self._page(0, sharpes, p, planted)
        return {
            "verdict": rank == 0 and _better(page),
            "stepm": p <= 0.05,
            "bonferroni": bool(known > -ndtri(0.05 / trials)),
            "deflated": rank == 0 and (page.deflated or 0.0) >= 0.95,
        }

    def planted_p(self, trials: int, own: float) -> tuple[float, int]:
        """StepM's p-value of trial 0 with the Sharpe ratio `own` among the first `trials`, and how many others rank above it.

        What `step_down` says of it (`check_steps` holds them together), with the others' maxima computed once for all skills.
        """
        sharpes, highest = self._others(trials)
        drawn = self.drawn[:, 0] if own * self.root < -2 else self.first  # certainly bad, or not any more
        rank = int((sharpes > own).sum())
        above = [_share(np.maximum(highest[k], drawn), sharpes[k]) for k in range(rank)]
        below = np.maximum(highest[rank], drawn) if rank < len(sharpes) else drawn
        return max([*above, _share(below, own)]), rank

    def _others(self, trials: int) -> tuple[np.ndarray, np.ndarray]:
        """Sharpe ratios of trials 1 to K - 1 from the highest, and of each the largest draw of it and all lower ones."""
        if trials not in self.sorted:
            sharpes = (self.means / self.spreads)[1:trials]
            order = np.argsort(-sharpes, kind="stable")
            drawn = np.ascontiguousarray(self.drawn[:, 1:trials].T)[order[::-1]]
            self.sorted[trials] = sharpes[order], np.maximum.accumulate(drawn, axis=0)[::-1]
        return self.sorted[trials]

    def _page(self, trial: int, sharpes: np.ndarray, p: float, planted: float = 0.0) -> Grounds:
        """What the page of one trial rests on, as `reports/model.py` puts it together."""
        own = self.returns[:, trial] + planted
        estimate = performance.sharpe(own, YEAR)
        deflated = significance.deflated_sharpe(
            estimate.per_session, len(sharpes), float(sharpes.var(ddof=1)), performance.skewness(own),
            performance.kurtosis(own), len(own),
        )  # fmt: skip
        bounds = (estimate.per_year, estimate.low_per_year, estimate.high_per_year)
        return Grounds("", "", *bounds, deflated, len(sharpes), (), (), p)

    def _probabilistic(self, trial: int, sharpes: np.ndarray) -> float:
        own = self.returns[:, trial]
        return significance.probabilistic_sharpe(
            performance.SharpePerSession(float(sharpes[trial])), performance.SharpePerSession(0.0),
            performance.skewness(own), performance.kurtosis(own), len(own),
        )  # fmt: skip


def _share(drawn: np.ndarray, observed: float) -> float:
    """The share of draws that reach a ratio, the ratio counted as a draw."""
    return (1 + int((drawn >= drawn.dtype.type(observed)).sum())) / (len(drawn) + 1)


def _better(page: Grounds) -> bool:
    return judge(page).sentence.startswith("Better than luck")


@lru_cache(maxsize=1)
def _counts(sessions: int) -> np.ndarray:
    length = luck_block_length(sessions)
    return block_counts(block_starts(sessions, length, DRAWS, SEED), length, sessions)


def world(kind: str, sessions: int, sizes: tuple[int, ...], seed: tuple[int, int]) -> dict[str, Any]:
    """One world: every size of sweep on noise, and every skill in some of them."""
    made = World(kind, sessions, max(sizes), seed)
    powered = [k for k in sizes if k in POWER_SIZES]
    return {
        "noise": {k: made.noise(k) for k in sizes},
        "power": {k: {s: made.found(k, s) for s in SKILLS} for k in powered},
    }


def check_steps(sessions: int) -> None:
    """That the short cut for one planted trial says what `step_down` says of it, on one small world."""
    made = World("market", sessions, 50, seed=(0, 1))
    for skill in SKILLS:
        sharpes = made.means / made.spreads
        sharpes[0] += skill / np.sqrt(YEAR) / made.spreads[0]
        drawn = np.concatenate([made.first[:, None], made.drawn[:, 1:]], axis=1)
        assert made.planted_p(50, sharpes[0])[0] == step_down(sharpes, drawn)[0]


def check_peers(sessions: int) -> list[str]:
    """That vectorbt's and QuantStats' own functions give the figures that stand for them, on one small world."""
    import pandas as pd

    made = World("market", sessions, 20, seed=(0, 0))
    sharpes = made.means / made.spreads
    ours = [made._page(k, sharpes, 1.0).deflated for k in range(20)]
    said = []
    frame = pd.DataFrame(made.returns * 0.01, index=pd.date_range("2010-01-04", periods=sessions, freq="B"))
    try:
        import vectorbt

        theirs = frame.vbt.returns(freq="1D", year_freq=f"{YEAR}D").deflated_sharpe_ratio()
        assert np.allclose(theirs, ours, rtol=1e-8), "vectorbt's deflated Sharpe ratio is not ours"
        said.append(
            f"vectorbt {vectorbt.__version__}: its deflated Sharpe ratio equals ours in 20 of 20 trials"
        )
    except ImportError:
        said.append("vectorbt is not installed: its column is its formula")
    try:
        from quantstats import __version__, stats

        theirs = [stats.probabilistic_sharpe_ratio(frame[k]) for k in range(20)]
        biased = [made._probabilistic(k, sharpes) for k in range(20)]
        assert np.allclose(theirs, biased, atol=1e-3), (
            "QuantStats' probabilistic Sharpe ratio is not the formula"
        )
        said.append(
            f"QuantStats {__version__}: its probabilistic Sharpe ratio is the formula to 0.001 in 20 of 20 trials"
        )
    except ImportError:
        said.append("QuantStats is not installed: its column is its formula (as read in 0.0.86)")
    return said


def run(
    kinds: list[str], worlds: int, sessions: int, sizes: tuple[int, ...], jobs: int, seed: int
) -> dict[str, Any]:
    """By kind: declared[rule][size] and found[rule][size][skill], in worlds."""
    totals = {
        kind: {
            "declared": {r: dict.fromkeys(sizes, 0) for r in RULES},
            "found": {r: {k: dict.fromkeys(SKILLS, 0) for k in sizes if k in POWER_SIZES} for r in FINDERS},
        }
        for kind in kinds
    }
    with ProcessPoolExecutor(jobs) as pool, Progress(console=Console(stderr=True)) as bars:
        tasks = {kind: bars.add_task(f"{kind:<15}", total=worlds) for kind in kinds}
        waiting = {
            pool.submit(world, kind, sessions, sizes, (seed, n)): kind
            for kind in kinds
            for n in range(worlds)
        }
        for done in as_completed(waiting):
            kind = waiting.pop(done)
            _add(totals[kind], done.result())
            bars.advance(tasks[kind])
    return totals


def _add(total: dict[str, Any], one: dict[str, Any]) -> None:
    for k, said in one["noise"].items():
        for rule, yes in said.items():
            total["declared"][rule][k] += yes
    for k, skills in one["power"].items():
        for skill, said in skills.items():
            for rule, yes in said.items():
                total["found"][rule][k][skill] += yes


def least_power(total: dict[str, Any], worlds: int) -> float:
    """The least ratio of the verdict's power to that of Bonferroni, true variance known, where the latter is at least 20 %."""
    known, ours = total["found"]["bonferroni"], total["found"]["verdict"]
    ratios = [ours[k][s] / known[k][s] for k in known for s in SKILLS if known[k][s] >= 0.2 * worlds]
    return min(ratios, default=float("nan"))


def table(totals: dict[str, Any], worlds: int, sizes: tuple[int, ...]) -> str:
    lines = [
        f"Noise: worlds of {worlds} in which the best of N trials is called better than luck (at 5 %: {0.05 * worlds:g})"
    ]
    lines.append(f"{'world':<16}{'rule':<12}" + "".join(f"{f'N={k}':>9}" for k in sizes))
    for kind, total in totals.items():
        for rule in RULES:
            counts = "".join(f"{total['declared'][rule][k]:>9}" for k in sizes)
            lines.append(f"{kind:<16}{rule:<12}{counts}")
    lines.append("")
    lines.append("Skill planted in one trial: share of worlds that find it, by its Sharpe ratio a year")
    lines.append(f"{'world':<16}{'N':>6}  {'rule':<12}" + "".join(f"{s:>7g}" for s in SKILLS))
    for kind, total in totals.items():
        for k in total["found"]["verdict"]:
            for rule in FINDERS:
                shares = "".join(f"{total['found'][rule][k][s] / worlds:>7.0%}" for s in SKILLS)
                lines.append(f"{kind:<16}{k:>6}  {rule:<12}{shares}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=2520)
    parser.add_argument("--trials", type=int, default=max(SIZES), help="the largest sweep")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "build" / "worlds")
    given = parser.parse_args()
    sizes = tuple(k for k in SIZES if k <= given.trials)
    begin = time.perf_counter()
    check_steps(min(given.sessions, 1000))
    said = check_peers(min(given.sessions, 1000))
    totals = run(given.kinds, given.worlds, given.sessions, sizes, given.jobs, given.seed)
    text = "\n".join([table(totals, given.worlds, sizes), "", *said])
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "table.txt").write_text(text + "\n")
    (given.out / "worlds.json").write_text(json.dumps({"worlds": given.worlds, "kinds": totals}))
    (given.out / "power.svg").write_text(power_chart(totals, given.worlds, SKILLS))
    met = [claim for kind in totals for claim in _claims(kind, totals[kind], given.worlds)]
    print(
        f"{time.perf_counter() - begin:.0f} s. Written: table.txt, worlds.json and power.svg in {given.out}"
    )
    return 0 if all(met) else 1


def _claims(kind: str, total: dict[str, Any], worlds: int) -> list[bool]:
    """At most 8 % of worlds of any size declared (16 of 200), and at least 80 % of the power of Bonferroni."""
    met = []
    for rule in ("stepm", "verdict"):
        most = max(total["declared"][rule].values())
        met.append(record(f"statistics/worlds/{kind}/{rule}", most, unit="of", bar=0.08 * worlds)["met"])
    behind = 1 / max(least_power(total, worlds), 1e-9)
    met.append(record(f"statistics/worlds/{kind}/bonferroni_over_verdict", behind, unit="x", bar=1.25)["met"])
    return met


if __name__ == "__main__":
    sys.exit(main())
