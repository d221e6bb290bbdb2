"""What a rule or a step accepts as a value; every refusal names the parameter."""

from __future__ import annotations

import math

from backcast.data.errors import InputError


def number(parameter: str, value: object, most: float, least: float = 0.0) -> float:
    """A number above `least` and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least < value <= most:
        raise InputError(parameter, value, f"a number above {least:g} and at most {most:g}")
    return float(value)


def positive(parameter: str, value: object) -> float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InputError(parameter, value, "a number above 0")
    return float(value)


def whole(parameter: str, value: object, least: int, unit: str) -> int:
    """A whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(parameter, value, f"a number of {unit}, at least {least}")
    return value


def choice(parameter: str, value: object, *allowed: str) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(parameter, value, f"{', '.join(allowed[:-1])} or {allowed[-1]}")
    return value


def flag(parameter: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InputError(parameter, value, "true or false")
    return value
