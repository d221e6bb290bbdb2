"""Which leaks a level is known not to tell, and why: what it cannot see, pair by pair. A miss that is not here has no reason.

The list is held by a test: a pair on it is asked all the same, its twin may not be accused, and the list may not grow beyond
what the bars allow.
"""

from __future__ import annotations

KNOWN: dict[str, dict[str, str]] = {
    "quick": {
        "day_before_filing": "the instants of quick seldom fall between the day before a filing and the filing",
    },
    "full": {},
}
"""By level: the pair, and why the level cannot see it or says another layer."""


def reason(level: str, pair: str) -> str:
    """Why, or that nobody has said."""
    return KNOWN.get(level, {}).get(pair, "NO REASON KNOWN")
