"""Trading again: scaled costs, delays, and the capital at which half of the Sharpe ratio is left."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost
from backcast.engine.costs.borrow import BorrowFee
from backcast.engine.costs.fee import Fee
from backcast.engine.costs.impact import SquareRootImpact
from backcast.engine.costs.interest import Interest
from backcast.engine.costs.linear import LinearCost
from backcast.engine.costs.spread import HalfSpread
from backcast.engine.costs.total import TotalCost
from backcast.engine.stats import capacity
from backcast.engine.types import Targets

CHANGE = np.array([0.1, -0.2, 0.05])
KNOWN = {"price": np.full(3, 20.0), "volatility": np.full(3, 0.02), "traded": np.full(3, 1e7)}
COSTS = (
    LinearCost(5.0, 5.0),
    TotalCost(fee=Fee(per_share=0.005, minimum=1.0, maximum=0.01), spread=HalfSpread(bps=2.0, volatility=0.05),
              impact=SquareRootImpact(0.8)),
    TotalCost(fee=Fee(tiers=[[0, 5], [10_000, 2]])),
)  # fmt: skip


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("multiple", [0.0, 0.5, 1.0, 3.0])
def test_a_scaled_cost_charges_so_many_times_as_much(cost: Cost, multiple: float) -> None:
    plain = cost.estimate(CHANGE, 1e5, **KNOWN)
    scaled = capacity.ScaledCost(cost, multiple).estimate(CHANGE, 1e5, **KNOWN)
    assert (plain > 0).all()
    assert scaled == pytest.approx(multiple * plain, rel=1e-3)  # fees are of a value with the spread in it


def test_borrowing_is_scaled_and_interest_stays() -> None:
    cost = TotalCost(borrow=BorrowFee(0.02), interest=Interest(cash_per_year=0.01, margin_per_year=0.03))
    plain, twice = cost.rates(), capacity.ScaledCost(cost, 2.0).rates()
    assert twice.borrow == 2 * plain.borrow > 0
    assert (twice.cash, twice.margin) == (plain.cash, plain.margin)
    assert twice.margin > 0


def test_impact_is_added_where_there_is_none() -> None:
    assert not capacity.has_impact(LinearCost(5.0, 5.0))
    steep = capacity.WithImpact(LinearCost(0.0, 0.0))
    assert capacity.has_impact(steep)
    small, large = (steep.estimate(CHANGE, c, **KNOWN) for c in (1e4, 4e4))
    assert large == pytest.approx(2 * small)  # the square-root law, as shares of equity
    assert small[0] == pytest.approx(0.1 * 0.02 * np.sqrt(0.1 * 1e4 / 1e7))


def test_delayed_targets_keep_their_weights() -> None:
    targets = Targets(np.array([2, 5, 8]), ("a",), np.array([[0.1], [0.2], [0.3]]))
    later = capacity.delayed(targets, 2, 11)
    assert later.decisions.tolist() == [4, 7]
    assert later.weights.tolist() == [[0.1], [0.2]]
    assert capacity.delayed(targets, 0, 9).decisions.tolist() == [2, 5, 8]
    with pytest.raises(InputError, match="delay"):
        capacity.delayed(targets, 9, 11)


def _table(sharpes: dict[float, float]) -> pl.DataFrame:
    """Returns with these Sharpe ratios a session, by multiple of the capital."""
    shape = np.tile([1.0, -1.0], 50) / np.std(np.tile([1.0, -1.0], 50), ddof=1)
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 4, 9), eager=True)
    frames = [
        pl.DataFrame(
            {"kind": ["capital"] * 100, "level": [level] * 100, "session": days, "net_return": 0.01 * (shape + sharpe),
             "reason": [""] * 100}, schema=capacity.SCHEMA,
        )
        for level, sharpe in sharpes.items()
    ]  # fmt: skip
    return pl.concat(frames)


def test_capacity_is_where_half_of_the_ratio_is_left() -> None:
    found = capacity.figures(_table({1.0: 0.2, 10.0: 0.15, 100.0: 0.05}), 1e6, 1.0, "own")
    assert [one.value for one in found[:-1]] == pytest.approx([0.2, 0.15, 0.05])
    assert [one.item for one in found[:-1]] == ["1,000,000", "10,000,000", "100,000,000"]
    assert found[-1].value == pytest.approx(1e7 * 10**0.5)  # 0.1 is half way from 0.15 to 0.05


@pytest.mark.parametrize(
    ("sharpes", "reason"),
    [
        ({1.0: 0.2, 10.0: 0.15}, "not halved at 10,000,000"),
        ({1.0: -0.1, 10.0: -0.2}, "not above 0"),
        ({1.0: 0.1}, "not simulated with other capital"),
    ],
)
def test_where_there_is_no_capacity_there_is_a_reason(sharpes: dict[float, float], reason: str) -> None:
    assert reason in capacity.figures(_table(sharpes), 1e6, 1.0, "own")[-1].reason


def test_what_could_not_be_simulated_says_why() -> None:
    row = {"kind": "capital", "level": 1.0, "session": None, "net_return": None, "reason": "no volume"}
    found = capacity.figures(pl.DataFrame([row], schema=capacity.SCHEMA), 1e6, 1.0, "own")
    assert [one.reason for one in found] == ["no volume", "no volume"]
