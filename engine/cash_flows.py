"""Money that the owner adds or takes, as configured: dated amounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats

Deposits = tuple[tuple[np.datetime64, float], ...]
"""Dates and amounts, in order; an amount below 0 is taken out."""

WHERE = "execution.deposits"


def deposits_of(given: Any) -> Deposits:
    """Checked deposits. Errors: InputError for anything but dated amounts."""
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(WHERE, given, "a list of dated amounts such as [{on: 2010-01-04, amount: 10000}]")
    return tuple(sorted(_deposit(entry) for entry in given))


def _deposit(entry: Any) -> tuple[np.datetime64, float]:
    if not hasattr(entry, "keys") or set(entry) != {"on", "amount"}:
        raise InputError(WHERE, entry, "a date and an amount such as {on: 2010-01-04, amount: 10000}")
    amount = entry["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not -1e15 < amount < 1e15:
        raise InputError(
            f"{WHERE}.amount", amount, "an amount in the currency of the prices; below 0 takes it out"
        )
    try:
        return np.datetime64(dt.date.fromisoformat(str(entry["on"])), "D"), float(amount)
    except ValueError as error:
        raise InputError(f"{WHERE}.on", entry["on"], "a date such as 2010-01-04") from error


def placed(deposits: Deposits, clock: Clock, first: int) -> Floats | None:
    """(T,) amounts at the open of each session from `first` on; one on a day without a session comes with the next. None
    without any. Errors: InputError for a date outside of the account's sessions."""
    if not deposits:
        return None
    amounts = np.zeros(len(clock))
    for on, amount in deposits:
        at = int(np.searchsorted(clock.sessions, on))
        if on < clock.sessions[first] or at == len(clock):
            expected = f"a date from {clock.sessions[first]} to {clock.sessions[-1]}, when the account lives"
            raise InputError(f"{WHERE}.on", str(on), expected, "What is there from the start is `capital`.")
        amounts[at] += amount
    return amounts[first:]
