"""The report: everything the page says, as a pure function of the files in a run folder. Out of sample only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.types import Floats
from backcast.engine.reports.figures import Figures, Rival, figures_of, number, rival_of
from backcast.engine.reports.folder import Evidence, Track, read_evidence
from backcast.engine.reports.numbers import Part, parts_of
from backcast.engine.reports.significance import Significance, significance_of, without_record
from backcast.engine.reports.trust import Trust, trust_in
from backcast.engine.reports.verdict import Grounds, Verdict, judge
from backcast.engine.runs import RunFolder
from backcast.engine.stats import performance
from backcast.engine.stats.paths import PathSharpes, in_words

FORMAT = 4
"""Of report.json: raised when a page made from an older one would be wrong."""
COSTS_BPS = (0.0, 5.0, 10.0, 20.0, 40.0)
POINTS = 420
"""Buckets that a curve is thinned to; each keeps its lowest and highest value, so no extreme is lost."""


@dataclass(frozen=True)
class Curve:
    """A line to draw: kind net, gross, challenger, benchmark or drawdown; days since 1970 and values (growth of 1)."""

    name: str
    kind: str
    days: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """What the page says. `header` and `folds` are facts for its head and its shading.

    Sensitivities: net Sharpe a year by cost per unit traded in basis points, and by the haircut on vanished holdings;
    charged_bps: what a unit traded did cost; flows: by kind what was paid, and got, a year, as shares of equity.
    paths: of a cross-validation, the Sharpe ratios of its paths as in `PathSharpes`; seeds: where a grid varied them, the
    spread of its best configuration's Sharpe ratio a year over them: n, mean, sd, low, high.
    """

    format: int
    header: dict[str, Any]
    verdict: Verdict
    strategy: Figures
    significance: Significance
    statistics: tuple[Part, ...]
    challengers: tuple[Rival, ...]
    benchmark: Rival | None
    trust: Trust
    cost_sensitivity: tuple[tuple[float, float | None], ...]
    charged_bps: float | None
    flows: dict[str, float | None]
    haircut_sensitivity: tuple[tuple[float, float | None], ...]
    monthly: dict[str, float]
    yearly: dict[str, float]
    curves: tuple[Curve, ...]
    drawdown: Curve
    folds: tuple[tuple[int, int], ...]
    paths: dict[str, Any] | None = None
    seeds: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values only, as report.json holds them."""
        return asdict(self)


def build_report(folder: Path) -> Report:
    """The report of a run folder. Errors: InputError naming the file that is missing, broken or incomplete."""
    evidence = read_evidence(folder)
    own, years = evidence.strategy, float(evidence.manifest["periods_per_year"])
    figures = figures_of(own, years, evidence.trials)
    significance = significance_of(own.net, evidence.trials, years)
    challengers = tuple(rival_of(own, c, years, evidence.trials) for c in evidence.challengers)
    if evidence.paths is not None:
        figures, significance = _no_record(figures), without_record(significance)
        challengers = tuple(replace(c, figures=_no_record(c.figures)) for c in challengers)
    benchmark = _benchmark(evidence)
    trust = trust_in(evidence)
    costs = performance.cost_sensitivity(own.before_trading, own.turnover, COSTS_BPS, years)
    return Report(
        FORMAT,
        _header(evidence),
        judge(replace(_grounds(evidence, figures, challengers, benchmark, trust), luck=significance.luck)),
        figures,
        significance,
        parts_of(folder, evidence),
        challengers,
        benchmark,
        trust,
        tuple((bps, number(value)) for bps, value in costs.items()),
        number(own.charged_bps),
        {kind: number(performance.mean_per_year(values, years)) for kind, values in own.flows.items()},
        tuple((cut, _sharpe(net, years)) for cut, net in evidence.haircuts.items()),
        performance.by_month(own.net, own.sessions),
        performance.by_year(own.net, own.sessions),
        _curves(evidence),
        _thinned("drawdown", "drawdown", own.sessions, performance.drawdown(own.net)),
        _folds(evidence),
        None if evidence.paths is None else asdict(evidence.paths),
        (evidence.manifest.get("grid") or {}).get("seeds"),
    )


def write_report(folder: Path) -> Report:
    """Builds the report and writes it as report.json, the same bytes for the same files."""
    report = build_report(folder)
    RunFolder(folder).write_json("report.json", report.to_json())
    return report


def _benchmark(evidence: Evidence) -> Rival | None:
    """The benchmark held without costs, on the sessions where it is known."""
    if evidence.benchmark is None:
        return None
    known = np.isfinite(evidence.benchmark)
    returns, none = evidence.benchmark[known], np.zeros(int(known.sum()))
    name = str(evidence.manifest["dataset"].get("benchmark") or "benchmark")
    track = Track(name, evidence.strategy.sessions[known], returns, returns, none, False)
    years = float(evidence.manifest["periods_per_year"])
    if len(returns) == 0:
        return None
    rival = rival_of(evidence.strategy, track, years, evidence.trials)
    return replace(rival, figures=replace(rival.figures, deflated_probability=None))  # nobody searched for it


