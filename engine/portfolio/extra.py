"""The optional package that optimises: looked for when a portfolio is made, imported when it first decides."""

from __future__ import annotations

import importlib.util

from backcast.data.errors import InputError
from backcast.engine.portfolio.settings import choice


def need_skfolio(name: str) -> None:
    """Errors: InputError where skfolio is not installed."""
    if importlib.util.find_spec("skfolio") is None:
        raise InputError(
            "portfolio", name, "the package skfolio, which is not installed", "pip install 'backcast[sizing]'"
        )


def covariance_of(value: object) -> str:
    """sample or ledoit_wolf."""
    return choice("portfolio.covariance", value, "ledoit_wolf", "sample")
