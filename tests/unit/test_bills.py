"""What many orders cost at once is, order by order, what the reference simulator's plain formula says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import COSTS, rich_plan

from backcast.engine.bills import bills
from backcast.engine.costs.base import Cost
from backcast.engine.costs.fee import Fee
from backcast.engine.costs.impact import AlmgrenImpact, SquareRootImpact
from backcast.engine.costs.spread import HalfSpread
from backcast.engine.costs.total import TotalCost
from backcast.engine.simulators.reference_costs import bill

KINDS: dict[str, Cost] = {
    **COSTS,
    "tiers": TotalCost(Fee(tiers=[(0, 30.0), (1e3, 10.0), (5e4, 2.0)], per_share=0.01, minimum=2.0, maximum=0.02)),
    "almgren and data": TotalCost(Fee(bps=3.0), HalfSpread(2.0, 0.05, True), AlmgrenImpact()),
    "sold for nothing": TotalCost(Fee(per_order=1.0, maximum=0.5), HalfSpread(9_000.0), SquareRootImpact(900.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_each_order_costs_what_the_plain_formula_says(name: str, seed: int) -> None:
    draw, rates = np.random.default_rng(seed), KINDS[name].rates()
    plan = rich_plan(seed)
    shape = plan.weights.shape
    gone = draw.choice([np.nan, -1.0, 0.0], (3, *shape))
    lost = draw.random((3, *shape)) < 0.1
    plan = replace(
        plan,
        volatility=np.where(lost[0], gone[0], draw.uniform(0.001, 0.05, shape)),
        traded=np.where(lost[1], gone[1], draw.uniform(1e4, 1e8, shape)),
        half_spread=np.where(lost[2], gone[2], draw.uniform(0, 0.01, shape)),
    )
    t, s = draw.integers(0, shape[0], 500), draw.integers(0, shape[1], 500)
    quantity, price = draw.normal(0, 1, 500) * 10.0 ** draw.integers(0, 5, 500), draw.uniform(1, 300, 500)
    quantity[:5], price[5:10] = 0.0, 0.0
    cells = zip(*(column.tolist() for column in (t, s, quantity, price)), strict=True)
    wanted = [bill(rates, float, plan, *cell) for cell in cells]
    found = bills(rates, plan, t, s, quantity, price)
    for row, part in zip(found, ("fee", "spread", "impact"), strict=True):
        np.testing.assert_allclose(row, [getattr(one, part) for one in wanted], rtol=1e-12, atol=1e-12)
