"""What a page says of a sealed holdout, from what the manifest holds of it (`engine/holdout.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def holdout_words(held: Mapping[str, Any] | None) -> str:
    """A fact for the page's head; empty where the run has nothing to do with a holdout."""
    if held is None:
        return ""
    begins = f"Holdout from {held['from']}"
    by = "this run" if held["own"] else str(held["opened_by"])
    opened = f"opened once, at {held['opened_at']}, by {by}"
    if held["sees"]:
        return f"{begins}, {'seen here while it was sealed' if held['opened_at'] is None else opened}"
    return f"{begins}, {'sealed: nothing here has seen it' if held['opened_at'] is None else f'not in this run; {opened}'}"


def holdout_warnings(held: Mapping[str, Any] | None) -> list[str]:
    """What makes a holdout less than one."""
    if held is None:
        return []
    found = []
    if held["seen_before"]:
        seen = f"{held['seen_before']:,} trial{'s' if held['seen_before'] != 1 else ''}"
        found.append(
            f"{seen} had seen sessions of the holdout from {held['from']} on before it was sealed or opened."
        )
    if held["sees"] and held["opened_at"] is not None and not held["own"]:
        found.append(
            f"The holdout from {held['from']} on was opened at {held['opened_at']} for {held['opened_by']}: these sessions are "
            "no holdout any more."
        )
    return found
