"""All statistics of a return series, and all of a signal: sections of figures, and the tables that are drawn from them.

Nothing here reads a file. `engine/stats/of_run.py` brings what a run folder holds, `engine/stats/frames.py` what a user has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.stats import (
    attribution,
    drawdowns,
    performance,
    ratios,
    regimes,
    relative,
    returns,
    rolling,
    tails,
)
from backcast.engine.stats.figure import Convention, Figure, Unit

FORMAT = 1
"""Of statistics.json: raised when a reader of an older one would be wrong."""

EXPOSURES = {
    "gross": Convention(
        "gross_exposure", Unit.MULTIPLE, "mean over sessions of (long + short) / equity at the close"
    ),
    "net": Convention(
        "net_exposure", Unit.MULTIPLE, "mean over sessions of (long - short) / equity at the close"
    ),
    "long": Convention(
        "long_exposure", Unit.MULTIPLE, "mean over sessions of long positions / equity at the close"
    ),
    "short": Convention(
        "short_exposure",
        Unit.MULTIPLE,
        "mean over sessions of short positions / equity at the close, above 0",
    ),
    "names": Convention(
        "names_held", Unit.NAMES, "mean over sessions of the number of positions at the close"
    ),
}
LARGEST = Convention("largest_gross_exposure", Unit.MULTIPLE, "largest (long + short) / equity at a close")
YEAR_RETURN = Convention(
    "year_return",
    Unit.SHARE,
    "product of (1 + simple return) over the year's sessions that there are, less 1",
)
YEAR_SHARPE = Convention("year_sharpe", Unit.RATIO_PER_YEAR, "as sharpe, of the year's sessions")


@dataclass(frozen=True)
class Section:
    """Figures that belong together."""

    name: str
    title: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Statistics:
    """header: what they are of. tables: by name what is a row a session, a decision, a month or a drawdown."""

    header: dict[str, Any]
    sections: tuple[Section, ...]
    tables: dict[str, pl.DataFrame]

    def figure(self, name: str, item: object = "") -> Figure:
        """One figure. Errors: InputError for a name, or an item of it, that is not there."""
        named = [one for section in self.sections for one in section.figures if one.name == name]
        if not named:
            known = sorted({one.name for section in self.sections for one in section.figures})
            raise InputError("name", name, f"one of {', '.join(known)}")
        for one in named:
            if one.item == str(item):
                return one
        raise InputError("item", item, f"one of {', '.join(one.item or 'none' for one in named)}")

    def frame(self) -> pl.DataFrame:
        """A row a figure: section, name, item, value, error, low, high, unit, reason, convention."""
        rows = [{"section": s.name, **one.to_json()} for s in self.sections for one in s.figures]
        numbers = dict.fromkeys(("value", "error", "low", "high"), pl.Float64)
        columns = ("section", "name", "item", *numbers, "unit", "reason", "convention")
        schema: dict[str, Any] = {name: numbers.get(name, pl.String) for name in columns}
        return pl.DataFrame(rows, schema=schema)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the tables that have a row a session or a decision."""
        small = {name: self.tables[name] for name in ("monthly", "drawdowns") if name in self.tables}
        return {
            "format": FORMAT,
            **self.header,
            "sections": [
                {"name": s.name, "title": s.title, "figures": [one.to_json() for one in s.figures]}
                for s in self.sections
            ],
            "tables": {name: table.to_dicts() for name, table in small.items()},
        }

    def __repr__(self) -> str:
        sharpe = self.figure("sharpe")
        said = (
            f"n/a ({sharpe.reason})"
            if sharpe.value is None
            else f"{sharpe.value:.2f} ± {sharpe.error or 0:.2f}"
        )
        count = sum(len(section.figures) for section in self.sections)
        return f"Statistics of {self.header['sessions']:,} sessions: Sharpe {said} a year; {count} figures (.frame())"


@dataclass(frozen=True)
class Account:
    """What performance statistics are made of. net (T,) simple returns, sessions (T,) datetime64[D] ascending, year: sessions
    in one; risk_free (T,) per session. The rest may be absent: gross, before_trading and turnover (T,); benchmark (T,), NaN =
    not known, with its name; market (T,) that regimes are of; factors: a column (T,) each, NaN = not known; exposures: frame
    of gross, net, long, short and names by session."""

    net: Floats
    sessions: npt.NDArray[Any]
    year: float
    risk_free: Floats
    gross: Floats | None = None
    before_trading: Floats | None = None
    turnover: Floats | None = None
    benchmark: Floats | None = None
    benchmark_name: str = ""
    market: Floats | None = None
    factors: Mapping[str, Floats] = field(default_factory=dict)
    exposures: pl.DataFrame | None = None

    @property
    def excess(self) -> Floats:
        return self.net - self.risk_free


