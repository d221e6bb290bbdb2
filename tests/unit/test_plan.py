"""A whole plan by hand: raw prices with their actions, capacity, columns of the data, deposits, and what vanishes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from by_hand import events, market_of, panel_of, targets_of

from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.types import Floats, Panel, Revisions
from backcast.engine.checks import check_market, check_targets
from backcast.engine.costs import Fee, LinearCost
from backcast.engine.execution import Execution
from backcast.engine.orders import carried
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Targets

NAN = np.nan
SIMULATORS: tuple[Simulator, ...] = (NativeSimulator(), ReferenceSimulator())


def with_fields(panel: Panel, **fields: list[list[float]]) -> Panel:
    """The panel with more fields."""
    more = np.array(list(fields.values()), dtype=np.float64)
    return replace(panel, fields=(*panel.fields, *fields), values=np.concatenate([panel.values, more]))


def with_actions(market: Market, split: dict[tuple[int, int], float] | None = None,
                 dividends: tuple[tuple[int, int, int, float, bool], ...] = ()) -> Market:  # fmt: skip
    """split: by symbol and session; dividends: symbol, ex, pay, amount, and whether the pay date is by rule."""
    ratios = market.split.copy()
    for cell, ratio in (split or {}).items():
        ratios[cell] = ratio
    symbol, ex, pay, amount, rule = ([row[i] for row in dividends] for i in range(5))
    whole = [np.array(column, dtype=np.int64) for column in (symbol, ex, pay)]
    return replace(market, split=ratios, symbol=whole[0], ex=whole[1], pay=whole[2],
                   amount=np.array(amount, dtype=np.float64), pay_by_rule=np.array(rule, dtype=bool))  # fmt: skip


def test_splits_and_dividends_go_beside_raw_prices() -> None:
    panel = panel_of([[10.0, 10.0, 5.0, 5.0, 5.0]])
    market = with_actions(
        market_of(panel), {(0, 2): 2.0}, ((0, 1, 9, 7.0, False), (0, 3, 4, 0.5, True), (0, 4, 5, 0.25, True))
    )
    plan = Execution().plan(panel, market, targets_of(panel, [1], [[1.0]]))
    assert plan.offset == 2
    assert plan.split is not None and plan.split[:, 0].tolist() == [2.0, 1.0, 1.0]
    assert plan.dividends is not None  # the first was paid before the account began
    assert plan.dividends.ex.tolist() == [1, 2]
    assert plan.dividends.pay.tolist() == [2, 3]
    assert plan.dividends.amount.tolist() == [0.5, 0.25]
    assert events(plan) == [(3, 0, "pay_date_by_rule"), (4, 0, "pay_date_by_rule")]
    assert plan.fill_price[:, 0].tolist() == [5.0, 5.0, 5.0]


def test_a_price_carried_over_a_split_is_that_of_what_the_share_became() -> None:
    closes = np.array([[10.0], [NAN], [NAN], [6.0]])
    split = np.array([[1.0], [1.0], [4.0], [1.0]])
    assert carried(closes, split)[:, 0].tolist() == [10.0, 10.0, 2.5, 6.0]
    panel = panel_of([[10.0, 10.0, NAN, NAN, 6.0]])
    plan = Execution().plan(
        panel, with_actions(market_of(panel), {(0, 3): 4.0}), targets_of(panel, [0], [[1.0]])
    )
    assert plan.mark_price[:, 0].tolist() == [10.0, 10.0, 2.5, 6.0]
    assert plan.fill_price[:, 0].tolist() == [10.0, 10.0, 2.5, 6.0]
    assert plan.tradable[:, 0].tolist() == [True, False, False, True]


@pytest.mark.parametrize("kind", [SHARES, ORDERS])
def test_open_orders_are_adjusted_for_a_split_before_their_fill(kind: str) -> None:
    panel = panel_of([[10.0, 10.0, 5.0, 5.0]])
    targets = replace(targets_of(panel, [0, 1], [[30.0], [40.0]]), kind=kind)
    plan = Execution().plan(panel, with_actions(market_of(panel), {(0, 2): 2.0}), targets)
    assert plan.kind == kind
    assert plan.weights[:2, 0].tolist() == [30.0, 80.0]


def test_typical_price_is_the_mean_of_the_fill_bar() -> None:
    panel = with_fields(panel_of([[9.0, 9.0, 9.0]]), high=[[12.0, 15.0, 12.0]], low=[[6.0, 6.0, 6.0]])
    execution = Execution(fill="next_typical")
    plan = execution.plan(panel, market_of(panel), targets_of(panel, [0], [[1.0]]))
    assert plan.fill_price[0, 0] == 10.0
    assert execution.fill_table(panel.values, panel, {}).price[0].tolist()[:2] == [10.0, 9.0]
    with pytest.raises(InputError, match="no high"):
        Execution(fill="next_typical").resolve(panel_of([[9.0, 9.0]]))


def test_capacity_is_a_share_of_the_fill_bars_volume_except_for_what_vanished() -> None:
    panel = with_fields(
        panel_of([[10.0, 10.0, NAN, NAN, NAN], [1.0] * 5]),
        volume=[[500.0, 700.0, NAN, NAN, NAN], [100.0, 0.0, 50.0, NAN, 80.0]],
    )
    execution = Execution(participation=0.1, patience=3, exit_after=2)
    plan = execution.plan(panel, market_of(panel), targets_of(panel, [0], [[0.5, 0.5]]))
    assert plan.patience == 3
    assert plan.capacity is not None
    np.testing.assert_allclose(plan.capacity[:, 0], [70.0, 0.0, 0.0, 0.0])
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    assert account.fills.quantity[account.fills.symbol == 0].tolist() == [50.0, -50.0]
    np.testing.assert_allclose(plan.capacity[:, 1], [0.0, 5.0, 0.0, 8.0])
    with pytest.raises(InputError, match="no volume"):
        plain = panel_of([[10.0, 10.0]])
        execution.plan(plain, market_of(plain), targets_of(plain, [0], [[1.0]]))


def test_a_bar_without_volume_does_not_trade_unless_the_source_never_has_any() -> None:
    closes = [[10.0, 11.0, 12.0], [10.0, 11.0, 12.0]]
    panel = with_fields(panel_of(closes), volume=[[5.0, 0.0, 5.0], [0.0, 0.0, 0.0]])
    plan = Execution().plan(panel, market_of(panel), targets_of(panel, [0], [[0.5, 0.5]]))
    assert plan.tradable.tolist() == [[False, True], [True, True]]
    assert plan.fill_price[0].tolist() == [10.0, 11.0]
    assert plan.mark_price[0].tolist() == [11.0, 11.0]
    assert events(plan) == [(1, 0, "not_tradable")]


def test_a_short_position_in_what_vanished_is_bought_back_above() -> None:
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    plan = Execution(exit_after=3, haircut=0.25).plan(
        panel, market_of(panel), targets_of(panel, [0], [[-1.0, 0.0]])
    )
    for simulator in SIMULATORS:
        account = simulator.simulate(plan, LinearCost(0.0, 0.0), 1000.0)
        assert account.fills.price.tolist() == [10.0, 10.0]  # 8, and a quarter more
        assert "vanished" in account.events.kind


@pytest.mark.parametrize("kind", [WEIGHTS, SHARES, ORDERS])
def test_what_is_worth_nothing_is_closed_at_no_cost(kind: str) -> None:
    panel = panel_of([[10.0, 10.0, 8.0, NAN, NAN, NAN, NAN], [1.0] * 7])
    targets = replace(targets_of(panel, [0], [[0.5 if kind == WEIGHTS else 50.0, 0.0]]), kind=kind)
    plan = Execution(exit_after=3, haircut=1.0).plan(panel, market_of(panel), targets)
    for simulator in SIMULATORS:
        account = simulator.simulate(plan, Fee(per_order=1.0), 1000.0)
        assert account.fills.price.tolist() == [10.0, 0.0]
        assert account.fills.fee.tolist() == [1.0, 0.0]
        assert account.equity[-1] == 499.0


@pytest.mark.parametrize(
    ("second", "kind"), [(0.0, WEIGHTS), (-1.0, WEIGHTS), (0.0, SHARES), (-9.0, SHARES), (-60.0, ORDERS)]
)
def test_the_haircut_goes_by_what_is_held_not_by_what_was_asked_for(second: float, kind: str) -> None:
    """100 held at 10; of a sale of all, or of more, only 5 find volume before the data end: 95 go at half the price."""
    panel = with_fields(
        panel_of([[10.0, 10.0, 10.0, 10.0, *[NAN] * 5], [1.0] * 9]),
        volume=[[1e6, 1e6, 1e6, 10.0, *[NAN] * 5], [1e6] * 9],
    )
    first = 1.0 if kind == WEIGHTS else 100.0
    targets = replace(targets_of(panel, [0, 2], [[first, 0.0], [second, 0.0]]), kind=kind)
    plan = Execution(exit_after=2, haircut=0.5, participation=0.5).plan(panel, market_of(panel), targets)
    for simulator in SIMULATORS:
        account = simulator.simulate(plan, LinearCost(0.0, 0.0), 1000.0)
        assert account.equity[-1] == 1000.0 - 95 * 5.0
        assert account.fills.price.tolist() == [10.0, 10.0, 5.0]
        assert account.fills.decided.tolist() == [0, 2, -1]
        assert account.events.kind.count("vanished") == 1


def test_orders_before_a_split_are_held_in_its_shares() -> None:
    """Bought 100, 2 for 1, sold 150: 50 are long still, frozen, and go below their price."""
    panel = panel_of([[10.0, 10.0, 5.0, 5.0, NAN, NAN, NAN, NAN], [1.0] * 8])
    market = with_actions(market_of(panel), {(0, 2): 2.0})
    targets = replace(targets_of(panel, [0, 2], [[100.0, NAN], [-150.0, NAN]]), kind=ORDERS)
    plan = Execution(exit_after=2, haircut=0.5).plan(panel, market, targets)
    assert events(plan) == [(4, 0, "frozen_price")]
    account = NativeSimulator().simulate(plan, LinearCost(0.0, 0.0), 1000.0)
    assert account.equity[-1] == 1000.0 - 50 * 2.5
    sold = replace(targets, weights=np.array([[100.0, NAN], [-200.0, NAN]]))
    assert events(Execution(exit_after=2).plan(panel, market, sold)) == []


def test_a_forced_close_is_nobodys_decision_beside_other_orders() -> None:
    panel = panel_of([[10.0] * 8, [10.0, 10.0, 10.0, *[NAN] * 5]])
    targets = targets_of(panel, [0, 4], [[0.5, 0.5], [1.0, NAN]])
    plan = Execution(exit_after=3).plan(panel, market_of(panel), targets)
    for simulator in SIMULATORS:
        fills = simulator.simulate(plan, LinearCost(0.0, 0.0), 1000.0).fills
        rows = zip(fills.decided.tolist(), fills.session.tolist(), fills.symbol.tolist())
        assert sorted(rows) == [(-1, 5, 1), (0, 1, 0), (0, 1, 1), (4, 5, 0)]


def test_volatility_and_traded_value_are_those_of_the_decision() -> None:
    draw = np.random.default_rng(3)
    closes = 10 * np.exp(draw.normal(0, 0.02, 30).cumsum())
    volumes = draw.uniform(100, 200, 30)
    panel = with_fields(panel_of([closes.tolist()]), volume=[volumes.tolist()])
    execution = Execution(windows={"volatility": 8, "traded": 6})
    plan = execution.plan(panel, market_of(panel), targets_of(panel, [0], [[1.0]]))
    assert plan.volatility is not None and plan.traded is not None
    for fill in (10, 20, 29):
        d = fill - 1
        returns = closes[d - 7 : d + 1] / closes[d - 8 : d] - 1
        assert plan.volatility[fill - 1, 0] == pytest.approx(returns.std(ddof=1), rel=1e-12)
        assert plan.traded[fill - 1, 0] == pytest.approx((closes * volumes)[d - 5 : d + 1].mean(), rel=1e-12)
    assert np.isnan(plan.volatility[0, 0])  # nobody knew a return yet


def test_a_revision_counts_from_the_decision_that_knew_it() -> None:
    panel = with_fields(panel_of([[10.0] * 12]), volume=[[100.0] * 12])
    at = panel.clock.decides_at[6:7]
    revised = Revisions(np.array([1]), np.array([0]), np.array([4]), at, np.array([6]), np.array([700.0]))
    known = replace(panel, revisions=revised)
    execution = Execution(windows={"traded": 6})
    market = replace(market_of(panel), first=known)
    plan = execution.plan(panel, market, targets_of(panel, [0], [[1.0]]))
    assert plan.traded is not None
    by_decision = plan.traded[:, 0]  # row i is filled in session i + 1 and decided in session i
    assert by_decision[5] == 1000.0 and by_decision[6] == 2000.0 and by_decision[10] == 1000.0


def test_columns_of_the_data_are_those_of_the_decision() -> None:
    panel = with_fields(
        panel_of([[10.0] * 4]),
        spread=[[0.01, 0.02, 0.03, 0.04]],
        rate=[[0.1, 0.2, 0.3, NAN]],
        can=[[NAN, 0.0, 1.0, 5.0]],
    )
    columns = {"half_spread": "spread", "borrow_rate": "rate", "borrowable": "can"}
    plan = Execution(columns=columns).plan(panel, market_of(panel), targets_of(panel, [0], [[-1.0]]))
    assert plan.half_spread is not None and plan.half_spread[:, 0].tolist() == [0.01, 0.02, 0.03]
    assert plan.borrow_rate is not None and plan.borrow_rate[:, 0].tolist() == [0.1, 0.2, 0.3]
    assert plan.borrowable is not None and plan.borrowable[:, 0].tolist() == [False, False, True]


def test_columns_that_are_not_there_or_cannot_be_are_refused() -> None:
    panel = with_fields(panel_of([[10.0] * 3]), wide=[[0.1, 1.0, 0.1]])

    def plan(**columns: str) -> Any:
        return Execution(columns=columns).plan(panel, market_of(panel), targets_of(panel, [0], [[-1.0]]))

    with pytest.raises(InputError, match=r"an item of the data's facts, as known \(wide\)"):
        plan(half_spread="none")
    with pytest.raises(InputError, match="an item of the data's facts"):
        plan(borrow_rate="close")
    with pytest.raises(InputError, match="wide of A on 2020-01-02"):
        plan(half_spread="wide")


def test_deposits_fall_on_sessions_and_years_count_days() -> None:
    panel = panel_of([[10.0] * 6])
    panel = replace(
        panel, clock=replace(panel.clock, sessions=panel.clock.sessions + np.array([0, 0, 0, 2, 2, 2]))
    )
    deposits = [
        {"on": "2020-01-04", "amount": 500},
        {"on": dt.date(2020, 1, 3), "amount": -200.0},
        {"on": "2020-01-05", "amount": 1},
    ]
    market = replace(market_of(panel), clock=panel.clock)
    plan = Execution(deposits=deposits).plan(panel, market, targets_of(panel, [0], [[1.0]]))
    assert plan.deposit is not None and plan.deposit.tolist() == [0.0, -200.0, 501.0, 0.0, 0.0]
    assert plan.years is not None
    np.testing.assert_allclose(plan.years * 365, [1, 1, 3, 1, 1])
    for on in ("2020-01-01", "2020-02-01"):
        with pytest.raises(InputError, match="when the account lives"):
            late = Execution(deposits=[{"on": on, "amount": 1}])
            late.plan(panel, market, targets_of(panel, [0], [[1.0]]))


@pytest.mark.parametrize(("keys", "says"), [
    ({"participation": 0.0}, "participation"), ({"participation": 1.5}, "participation"),
    ({"patience": -1}, "patience"), ({"patience": 1.5}, "patience"), ({"lot": -1}, "lot"),
    ({"max_leverage": 2.0}, "margin=true"), ({"max_leverage": 0.0, "margin": True}, "max_leverage"),
    ({"maintenance": 0.5, "margin": True}, "max_leverage of at most 2"),
    ({"maintenance": 0.5, "max_leverage": 3.0, "margin": True}, "max_leverage of at most 2"),
    ({"maintenance": 1.0}, "maintenance"),
    ({"columns": {"spread": "x"}}, "columns"), ({"columns": {"half_spread": 1}}, "columns.half_spread"),
    ({"windows": {"traded": 1}}, "windows.traded"), ({"windows": [1]}, "windows"),
    ({"deposits": "x"}, "deposits"), ({"deposits": [{"on": "soon", "amount": 1}]}, "deposits.on"),
    ({"deposits": [{"on": "2020-01-01"}]}, "deposits"),
    ({"deposits": [{"on": "2020-01-01", "amount": float("nan")}]}, "deposits.amount"),
])  # fmt: skip
def test_settings_that_cannot_be_are_one_error(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Execution(**keys)


def test_targets_are_of_the_panel() -> None:
    panel = panel_of([[10.0, NAN, 12.0], [1.0, 1.0, 1.0]])
    holes = targets_of(panel, [0], [[NAN, 0.5]])
    check_targets(panel, holes)
    with pytest.raises(InputError, match="weight of B decided at 2020-01-01"):
        check_targets(panel, targets_of(panel, [0], [[NAN, np.inf]]))
    with pytest.raises(InputError, match="one of weights, shares, orders"):
        check_targets(panel, replace(holes, kind="lots"))
    with pytest.raises(InputError, match=r"\['Z'\]"):
        check_targets(panel, Targets(holes.decisions, ("A", "Z"), holes.weights))


@pytest.mark.parametrize(("field", "value", "says"), [
    ("close", 0.0, "close of A"), ("close", np.inf, "close of A"), ("volume", -1.0, "volume of A"),
])  # fmt: skip
def test_prices_and_volumes_that_cannot_be_are_refused(field: str, value: float, says: str) -> None:
    panel = with_fields(panel_of([[10.0] * 3]), volume=[[0.0, 1.0, NAN]])
    check_market(market_of(panel), panel)
    values: Floats = panel.values.copy()
    values[panel.fields.index(field), 0, 1] = value
    with pytest.raises(InputError, match=says):
        check_market(replace(market_of(panel), values=values), panel)


def test_a_market_of_other_axes_is_refused() -> None:
    panel = panel_of([[10.0, 11.0]])
    with pytest.raises(InputError, match="axes of the panel"):
        check_market(market_of(panel_of([[10.0, 11.0], [1.0, 1.0]])), panel)
