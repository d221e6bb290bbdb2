"""One position's whole story: `backcast trace RUN SYMBOL DATE`.

1. The decision at or before the date is found in the run's tables, and the world read again as a store that ends there knew it.
2. What the decision had: bars, actions and facts of the features' look-back, each with its version, then features.
3. What it made of them: the forecast beside those of others, the weights after every step of the portfolio.
4. What became of it: order, fills with their costs, events, and the position until it was closed.
5. What is computed again must be what the run recorded; where it is not, the trace says so.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.store import Store
from backcast.data.types import Clock, Panel
from backcast.engine import given, walkforward
from backcast.engine.budget import thread_budget
from backcast.engine.configure import Experiment, experiment
from backcast.engine.execution import LAG
from backcast.engine.given_table import did_you_mean
from backcast.engine.positions import Position, SymbolFills, path_of, position_at
from backcast.engine.runs import FILL_COSTS, LEVELS, TARGET_COLUMNS, RunFolder, read_targets
from backcast.engine.sessions import fill_instants
from backcast.engine.trace_inputs import Inputs, inputs_of
from backcast.engine.types import WEIGHTS, Plan, Targets
from backcast.engine.walkforward import World, forecast_instant
from backcast.signals.types import Forecast

AROUND = 5
"""Sessions before the decision from which on the symbol's events belong to the story."""


@dataclass(frozen=True)
class Feature:
    """A feature at the decision; definition: its expression, or the class that computes it."""

    name: str
    definition: str
    value: float | None


@dataclass(frozen=True)
class Forecasted:
    """The recorded forecast, in units of the label; rank 1 is the highest mean of the `among` symbols that have one."""

    fold: int
    horizon: int
    mean: float
    quantiles: dict[str, float]
    rank: int
    among: int


@dataclass(frozen=True)
class StageWeight:
    """The symbol's weight after a step, and the sum of all absolute weights after it."""

    stage: str
    weight: float | None
    gross: float


@dataclass(frozen=True)
class Ordered:
    """The recorded target, and the shares before and after the session in which it is to be filled. target None: left alone."""

    kind: str
    target: float | None
    session: str
    shares_before: float
    shares_after: float


@dataclass(frozen=True)
class Held:
    """The position that the decision opened, changed, kept or closed."""

    shares: float
    opened: str
    closed: str
    still_open: bool
    profit: float
    traded: float
    dividends: float
    paid_out: float
    costs: float
    value: float


@dataclass(frozen=True)
class Trace:
    """The story. differences: what is not what the run recorded, in words; notes: what could not be told."""

    run: str
    dataset: str
    pin: dict[str, int]
    symbol: str
    member: bool
    decided_at: str
    session: str
    inputs: Inputs
    features: tuple[Feature, ...]
    forecast: Forecasted | None
    held_before: float
    stages: tuple[StageWeight, ...]
    order: Ordered | None
    fills: tuple[dict[str, Any], ...]
    costs: dict[str, float]
    events: tuple[dict[str, Any], ...]
    position: Held | None
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; instants are ISO text in UTC."""
        return asdict(self)


def trace(folder: Path, symbol: str, when: str) -> Trace:
    """The story of a symbol's position at the decision at or before `when`, an ISO date (its session) or instant (UTC).

    Errors: InputError for a broken folder, an unknown symbol, a date outside the run.
    """
    run = _Run(folder)
    s = run.symbol(symbol)
    decision = run.decision(when)
    return _Story(run, s, decision).tell()


class _Run:
    """What a run folder and its pinned store hold. Errors: InputError for what is missing or broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder.open(folder)
        manifest, self.config = self.folder.read_json("manifest.json"), self.folder.read_yaml("config.yaml")
        try:
            self.dataset, self.pin = str(manifest["dataset"]["name"]), dict(manifest["store"]["pin"])
            self.name, self.given = str(manifest["run"]), manifest.get("given")
            self.made: Experiment = experiment(self.config)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                str(folder), f"no {error}", "a whole run folder", "Run it again in a new one."
            ) from error
        self.store = Store()
        self.panel: Panel = asof.load_panel(self.store, self.dataset, self.pin)
        self.clock: Clock = self.panel.clock
        self.forecasts = self._table(
            "forecasts.parquet", "decided_at", "symbol", "fold", "horizon", "mean", *LEVELS
        )
        self.target_table = self._table("targets.parquet", "decided_at", "symbol")
        self.targets: Targets = read_targets(self.target_table, self.clock, self.panel.symbols)
        self.fills = self._table(
            "fills.parquet", "decided_at", "filled_at", "symbol", "quantity", "price", *FILL_COSTS
        )
        self.account = self._table("account.parquet", "session", "equity")
        self.events = self._table("events.parquet", "session", "symbol", "kind", "detail")

    def _table(self, name: str, *columns: str) -> pl.DataFrame:
        frame = self.folder.read_table(name)
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            where = str(self.folder.path / name)
            raise InputError(where, missing, "a table with these columns", "Run it again in a new folder.")
        return frame

    def symbol(self, name: str) -> int:
        """Its index."""
        if name not in self.panel.symbols:
            raise InputError(
                "SYMBOL", name, f"a symbol of {self.dataset}", did_you_mean(name, self.panel.symbols)
            )
        return self.panel.symbols.index(name)

    def decision(self, when: str) -> int:
        """The clock index of the newest decision at or before a session, or an instant."""
        recorded = pl.concat([self.forecasts["decided_at"], self.target_table["decided_at"]]).unique().sort()
        instants = recorded.dt.replace_time_zone(None).to_numpy()
        made = np.searchsorted(self.clock.decides_at, instants)
        first, last = (
            self.clock.sessions[made[0]],
            self.account["session"].to_numpy().astype("datetime64[D]")[-1],
        )
        expected = f"a date from {first}, the run's first decision, to {last!s}, where its account ends"
        at = _moment(when)
        if isinstance(at, date) and not isinstance(at, datetime):
            day = np.datetime64(at, "D")
            chosen = made[self.clock.sessions[made] <= day]
        else:
            instant = np.datetime64(at, "us")
            chosen, day = made[self.clock.decides_at[made] <= instant], instant.astype("datetime64[D]")
        if not len(chosen) or day > last:
            raise InputError("DATE", when, expected)
        return int(chosen[-1])


