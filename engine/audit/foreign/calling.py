"""The user's function: what it is handed, and what it gave, layer by layer.

Grammar of shapes: R rows of an output, C of its columns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from backcast.data.errors import BackcastError, InputError
from backcast.data.types import Floats, Instants
from backcast.engine.audit.foreign.frames import Table, is_frame, is_pandas
from backcast.engine.audit.foreign.tables import LONG, Tables

LAYERS = {"features": "features", "forecasts": "forecasts", "weights": "targets", "returns": "execution"}
"""What a function may give, and the layer of the audit that it is; in causal order."""

SHAPE = "a wide frame of weights (times x symbols), or a mapping with features, forecasts, weights or returns"


@dataclass(frozen=True)
class Wide:
    """One wide frame that a function gave: at (R,) instants, local (R,) as they stand in it, values (R, C)."""

    name: str
    at: Instants
    local: Instants
    columns: tuple[str, ...]
    values: Floats


Output = dict[str, list[Wide]]
"""Layer of the audit -> the frames on it; features may have several."""


def arguments(f: Callable[..., Any], tables: Tables) -> tuple[str, ...]:
    """The parameters that it is handed, the first of them is the prices. Errors: InputError for one that nobody can give."""
    if not callable(f):
        raise InputError("f", type(f).__name__, "a function of prices")
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return ("prices",)
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not named:
        if parameters and parameters[0].kind == inspect.Parameter.VAR_POSITIONAL:
            return ("prices",)
        raise InputError("f", _name(f), "a function whose first parameter is the prices", "It takes none.")
    offered = tables.given()
    for p in named[1:]:
        if p.default is p.empty and p.name not in offered:
            hint = (
                f"Give {p.name}=... to the audit." if p.name in LONG else f"There are {', '.join(offered)}."
            )
            raise InputError(f"f, parameter {p.name}", "nothing to give it", "a table that was given", hint)
    if named[0].kind == named[0].KEYWORD_ONLY:
        raise InputError("f", _name(f), "a function whose first parameter is the prices")
    return (named[0].name, *(p.name for p in named[1:] if p.name in offered))


def call(f: Callable[..., Any], tables: Tables, names: tuple[str, ...]) -> Output:
    """Runs it on copies of the tables. Errors: InputError for an answer of the wrong shape; what it raises itself."""
    offered = tables.given()
    prices = offered[names[0]] if names[0] in tables.prices else offered["prices"]
    return outputs(f(prices, **{name: offered[name] for name in names[1:]}), tables)


def outputs(answer: Any, tables: Tables) -> Output:
    """An answer by layer, in causal order. Errors: InputError."""
    if isinstance(answer, pl.LazyFrame):
        answer = answer.collect()
    parts = answer if isinstance(answer, Mapping) else {"weights": answer}
    unknown = [str(name) for name in parts if name not in LAYERS]
    if unknown or not parts:
        raise InputError("what f gave", unknown[0] if unknown else {}, f"any of {', '.join(LAYERS)}")
    made: Output = {}
    for name, layer in LAYERS.items():
        if name not in parts:
            continue
        part = parts[name]
        frames = part if isinstance(part, Mapping) else _split(part, name)
        if isinstance(part, Mapping) and name != "features":
            raise InputError(f"what f gave, {name}", "a mapping", "one frame")
        if not frames:
            raise InputError(f"what f gave, {name}", {}, "at least one frame")
        made[layer] = [_wide(frame, name, str(inner), tables) for inner, frame in frames.items()]
    return made


def _split(frame: Any, layer: str) -> dict[str, Any]:
    """A long frame of several features as one frame each; any other frame as it is."""
    frame = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    if layer != "features" or not is_frame(frame) or (is_pandas(frame) and frame.ndim == 1):
        return {"": frame}
    table = Table.of(frame, "what f gave, features")
    numbers = [c for c in table.columns if c != "symbol" and table.is_number(c)]
    if "symbol" not in table.columns or len(numbers) < 2:
        return {"": frame}
    times, symbols = table.times().instants, table.words("symbol").tolist()
    return {c: pl.DataFrame({"time": times, "symbol": symbols, "value": table.numbers(c)}) for c in numbers}


def _wide(frame: Any, layer: str, name: str, tables: Tables) -> Wide:
    where = f"what f gave, {layer}{f'[{name!r}]' if name else ''}"
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not is_frame(frame):
        hint = (
            "It returns nothing."
            if frame is None
            else "Put numbers back into a frame with the times of the prices."
        )
        raise InputError(where, None if frame is None else type(frame).__name__, SHAPE, hint)
    table = Table.of(frame, where)
    if not table.time and is_pandas(frame) and frame.ndim == 1 and layer != "returns" and not frame.name:
        table = Table.of(frame.rename(tables.symbols[0]), where)
    if "symbol" in table.columns:
        table = _unstacked(table, where, layer)
    times = table.times()
    if not table.columns:
        raise InputError(where, "no columns", "a column a symbol")
    values = table.block(table.columns)
    order = np.argsort(times.instants, kind="stable")
    at, local = times.instants[order], times.local[order]
    again = np.flatnonzero(np.diff(at).astype(np.int64) == 0)
    if len(again):
        raise InputError(
            f"{where}, row {int(order[again[0] + 1]) + 1}", str(local[again[0]]), "each time once"
        )
    return Wide(name, at, local, tuple(table.columns), values[order])


def _unstacked(table: Table, where: str, layer: str) -> Table:
    """A long frame of time, symbol and one number, as a wide one."""
    numbers = [c for c in table.columns if c != "symbol" and table.is_number(c)]
    value = "weight" if "weight" in numbers else numbers[0] if len(numbers) == 1 else ""
    if not value:
        raise InputError(where, table.columns, "a column a symbol; or a time, symbol and one number")
    times = table.times()
    frame = pl.DataFrame(
        {"time": times.instants, "symbol": table.words("symbol").tolist(), "value": table.numbers(value)}
    )
    if frame.select("time", "symbol").is_duplicated().any():
        raise InputError(where, "a symbol twice at a time", "each symbol once a time")
    return Table.of(frame.pivot("symbol", index="time", values="value"), where)


def check_first(made: Output, tables: Tables) -> None:
    """What the first run on the data as they are must give. Errors: InputError."""
    low, high = tables.times.instants[0], tables.times.instants[-1]
    for layer, frames in made.items():
        for wide in frames:
            where = f"what f gave, {layer}" + (f", {wide.name}" if wide.name else "")
            if not len(wide.at):
                raise InputError(where, "no rows", "a row for at least one time of the prices")
            if wide.at[-1] < low or wide.at[0] > high:
                shown = f"{wide.local[0]} to {wide.local[-1]}"
                raise InputError(
                    where, shown, "times of the prices", f"They are {tables.at(0)} to {tables.at(-1)}."
                )
            if np.isnan(wide.values).all():
                raise InputError(where, "NaN in every cell", "at least one number")


def _name(f: Any) -> str:
    return str(getattr(f, "__qualname__", type(f).__name__))


def reason(error: BaseException) -> str:
    """An error of the user's function in a line."""
    return (
        str(error) if isinstance(error, BackcastError) else f"{type(error).__name__}: {error}".splitlines()[0]
    )
