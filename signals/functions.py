"""The functions of the language: how each is written, what it means, and those that are short for others.

A function of `DEFINITIONS` is nothing but the text there, in terms of other functions; every other one is an operator
with a kernel (`signals/kernels/operators.py`). Units, warm-up and the treatment of unknown rows are in
`docs/features.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_WINDOW = 10_000
HORIZON = 10
"""An exponential average looks back this many spans; what is older has a weight of exp(-20) = 2e-9 and is left out."""
MAX_SPAN = MAX_WINDOW // HORIZON
MAX_WILDER = (MAX_SPAN + 1) // 2  # Wilder's average of n rows is an exponential one with a span of 2n - 1


@dataclass(frozen=True)
class Signature:
    """How a function is written: how many expressions, then which literals; `shortest` window; a one-line meaning.

    `optional` literals may be left out; `most`: the largest number of expressions, where it is not `inputs`;
    `longest` window; `group`: where a list of functions shows it.
    """

    inputs: int
    literals: tuple[str, ...]
    shortest: int
    meaning: str
    optional: tuple[str, ...] = ()
    most: int = 0
    longest: int = MAX_WINDOW
    group: str = "in time"


_KNOWN = ("min_periods",)


def _plain(inputs: int, meaning: str, *literals: str) -> Signature:
    return Signature(inputs, literals, 0, meaning, group="row by row")


def _across(inputs: int, meaning: str, *literals: str, most: int = 0) -> Signature:
    return Signature(inputs, literals, 0, meaning, most=most, group="across symbols")


def _clock(meaning: str) -> Signature:
    return Signature(0, (), 0, meaning, group="calendar")


def _staple(inputs: int, literals: tuple[str, ...], meaning: str, longest: int = MAX_SPAN) -> Signature:
    return Signature(inputs, literals, 2, meaning, longest=longest, group="technical")


FUNCTIONS = {
    "ref": Signature(1, ("lag",), 1, "the value of `lag` rows ago"),
    "delta": Signature(1, ("lag",), 1, "x - ref(x, lag)"),
    "returns": Signature(1, ("lag",), 1, "x / ref(x, lag) - 1"),
    "log_returns": Signature(1, ("lag",), 1, "log(x / ref(x, lag))"),
    "log": _plain(1, "natural logarithm; NaN unless x > 0"),
    "exp": _plain(1, "e to the power of x"),
    "sqrt": _plain(1, "square root; NaN where x < 0"),
    "power": _plain(1, "x to a fixed power; NaN where that is no real number", "exponent"),
    "abs": _plain(1, "absolute value"),
    "sign": _plain(1, "-1, 0 or 1"),
    "clip": _plain(1, "x kept between two numbers", "low", "high"),
    "min": _plain(2, "the smaller of two; NaN if either is"),
    "max": _plain(2, "the larger of two; NaN if either is"),
    "where": _plain(3, "where(condition, a, b): a where the condition is not 0, else b; NaN if it is NaN"),
    "ts_sum": Signature(1, ("window",), 1, "sum", _KNOWN),
    "ts_mean": Signature(1, ("window",), 1, "mean", _KNOWN),
    "ts_product": Signature(1, ("window",), 1, "product"),
    "ts_var": Signature(1, ("window",), 2, "variance, ddof=1; exactly 0 for equal values", _KNOWN),
    "ts_std": Signature(1, ("window",), 2, "standard deviation, ddof=1; exactly 0 for equal values", _KNOWN),
    "ts_skew": Signature(1, ("window",), 3, "sample skewness G1, as pandas; NaN for equal values"),
    "ts_kurt": Signature(1, ("window",), 4, "sample excess kurtosis G2, as pandas; NaN for equal values"),
    "ts_zscore": Signature(1, ("window",), 2, "(x - mean) / std, ddof=1; NaN for equal values"),
    "ts_demean": Signature(1, ("window",), 1, "x - mean; exactly 0 for equal values"),
    "ts_min": Signature(1, ("window",), 1, "smallest value", _KNOWN),
    "ts_max": Signature(1, ("window",), 1, "largest value", _KNOWN),
    "ts_argmin": Signature(1, ("window",), 1, "rows since the smallest value, 0 = now; the latest of equals"),
    "ts_argmax": Signature(1, ("window",), 1, "rows since the largest value, 0 = now; the latest of equals"),
    "ts_rank": Signature(
        1, ("window",), 1, "place of the latest value / window, ties at their mean place: (0, 1]"
    ),
    "ts_quantile": Signature(1, ("window", "level"), 1, "quantile, linear between places (type 7)"),
    "ts_median": Signature(1, ("window",), 1, "quantile at 0.5"),
    "ts_slope": Signature(1, ("window",), 2, "least-squares slope per row"),
    "ts_rsquare": Signature(1, ("window",), 2, "R squared of the least-squares line; NaN for equal values"),
    "ts_resid": Signature(1, ("window",), 2, "the latest row's distance from the least-squares line"),
    "ts_corr": Signature(2, ("window",), 2, "Pearson correlation; NaN where either side is constant"),
    "ts_cov": Signature(2, ("window",), 2, "covariance, ddof=1"),
    "ts_beta": Signature(2, ("window",), 2, "least-squares slope of x on y; NaN where y is constant"),
    "ts_autocorr": Signature(1, ("window", "lag"), 2, "correlation of x with ref(x, lag) over `window` rows"),
    "decay_linear": Signature(1, ("window",), 2, "mean with weights 1, 2, ..., window, the latest row's largest"),
    "ewm_mean": Signature(
        1,
        ("span",),
        1,
        f"mean with weights (1 - 2 / (span + 1)) ** age, over {HORIZON} spans; needs min_periods known rows (span)",
        _KNOWN,
        longest=MAX_SPAN,
    ),
    "ewm_std": Signature(
        1,
        ("span",),
        2,
        "standard deviation with the weights of ewm_mean, unbiased as in pandas",
        _KNOWN,
        longest=MAX_SPAN,
    ),
    "ts_known": Signature(1, ("window",), 1, "how many of the window's rows are known"),
    "ts_count": Signature(1, ("window",), 1, "in how many rows the condition is not 0"),
    "ts_count_up": Signature(1, ("window",), 1, "in how many rows x rose"),
    "ts_count_down": Signature(1, ("window",), 1, "in how many rows x fell"),
    "ts_since": Signature(
        1, ("window",), 1, "rows since the condition was last not 0, 0 = now; NaN if never"
    ),
    "cs_rank": _across(1, "place among members / their number, ties at their mean place: (0, 1]"),
    "cs_zscore": _across(1, "(x - members' mean) / members' std, ddof=1"),
    "cs_demean": _across(1, "x - members' mean"),
    "cs_scale": _across(1, "x / sum of the members' absolute values"),
    "cs_winsorise": _across(1, "x kept between the members' quantiles at `tail` and 1 - `tail` (type 7)", "tail"),
    "cs_bucket": _across(1, "0 to buckets - 1 by place among members; equal values share one", "buckets"),
    "cs_neutralise": _across(2, "x - mean of the members with the same group y, such as a sector's number"),
    "cs_residual": _across(2, "what is left of x after least squares on 1 and the exposures, members only", most=5),
    "day_of_week": _clock("of the session: Monday 0 to Sunday 6"),
    "day_of_month": _clock("of the session: 1 to 31"),
    "month": _clock("of the session: 1 to 12"),
    "days_to_month_end": _clock("calendar days from the session to the last day of its month"),
    "bar_minutes": _clock("minutes from the bar's open to its end; of a daily bar the session's, so half days show"),
    "minute_of_day": _clock("minutes from midnight UTC to the bar's end"),
    "minutes_since_open": _clock("minutes from the session's open, by the exchange's schedule, to the bar's end"),
    "minutes_to_close": _clock("minutes from the bar's end to the session's close, by the exchange's schedule"),
    "rsi": _staple(1, ("window",), "relative strength index, 0 to 100, Wilder's averages", MAX_WILDER),
    "atr": _staple(3, ("window",), "average true range of high, low, close, Wilder's average", MAX_WILDER),
    "plus_di": _staple(3, ("window",), "plus directional indicator of high, low, close, 0 to 100", MAX_WILDER),
    "minus_di": _staple(3, ("window",), "minus directional indicator of high, low, close, 0 to 100", MAX_WILDER),
    "adx": _staple(3, ("window",), "average directional index of high, low, close, 0 to 100", MAX_WILDER),
    "macd": _staple(1, ("fast", "slow"), "ewm_mean(x, fast) - ewm_mean(x, slow)"),
    "macd_signal": _staple(1, ("fast", "slow", "signal"), "ewm_mean of macd"),
    "macd_histogram": _staple(1, ("fast", "slow", "signal"), "macd - macd_signal"),
    "bollinger_upper": _staple(1, ("window", "width"), "mean + width * std, ddof=0", MAX_WINDOW),
    "bollinger_lower": _staple(1, ("window", "width"), "mean - width * std, ddof=0", MAX_WINDOW),
    "bollinger_width": _staple(1, ("window", "width"), "(upper - lower) / mean", MAX_WINDOW),
    "bollinger_percent": _staple(1, ("window", "width"), "(x - lower) / (upper - lower)", MAX_WINDOW),
    "obv": _staple(2, ("window",), "volume y of rising rows of x less that of falling ones, over the window", MAX_WINDOW),
}  # fmt: skip

WORDS = {
    "and": "1 where both are not 0, else 0",
    "or": "1 where either is not 0, else 0",
    "not": "1 where x is 0, else 0",
}
"""Operators written as words; NaN where either side is."""

INPUTS = ("x", "y", "z", "u", "v")
"""How definitions and usages call a function's expressions."""


