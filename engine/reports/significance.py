"""Whether a search without skill shows as much: what trials.json says of it, and the probabilities that stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from backcast.data.types import Floats
from backcast.engine.reports.figures import number
from backcast.engine.stats import performance
from backcast.engine.stats.performance import SharpePerSession
from backcast.engine.stats.sharpe_tests import (
    BENCHMARK,
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    trials_variance,
)

NO_RECORD = "a path of a cross-validation is no track record"
COUNTS = ("compared", "counted", "sessions", "block_length", "draws")


@dataclass(frozen=True)
class Significance:
    """luck: the run's own p-value by StepM over the log's trials, None where its folder has none, and `without` says why.

    compared of counted trials, on `sessions`, from `draws` of blocks of `block_length` sessions; zeros where not told. The
    probabilities at the benchmark are those of `Figures` in the other published convention (`engine/stats/sharpe_tests.py`).
    needed_years: the shortest record from which the ratio, if it stays, is above zero with 95 % confidence; None: never.
    """

    luck: float | None
    without: str
    compared: int
    counted: int
    sessions: int
    block_length: int
    draws: int
    probabilistic_at_benchmark: float | None
    deflated_at_benchmark: float | None
    needed_years: float | None


def significance_of(net: Floats, trials: Mapping[str, Any], years: float) -> Significance:
    """net (T,) returns per session; trials: as trials.json; years: sessions in a year."""
    told = trials.get("luck") or {}
    luck = told.get("p")
    without = "" if luck is not None else _without(told, net)
    counts = {name: int(told.get(name, 0)) for name in COUNTS}
    probabilistic, deflated = _at_benchmark(net, trials)
    return Significance(luck, without, **counts, probabilistic_at_benchmark=probabilistic, deflated_at_benchmark=deflated,
                        needed_years=_needed(net, years))  # fmt: skip


def without_record(found: Significance) -> Significance:
    """Of a cross-validation: no probability is told, because it would be read as that of a track record."""
    return replace(found, luck=None, without=NO_RECORD, probabilistic_at_benchmark=None, deflated_at_benchmark=None,
                   needed_years=None)  # fmt: skip


def _without(told: Mapping[str, Any], net: Floats) -> str:
    if not told:
        return "made before runs were compared with the other trials"
    return performance.undefined(net) or "its returns are not in the trial log"


def _at_benchmark(net: Floats, trials: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Probabilistic (against zero) and deflated probability with the error at the benchmark."""
    if performance.undefined(net):
        return None, None
    ratio, skew, kurt = _moments(net)
    variance, length = trials_variance(net, trials["sharpe_variance"]), len(net)
    return (
        number(probabilistic_sharpe(ratio, SharpePerSession(0.0), skew, kurt, length, BENCHMARK)),
        number(deflated_sharpe(ratio, trials["n"], variance, skew, kurt, length, BENCHMARK)),
    )


def _needed(net: Floats, years: float) -> float | None:
    if performance.undefined(net):
        return None
    ratio, skew, kurt = _moments(net)
    return number(minimum_track_record(ratio, SharpePerSession(0.0), skew, kurt) / years)


def _moments(net: Floats) -> tuple[SharpePerSession, float, float]:
    return performance.sharpe_per_session(net), performance.skewness(net), performance.kurtosis(net)
