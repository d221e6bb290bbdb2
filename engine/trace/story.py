"""One position's whole story: `backcast trace RUN SYMBOL DATE`.

1. The decision at or before the date is found in the run's tables, and the world read again as a store that ends there knew it.
2. What the decision had: bars, actions and facts of the features' look-back, each with its version, then features.
3. What it made of them: the forecast beside those of others, the weights after every step of the portfolio.
4. What became of it: order, fills with their costs, events, and the position until it was closed.
5. What is computed again must be what the run recorded; where it is not, the trace says so.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.engine import given, walkforward
from backcast.engine.budget import thread_budget
from backcast.engine.execution import LAG
from backcast.engine.runs import FILL_COSTS, LEVELS, TARGET_COLUMNS
from backcast.engine.sessions import fill_instants
from backcast.engine.trace.inputs import inputs_of
from backcast.engine.trace.positions import Position, SymbolFills, path_of, position_at
from backcast.engine.trace.run import TracedRun
from backcast.engine.trace.types import Feature, Forecasted, Held, Ordered, StageWeight, Trace, number
from backcast.engine.types import Plan
from backcast.engine.walkforward import World, forecast_instant
from backcast.signals.types import Forecast

AROUND = 5
"""Sessions before the decision from which on the symbol's events belong to the story."""


def trace(folder: Path, symbol: str, when: str) -> Trace:
    """The story of a symbol's position at the decision at or before `when`, an ISO date (its session) or instant (UTC).

    Errors: InputError for a broken folder, an unknown symbol, a date outside the run.
    """
    run = TracedRun(folder)
    s = run.symbol(symbol)
    decision = run.decision(when)
    return _Story(run, s, decision).tell()