def _moment(text: str) -> date | datetime:
    from datetime import UTC

    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except ValueError as error:
        raise InputError("DATE", text, "an ISO date, or an instant such as 2012-08-10T21:00") from error


class _Story:
    """One symbol at one decision."""

    def __init__(self, run: _Run, s: int, decision: int) -> None:
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
        self.market: Market = market
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
        plan, clock, at = self.plan, self.run.clock, self.t + LAG - self.plan.offset
        fills = self._all_fills()
        alive = np.flatnonzero(self.run.account["equity"].to_numpy() <= 0)
        path = path_of(plan, self.s, fills)
        before = at - LAG
        held = 0.0
        if 0 <= before < self.run.account.height:
            value = path.closed[before] * plan.mark_price[before, self.s] if path.closed[before] else 0.0
            held = float(value / self.run.account["equity"][before])
        row = int(np.searchsorted(self.run.targets.decisions, self.t))
        if at >= len(plan.weights):
            self.notes.append("It would fill after the data end.")
            return None, None, held
        if len(alive) and at > alive[0]:
            self.notes.append("The account was bankrupt by then.")
        target = (
            float(self.run.targets.weights[row, self.s])
            if row < len(self.run.targets.decisions)
            else math.nan
        )
        order = Ordered(
            TARGET_COLUMNS.get(self.run.targets.kind, WEIGHTS),
            number(target),
            str(clock.sessions[plan.offset + at]),
            float(path.opened[at]),
            float(path.closed[at]),
        )
        found = position_at(plan, self.s, path, at)
        return order, None if found is None else self._held(found), held

    def _all_fills(self) -> SymbolFills:
        mine = self.run.fills.filter(pl.col("symbol") == self.symbol)
        filled = mine["filled_at"].dt.replace_time_zone(None).to_numpy()
        at = fill_instants(self.run.clock, self.run.made.execution.resolve(self.run.panel))
        session = np.searchsorted(at, filled) - self.plan.offset
        cost = mine.select(pl.sum_horizontal(*FILL_COSTS)).to_series().to_numpy()
        return SymbolFills(session, mine["quantity"].to_numpy(), mine["price"].to_numpy(), cost)

    def _held(self, found: Position) -> Held:
        sessions, offset = self.run.clock.sessions, self.plan.offset
        return Held(
            shares=found.shares,
            opened=str(sessions[offset + found.begins]),
            closed=str(sessions[offset + found.ends]),
            still_open=found.open,
            profit=found.profit,
            traded=found.traded,
            dividends=found.dividends,
            paid_out=found.paid_out,
            costs=found.costs,
            value=found.value,
        )

    def _events(self, position: Held | None) -> tuple[dict[str, Any], ...]:
        """The symbol's, from a few sessions before the decision until its position was closed."""
        clock = self.run.clock
        first = clock.sessions[clock.before(self.t, AROUND)]
        last = clock.sessions[min(self.t + LAG, len(clock) - 1)]
        until = max(str(last), position.closed if position else "")
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


def number(value: float) -> float | None:
    """None where it is none."""
    return value if math.isfinite(value) else None
