"""The statistics of a run, from its folder; what its folder lacks is gathered from the pinned store once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Bools, Floats
from backcast.engine.holdout import warn_of_sight
from backcast.engine.reports.folder import AGAIN as RUN_AGAIN
from backcast.engine.reports.folder import Evidence, read_evidence
from backcast.engine.runs import LEVELS, RunFolder
from backcast.engine.stats import capacity, frames, outcomes, ratios, regimes
from backcast.engine.stats.figure import Figure
from backcast.engine.stats.frames import Factors, per_session
from backcast.engine.stats.signal import Signal, absent, signal_sections, signal_table
from backcast.engine.stats.statistics import (
    Account,
    Section,
    Statistics,
    performance_sections,
    performance_tables,
)
from backcast.signals.types import QUANTILES

JSON, PARQUET = "statistics.json", "statistics.parquet"
UNIVERSE = "the universe, equal weights"


def statistics_of_run(
    folder: Path,
    *,
    factors: Factors | None = None,
    groups: dict[str, str] | None = None,
    risk_free_per_year: float = 0.0,
    draws: int = ratios.DRAWS,
) -> Statistics:
    """All of them. `outcomes.gather` must have been there. Errors: InputError for what the folder lacks."""
    evidence, run = read_evidence(folder), RunFolder.open(folder)
    warn_of_sight(run)
    context = run.read_table(outcomes.CONTEXT)
    account = _account(evidence, context, factors, risk_free_per_year)
    signal = _signal(evidence, run, account, groups)
    sections = performance_sections(account, draws)
    sections.append(Section("again", "Traded again", tuple(_again(evidence, run, account))))
    tables = performance_tables(account)
    if isinstance(signal, str):
        sections += absent(signal)
    else:
        sections += signal_sections(signal)
        tables["ic"] = signal_table(signal)
    return Statistics(_header(evidence, account, risk_free_per_year), tuple(sections), tables)


def statistics(of: Any, **settings: Any) -> Statistics:
    """See `backcast.statistics`, which says what everything means: of returns, or of a run's folder."""
    folder = getattr(of, "folder", of)
    if not isinstance(folder, str | Path):
        return frames.statistics(of, **settings)
    names = ("factors", "groups", "risk_free_per_year", "draws")
    for name in settings:
        if name not in names:
            raise InputError(
                name, settings[name], f"no such argument for a run; there are {', '.join(names)}"
            )
    if settings.get("factors") is not None:
        settings["factors"] = frames.factors_of(settings["factors"], "factors")
    folder = RunFolder.open(Path(folder)).path
    if not gathered(folder):
        outcomes.gather(folder)
    return statistics_of_run(folder, **settings)


def gathered(folder: Path) -> bool:
    """Whether the store was read already."""
    return all((folder / name).exists() for name in (outcomes.OUTCOMES, outcomes.CONTEXT, outcomes.AGAIN))


def write(folder: Path, found: Statistics) -> list[str]:
    """Writes statistics.json, statistics.parquet and the tables; their names."""
    run = RunFolder.open(folder)
    names = [f"{outcomes.FOLDER}/{name}.parquet" for name in found.tables]
    for name, table in zip(names, found.tables.values(), strict=True):
        run.write_table(name, table)
    run.write_table(PARQUET, found.frame())
    run.write_json(JSON, found.to_json())
    return [JSON, PARQUET, *names]


def _header(evidence: Evidence, account: Account, risk_free_per_year: float) -> dict[str, Any]:
    return {
        "run": evidence.manifest["run"],
        "begins": str(account.sessions[0]),
        "ends": str(account.sessions[-1]),
        "sessions": len(account.sessions),
        "periods_per_year": account.year,
        "calendar": evidence.manifest["dataset"].get("calendar", ""),
        "risk_free_per_year": risk_free_per_year,
        "benchmark": account.benchmark_name,
        "returns": "simple, net of costs, per session",
    }


def _account(
    evidence: Evidence, context: pl.DataFrame, factors: Factors | None, risk_free_per_year: float
) -> Account:
    own, year = evidence.strategy, float(evidence.manifest["periods_per_year"])
    length = len(own.sessions)
    if context.height < length:
        raise InputError(outcomes.CONTEXT, context.height, f"a row for each of {length} sessions", RUN_AGAIN)
    market = context["market"].to_numpy()[:length]
    name = str(evidence.manifest["dataset"].get("benchmark") or "benchmark")
    benchmark = evidence.benchmark
    return Account(
        own.net,
        own.sessions,
        year,
        np.full(length, per_session(risk_free_per_year, year)),
        own.gross,
        own.before_trading,
        own.turnover,
        market if benchmark is None else benchmark,
        UNIVERSE if benchmark is None else name,
        market if benchmark is None else benchmark,
        factors.on(own.sessions) if factors else {},
        context[:length],
    )


