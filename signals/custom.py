"""Features of your own in Python: one small class, evaluated, restated, audited and run live like any operator.

    class Streak(StepFeature):                       # in mypackage/features.py; `mypackage` is a line of extensions.txt
        def __init__(self, longest: int = 20) -> None:
            super().__init__(inputs=("sign(delta(close, 1))",), lookback=longest, rows=longest, step=_streak)

    features: {own: {streak: {_target_: mypackage.features.Streak, longest: 10}}, expressions: {...}}

The law is that of every operator: a value is a function of its own row and the `lookback` rows before it, of one symbol. A
`WindowFeature` cannot break it, for it is handed nothing else. A `StepFeature` keeps a state of its own making; the audit
recomputes its values from the look-back alone and from truncated stores, and they must be equal to the last bit.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.signals.expression import parse
from backcast.signals.functions import MAX_WINDOW

Step = Callable[[Floats, int, Floats, Floats], None]


class OwnFeature(ABC):
    """inputs: expressions; lookback: rows before its own that a value depends on, 0 to 10,000; scale_free: whether a value
    stays the same where a symbol's prices are all multiplied by a constant, which back-adjusted data need.

    Raises InputError for inputs that cannot be read and a look-back out of range.
    """

    def __init__(self, inputs: Sequence[str], lookback: int, scale_free: bool = False) -> None:
        if isinstance(inputs, str) or not inputs:
            raise InputError("inputs", inputs, "a list of expressions such as [close, volume]")
        if not isinstance(lookback, int) or isinstance(lookback, bool) or not 0 <= lookback <= MAX_WINDOW:
            raise InputError("lookback", lookback, f"a whole number of rows from 0 to {MAX_WINDOW}")
        self.inputs, self.lookback, self.scale_free = tuple(inputs), lookback, scale_free
        self.trees = tuple(parse(text, "inputs") for text in self.inputs)

    @abstractmethod
    def state(self, lanes: int) -> Floats:
        """The state (rows, B) that knows nothing yet."""

    @abstractmethod
    def advance(self, inputs: Sequence[Floats], slot: int, state: Floats, out: Floats) -> None:
        """Rows of inputs (T, B) -> out (T, B), carrying the state on. `slot` is the first row's."""


class StepFeature(OwnFeature):
    """One row at a time, all symbols of a block side by side.

    step(x, slot, state, out): a function compiled with `numba.njit(nogil=True)`, and `cache=True` in a file of yours; x (N, B)
    the row's inputs, state (rows, B) all NaN at first, out (B,) to be filled. What it gives must depend on the last
    lookback + 1 rows alone; running sums therefore restart where slot is a multiple of their length.
    """

    def __init__(
        self, inputs: Sequence[str], lookback: int, rows: int, step: Step, scale_free: bool = False
    ) -> None:
        super().__init__(inputs, lookback, scale_free)
        if not isinstance(rows, int) or isinstance(rows, bool) or not 0 <= rows <= 100 * MAX_WINDOW:
            raise InputError("rows", rows, "how many rows of state a symbol has")
        if not callable(step):
            raise InputError("step", step, "a compiled function step(x, slot, state, out)")
        self.rows, self.step = rows, step

    def state(self, lanes: int) -> Floats:
        return np.full((self.rows, lanes), math.nan)

    def advance(self, inputs: Sequence[Floats], slot: int, state: Floats, out: Floats) -> None:
        x = np.empty((len(inputs), out.shape[1]))
        for t in range(len(out)):
            for n, given in enumerate(inputs):
                x[n] = given[t]
            self.step(x, slot + t, state, out[t])
        out[~np.isfinite(out)] = np.nan


class WindowFeature(OwnFeature):
    """A function of a window: `compute` gets the last `window` rows of each input of one symbol, oldest first, and gives a
    number. It is called only where all of them are known; elsewhere, and where its answer is not finite, the value is
    NaN. Python is called for every cell (some microseconds each); a StepFeature is the fast way.
    """

    def __init__(self, inputs: Sequence[str], window: int, scale_free: bool = False) -> None:
        if not isinstance(window, int) or isinstance(window, bool) or not 1 <= window <= MAX_WINDOW:
            raise InputError("window", window, f"a whole number of rows from 1 to {MAX_WINDOW}")
        super().__init__(inputs, window - 1, scale_free)
        self.window = window

    @abstractmethod
    def compute(self, *windows: Floats) -> float:
        """The value, from one window (window,) an input; the arrays are copies that cannot be written."""

    def state(self, lanes: int) -> Floats:
        return np.full((len(self.inputs) * self.window, lanes), math.nan)

    def advance(self, inputs: Sequence[Floats], slot: int, state: Floats, out: Floats) -> None:
        w = self.window
        rings = state.reshape(len(inputs), w, -1)
        for t in range(len(out)):
            place = (slot + t) % w
            for ring, given in zip(rings, inputs, strict=True):
                ring[place] = given[t]
            windows = np.concatenate([rings[:, place + 1 :], rings[:, : place + 1]], axis=1)
            known = np.isfinite(windows).all(axis=(0, 1))
            out[t] = np.nan
            for b in np.flatnonzero(known):
                out[t, b] = self._value(np.ascontiguousarray(windows[:, :, b]))

    def _value(self, windows: Floats) -> float:
        windows.setflags(write=False)
        value = float(self.compute(*windows))
        return value if math.isfinite(value) else math.nan
