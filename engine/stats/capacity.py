"""The same targets traded again: with more capital, at other costs, later. What the Sharpe ratio comes to then.

Nothing is decided anew: a rule that looks at costs or at equity would have decided otherwise. Capital meets the run's own
impact; where its costs have none, the square-root law with coefficient 1 is added for the capital axis only, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Floats, Panel
from backcast.engine.configure import Experiment
from backcast.engine.costs.base import Cost
from backcast.engine.costs.charge import Rates
from backcast.engine.execution import LAG
from backcast.engine.sessions import compounded, first_bars
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.stats import ratios
from backcast.engine.stats.figure import Convention, Figure, Unit
from backcast.engine.types import WEIGHTS, Account, Plan, Targets

CAPITALS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
COSTS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
DELAYS = (0, 1, 2, 5)
NO_VOLUME = "the costs have no impact, and the data no volume that one could be made of"
CAPITAL, COST, DELAY = "capital", "costs", "delay"
SCHEMA = {
    "kind": pl.String,
    "level": pl.Float64,
    "session": pl.Date,
    "net_return": pl.Float64,
    "reason": pl.String,
}

_AGAIN = "net Sharpe ratio a year of the same targets, simulated again"
CAPACITY_SHARPE = Convention(
    "sharpe_at_capital", Unit.RATIO_PER_YEAR, f"{_AGAIN} with this multiple of the capital"
)
COST_SHARPE = Convention(
    "sharpe_at_costs",
    Unit.RATIO_PER_YEAR,
    f"{_AGAIN} at this multiple of fees, spread, impact and borrow; interest stays",
)
DELAY_SHARPE = Convention(
    "sharpe_at_delay", Unit.RATIO_PER_YEAR, f"{_AGAIN} with every decision this many bars later"
)
HALVED = Convention(
    "capacity", Unit.CURRENCY, "capital at which the net Sharpe ratio is half of that at the smallest capital tried; linear in "
    "log capital between the multiples tried"
)  # fmt: skip


class ScaledCost(Cost):
    """Another cost, `multiple` times: fees, spread, impact and borrow. Interest stays: it is no cost of trading."""

    def __init__(self, cost: Cost, multiple: float) -> None:
        self._cost, self._multiple = cost, multiple

    def rates(self) -> Rates:
        own, m = self._cost.rates(), self._multiple
        names = ("fees", "per_share", "per_order", "minimum", "half_spread", "spread_volatility", "spread_data",
                 "impact_linear", "impact_power", "borrow", "borrow_data")  # fmt: skip
        most = own.maximum * m if np.isfinite(own.maximum) else own.maximum
        return own._replace(maximum=most, **{name: getattr(own, name) * m for name in names})

    def to_json(self) -> dict[str, object]:
        return {**self._cost.to_json(), "multiple": self._multiple}


class WithImpact(Cost):
    """Another cost that has no impact, and the square-root law with coefficient 1 beside it."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def rates(self) -> Rates:
        return self._cost.rates()._replace(impact_power=1.0, exponent=0.5)

    def to_json(self) -> dict[str, object]:
        return {**self._cost.to_json(), "impact": "square root", "impact_coefficient": 1.0}


def has_impact(cost: Cost) -> bool:
    """Whether larger orders cost more of their value."""
    rates = cost.rates()
    return rates.impact_linear > 0 or rates.impact_power > 0


def simulated_again(made: Experiment, panel: Panel, market: Market, targets: Targets) -> pl.DataFrame:
    """`SCHEMA`: net returns by session of each kind and level; where one cannot be simulated, a row with the reason."""
    frames = []
    for kind, level, trade in _trades(made, panel, market, targets):
        if kind == CAPITAL and not has_impact(made.cost) and "volume" not in panel.fields:
            frames.append(_without(kind, level, NO_VOLUME))
            continue
        try:
            frames.append(_rows(kind, level, trade(), panel))
        except InputError as error:
            frames.append(_without(kind, level, str(error)))
    return pl.concat(frames)


def _without(kind: str, level: float, reason: str) -> pl.DataFrame:
    row = {"kind": kind, "level": level, "session": None, "net_return": None, "reason": reason}
    return pl.DataFrame([row], schema=SCHEMA)


