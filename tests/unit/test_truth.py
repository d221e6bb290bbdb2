"""Every function of the language equals its plain truth: on random, adversarial, holed, walking and real series."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from language import BY_ROW, CALENDAR, OF_SERIES, arity, compiled, everything, literals, panel, truth, written

from backcast.data.sources.bundled import packaged
from backcast.data.types import Floats
from backcast.signals.functions import FUNCTIONS
from backcast.signals.kernels.reference import ACROSS, OVER_TIME

ROWS = 140
WINDOWS = [1, 2, 3, 4, 5, 20, 61]


def _real() -> dict[str, Floats]:
    """Raw closes of the crash of 2000 with a split in them, and their volumes: bars of the package bokeh_sampledata."""
    bars = pl.read_csv(packaged("bokeh_sampledata", "_data") / "stocks.csv.gz").filter(
        pl.col("Ticker") == "AAPL"
    )
    return {name: bars[name].cast(pl.Float64).to_numpy()[:ROWS] for name in ("Close", "Volume")}


def _series() -> dict[str, Floats]:
    rng = np.random.default_rng(7)
    noise = rng.normal(size=ROWS)
    holed, spike, steps = noise.copy(), 100 + noise, np.repeat(rng.normal(size=ROWS // 7), 7)
    holed[rng.random(ROWS) < 0.05] = np.nan
    spike[60] = 1e12
    late = np.where(np.arange(ROWS) < 37, np.nan, 5 + noise)
    return {
        "random": noise,
        "level": 1e6 + 0.1 * noise,
        "walk": 100 * np.exp(np.cumsum(0.01 * noise)),
        "holed": holed,
        "spike": spike,
        "ties": rng.integers(0, 4, ROWS).astype(float),
        "steps": steps,
        "constant": np.full(ROWS, 0.1),
        "tiny": 1e-90 * noise,
        "huge": 1e90 * noise,
        "rising": np.arange(ROWS) * 1.0,
        "falling": -np.arange(ROWS) * 1.0,
        "unknown": np.full(ROWS, np.nan),
        "late": late,
        **_real(),
    }


SERIES = _series()
X = np.stack(list(SERIES.values()))
PANEL = panel(np.stack([X, np.roll(X, 3, axis=0), np.roll(X, 5, axis=0)]))


def _largest(window: int, *x: Floats) -> Floats:
    """The largest absolute value within the rows that an answer may depend on."""
    back = 10 * window
    size = np.nanmax(np.abs(np.stack(x)), axis=0, initial=0.0)
    return np.array([np.nanmax(size[max(0, t - back) : t + 1], initial=0.0) for t in range(len(size))])


def _spread(window: int, x: Floats) -> Floats:
    return OVER_TIME["ts_std"](x, window, 2)


LEVELS = ("ts_sum", "ts_mean", "decay_linear", "ewm_mean", "macd", "macd_signal", "macd_histogram", "atr", "obv",
          "bollinger_upper", "bollinger_lower")  # fmt: skip
PURE = {"ts_zscore": 1.0, "ts_skew": 10.0, "ts_kurt": 100.0, "ts_corr": 1.0, "ts_autocorr": 1.0, "ts_rsquare": 1.0,
        "bollinger_percent": 1.0, "rsi": 100.0, "plus_di": 100.0, "minus_di": 100.0, "adx": 100.0}  # fmt: skip


def _unit(function: str, window: int, x: tuple[Floats, ...]) -> Floats | float:
    """What an absolute error is measured against where the answer itself may cancel to nothing; 0 where it may not."""
    if function in PURE:
        return PURE[function]
    if function in LEVELS:
        size = _largest(3 * window, *x)
        return size * (window if function in ("ts_sum", "obv") else 1)
    if function in ("ts_slope", "ts_resid", "ts_demean"):
        return _spread(window, x[0])
    if function == "ts_cov":
        return _spread(window, x[0]) * _spread(window, x[1])
    if function == "ts_beta":
        return _spread(window, x[0]) / _spread(window, x[1])
    return 0.0


CASES = [(name, *values) for name in OF_SERIES for w in WINDOWS for values in literals(name, w)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'-'.join(f'{v:g}' for v in case[1:])}")
def test_equals_the_plain_definition(case: tuple[str, *tuple[float, ...]]) -> None:
    function, values = case[0], case[1:]
    inputs = PANEL.fields[: arity(function)]
    ours = compiled(written(function, inputs, values), fields=PANEL.fields).evaluate(PANEL).values[0]
    for s, name in enumerate(SERIES):
        x = tuple(PANEL.values[k, s] for k in range(len(inputs)))
        with np.errstate(all="ignore"):
            plain = np.asarray(truth(function)(*x, *values), dtype=np.float64)
            plain = np.where(np.isfinite(plain), plain, np.nan)
            assert np.array_equal(np.isnan(ours[s]), np.isnan(plain)), name
            allowed = 1e-12 * np.abs(plain) + 1e-12 * np.nan_to_num(_unit(function, int(values[0]), x))
            error = np.abs(ours[s] - plain)
            assert (np.isnan(plain) | (error <= allowed)).all(), (name, np.nanmax(error / allowed))


def test_every_function_has_a_truth() -> None:
    known = {*OF_SERIES, *ACROSS, *BY_ROW, *CALENDAR}
    assert set(FUNCTIONS) == known
    assert all(callable(truth(name)) for name in everything())
