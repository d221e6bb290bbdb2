"""Every function of the language as expressions to test: how each is written at a window, and its plain truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backcast.data.types import Bools, Clock, Floats, Panel, Revisions
from backcast.signals.feature import FeatureSet
from backcast.signals.functions import FUNCTIONS, WORDS
from backcast.signals.graph import Graph
from backcast.signals.kernels.reference import ACROSS, OVER_TIME, at_once
from backcast.signals.kernels.reference_technical import TECHNICAL

FIELDS = ("close", "volume", "high", "low", "open")
MARKS = ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or")
BY_ROW = [name for name, signature in FUNCTIONS.items() if signature.group == "row by row"]
CALENDAR = [name for name, signature in FUNCTIONS.items() if signature.group == "calendar"]
OF_SERIES = {**OVER_TIME, **TECHNICAL}
VALUES = {
    "level": 0.3,
    "tail": 0.1,
    "buckets": 5,
    "width": 2.0,
    "low": -0.5,
    "high": 1.5,
    "exponent": -0.5,
    "lag": 2,
}


def literals(function: str, window: int) -> list[tuple[float, ...]]:
    """The literals of a function whose window is `window`; a second time with fewer periods, where it takes them."""
    signature = FUNCTIONS[function]
    if not signature.shortest <= window <= signature.longest:
        return []
    values = {
        **VALUES,
        "window": window,
        "span": window,
        "fast": window,
        "slow": window + 3,
        "signal": window + 1,
    }
    if signature.literals[:1] == ("lag",):
        values["lag"] = window
    plain = tuple(values[kind] for kind in signature.literals)
    return [plain, (*plain, max(signature.shortest, window // 3))] if signature.optional else [plain]


def written(function: str, inputs: tuple[str, ...], values: tuple[float, ...] = ()) -> str:
    """The expression of a function, an operator or a word applied to inputs."""
    if function in MARKS:
        return f"({inputs[0]}) {function} ({inputs[1]})"
    if function in ("neg", "not"):
        return f"{'-' if function == 'neg' else 'not '}({inputs[0]})"
    return f"{function}({', '.join([*inputs, *(f'{v:g}' for v in values)])})"


def arity(function: str) -> int:
    """How many expressions a function is given here: of exposures, two."""
    if function in FUNCTIONS:
        signature = FUNCTIONS[function]
        return min(3, max(signature.inputs, signature.most))
    return 1 if function in ("neg", "not") else 2


def truth(function: str) -> Callable[..., Floats]:
    """The plain function of series (T,) and literals; of one decision, values, membership and literals."""
    if function in OF_SERIES:
        return OF_SERIES[function]
    return ACROSS[function] if function in ACROSS else lambda *x: at_once(function, *x)


def everything() -> list[str]:
    """All that has inputs: functions, marks and words."""
    return [
        *(name for name in FUNCTIONS if name not in CALENDAR),
        *MARKS,
        *(w for w in WORDS if w not in MARKS),
        "neg",
    ]


def clock(rows: int, first_slot: int = 12_345) -> Clock:
    days = np.datetime64("2020-01-01") + np.arange(first_slot - 12_345, first_slot - 12_345 + rows)
    at = days.astype("datetime64[us]") + np.timedelta64(21, "h")
    return Clock(
        "XNYS", days, at - np.timedelta64(390, "m"), at, at, np.arange(first_slot, first_slot + rows), 252.0
    )


def revisions(*rows: tuple[int, int, int, int, float], of: Clock) -> Revisions:
    """(field, symbol, time, decision, value) each, in order of decision."""
    field, symbol, time, decision, value = (np.array([row[k] for row in rows]) for k in range(5))
    whole = [np.asarray(column, dtype=np.int64) for column in (field, symbol, time, decision)]
    return Revisions(*whole[:3], of.decides_at[whole[3]], whole[3], value.astype(np.float64))


def panel(
    values: Floats, member: Bools | None = None, first_slot: int = 12_345, revised: Revisions | None = None
) -> Panel:
    """A panel of cells (F, S, T) with the first F of FIELDS; consecutive days from the slot on."""
    fields, symbols, rows = values.shape
    of, none = clock(rows, first_slot), np.zeros(0, dtype=np.int64)
    nothing = Revisions(none, none, none, of.decides_at[:0], none, np.zeros(0))
    inside = np.ones((symbols, rows), dtype=bool) if member is None else member
    names = tuple(f"S{i:03d}" for i in range(symbols))
    return Panel(FIELDS[:fields], names, of, np.ascontiguousarray(values), np.ascontiguousarray(inside),
                 revised or nothing, "raw", 0.0)  # fmt: skip


def compiled(*texts: str, fields: tuple[str, ...] = FIELDS) -> Graph:
    return FeatureSet({f"f{i}": text for i, text in enumerate(texts)}).compile(fields, "raw")


def kernel_literals(operator: str, window: int) -> tuple[float, ...]:
    """The window of a rolling kernel and what else it takes."""
    if operator == "ts_quantile":
        return (window, 0.35)
    if operator.startswith("ewm"):
        return (window, 0.8, max(1, window // 2))
    return (
        (window, max(1, window // 2)) if operator.endswith("_known") and operator != "ts_known" else (window,)
    )


def kernel_inputs(operator: str, x: Floats, y: Floats) -> tuple[Floats, ...]:
    return (x, y) if operator in ("ts_corr", "ts_cov") else (x,)