def figures(table: pl.DataFrame, capital: float, year: float, impact: str, free: float = 0.0) -> list[Figure]:
    """From the table: Sharpe ratios by kind and level, and the capital that halves them. impact: in words, whose it is; free:
    the risk-free rate a session."""
    groups = {
        (str(k), float(v)): part for (k, v), part in table.group_by("kind", "level", maintain_order=True)
    }
    found, by_capital = [], []
    for (kind, level), part in groups.items():
        convention, item = _labels(kind, level, capital, impact)
        if part["reason"][0]:
            figure = convention.none(str(part["reason"][0]))
        else:
            figure = convention.restated(ratios.sharpe(part["net_return"].to_numpy() - free, year))
        found.append(figure.of(item))
        if kind == CAPITAL:
            by_capital.append((level * capital, figure))
    return [*found, _halved(by_capital)]


def _labels(kind: str, level: float, capital: float, impact: str) -> tuple[Convention, str]:
    if kind == CAPITAL:
        return replace(CAPACITY_SHARPE, text=f"{CAPACITY_SHARPE.text}; {impact}"), f"{level * capital:,.0f}"
    if kind == COST:
        return COST_SHARPE, f"{level:g}x"
    return DELAY_SHARPE, "1 bar" if level == 1 else f"{level:g} bars"


def _halved(by_capital: list[tuple[float, Figure]]) -> Figure:
    known = [(amount, figure.value) for amount, figure in by_capital if figure.value is not None]
    if len(known) < 2:
        why = next((figure.reason for _, figure in by_capital if figure.reason), "")
        return HALVED.none(why or "it was not simulated with other capital")
    smallest = known[0][1]
    if smallest <= 0:
        return HALVED.none("the Sharpe ratio is not above 0 at the smallest capital")
    for (below, high), (above, low) in pairwise(known):
        if low <= smallest / 2:
            share = (high - smallest / 2) / (high - low)
            return HALVED.figure(float(below * (above / below) ** share))
    return HALVED.none(f"not halved at {known[-1][0]:,.0f}, the largest capital tried")


def _trades(
    made: Experiment, panel: Panel, market: Market, targets: Targets
) -> Iterator[tuple[str, float, Callable[[], Account]]]:
    simulator, own = NativeSimulator(), made.cost
    steep = own if has_impact(own) else WithImpact(own)
    plans: dict[str, Plan] = {}

    def plan(name: str, cost: Cost) -> Plan:
        if name not in plans:
            plans[name] = made.execution.plan(panel, market, targets, cost)
        return plans[name]

    def with_capital(multiple: float) -> Account:
        made_plan = plan("steep", steep)
        if (
            made_plan.kind != WEIGHTS
        ):  # numbers of shares grow with the capital; shares of equity do by themselves
            made_plan = replace(made_plan, weights=made_plan.weights * multiple)
        if made_plan.deposit is not None:
            made_plan = replace(made_plan, deposit=made_plan.deposit * multiple)
        return simulator.simulate(made_plan, steep, made.capital * multiple)

    def with_costs(multiple: float) -> Account:
        return simulator.simulate(plan("own", own), ScaledCost(own, multiple), made.capital)

    def with_delay(bars: int) -> Account:
        later = made.execution.plan(panel, market, delayed(targets, bars, len(panel.clock)), own)
        return simulator.simulate(later, own, made.capital)

    for multiple in CAPITALS:
        yield CAPITAL, multiple, partial(with_capital, multiple)
    for multiple in COSTS:
        yield COST, multiple, partial(with_costs, multiple)
    for bars in DELAYS:
        yield DELAY, float(bars), partial(with_delay, bars)


def delayed(targets: Targets, bars: int, length: int) -> Targets:
    """The same targets, each decided so many bars later; those that could not fill any more are gone. Errors: InputError where
    none is left."""
    moved = targets.decisions + bars
    kept = moved + LAG < length if bars else np.ones(len(moved), dtype=bool)
    if not kept.any():
        raise InputError("delay", bars, "a number of bars after which the data do not end")
    return replace(targets, decisions=moved[kept], weights=targets.weights[kept])


def _rows(kind: str, level: float, account: Account, panel: Panel) -> pl.DataFrame:
    """By session, up to the one in which the equity was lost."""
    lost = np.flatnonzero(account.equity <= 0)
    end = int(lost[0]) + 1 if len(lost) else len(account.equity)
    days = panel.clock.sessions[account.sessions[:end]]
    net: Floats = compounded(days, account.net_return[:end])
    sessions = pl.Series("session", days[first_bars(days)].astype("datetime64[ms]")).cast(pl.Date)
    return pl.DataFrame(
        {"kind": [kind] * len(net), "level": [level] * len(net), "session": sessions, "net_return": net,
         "reason": [""] * len(net)}, schema=SCHEMA
    )  # fmt: skip
