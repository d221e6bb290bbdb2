"""A pair: one strategy that sees the future and its honest twin, which differs by the fix only; and how both are asked.

Layer, table and depth are declared from what the leak is. They were written before any audit looked at the pair, and are never
bent to what one said: a pair that is missed stays as it is and is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import Any, Protocol

import pandas as pd
import polars as pl

from zoo.market import Market, market

LEVELS = ("quick", "full")


@dataclass(frozen=True)
class Said:
    """What a method said of a strategy.

    accused: it says that it sees the future. layer, through, depth: of its first finding, empty or None where the method does
    not tell. why: its sentence. inconclusive: it has no answer, and why says what kept it from one.
    """

    accused: bool
    layer: str = ""
    through: str = ""
    depth: int | None = None
    why: str = ""
    inconclusive: bool = False
    seconds: float = 0.0


class Strategy(Protocol):
    """One half of a pair.

    text: what it does, in the words of its docstring. audit(level): what backcast's audit says of it. market and run: for the
    simpler methods, the data that it is given, and weights (times x symbols) or returns (times) on other data; market is None
    where a strategy cannot be run on other data.
    """

    @property
    def text(self) -> str: ...

    @property
    def market(self) -> Market | None: ...

    def audit(self, level: str) -> Said: ...

    def run(self, market: Market) -> Outputs: ...


@dataclass(frozen=True)
class Outputs:
    """What a strategy comes to on some data: the signals that its rows decide by (times x symbols), and its returns by time
    where it reports them itself. lag: rows from a signal to the bar whose return it earns."""

    signals: pd.DataFrame
    returns: pd.Series | None = None
    lag: int = 1


@dataclass(frozen=True)
class Pair:
    """A leak and its honest twin.

    name: of the leak, unique in the zoo. family: the file's subject. layer: where the leak enters (one of LAYERS). through: the
    table whose future it reads, empty where several would be right. depth: bars ahead, None where it has no one depth. hides:
    why a level that samples may miss it, empty where nothing hides it.
    """

    name: str
    family: str
    layer: str
    leak: Strategy
    honest: Strategy
    through: str = ""
    depth: int | None = None
    hides: str = ""

    @property
    def what(self) -> str:
        """The leak in a line."""
        return self.leak.text.split("\n")[0]

    def sides(self) -> Iterable[tuple[str, Strategy]]:
        return (("leak", self.leak), ("honest", self.honest))


@dataclass(frozen=True)
class Function:
    """A strategy as a user of pandas, polars, vectorbt or zipline writes it: `f(prices, ...)`.

    shape: how prices are given (see `Market.prices`). tables: which of facts, membership and actions it takes.
    decides: "at" where a row may use its own bar, "before" where the decision falls before the bar's end.
    """

    f: Callable[..., Any]
    shape: str = "closes"
    tables: tuple[str, ...] = ()
    decides: str = "at"
    data: Callable[[], Market] = market

    @property
    def text(self) -> str:
        return getdoc(self.f) or ""

    @property
    def market(self) -> Market:
        return self.data()

    def audit(self, level: str) -> Said:
        """What `backcast.audit` says, with the seconds that it took."""
        import backcast  # the zoo is listed and documented without it

        began = time.perf_counter()
        given = self._tables(self.market)
        if self.decides != "at":
            given["decides"] = self.decides
        found = backcast.audit(self.f, self.market.prices(self.shape), level=level, **given)
        return said(found.checks, time.perf_counter() - began)

    def run(self, market: Market) -> Outputs:
        """The function on other data."""
        made = outputs(self.f(market.prices(self.shape), **self._tables(market)))
        return made if self.decides == "at" else replace(made, lag=0)

    def _tables(self, market: Market) -> dict[str, Any]:
        given = {name: getattr(market, name) for name in self.tables}
        if self.shape.startswith("polars"):
            return {name: pl.from_pandas(table) for name, table in given.items()}
        return {name: table.copy() for name, table in given.items()}


def said(checks: Iterable[Any], seconds: float) -> Said:
    """What a list of the audit's checks comes to: its first leak, or what kept it from an answer, or nothing."""
    checks = list(checks)
    for check in checks:
        if check.failed:
            found = check.finding
            return Said(
                True,
                check.layer,
                found.through,
                found.depth,
                f"{check.name}: {found.sentence}",
                False,
                seconds,
            )
    unknown = [check for check in checks if check.inconclusive]
    why = "; ".join(f"{check.name}: {check.inconclusive}" for check in unknown)
    return Said(False, why=why, inconclusive=bool(unknown), seconds=seconds)


def outputs(given: Any) -> Outputs:
    """What a function gave, as the simpler methods see it: its last layer in causal order that has symbols, and its returns."""
    if not isinstance(given, dict):
        return Outputs(wide(given))
    returns = given.get("returns")
    for layer in ("weights", "forecasts", "features"):
        if layer in given:
            frame = given[layer]
            frame = next(iter(frame.values())) if isinstance(frame, dict) else frame
            return Outputs(wide(frame), returns)
    raise ValueError(f"a strategy gives weights, forecasts or features, not {sorted(given)}")


def wide(frame: Any) -> pd.DataFrame:
    """A wide frame of pandas or polars (first column the time) as one of pandas."""
    if isinstance(frame, pd.DataFrame):
        return frame
    made: pd.DataFrame = frame.to_pandas()
    return made.set_index(made.columns[0])