def _wilder(x: str, n: int) -> str:
    """Wilder's average, with the weights (1 - 1/n) ** age; it answers from the n-th known row on."""
    return f"ewm_mean({x}, {2 * n - 1}, {n})"


def _rsi(n: int) -> str:
    up, down = _wilder("max(delta(x, 1), 0)", n), _wilder("max(-delta(x, 1), 0)", n)
    return f"100 * {up} / ({up} + {down})"


_TRUE_RANGE = "max(x, ref(z, 1)) - min(y, ref(z, 1))"
_RISE, _FALL = "(x - ref(x, 1))", "(ref(y, 1) - y)"


def _directional(one: str, other: str, n: int) -> str:
    moved = _wilder(f"where({one} > {other} and {one} > 0, {one}, 0)", n)
    return f"100 * {moved} / atr(x, y, z, {n})"


def _adx(n: int) -> str:
    plus, minus = f"plus_di(x, y, z, {n})", f"minus_di(x, y, z, {n})"
    return _wilder(f"100 * abs({plus} - {minus}) / ({plus} + {minus})", n)


def _band(w: int, width: float) -> str:
    return f"{width * ((w - 1) / w) ** 0.5!r} * ts_std(x, {w})"


DEFINITIONS: dict[str, Callable[..., str]] = {
    "delta": lambda lag: f"x - ref(x, {lag})",
    "returns": lambda lag: f"x / ref(x, {lag}) - 1",
    "log_returns": lambda lag: f"log(x / ref(x, {lag}))",
    "clip": lambda low, high: f"max(min(x, {high!r}), {low!r})",
    "ts_argmin": lambda w: f"ts_argmax(-x, {w})",
    "ts_median": lambda w: f"ts_quantile(x, {w}, 0.5)",
    "ts_rsquare": lambda w: f"min(1, power(ts_slope(x, {w}) / ts_std(x, {w}), 2) * {w * (w + 1) / 12!r})",
    "ts_resid": lambda w: f"ts_demean(x, {w}) - {(w - 1) / 2!r} * ts_slope(x, {w})",
    "ts_beta": lambda w: f"ts_cov(x, y, {w}) / ts_var(y, {w})",
    "ts_autocorr": lambda w, lag: f"ts_corr(x, ref(x, {lag}), {w})",
    "decay_linear": lambda w: f"ts_mean(x, {w}) + {(w - 1) / 6!r} * ts_slope(x, {w})",
    "ts_count": lambda w: f"ts_sum(x != 0, {w})",
    "ts_count_up": lambda w: f"ts_sum(x > ref(x, 1), {w})",
    "ts_count_down": lambda w: f"ts_sum(x < ref(x, 1), {w})",
    "ts_since": lambda w: f"ts_argmax(x != 0, {w}) / ts_max(x != 0, {w})",
    "rsi": _rsi,
    "atr": lambda n: _wilder(_TRUE_RANGE, n),
    "plus_di": lambda n: _directional(_RISE, _FALL, n),
    "minus_di": lambda n: _directional(_FALL, _RISE, n),
    "adx": _adx,
    "macd": lambda fast, slow: f"ewm_mean(x, {fast}) - ewm_mean(x, {slow})",
    "macd_signal": lambda fast, slow, n: f"ewm_mean(macd(x, {fast}, {slow}), {n})",
    "macd_histogram": lambda fast, slow, n: f"macd(x, {fast}, {slow}) - macd_signal(x, {fast}, {slow}, {n})",
    "bollinger_upper": lambda w, width: f"ts_mean(x, {w}) + {_band(w, width)}",
    "bollinger_lower": lambda w, width: f"ts_mean(x, {w}) - {_band(w, width)}",
    "bollinger_width": lambda w, width: f"2 * {_band(w, width)} / ts_mean(x, {w})",
    "bollinger_percent": lambda w, width: f"(ts_demean(x, {w}) / ({_band(w, width)}) + 1) / 2",
    "obv": lambda w: f"ts_sum(sign(delta(x, 1)) * y, {w})",
}

