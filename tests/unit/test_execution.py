"""From decisions to fills, by hand: the lag, what cannot fill, what vanishes, and what a label's exit gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import events, market_of, panel_of, targets_of

from backcast.data.errors import InputError
from backcast.data.types import Floats, Panel
from backcast.engine.costs import LinearCost
from backcast.engine.execution import Execution
from backcast.engine.portfolio import RankPortfolio
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Plan, Targets

NAN = np.nan


def planned(panel: Panel, decisions: list[int], weights: list[list[float]], **keys: object) -> Plan:
    execution = Execution(**keys)  # type: ignore[arg-type]
    return execution.plan(panel, market_of(panel), targets_of(panel, decisions, weights))


def test_a_decision_fills_in_the_next_session_at_its_open() -> None:
    panel = panel_of([[10.0, 11.0, 12.0]], [[9.5, 10.5, 11.5]])
    plan = planned(panel, [0], [[1.0]])
    assert plan.offset == 1
    assert plan.decided.tolist() == [0, -1]
    assert plan.weights[:, 0].tolist()[0] == 1.0 and np.isnan(plan.weights[1, 0])
    assert plan.fill_price[:, 0].tolist() == [10.5, 11.5]
    assert plan.mark_price[:, 0].tolist() == [11.0, 12.0]


def test_without_an_open_it_fills_at_the_close() -> None:
    panel = panel_of([[10.0, 11.0, 12.0]])
    assert Execution().resolve(panel) == "next_close"
    assert planned(panel, [0], [[1.0]]).fill_price[0, 0] == 11.0
    with pytest.raises(InputError, match="next_close or auto"):
        Execution(fill="next_open").resolve(panel)


def test_what_does_not_trade_is_dropped_and_said() -> None:
    panel = panel_of([[10.0, NAN, 12.0, 13.0], [5.0, 5.0, 5.0, 5.0]])
    plan = planned(panel, [0, 1], [[0.5, 0.5], [0.5, 0.5]])
    assert np.isnan(plan.weights[0, 0]) and plan.weights[1, 0] == 0.5
    assert events(plan) == [(1, 0, "not_tradable")]


def test_a_halt_freezes_the_price_once_per_spell() -> None:
    panel = panel_of([[10.0, 11.0, NAN, NAN, 12.0, NAN, 13.0], [1.0] * 7])
    plan = planned(panel, [0], [[1.0, 0.0]])
    assert plan.mark_price[:, 0].tolist() == [11.0, 11.0, 11.0, 12.0, 12.0, 13.0]
    assert events(plan) == [(2, 0, "frozen_price"), (5, 0, "frozen_price")]


def test_a_vanished_holding_is_sold_late_at_a_haircut() -> None:
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    plan = planned(panel, [0], [[1.0, 0.0]], exit_after=3, haircut=0.25)
    assert plan.forced is not None
    assert plan.forced[4, 0] == 0.25  # session 5: three after the last bar
    assert np.isfinite(plan.forced).sum() == 1
    assert plan.fill_price[4, 0] == 8.0
    assert not plan.tradable[4, 0]


def test_a_delisting_pays_its_proceeds_the_session_after() -> None:
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    market = market_of(panel, {"A": (2, 7.5)})
    plan = Execution(exit_after=3, haircut=0.25).plan(panel, market, targets_of(panel, [0], [[1.0, 0.0]]))
    assert plan.exits is not None
    assert plan.exits[2, 0] == 7.5 and np.isfinite(plan.exits).sum() == 1  # session 3, the one after its last
    assert (3, 0, "delisted") in events(plan)
    merged = Execution().plan(
        panel, replace(market, merged=frozenset("A")), targets_of(panel, [0], [[1.0, 0.0]])
    )
    assert (3, 0, "merged") in events(merged)


def test_a_delisting_after_a_halt_pays_when_it_happened() -> None:
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    market = market_of(panel, {"A": (4, 7.5)})
    plan = Execution().plan(panel, market, targets_of(panel, [0], [[1.0, 0.0]]))
    assert plan.exits is not None
    assert np.flatnonzero(np.isfinite(plan.exits[:, 0])).tolist() == [4]
    assert events(plan) == [(3, 0, "frozen_price"), (5, 0, "delisted")]


@pytest.mark.parametrize("last", [10.0, NAN])
def test_a_delisting_with_the_last_session_is_valued_at_its_proceeds(last: float) -> None:
    panel = panel_of([[10.0, 10.0, 10.0, 10.0, last], [1.0] * 5])
    market = market_of(panel, {"A": (4, 2.5)})
    plan = Execution().plan(panel, market, targets_of(panel, [0], [[1.0, 0.0]]))
    assert plan.mark_price[:, 0].tolist() == [10.0, 10.0, 10.0, 2.5]
    assert (4, 0, "delisted") in events(plan)
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    assert account.equity.tolist() == [1000.0, 1000.0, 1000.0, 250.0]
    sold = Execution().plan(panel, market, targets_of(panel, [0, 1], [[1.0, 0.0], [0.0, 0.0]]))
    assert "delisted" not in sold.events.kind


def test_the_end_of_the_data_is_no_vanishing() -> None:
    panel = panel_of([[10.0, 10.0, 10.0], [1.0, 1.0, NAN]])
    plan = planned(panel, [0, 2], [[0.5, 0.5], [1.0, 0.0]], exit_after=2)
    assert events(plan) == [(2, -1, "unfilled_at_end"), (2, 1, "frozen_price")]


def test_labels_get_the_price_that_a_holder_got() -> None:
    closes = [[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7]
    panel = panel_of(closes)
    table = Execution(exit_after=3, haircut=0.25).fill_table(panel.values, panel, {})
    np.testing.assert_array_equal(table.price[0], [10.0, 8.0, 6.0, 6.0, 6.0, NAN, NAN])
    assert table.known[0].tolist() == [1, 2, 5, 5, 5, 6, 7]
    assert table.known[1].tolist() == [1, 2, 3, 4, 5, 6, 7]
    with_fact = Execution(exit_after=3).fill_table(panel.values, panel, {"A": (2, 7.5)})
    np.testing.assert_array_equal(with_fact.price[0], [10.0, 8.0, 7.5, NAN, NAN, NAN, NAN])
    assert with_fact.known[0, 2] == 3


def test_a_vanishing_nobody_could_know_yet_is_no_label() -> None:
    """At decision 4 two sessions without a bar are no end yet."""
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    known: Floats = panel.values.copy()
    known[:, :, 5:] = NAN
    table = Execution(exit_after=3).fill_table(known, panel, {})
    np.testing.assert_array_equal(table.price[0], [10.0, 8.0, NAN, NAN, NAN, NAN, NAN])


@pytest.mark.parametrize(("decisions", "weights", "says"), [
    ([], [], "at least one decision"),
    ([1, 0], [[1.0], [1.0]], "ascending"),
    ([0, 0], [[1.0], [1.0]], "ascending"),
    ([9], [[1.0]], "decisions of the data's 3 sessions"),
    ([0], [[np.inf]], "a finite number"),
])  # fmt: skip
def test_targets_that_cannot_be_are_refused(
    decisions: list[int], weights: list[list[float]], says: str
) -> None:
    panel = panel_of([[10.0, 11.0, 12.0]])
    given = Targets(
        np.array(decisions, dtype=np.int64), panel.symbols, np.array(weights).reshape(len(decisions), 1)
    )
    with pytest.raises(InputError, match=says):
        Execution().plan(panel, market_of(panel), given)


def test_unknown_symbols_and_worthless_prices_are_refused() -> None:
    panel = panel_of([[10.0, -1.0, 12.0]])
    with pytest.raises(InputError, match="close of A on 2020-01-02"):
        planned(panel, [0], [[1.0]])
    with pytest.raises(InputError, match="the symbols of the panel"):
        Execution().plan(panel, market_of(panel), Targets(np.array([0]), ("Z",), np.ones((1, 1))))


@pytest.mark.parametrize("keys", [
    {"fill": "now"}, {"exit_after": 0}, {"exit_after": 2.5}, {"haircut": 1.5}, {"haircut": "x"}, {"margin": 1},
])  # fmt: skip
def test_settings_are_checked(keys: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"execution.{next(iter(keys))}"):
        Execution(**keys)  # type: ignore[arg-type]


def test_borrowing_needs_margin() -> None:
    with pytest.raises(InputError, match=r"execution\.margin=true"):
        Execution().check(RankPortfolio(side="long_only", gross=2.0))
    Execution(margin=True).check(RankPortfolio(side="long_only", gross=2.0))
    Execution().check(RankPortfolio(side="long_short", gross=2.0))
