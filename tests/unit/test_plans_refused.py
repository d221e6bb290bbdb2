"""A plan that could not be traded is refused in one line, before anything runs, by every simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plans import plan_of, rich_plan

from backcast.data.errors import InputError
from backcast.engine.costs import LinearCost
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.simulators.vectorbt import VectorbtSimulator
from backcast.engine.types import Dividends, Rules

PLAN = rich_plan(0, margin=False)
FREE = LinearCost(0.0, 0.0)
SIMULATORS = [NativeSimulator(), ReferenceSimulator(), VectorbtSimulator()]


def one(name: str, value: float) -> dict[str, Any]:
    """The plan's array with one wrong number in it."""
    array = np.array(getattr(PLAN, name), dtype=np.float64)
    array[(3, 2)[: array.ndim]] = value
    return {name: array}


def paid(ex: list[int], pay: list[int], symbol: list[int], amount: list[float]) -> dict[str, Any]:
    whole = [np.array(x, dtype=np.int64) for x in (ex, pay, symbol)]
    return {"dividends": Dividends(whole[0], whole[1], whole[2], np.array(amount))}


@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda s: s.name)
@pytest.mark.parametrize(("changed", "words"), [
    (one("weights", np.inf), r"plan\.weights of S2 on .* = inf: expected finite"),
    (one("weights", -np.inf), r"plan\.weights of S2 on .* = -inf: expected finite"),
    (one("fill_price", -1.0), r"plan\.fill_price of S2 on .* = -1\.0: expected at least 0"),
    (one("mark_price", np.inf), r"plan\.mark_price of S2"),
    ({**one("fill_price", np.nan), "tradable": np.ones(PLAN.weights.shape, dtype=bool)}, r"plan\.fill_price of S2 .* = nan"),
    ({**one("fill_price", 0.0), "tradable": np.ones(PLAN.weights.shape, dtype=bool), "forced": None},
     r"plan\.fill_price of S2 .* = 0\.0: expected a price above 0"),
    (one("forced", 1.5), r"plan\.forced of S2 .* = 1\.5: expected a share of the price"),
    (one("forced", -0.5), r"plan\.forced of S2 .* = -0\.5: expected a share of the price"),
    (one("forced", np.inf), r"plan\.forced of S2 .* = inf: expected a share of the price"),
    ({**one("forced", 0.5), "tradable": np.ones(PLAN.weights.shape, dtype=bool)},
     r"plan\.tradable of S2 .* = 1\.0: expected false"),
    (one("split", 0.0), r"plan\.split of S2 .*: expected above 0"),
    (one("capacity", -1.0), r"plan\.capacity of S2"),
    (one("volatility", -0.1), r"plan\.volatility of S2"),
    (one("traded", -1.0), r"plan\.traded of S2"),
    (one("half_spread", np.inf), r"plan\.half_spread of S2"),
    (one("borrow_rate", -0.1), r"plan\.borrow_rate of S2"),
    (one("exits", -0.1), r"plan\.exits of S2"),
    (one("years", -0.1), r"plan\.years on"),
    (one("deposit", np.nan), r"plan\.deposit on .* = nan: expected finite"),
    ({"years": np.ones(3)}, r"plan\.years = \(3,\): expected an array of shape"),
    ({"kind": "euros"}, r"plan\.kind = 'euros'"),
    ({"rules": Rules(lot=-1.0)}, r"rules\.lot"),
    ({"rules": Rules(max_leverage=0.0)}, r"rules\.max_leverage"),
    ({"rules": Rules(maintenance=1.0)}, r"rules\.maintenance"),
    ({"patience": -1}, r"plan\.patience"),
    ({"patience": 1.5}, r"plan\.patience = 1\.5: expected a whole number"),
    ({"patience": np.nan}, r"plan\.patience = nan: expected a whole number"),
    ({"patience": np.inf}, r"plan\.patience = inf: expected a whole number"),
    (paid([5, 3], [5, 5], [0, 0], [1.0, 1.0]), r"plan\.dividends = 2: expected dividends in order of ex"),
    (paid([5], [4], [0], [1.0]), r"plan\.dividends"),
    (paid([5], [6], [99], [1.0]), r"plan\.dividends"),
    (paid([5], [6], [0], [np.nan]), r"plan\.dividends"),
])  # fmt: skip
def test_what_cannot_be_traded(simulator: Any, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        simulator.simulate(replace(PLAN, **changed), FREE, 1e6)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("capital", [0.0, -5.0, np.inf, np.nan])
def test_capital(capital: float) -> None:
    with pytest.raises(InputError, match="capital"):
        NativeSimulator().simulate(PLAN, FREE, capital)


def test_the_log_grows_where_one_order_is_many_fills() -> None:
    sessions = 500
    weights = np.full((sessions, 1), np.nan)
    weights[0] = 1e4
    made = replace(
        plan_of(weights, np.ones((sessions, 1)), np.ones((sessions, 1)), margin=True),
        kind="shares", capacity=np.full((sessions, 1), 3.0), patience=sessions,
    )  # fmt: skip
    fills = NativeSimulator().simulate(made, FREE, 1e6).fills
    assert fills.quantity.tolist() == [3.0] * sessions
    assert fills.session.tolist() == list(range(1, sessions + 1)) and set(fills.decided.tolist()) == {0}