PARTIAL: dict[str, Callable[..., str]] = {
    "ts_mean": lambda w, known: f"ts_sum(x, {w}, {known}) / ts_known(x, {w})",
    "ts_min": lambda w, known: f"-ts_max(-x, {w}, {known})",
    "ts_std": lambda w, known: f"sqrt(ts_var(x, {w}, {known}))",
}
"""The same where min_periods is given; ts_sum, ts_max and ts_var with it are operators."""


def usage(function: str) -> str:
    """How a function is written, for example ts_corr(x, y, window); what may be left out stands in brackets."""
    signature = FUNCTIONS[function]
    parts = [*INPUTS[: signature.inputs], *signature.literals]
    more = [*INPUTS[signature.inputs : signature.most], *signature.optional]
    return f"{function}({', '.join([*parts, *(f'[{name}]' for name in more)])})"


def definition(function: str, literals: tuple[float, ...]) -> str | None:
    """What a function stands for, in terms of x, y and z; None where it is an operator of its own."""
    whole = [int(value) if value == int(value) else value for value in literals]
    signature = FUNCTIONS.get(function)
    partial = signature is not None and signature.optional and len(literals) > len(signature.literals)
    text = (PARTIAL if partial else DEFINITIONS).get(function)
    return text(*whole) if text else None