def _again(evidence: Evidence, run: RunFolder, account: Account) -> list[Figure]:
    costs = evidence.manifest["costs"]
    own = any(str(name).startswith("impact") for name in costs)
    impact = (
        "the run's own impact"
        if own
        else "its costs have none: a square-root impact of coefficient 1 was added"
    )
    table = run.read_table(outcomes.AGAIN)
    capital, free = float(evidence.manifest["capital"]), float(account.risk_free[0])
    return capacity.figures(table, capital, account.year, impact, free)


def _signal(
    evidence: Evidence, run: RunFolder, account: Account, groups: dict[str, str] | None
) -> Signal | str:
    """The run's forecasts beside what followed; where it makes none, its target weights; in words why there is neither."""
    known = run.read_table(outcomes.OUTCOMES)
    said, column = run.read_table("forecasts.parquet"), "mean"
    if said.height == 0:
        said, column = run.read_table("targets.parquet"), "weight"
        if column not in said.columns:
            return "the run makes no forecasts, and its targets are no weights"
    horizon = int(evidence.manifest["label"]["horizon"])
    horizons = [int(name[1:]) for name in known.columns if name.startswith("h")]
    if horizon not in horizons:
        return f"the data end before a horizon of {horizon} bars"
    symbols = tuple(sorted({*known["symbol"].unique(), *said["symbol"].unique()}))
    bars = known.select("decided_at", "session", "bar").unique("decided_at").sort("decided_at")
    bars = bars.filter(pl.col("decided_at").is_in(said["decided_at"].unique().implode()))
    if not bars.height:
        return "no decision had a member of the universe"
    decided = bars["decided_at"].dt.replace_time_zone(None).to_numpy()
    sessions = bars["session"].to_numpy().astype("datetime64[D]")
    theirs, mine = _Layout(known, decided, symbols), _Layout(said, decided, symbols)
    cost = evidence.strategy.charged_bps
    return Signal(
        mine.laid(column),
        theirs.there,
        decided,
        sessions,
        bars["bar"].to_numpy(),
        {h: theirs.laid(f"h{h}") for h in horizons},
        horizon,
        np.stack([mine.laid(name) for name in LEVELS], axis=2) if column == "mean" else None,
        QUANTILES,
        tuple(groups.get(symbol, "") for symbol in symbols) if groups else (),
        _regimes(account, sessions),
        float(cost) if np.isfinite(cost) else None,
        "nothing was traded: what it costs is not known",
    )


class _Layout:
    """The rows of a table by decision and symbol as arrays (D, S); rows of other decisions are left out."""

    def __init__(self, table: pl.DataFrame, decided: npt.NDArray[Any], symbols: tuple[str, ...]) -> None:
        instants = table["decided_at"].dt.replace_time_zone(None).to_numpy()
        row = np.minimum(np.searchsorted(decided, instants), len(decided) - 1)
        self._kept = decided[row] == instants
        column = table["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
        self._cell = (row * len(symbols) + column)[self._kept]
        self._shape, self._table = (len(decided), len(symbols)), table

    @property
    def there(self) -> Bools:
        """Whether the table has a row."""
        found = np.zeros(self._shape[0] * self._shape[1], dtype=bool)
        found[self._cell] = True
        return found.reshape(self._shape)

    def laid(self, name: str) -> Floats:
        """A column; NaN where there is no row, or no value."""
        found = np.full(self._shape[0] * self._shape[1], np.nan)
        found[self._cell] = self._table[name].to_numpy()[self._kept]
        return found.reshape(self._shape)


def _regimes(account: Account, sessions: Any) -> dict[str, regimes.Names]:
    """Of each decision that of its own session, known the session before; unknown before the account begins."""
    if account.market is None:
        return {}
    place = np.searchsorted(account.sessions, sessions)
    here = np.minimum(place, len(account.sessions) - 1)
    inside = account.sessions[here] == sessions
    found = regimes.of_market(account.market)
    return {
        kind: np.where(inside, names[here], regimes.UNKNOWN).astype(object) for kind, names in found.items()
    }
