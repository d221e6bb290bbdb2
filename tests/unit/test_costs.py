"""Costs are checked where they are made."""

from __future__ import annotations

import pytest

from backcast.data.errors import InputError
from backcast.engine.costs.linear import LinearCost


def test_the_figures_of_the_manifest() -> None:
    assert LinearCost(5, 2.5).to_json() == {"fee_bps": 5.0, "half_spread_bps": 2.5}


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 10_000, "5", True, None])
def test_wrong_signs_and_kinds_are_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"costs\.fee_bps"):
        LinearCost(value, 0.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"costs\.half_spread_bps"):
        LinearCost(0.0, value)  # type: ignore[arg-type]