def performance_sections(account: Account, draws: int) -> list[Section]:
    """draws: of the bootstrap, 0 for none."""
    return [
        Section("returns", "Returns", tuple(_returns(account))),
        Section("risk", "Return for risk", tuple(_risk(account, draws))),
        Section("drawdowns", "Drawdowns", tuple(_drawdowns(account))),
        Section("trading", "Trading and exposure", tuple(_trading(account))),
        Section("benchmark", _titled("Beside", account.benchmark_name), tuple(_benchmark(account))),
        Section("factors", "Factor attribution", tuple(_factors(account))),
        Section("regimes", "Regimes, as known the session before", tuple(_regimes(account))),
        Section("years", "Years", tuple(_years(account))),
    ]


def performance_tables(account: Account) -> dict[str, pl.DataFrame]:
    """rolling, drawdowns, monthly."""
    months = performance.by_month(account.net, account.sessions)
    window = rolling.window_of(account.year)
    return {
        "rolling": rolling.table(
            account.net, account.sessions, account.benchmark, account.risk_free, account.year, window
        ),
        "drawdowns": drawdowns.table(drawdowns.drawdowns(account.net, account.sessions)),
        "monthly": pl.DataFrame(
            {"month": list(months), "return": list(months.values())},
            schema={"month": pl.String, "return": pl.Float64},
        ),
    }


def _titled(word: str, name: str) -> str:
    return f"{word} {name}" if name else "Beside a benchmark"


def _returns(a: Account) -> list[Figure]:
    return [
        returns.total(a.net),
        returns.compound(a.net, a.year),
        returns.arithmetic(a.net, a.year),
        returns.logarithmic(a.net, a.year),
        returns.volatility(a.net, a.year),
        tails.skew(a.net),
        tails.excess_kurtosis(a.net),
        tails.value_at_risk(a.net),
        tails.expected_shortfall(a.net),
        tails.tail_ratio(a.net),
        *tails.extremes(a.net),
        returns.hit_rate(a.net),
        returns.payoff(a.net),
    ]


def _risk(a: Account, draws: int) -> list[Figure]:
    excess = a.excess
    return [
        ratios.sharpe(excess, a.year),
        ratios.sharpe_normal(excess, a.year),
        ratios.sharpe_hac(excess, a.year),
        ratios.sharpe_lo(excess, a.year),
        ratios.sharpe_bootstrap(excess, a.year, draws),
        ratios.sharpe_session(excess),
        ratios.sortino(excess, a.year),
        ratios.calmar(a.net, a.year),
        ratios.omega(excess),
    ]


def _drawdowns(a: Account) -> list[Figure]:
    return drawdowns.figures(a.net, drawdowns.drawdowns(a.net, a.sessions))


def _trading(a: Account) -> list[Figure]:
    untold, held = "no turnover was given", "no positions were given"
    found = [
        returns.turnover(a.turnover, a.year) if a.turnover is not None else returns.TURNOVER.none(untold),
        returns.cost(a.gross, a.net, a.year)
        if a.gross is not None
        else returns.COST.none("no gross returns were given"),
        returns.break_even(a.before_trading, a.turnover)
        if a.before_trading is not None and a.turnover is not None
        else returns.BREAK_EVEN.none(untold),
    ]
    for name, convention in EXPOSURES.items():
        found.append(convention.none(held) if a.exposures is None else _mean(convention, a.exposures[name]))
    largest = None if a.exposures is None else a.exposures["gross"].drop_nulls().max()
    return [*found, LARGEST.none(held) if largest is None else LARGEST.figure(float(largest))]  # type: ignore[arg-type]


def _mean(convention: Convention, values: pl.Series) -> Figure:
    known = values.drop_nulls().to_numpy()
    return (
        convention.figure(float(known.mean()))
        if len(known)
        else convention.none("no session with equity above 0")
    )


def _benchmark(a: Account) -> list[Figure]:
    if a.benchmark is None:
        return relative.none("no benchmark")
    known = np.isfinite(a.benchmark)
    return relative.figures(a.net[known], a.benchmark[known], a.risk_free[known], a.year)


def _factors(a: Account) -> list[Figure]:
    if not a.factors:
        return [one.none("no factors were given") for one in attribution.ALL]
    columns = np.column_stack(list(a.factors.values()))
    known = np.isfinite(columns).all(axis=1)
    return attribution.figures(a.excess[known], columns[known], tuple(a.factors), a.year)


def _regimes(a: Account) -> list[Figure]:
    if a.market is None:
        return [one.none("no benchmark") for one in (regimes.SHARE, regimes.MEAN, regimes.SHARPE)]
    return regimes.figures(a.excess, regimes.of_market(a.market), a.year)


def _years(a: Account) -> list[Figure]:
    years = a.sessions.astype("datetime64[Y]")
    excess, found = a.excess, []
    for name, value in performance.by_year(a.net, a.sessions).items():
        sharpe = ratios.sharpe(excess[years == np.datetime64(name, "Y")], a.year)
        found += [YEAR_RETURN.figure(value).of(name), YEAR_SHARPE.restated(sharpe).of(name)]
    return found
