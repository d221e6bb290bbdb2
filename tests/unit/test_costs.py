"""Costs are checked where they are made; what they estimate is what simulators charge; impact is the paper's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from plans import COSTS, plan_of

from backcast.data.errors import InputError
from backcast.engine.costs import (
    AlmgrenImpact,
    BorrowFee,
    Cost,
    Fee,
    HalfSpread,
    Interest,
    LinearCost,
    SquareRootImpact,
    TotalCost,
)
from backcast.engine.simulators.native import NativeSimulator

WRONG = [-1.0, float("nan"), float("inf"), 1e300, "5", True, None]


def test_the_figures_of_the_manifest() -> None:
    assert LinearCost(5, 2.5).to_json() == {"fee_bps": 5.0, "half_spread_bps": 2.5}
    total = TotalCost(
        fee=Fee(per_share=0.01, minimum=1), impact=SquareRootImpact(0.5), borrow=BorrowFee(0.02)
    )
    assert total.to_json() == {
        "fee_bps": 0.0, "fee_per_share": 0.01, "fee_minimum": 1.0, "impact": "square root", "impact_coefficient": 0.5,
        "borrow_per_year": 0.02,
    }  # fmt: skip


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 10_000, "5", True, None])
def test_wrong_signs_and_kinds_are_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"costs\.fee_bps"):
        LinearCost(value, 0.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"costs\.half_spread_bps"):
        LinearCost(0.0, value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(("kind", "name", "parameter"), [
    (Fee, "bps", "fee.bps"), (Fee, "per_share", "fee.per_share"), (Fee, "per_order", "fee.per_order"),
    (Fee, "minimum", "fee.minimum"), (HalfSpread, "bps", "spread.bps"), (HalfSpread, "volatility", "spread.volatility"),
    (SquareRootImpact, "coefficient", "impact.coefficient"), (AlmgrenImpact, "duration", "impact.duration"),
    (AlmgrenImpact, "inverse_turnover", "impact.inverse_turnover"), (BorrowFee, "per_year", "borrow.per_year"),
    (Interest, "cash_per_year", "interest.cash_per_year"), (Interest, "margin_per_year", "interest.margin_per_year"),
])  # fmt: skip
def test_every_figure_is_checked(kind: Callable[..., Cost], name: str, parameter: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"costs\.{parameter} = "):
        kind(**{name: value})


@pytest.mark.parametrize(
    "tiers", [[], [[5, 1]], [[0, 1], [0, 2]], [[0, 1], [10, 1], [5, 1]], [[0, -1]], [[0]], 3, [[0, 1, 2]]]
)
def test_tiers_must_ascend_from_zero(tiers: object) -> None:
    with pytest.raises(InputError, match=r"costs\.fee\.tiers"):
        Fee(tiers=tiers)  # type: ignore[arg-type]


def test_parts_stay_in_their_place() -> None:
    with pytest.raises(InputError, match=r"costs\.impact = .*: expected an impact"):
        TotalCost(impact=LinearCost(1.0, 1.0))
    with pytest.raises(InputError, match=r"costs\.fee = 5: expected a cost"):
        TotalCost(fee=5)  # type: ignore[arg-type]


TABLE = {
    # Almgren, Thum, Hauptmann, Li (2005), "Direct Estimation of Equity Market Impact", Risk 18(7), the example table: 10 % of a
    # day's volume of IBM (inverse turnover 263, volatility 1.57 % a day) and of DRI (87, 2.26 %) in 0.1, 0.2 and 0.5 of
    # a day: permanent impact, then temporary impacts and realised costs, in basis points.
    "IBM": (263, 1.57, 20, [22, 15, 8], [32, 25, 18]),
    "DRI": (87, 2.26, 22, [32, 21, 12], [43, 32, 23]),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_published_example(name: str) -> None:
    inverse, percent, permanent, temporary, realised = TABLE[name]
    for duration, k, j in zip([0.1, 0.2, 0.5], temporary, realised):
        cost = AlmgrenImpact(duration=duration, inverse_turnover=inverse)
        arrays = {"volatility": np.array([percent / 100]), "traded": np.array([1e6])}
        whole = cost.estimate(np.array([0.1]), 1e6, **arrays)[0] / 0.1 * 1e4
        assert round(cost.permanent() * 0.1 * percent * 100) == permanent
        assert abs(whole - permanent / 2 - k) < 1, "the table's figures are whole basis points"
        assert abs(whole - j) < 1


def test_half_a_day_of_ibm_by_hand() -> None:
    """I = 0.314 x 157 bp x 0.1 x 263 ** 0.25 = 19.85 bp; K = 0.142 x 157 bp x 0.2 ** 0.6 = 8.49 bp; J = I / 2 + K."""
    cost = AlmgrenImpact(duration=0.5, inverse_turnover=263)
    found = (
        cost.estimate(np.array([-0.1]), 1e6, volatility=np.array([0.0157]), traded=np.array([1e6]))[0]
        / 0.1
        * 1e4
    )
    assert found == pytest.approx(19.85 / 2 + 8.49, abs=0.01)


@pytest.mark.parametrize("name", COSTS)
def test_an_estimate_is_what_the_simulator_charges(name: str) -> None:
    generator, count = np.random.default_rng(3), 12
    change, price = generator.normal(0, 0.05, count), generator.uniform(5, 200, count)
    known = {
        "volatility": generator.uniform(0.01, 0.03, count),
        "traded": generator.uniform(1e5, 1e7, count),
        "half_spread": generator.uniform(0, 0.002, count),
    }
    plan = plan_of(change[None], price[None], price[None], margin=True)
    zeros = np.zeros((1, count))
    plan = replace(plan, **{k: v[None] for k, v in known.items()}, years=np.zeros(1), borrow_rate=zeros)
    account = NativeSimulator().simulate(plan, COSTS[name], 1e6)
    charged = np.zeros(count)
    charged[account.fills.symbol] = account.fills.fee + account.fills.spread + account.fills.impact
    np.testing.assert_allclose(
        COSTS[name].estimate(change, 1e6, price, **known), charged / 1e6, rtol=1e-9, atol=1e-15
    )


def test_an_estimate_says_what_it_needs_and_what_it_does_not_know() -> None:
    with pytest.raises(InputError, match=r"estimate\.volatility"):
        SquareRootImpact().estimate(np.array([0.1]), 1e6, traded=np.array([1e6]))
    with pytest.raises(InputError, match=r"estimate\.price"):
        Fee(per_share=0.1).estimate(np.array([0.1]), 1e6)
    found = SquareRootImpact().estimate(
        np.array([0.1, 0.1, 0.0]), 1e6, volatility=np.array([0.02, np.nan, np.nan]), traded=np.full(3, 1e5)
    )
    assert found[0] == pytest.approx(0.1 * 0.02) and np.isnan(found[1]) and found[2] == 0


def test_a_plan_without_what_its_costs_need_is_refused() -> None:
    plan = plan_of(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1)))
    for cost, name in (
        (SquareRootImpact(), "traded"),
        (BorrowFee(0.1), "years"),
        (HalfSpread(from_data=True), "half_spread"),
    ):
        with pytest.raises(
            InputError, match=rf"plan\.{name} = None: expected an array, since the costs depend on it"
        ):
            NativeSimulator().simulate(plan, cost, 1e6)
