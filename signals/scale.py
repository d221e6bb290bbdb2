"""How a feature answers when a symbol's prices, or its volumes, are all multiplied by a constant.

Back-adjusted prices carry such a constant, made of the splits and dividends still to come: whatever depends on it reads
the future. Each expression either scales (value * price**p * volume**v), or shifts (value + a*log(price) +
b*log(volume)), or is invariant (all four 0), or does neither: unknown (None).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PRICES = ("open", "high", "low", "close", "vwap")
_TRUTHS = ("<", "<=", ">", ">=", "==", "!=")
_KEEP = ("ref", "ts_mean", "ts_min", "ts_max", "ts_quantile", "ewm_mean", "ts_max_known")
_FREE = ("ts_zscore", "ts_rank", "ts_argmax", "ts_skew", "ts_kurt", "ts_known")
_SPREAD = {
    "ts_std": 1,
    "ts_slope": 1,
    "ts_demean": 1,
    "ewm_std": 1,
    "ts_var": 2,
    "ts_var_known": 2,
}  # by which power


@dataclass(frozen=True)
class Scale:
    """Powers of price and volume, and shifts by their logarithms. `number`: the value, where it is a literal."""

    price: float = 0.0
    volume: float = 0.0
    price_log: float = 0.0
    volume_log: float = 0.0
    number: float | None = None

    @property
    def shifts(self) -> bool:
        return self.price_log != 0 or self.volume_log != 0

    @property
    def invariant(self) -> bool:
        return not (self.price or self.volume or self.shifts)

    @property
    def powers(self) -> tuple[float, float]:
        return self.price, self.volume

    def times(self, k: float) -> Scale | None:
        """The scale of k copies' sum."""
        return Scale(self.price, self.volume, k * self.price_log, k * self.volume_log)


def field_scale(name: str) -> Scale:
    """Prices scale with price, volume with volume; any other field is taken as free of both."""
    return Scale(price=float(name in PRICES), volume=float(name == "volume"))


def scale_of(operator: str, inputs: tuple[Scale | None, ...], literals: tuple[float, ...]) -> Scale | None:
    """The scale of an operator's result from its inputs' scales."""
    known = [scale for scale in inputs if scale is not None]
    if len(known) < len(inputs):
        return None
    if operator in ("+", "-", "*", "/"):
        return _arithmetic(operator, known[0], known[1])
    if operator in _TRUTHS:
        return Scale() if _common(known[0], known[1]) is not None else None
    if operator in ("and", "or", "not"):
        return None if any(scale.shifts for scale in known) else Scale()
    if operator.startswith("cs_"):
        return Scale() if all(scale.invariant for scale in known) else None
    if operator in ("min", "max"):
        return _common(known[0], known[1])
    if operator == "where":
        return _common(known[1], known[2]) if known[0].invariant else None
    if operator == "ts_corr":
        return Scale()
    if operator == "ts_cov":
        return Scale(known[0].price + known[1].price, known[0].volume + known[1].volume)
    if operator == "power":
        return _raised(known[0], known[1].number)
    return _single(operator, known[0], literals)


def _single(operator: str, x: Scale, literals: tuple[float, ...]) -> Scale | None:
    if operator in _FREE:
        return Scale()
    if operator in _KEEP:
        return replace(x, number=None)
    if operator in _SPREAD:
        return Scale(x.price * _SPREAD[operator], x.volume * _SPREAD[operator])
    if operator in ("neg", "ts_sum"):
        return x.times(-1.0 if operator == "neg" else literals[0])
    if operator == "exp":
        return Scale(x.price_log, x.volume_log) if x.powers == (0.0, 0.0) else None
    if x.shifts:
        return None
    if operator == "log":
        return Scale(price_log=x.price, volume_log=x.volume)
    if operator in ("sqrt", "ts_product"):
        return _raised(x, 0.5 if operator == "sqrt" else literals[0])
    if operator in ("abs", "ts_sum_known"):
        return replace(x, number=None)
    return {"sign": Scale()}[operator]  # an operator that nobody thought of is a bug, not an invariant


def _raised(x: Scale, exponent: float | None) -> Scale | None:
    """x to a fixed power."""
    if exponent is None or x.shifts:
        return None
    return Scale(x.price * exponent, x.volume * exponent)


def _arithmetic(operator: str, x: Scale, y: Scale) -> Scale | None:
    if operator in ("+", "-"):
        sign = 1.0 if operator == "+" else -1.0
        if x.powers == y.powers == (0.0, 0.0):
            return Scale(0.0, 0.0, x.price_log + sign * y.price_log, x.volume_log + sign * y.volume_log)
        return _common(x, y)
    sign = 1.0 if operator == "*" else -1.0
    if y.number is not None and y.number != 0:
        return x.times(y.number**sign)
    if x.number is not None and operator == "*":
        return y.times(x.number)
    if x.shifts or y.shifts:
        return None
    return Scale(x.price + sign * y.price, x.volume + sign * y.volume)


def _common(x: Scale, y: Scale) -> Scale | None:
    """The scale that both have; a literal 0 has every scale that does not shift."""
    for zero, other in ((x, y), (y, x)):
        if zero.number == 0 and not other.shifts:
            return replace(other, number=None)
    x, y = replace(x, number=None), replace(y, number=None)
    return x if x == y else None
