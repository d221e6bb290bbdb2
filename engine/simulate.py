"""`backcast.simulate(prices, weights)`: frames in, an account out, for notebooks.

1. Prices become a panel and a market, weights given targets (`engine/given/table.py`), both checked cell by cell.
2. `Execution` adds the lag and makes a plan: what is decided at a time fills at the next one.
3. The Numba simulator trades it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Clock, Floats, Instants, Panel, Revisions
from backcast.engine.costs.base import Cost
from backcast.engine.costs.linear import LinearCost
from backcast.engine.execution import Execution
from backcast.engine.given import check_settings, placed
from backcast.engine.given.table import TIMES, did_you_mean, table_of
from backcast.engine.runs import ACCOUNT, COSTS, FILL_COSTS
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account

FIELDS = ("open", "high", "low", "close", "volume")
FRAME = "a pandas or polars frame: times x symbols, or long with a time, a symbol and a close"


@dataclass(frozen=True)
class Simulation:
    """An account as polars frames; `time` is a date where all prices are of midnights. Money is in the currency of the prices.

    account: a row a time from the first fill on: equity, cash, owed (dividends past ex, not paid), gross_return and net_return
    (simple, of the time; gross is before costs), turnover (traded value over equity), fee, spread, impact, borrow (>= 0),
    dividend, interest, deposit. fills: a row a fill: decided, time, symbol, quantity (below 0: sold), price before
    costs, fee, spread, impact. events: what could not be done, or the engine did on its own.
    """

    account: pl.DataFrame
    fills: pl.DataFrame
    events: pl.DataFrame
    capital: float

    @property
    def equity(self) -> pl.DataFrame:
        """time, equity."""
        return self.account.select("time", "equity")

    @property
    def returns(self) -> pl.DataFrame:
        """time, gross (before costs), net: simple returns."""
        return self.account.select("time", gross="gross_return", net="net_return")

    @property
    def costs(self) -> pl.DataFrame:
        """time, and each kind of cost in currency."""
        return self.account.select("time", *COSTS)

    def __repr__(self) -> str:
        spent = ", ".join(f"{kind} {self.account[kind].sum():,.2f}" for kind in COSTS)
        return (
            f"{self.account.height:,} times, equity {self.capital:,.2f} -> {self.account['equity'][-1]:,.2f}; "
            f"{self.fills.height:,} fills ({spent}); {self.events.height:,} events"
        )


def simulate(
    prices: Any,
    weights: Any,
    *,
    kind: str | None = None,
    absent: str | None = None,
    costs: Cost | float | None = None,
    capital: float = 1_000_000.0,
    **execution: Any,
) -> Simulation:
    """See `backcast.simulate`, which says what everything means."""
    check_settings(kind, absent, "")
    panel, market = _market(prices)
    table = table_of(_timed(_polars(weights, "weights"), "weights", panel), "weights", kind)
    maker = _execution(execution)
    targets = placed(table, panel, absent, maker.margin, named="the prices", prefix="")
    cost = _cost(costs)
    if isinstance(capital, bool) or not isinstance(capital, int | float) or not 0 < capital < 1e15:
        raise InputError("capital", capital, "a positive amount below 1e15")
    maker.check_data(panel, market, cost)
    plan = maker.plan(panel, market, targets, cost)
    account = NativeSimulator().simulate(plan, cost, float(capital))
    return _result(account, panel.clock)


def _execution(settings: dict[str, Any]) -> Execution:
    known = list(inspect.signature(Execution).parameters)
    for name in settings:
        if name not in known:
            raise InputError(
                name,
                settings[name],
                f"no such argument; there are {', '.join(known)}",
                did_you_mean(name, known),
            )
    return Execution(**settings)


def _cost(costs: Any) -> Cost:
    if costs is None:
        return LinearCost(5.0, 5.0)
    if isinstance(costs, Cost):
        return costs
    if isinstance(costs, bool) or not isinstance(costs, int | float):
        raise InputError(
            "costs", costs, "a Cost, or basis points of the traded value", "Such as costs=10, costs=0."
        )
    return LinearCost(costs, 0.0)


def _polars(frame: Any, name: str) -> pl.DataFrame:
    """Any frame with its times in a column; a pandas NaN is an empty cell, as pandas means it."""
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        timed = frame.index.dtype.kind == "M" or (
            frame.index.dtype == object and frame.index.name is not None
        )
        plain = frame.rename_axis(frame.index.name or "time").reset_index() if timed else frame
        if plain.columns.nlevels > 1:
            raise InputError(
                name,
                "columns of several levels",
                FRAME,
                "A mapping {'close': frame, 'open': frame} holds fields.",
            )
        plain.columns = [str(column) for column in plain.columns]
        if plain.columns.duplicated().any():
            raise InputError(name, str(plain.columns[plain.columns.duplicated()][0]), "each column once")
        return pl.from_pandas(plain, nan_to_null=True)
    raise InputError(name, type(frame).__name__, FRAME)


def _time_column(frame: pl.DataFrame, name: str) -> str:
    """The only column of times."""
    found = [c for c in frame.columns if frame.schema[c].is_temporal()]
    if len(found) != 1:
        named = [c for c in frame.columns if c in (*TIMES, "time", "date")]
        if len(named) == 1 and frame.schema[named[0]] == pl.String:
            return named[0]
        raise InputError(
            f"columns of {name}",
            frame.columns,
            "one column of dates or times",
            "A pandas frame may have them as index.",
        )
    return found[0]


def _instants(frame: pl.DataFrame, name: str) -> pl.Series:
    """Its times as UTC instants without a zone. Errors: InputError for one that is missing."""
    column = frame[_time_column(frame, name)]
    if column.dtype == pl.String:
        text, column = column, column.str.to_datetime(strict=False)
        if column.null_count() > text.null_count():
            row = int((column.is_null() & text.is_not_null()).arg_max() or 0)
            raise InputError(f"{name}, row {row + 1}", text[row], "an ISO date or time")
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if column.null_count():
        raise InputError(f"{name}, row {int(column.is_null().arg_max() or 0) + 1}", None, "a date or a time")
    return column.cast(pl.Datetime("us"))


def _market(prices: Any) -> tuple[Panel, Market]:
    """What decisions know and what happens, on one clock: that of the prices."""
    fields = _fields(prices)
    times, symbols = fields["close"][0], tuple(sorted(fields["close"][1]))
    for name, (at, columns) in fields.items():
        if not np.array_equal(at, times) or set(columns) != set(symbols):
            raise InputError(
                f"prices[{name!r}]",
                f"{len(at)} times, {len(columns)} symbols",
                "the times and symbols of the close",
            )
    values = np.stack([np.stack([columns[s] for s in symbols]) for _, columns in fields.values()])
    ahead = np.flatnonzero(np.diff(times).astype(np.int64) <= 0)
    if len(ahead):
        row = int(ahead[0]) + 1
        expected = "each time once" if times[row] == times[row - 1] else "times in ascending order"
        raise InputError(f"prices, row {row + 1}", str(times[row]), expected, "Sort them, or drop the copy.")
    days = times.astype("datetime64[D]")
    clock = Clock("of the prices", days, times, times, times, np.arange(len(times)), float("nan"))
    none = np.empty(0, dtype=np.int64)
    never = np.empty(0, dtype="datetime64[us]")
    nothing = Revisions(none, none, none, never, none, np.empty(0))
    names = tuple(fields)
    panel = Panel(
        names,
        symbols,
        clock,
        values,
        np.isfinite(values[names.index("close")]),
        nothing,
        "split_adjusted",
        0.0,
    )
    split = np.ones(values.shape[1:])
    return panel, Market(
        names, symbols, clock, values, split, none, none, none, np.empty(0), never, {}, "split_adjusted"
    )


Field = tuple[Instants, dict[str, Floats]]


def _fields(prices: Any) -> dict[str, Field]:
    """Of each field the times and a column (T,) a symbol."""
    if isinstance(prices, Mapping):
        unknown = [name for name in prices if name not in FIELDS]
        if unknown or "close" not in prices:
            raise InputError("prices", list(prices), f"frames by field: close and any of {', '.join(FIELDS)}")
        return {
            name: _wide(_polars(frame, f"prices[{name!r}]"), f"prices[{name!r}]")
            for name, frame in prices.items()
        }
    frame = _polars(prices, "prices")
    if "symbol" not in frame.columns:
        return {"close": _wide(frame, "prices")}
    present = [name for name in FIELDS if name in frame.columns]
    if "close" not in present:
        raise InputError("columns of prices", frame.columns, FRAME)
    long = frame.select(_instants(frame, "prices").alias("time"), pl.col("symbol").cast(pl.String), *present)
    twice = long.select("time", "symbol").is_duplicated()
    if twice.any():
        row = int(twice.arg_max() or 0)
        raise InputError(
            f"prices, row {row + 1}",
            f"{long['symbol'][row]} at {long['time'][row]}",
            "each symbol once a time",
        )
    wides = {name: long.pivot("symbol", index="time", values=name).sort("time") for name in present}
    return {name: _wide(wide, f"{name} of prices") for name, wide in wides.items()}


def _wide(frame: pl.DataFrame, name: str) -> Field:
    time = _time_column(frame, name)
    symbols = [column for column in frame.columns if column != time]
    if not symbols or not frame.height:
        raise InputError(name, f"{frame.height} rows, {len(symbols)} symbols", FRAME)
    for column in symbols:
        if not frame.schema[column].is_numeric() and frame.schema[column] != pl.Null:
            raise InputError(f"{column} of {name}", str(frame.schema[column]), "numbers")
    columns = {
        c: np.asarray(frame[c].cast(pl.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)
        for c in symbols
    }
    return _instants(frame, name).to_numpy(), columns


def _timed(frame: pl.DataFrame, name: str, panel: Panel) -> pl.DataFrame:
    """The frame with its times as instants of decisions; each must be a time of the prices."""
    column, at = _time_column(frame, name), _instants(frame, name)
    times = panel.clock.decides_at
    given = at.to_numpy()
    place = np.searchsorted(times, given)
    off = (place < len(times)) & (given >= times[0]) & (times[np.minimum(place, len(times) - 1)] != given)
    if off.any():
        row = int(off.argmax())
        near = f"The times around it are {times[place[row] - 1]} and {times[place[row]]}."
        raise InputError(f"{name}, row {row + 1}, {column}", str(given[row]), "a time of the prices", near)
    return frame.drop(column).insert_column(0, at.alias(TIMES[1]))


def _result(account: Account, clock: Clock) -> Simulation:
    midnight = bool((clock.closes_at == clock.sessions).all())

    def at(index: Any) -> pl.Series:
        column = pl.Series(clock.closes_at[index])
        return column.cast(pl.Date) if midnight else column

    fills, events = account.fills, account.events
    decided = pl.Series(np.where(fills.decided >= 0, clock.closes_at[fills.decided], np.datetime64("NaT")))
    names = [*account.symbols, ""]
    return Simulation(
        pl.DataFrame({"time": at(account.sessions), **{name: getattr(account, name) for name in ACCOUNT}}),
        pl.DataFrame(
            {
                "decided": decided.cast(pl.Date) if midnight else decided,
                "time": at(fills.session),
                "symbol": [names[s] for s in fills.symbol.tolist()],
                "quantity": fills.quantity,
                "price": fills.price,
                **{name: getattr(fills, name) for name in FILL_COSTS},
            },
            schema_overrides={"symbol": pl.String},
        ),
        pl.DataFrame(
            {
                "time": at(events.session),
                "symbol": [names[s] for s in events.symbol.tolist()],
                "kind": list(events.kind),
                "detail": list(events.detail),
            },
            schema_overrides={"symbol": pl.String, "kind": pl.String, "detail": pl.String},
        ),
        account.capital,
    )
