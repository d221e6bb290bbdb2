"""Honest runs of our own parts, drawn at random: the full audit accuses none. `make zoo` asks about all forty."""

from __future__ import annotations

import pytest
from zoo.honest import COUNT, TRULY, configuration

TESTED = (1, 2, 3, 6, 9, 17, 24, 33)
"""By half hours (3), on adjusted prices (6), the transformer (9); sets of ours where even, random expressions where odd."""


@pytest.mark.parametrize("number", TESTED)
def test_an_honest_run_is_not_accused(number: int) -> None:
    said = configuration(number).audit("full")
    assert not said.accused or said.why.startswith(TRULY), said.why


def test_configurations_are_fixed_by_their_number() -> None:
    once, twice = configuration(COUNT - 1), configuration(COUNT - 1)
    assert once == twice
    assert configuration(1) != configuration(5)