def _grounds(
    evidence: Evidence, own: Figures, challengers: tuple[Rival, ...], benchmark: Rival | None, trust: Trust
) -> Grounds:
    """A long-only strategy has to beat its benchmark too: holding the market is no skill."""
    given = evidence.manifest.get("given")
    long_only = (
        not given["short"] if given else evidence.manifest.get("portfolio", {}).get("side") == "long_only"
    )
    rivals = (*challengers, benchmark) if long_only and benchmark else challengers
    stopped = trust.stopped
    if not stopped and evidence.strategy.bankrupt:
        stopped = f"Do not use: the account lost everything by {evidence.strategy.sessions[-1]}."
    if not stopped and not evidence.strategy.turnover.any():
        stopped = "Nothing to judge: the strategy never traded."
    return Grounds(
        stopped,
        own.undefined,
        own.sharpe_per_year,
        own.sharpe_low_per_year,
        own.sharpe_high_per_year,
        own.deflated_probability,
        evidence.trials["n"],
        tuple((r.figures.name, r.difference_per_year, r.low_per_year, r.high_per_year) for r in rivals),
        trust.warnings,
        paths="" if evidence.paths is None else _path_words(evidence.paths),
    )


def _sharpe(returns: Floats, years: float) -> float | None:
    return number(performance.sharpe_per_year(performance.sharpe_per_session(returns), years))


def _header(evidence: Evidence) -> dict[str, Any]:
    manifest, sessions = evidence.manifest, evidence.strategy.sessions
    return {
        "run": manifest["run"],
        "begins": str(sessions[0]),
        "ends": str(sessions[-1]),
        "sessions": len(sessions),
        "paid_in": evidence.strategy.paid_in,
        "taken_out": evidence.strategy.taken_out,
        "dataset": manifest["dataset"],
        "model": manifest["model"],
        "costs": manifest["costs"],
        "execution": manifest["execution"],
        "portfolio": manifest.get("portfolio", {}),
        "simulator": manifest.get("simulator", ""),
        "label": manifest.get("label", {}),
        "every": manifest.get("every"),
        "design": manifest.get("design"),
        "config_sha": manifest["config_sha"],
        "code": manifest["code"],
        "periods_per_year": manifest["periods_per_year"],
        **({"holdout": manifest["holdout"]} if "holdout" in manifest else {}),
    }


def _curves(evidence: Evidence) -> tuple[Curve, ...]:
    """Growth of 1: the strategy net and before costs, then whatever stands beside it."""
    own = evidence.strategy
    lines = [(own.name, "net", own.sessions, own.net), (own.name, "gross", own.sessions, own.gross)]
    lines += [(c.name, "challenger", c.sessions, c.net) for c in evidence.challengers]
    if evidence.benchmark is not None:
        known = np.isfinite(evidence.benchmark)
        name = str(evidence.manifest["dataset"].get("benchmark") or "benchmark")
        lines.append((name, "benchmark", own.sessions[known], evidence.benchmark[known]))
    return tuple(
        _thinned(name, kind, days, performance.growth(returns))
        for name, kind, days, returns in lines
        if len(days)
    )


def _thinned(name: str, kind: str, sessions: npt.NDArray[Any], values: Floats) -> Curve:
    """First, last, and each bucket's lowest and highest value in the order in which they came; six digits."""
    edges = np.linspace(0, len(values), min(POINTS, len(values)) + 1).astype(int)
    extremes = [(a + int(np.argmin(values[a:b])), a + int(np.argmax(values[a:b])))
                for a, b in pairwise(edges)]  # fmt: skip
    keep = np.unique([0, len(values) - 1, *(i for pair in extremes for i in pair)])
    days = sessions[keep].astype("datetime64[D]").astype(int)
    return Curve(name, kind, tuple(days.tolist()), tuple(float(f"{v:.6g}") for v in values[keep]))


def _path_words(paths: PathSharpes) -> str:
    own = " The account below is that of the first path, whatever the others came to."
    return in_words(paths) + (own if len(paths.sharpes) > 1 else "")


def _no_record(figures: Figures) -> Figures:
    """Of a path of a cross-validation no probability is told: it would be read as that of a track record."""
    return replace(figures, probabilistic_probability=None, deflated_probability=None)


def _folds(evidence: Evidence) -> tuple[tuple[int, int], ...]:
    """First and last day of what each fit forecast; of a cross-validation on its first path."""
    if evidence.paths is not None:
        begins = np.array(evidence.manifest["validation"]["begins"], dtype="datetime64[D]").astype(int)
        last = int(evidence.strategy.sessions[-1].astype("datetime64[D]").astype(int))
        return tuple(pairwise([*begins.tolist(), last]))
    return tuple(
        (_day(row["test_start"]), _day(row["test_end"])) for row in evidence.folds.iter_rows(named=True)
    )


def _day(instant: Any) -> int:
    """Days since 1970 of an instant."""
    return int(np.datetime64(instant.date(), "D").astype(int))
