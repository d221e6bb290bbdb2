"""Targets that a file gives: read, checked cell by cell, traded as any portfolio's."""

from backcast.engine.given.portfolio import (
    GivenPortfolio,
    check,
    check_settings,
    facts,
    is_given,
    placed,
    prepared,
    recorded,
)

__all__ = [
    "GivenPortfolio",
    "check",
    "check_settings",
    "facts",
    "is_given",
    "placed",
    "prepared",
    "recorded",
]