class _Story:
    """One symbol at one decision."""

    def __init__(self, run: TracedRun, s: int, decision: int) -> None:
        self.run, self.s, self.t = run, s, decision
        self.symbol, clock = run.panel.symbols[s], run.clock
        self.instant = clock.decides_at[decision]
        self.differences: list[str] = []
        self.notes: list[str] = []
        self.past: World = walkforward.observe(
            run.made, run.store, run.pin, thread_budget(None), until=self.instant
        )
        self.place = (
            self.past.panel.symbols.index(self.symbol) if self.symbol in self.past.panel.symbols else None
        )
        market = asof.load_market(run.store, run.dataset, run.pin)
        self.plan: Plan = run.made.execution.plan(run.panel, market, run.targets, run.made.cost)

    def tell(self) -> Trace:
        run, clock = self.run, self.run.clock
        graph = run.made.features.compile(self.past.panel.fields, self.past.panel.price_basis)
        inputs = inputs_of(
            run.store, run.dataset, run.pin, self.past.panel, self.symbol, self.place, graph, self.instant
        )
        features, forecast = self._features(), self._forecast()
        if run.given:
            self.notes.append(
                f"Targets were given ({run.given.get('file')}): what they knew is not known here."
            )
        stages = self._stages()
        fills = self._fills()
        order, position, held = self._afterwards()
        return Trace(
            run=run.name,
            dataset=run.dataset,
            pin=run.pin,
            symbol=self.symbol,
            member=bool(run.panel.member[self.s, self.t]),
            decided_at=str(self.instant),
            session=str(clock.sessions[self.t]),
            inputs=inputs,
            features=features,
            forecast=forecast,
            held_before=held,
            stages=stages,
            order=order,
            fills=fills,
            costs={kind: float(sum(f[kind] for f in fills)) for kind in FILL_COSTS},
            events=self._events(position),
            position=position,
            differences=tuple(self.differences),
            notes=tuple(self.notes),
        )

    def _features(self) -> tuple[Feature, ...]:
        """At the decision, from a store that ends there."""
        found, made = [], self.run.made.features
        own = getattr(made, "own", {})
        for f, name in enumerate(self.past.features.names):
            value = math.nan if self.place is None else float(self.past.features.values[f, self.place, -1])
            definition = made.expressions.get(name) or (type(own[name]).__name__ if name in own else "")
            found.append(Feature(name, definition, number(value)))
        return tuple(found)

    def _at(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of a table of this decision."""
        decided = frame["decided_at"].dt.replace_time_zone(None).to_numpy()
        return frame.filter(pl.Series(decided == self.instant))

    def _forecast(self) -> Forecasted | None:
        everyone = self._at(self.run.forecasts)
        mine = everyone.filter(pl.col("symbol") == self.symbol)
        if self.run.given:
            return None
        self._forecast_again(everyone)
        if not mine.height:
            self.notes.append("No forecast: it was no member then, or a feature of it was not known.")
            return None
        row = mine.row(0, named=True)
        rank = 1 + int((everyone["mean"] > row["mean"]).sum())
        levels = {name: float(row[name]) for name in LEVELS}
        return Forecasted(
            int(row["fold"]), int(row["horizon"]), float(row["mean"]), levels, rank, everyone.height
        )

    def _forecast_again(self, everyone: pl.DataFrame) -> None:
        """The saved model on the world as known must give what was recorded, to the bit."""
        fold = self._fold()
        folder = self.run.folder.path / "models" / f"{fold:03d}"
        if not folder.is_dir():
            self.notes.append(
                f"The model of fold {fold} is not in the run folder: its forecast was not made again."
            )
            return
        fitted = self.run.made.model.load(folder)
        panel = self.past.panel
        mean, quantiles = forecast_instant(fitted, self.past.features, panel.member, len(panel.clock) - 1)
        now = np.full((len(panel.symbols), 1 + len(LEVELS)), np.nan)
        index = {name: i for i, name in enumerate(panel.symbols)}
        unseen = [name for name in everyone["symbol"] if name not in index]
        known = everyone.filter(pl.col("symbol").is_in(panel.symbols))
        now[[index[name] for name in known["symbol"]]] = known.select("mean", *LEVELS).to_numpy()
        again = np.column_stack([mean, quantiles])
        same = (now == again) | (np.isnan(now) & np.isnan(again))
        if unseen or not same.all():
            wrong = unseen or [panel.symbols[i] for i in np.flatnonzero(~same.all(axis=1))]
            shown = f"{again[index[wrong[0]], 0]:.9g}" if wrong[0] in index else "nothing"
            self.differences.append(
                f"The saved model gives other forecasts than recorded for {len(wrong)} symbols, the first {wrong[0]} "
                f"({shown} now)."
            )

    def _fold(self) -> int:
        folds = self.run.folder.read_table("folds.parquet")
        ends = folds["test_end"].dt.replace_time_zone(None).to_numpy()
        return int(folds["fold"][int(np.searchsorted(ends, self.instant))])

    def _stages(self) -> tuple[StageWeight, ...]:
        """The weights after each step, from the recorded forecasts on the world as known; the last must be the target."""
        run, panel = self.run, self.past.panel
        row = int(np.searchsorted(run.targets.decisions, self.t))
        if row == len(run.targets.decisions) or run.targets.decisions[row] != self.t:
            self.notes.append("No targets were set at this decision.")
            return ()
        recorded = run.targets.weights[row]
        if given.is_given(run.made):
            return (self._stage("given", recorded, self.s),)
        decisions = run.targets.decisions[: row + 1]
        try:
            made = run.made.portfolio.stages(self._forecasts(decisions), panel, self.t)
        except InputError as error:
            self.differences.append(f"The portfolio's steps cannot be shown: {error}")
            return (self._stage("targets", recorded, self.s),)
        places = [run.panel.symbols.index(name) for name in panel.symbols]
        want = recorded[places]
        apart = np.isfinite(want) & (want != made[-1][1])
        if apart.any():
            first = int(apart.argmax())
            self.differences.append(
                f"The portfolio gives other targets than recorded for {int(apart.sum())} symbols, the first "
                f"{panel.symbols[first]}: {made[-1][1][first]:.9g} now, {want[first]:.9g} recorded."
            )
        return tuple(self._stage(name, weights, self.place) for name, weights in made)

    def _stage(self, name: str, weights: Any, place: int | None) -> StageWeight:
        mine = math.nan if place is None else float(weights[place])
        return StageWeight(name, number(mine), float(np.nansum(np.abs(weights))))

    def _forecasts(self, decisions: Any) -> Forecast:
        """The recorded forecasts up to the decision, on the symbols of the world then."""
        symbols = self.past.panel.symbols
        shape = (len(decisions), len(symbols))
        mean, quantiles = np.full(shape, np.nan), np.full((*shape, len(LEVELS)), np.nan)
        instants = self.run.clock.decides_at[decisions]
        table = self.run.forecasts.filter(pl.col("symbol").is_in(symbols))
        decided = table["decided_at"].dt.replace_time_zone(None).to_numpy()
        table = table.filter(pl.Series(decided <= self.instant))
        d = np.searchsorted(instants, decided[decided <= self.instant])
        index = {name: i for i, name in enumerate(symbols)}
        s = [index[name] for name in table["symbol"]]
        mean[d, s], quantiles[d, s] = table["mean"].to_numpy(), table.select(LEVELS).to_numpy()
        return Forecast(decisions, symbols, mean, quantiles, np.zeros(len(decisions), dtype=np.int64))

    def _fills(self) -> tuple[dict[str, Any], ...]:
        mine = self._at(self.run.fills.drop_nulls("decided_at")).filter(pl.col("symbol") == self.symbol)
        return tuple(_plain(row) for row in mine.iter_rows(named=True))

    def _afterwards(self) -> tuple[Ordered | None, Held | None, float]:
        """The order, the position that it belongs to, and the weight held at the decision."""
        run, plan, at = self.run, self.plan, self.t + LAG - self.plan.offset
        equity = run.account["equity"].to_numpy()
        path = path_of(plan, self.s, self._all_fills())
        before, held = at - LAG, 0.0
        if 0 <= before < len(equity) and path.closed[before]:
            held = float(path.closed[before] * plan.mark_price[before, self.s] / equity[before])
        if at >= len(plan.weights):
            self.notes.append("It would fill after the data end.")
            return None, None, held
        if (equity[:at] <= 0).any():
            self.notes.append("The account had ended by then: it was worth nothing, or all was taken out.")
        row = int(np.searchsorted(run.targets.decisions, self.t))
        found = row < len(run.targets.decisions) and run.targets.decisions[row] == self.t
        order = Ordered(
            TARGET_COLUMNS[run.targets.kind],
            number(float(run.targets.weights[row, self.s])) if found else None,
            self._when(plan.offset + at, opening=True),
            float(path.opened[at]),
            float(path.closed[at]),
        )
        position = position_at(plan, self.s, path, at)
        return order, None if position is None else self._held(position), held

    def _all_fills(self) -> SymbolFills:
        mine = self.run.fills.filter(pl.col("symbol") == self.symbol)
        filled = mine["filled_at"].dt.replace_time_zone(None).to_numpy()
        at = fill_instants(self.run.clock, self.run.made.execution.resolve(self.run.panel))
        session = np.searchsorted(at, filled) - self.plan.offset
        cost = mine.select(pl.sum_horizontal(*FILL_COSTS)).to_series().to_numpy()
        return SymbolFills(session, mine["quantity"].to_numpy(), mine["price"].to_numpy(), cost)

    def _held(self, found: Position) -> Held:
        offset = self.plan.offset
        return Held(
            shares=found.shares,
            opened=self._when(offset + found.begins, opening=True),
            closed=self._when(offset + found.ends, opening=not found.open),
            still_open=found.open,
            profit=found.profit,
            traded=found.traded,
            dividends=found.dividends,
            paid_out=found.paid_out,
            costs=found.costs,
            value=found.value,
        )

    def _when(self, t: int, opening: bool) -> str:
        """A session; of bars of minutes the instant at which they fill, or end."""
        clock = self.run.clock
        if not clock.intraday:
            return str(clock.sessions[t])
        fills = fill_instants(clock, self.run.made.execution.resolve(self.run.panel))
        return str((fills if opening else clock.closes_at)[t].astype("datetime64[s]"))

    def _events(self, position: Held | None) -> tuple[dict[str, Any], ...]:
        """The symbol's, from a few sessions before the decision until its position was closed."""
        clock = self.run.clock
        first = clock.sessions[clock.before(self.t, AROUND)]
        last = clock.sessions[min(self.t + LAG, len(clock) - 1)]
        until = max(str(last), position.closed[:10] if position else "")
        mine = self.run.events.filter(
            (pl.col("symbol") == self.symbol)
            & (pl.col("session").cast(pl.String) >= str(first))
            & (pl.col("session").cast(pl.String) <= until)
        )
        return tuple(_plain(row) for row in mine.iter_rows(named=True))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Instants as ISO text in UTC, numbers that are none as None."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, datetime):
            out[name] = value.replace(tzinfo=None).isoformat()
        elif isinstance(value, date):
            out[name] = value.isoformat()
        else:
            out[name] = number(value) if isinstance(value, float) else value
    return out
