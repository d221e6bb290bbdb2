"""The errors a user can meet, and the exit code each ends with.

An error names the parameter, the value received, what was expected and what to do next.
Anything that is not a `BackcastError` is a bug and ends with exit code 1.
"""

from __future__ import annotations

import re

SECRET = re.compile(r"(password|passwd|secret|token|api_?key|credential)", re.IGNORECASE)
"""Names of parameters whose values are shown nowhere."""
REDACTED = "<redacted>"
"""What stands in place of a secret."""


class BackcastError(Exception):
    """Base of every error that is the user's to fix; its message is one readable sentence or two."""

    exit_code = 2


class InputError(BackcastError):
    """A wrong value from a file, a config or a flag.

    Parameters: `parameter` (its dotted name or file), `value` (as received), `expected` (a phrase that
    completes "expected ..."), `hint` (what to do next; may be empty). The value of what is called like a secret is not shown.
    """

    def __init__(self, parameter: str, value: object, expected: str, hint: str = "") -> None:
        self.parameter, self.value, self.expected, self.hint = parameter, value, expected, hint
        secret = "/" not in parameter and SECRET.search(parameter)  # a path is no parameter's name
        shown = REDACTED if secret else repr(value)
        if len(shown) > 200:
            shown = shown[:197] + "..."
        message = f"{parameter} = {shown}: expected {expected}."
        super().__init__(f"{message} {hint}".rstrip())


class StaleDataError(BackcastError):
    """Data are missing or too old for what was asked."""

    exit_code = 3


class ChampionKept(BackcastError):
    """With --strict: the gate kept the champion."""

    exit_code = 4


class LockedError(BackcastError):
    """Someone else holds the lock."""

    exit_code = 75


def reason(error: BaseException) -> str:
    """An error in one line: ours as they are, others with their kind."""
    return str(error) if isinstance(error, BackcastError) else f"{type(error).__name__}: {error}"
