"""Each friction and each event of an account, worked by hand, in the native simulator and in the plain Python one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plans import plan_of

from backcast.engine.costs import (
    BorrowFee,
    Cost,
    Fee,
    HalfSpread,
    Interest,
    LinearCost,
    SquareRootImpact,
    TotalCost,
)
from backcast.engine.reconcile import unexplained
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.simulators.reference import ReferenceSimulator
from backcast.engine.types import ORDERS, SHARES, Account, Dividends, Plan, Rules

FREE = LinearCost(0.0, 0.0)
NAN = np.nan
both = pytest.mark.parametrize(
    "simulator", [NativeSimulator(), ReferenceSimulator()], ids=["native", "reference"]
)


def plan(
    weights: list[list[float]],
    prices: list[list[float]],
    margin: bool = False,
    kind: str = SHARES,
    **more: object,
) -> Plan:
    """Fills at the prices, marks at the prices; everything else by name."""
    values = np.array(prices, dtype=np.float64)
    arrays = {
        name: np.array(value, dtype=np.float64) if isinstance(value, list) else value
        for name, value in more.items()
    }
    return replace(plan_of(np.array(weights, dtype=np.float64), values, values, margin), kind=kind, **arrays)  # type: ignore[arg-type]


def dividends(*rows: tuple[int, int, int, float]) -> Dividends:
    ex, pay, symbol, amount = zip(*rows)
    return Dividends(np.array(ex), np.array(pay), np.array(symbol), np.array(amount))


def said(account: Account, kind: str) -> list[str]:
    return [detail for found, detail in zip(account.events.kind, account.events.detail) if found == kind]


@both
def test_a_dividend_is_owed_at_ex_and_cash_at_pay(simulator: Simulator) -> None:
    """10 shares at 10; 0.5 each at ex, when the price falls by as much: equity stays 200 until the pay date and after it."""
    given = plan([[10], [NAN], [NAN], [0]], [[10], [9.5], [9.5], [9.5]], dividends=dividends((1, 3, 0, 0.5)))
    account = simulator.simulate(given, FREE, 200.0)
    assert account.equity.tolist() == [200, 200, 200, 200]
    assert account.owed.tolist() == [0, 5, 5, 0]
    assert account.cash.tolist() == [100, 100, 100, 200]
    assert account.dividend.tolist() == [0, 5, 0, 0]


@both
def test_a_seller_after_ex_is_still_paid_and_who_is_short_pays(simulator: Simulator) -> None:
    given = plan(
        [[10, -4], [0, 0], [NAN, NAN]], [[10, 5]] * 3, dividends=dividends((1, 2, 0, 0.5), (1, 2, 1, 1.0))
    )
    account = simulator.simulate(given, FREE, 200.0)
    assert account.owed.tolist() == [0, 5 - 4, 0]
    assert account.equity.tolist() == [200, 201, 201]


@both
def test_one_who_buys_at_ex_gets_nothing_and_what_is_not_paid_at_the_end_is_owed(
    simulator: Simulator,
) -> None:
    given = plan([[NAN], [10], [NAN]], [[10]] * 3, dividends=dividends((1, 1, 0, 0.5), (2, 9, 0, 1.0)))
    account = simulator.simulate(given, FREE, 200.0)
    assert account.owed.tolist() == [0, 0, 10]
    assert account.equity.tolist() == [200, 200, 210]


@both
def test_a_split_changes_shares_and_nothing_else(simulator: Simulator) -> None:
    """Dividends of the same session go by the shares before it."""
    given = plan(
        [[10], [NAN], [0]], [[30], [10], [11]], split=[[1], [3], [1]], dividends=dividends((1, 1, 0, 2.0))
    )
    account = simulator.simulate(given, FREE, 300.0)
    assert account.equity.tolist() == [300, 300 + 20, 330 + 20]
    assert account.fills.quantity.tolist() == [10, -30]


@both
def test_a_part_of_a_share_is_paid_in_cash(simulator: Simulator) -> None:
    """5 shares, 3 for 2: 7.5, of which half a one is paid at 30 / 1.5 = 20."""
    given = plan([[5], [NAN]], [[30], [20]], split=[[1], [1.5]], rules=Rules(lot=1.0))
    account = simulator.simulate(given, FREE, 150.0)
    assert account.cash.tolist() == [0, 10]
    assert account.equity.tolist() == [150, 150]
    assert said(account, "cash_in_lieu") == ["0.5 of a share paid in cash at 20 each"]


@both
def test_a_merger_takes_the_shares_for_cash(simulator: Simulator) -> None:
    """Long 10 at 12 and short 5 at 4, at no cost; an order of that session for another symbol still trades."""
    given = plan([[10, -5, NAN], [NAN, NAN, 1]], [[10, 5, 1], [11, 5, 1]], exits=[[NAN] * 3, [12, 4, NAN]])
    account = simulator.simulate(given, LinearCost(100.0, 0.0), 200.0)
    paid = 0.01 * (100 + 25)
    assert account.fee.tolist() == pytest.approx([paid, 0.01])
    assert account.cash[1] == pytest.approx(200 - 100 + 25 - paid + 120 - 20 - 1.01)
    assert said(account, "cash_exit") == ["10 shares taken for 12 each", "-5 shares taken for 4 each"]
    assert account.turnover[1] == pytest.approx(1 / account.equity[0])


@both
def test_a_margin_call_cuts_in_proportion_at_the_next_fill(simulator: Simulator) -> None:
    """100 of equity holds 30 at 10 = 300 (leverage 3); at 8 it is worth 40 / 240 = 0.17 < 0.25: cut to leverage 3, 120 at 8."""
    given = plan(
        [[30], [NAN], [NAN]], [[10], [8], [8]], margin=True, rules=Rules(maintenance=0.25, max_leverage=3.0)
    )
    account = simulator.simulate(given, FREE, 100.0)
    assert account.fills.quantity.tolist() == [30, pytest.approx(-(240 - 120) / 8)]
    assert account.fills.decided.tolist() == [0, -1]
    assert account.fills.session.tolist() == [1, 3]
    assert said(account, "margin_call") == [
        "equity was 0.166667 of gross exposure at the close before; 0.5 of each is kept"
    ]
    assert account.equity.tolist() == [100, 40, 40]


@both
def test_leverage_is_kept_within_the_limit(simulator: Simulator) -> None:
    """1.5 x 100 of exposure: the smaller order is whole, of the larger one there is what is left."""
    given = plan([[10, -8]], [[10, 10]], margin=True, rules=Rules(max_leverage=1.5))
    account = simulator.simulate(given, FREE, 100.0)
    assert sorted(account.fills.quantity.tolist()) == [-8, 7]
    assert said(account, "max_leverage") == ["leverage for 7 of 10 shares"]


@both
def test_a_borrow_fee_accrues_on_what_is_short_at_the_last_marks(simulator: Simulator) -> None:
    """10 short, marked at 12: 10 % a year for a tenth of one, after the first session; 0.05 more from the data."""
    given = plan([[-10], [NAN]], [[12], [11]], years=[0.1, 0.1], borrow_rate=[[0.05], [0.05]])
    account = simulator.simulate(given, TotalCost(borrow=BorrowFee(0.1, from_data=True)), 200.0)
    assert account.borrow.tolist() == pytest.approx([0.0, 120 * 0.15 * 0.1])
    assert account.cash.tolist() == pytest.approx([320, 320 - 1.8])
    assert account.gross_return[1] == pytest.approx(10 / 200)
    assert account.net_return[1] == pytest.approx(10 / 200 - 1.8 / 200)


@both
def test_interest_is_received_on_cash_and_paid_on_margin(simulator: Simulator) -> None:
    """100 of cash at 10 % for half a year; then 15 at 10 are bought, so 45 is borrowed at 20 % for half a year."""
    given = plan([[15], [NAN]], [[10], [10]], margin=True, years=[0.5, 0.5])
    account = simulator.simulate(given, TotalCost(interest=Interest(0.1, 0.2)), 100.0)
    assert account.interest.tolist() == pytest.approx([5, -4.5])
    assert account.equity.tolist() == pytest.approx([105, 100.5])


@both
def test_a_fee_by_share_with_a_minimum_and_a_maximum(simulator: Simulator) -> None:
    """0.01 a share, at least 1 and at most 2 % of the value: 500 shares cost 5, 50 cost 1, and 10 worth 20 cost 0.40."""
    given = plan([[500, 50, 10]], [[2, 2, 2]])
    cost = TotalCost(fee=Fee(per_share=0.01, minimum=1.0, maximum=0.02))
    account = simulator.simulate(given, cost, 2000.0)
    assert dict(zip(account.fills.symbol.tolist(), account.fills.fee.tolist())) == pytest.approx(
        {0: 5, 1: 1, 2: 0.4}
    )


@both
def test_tiers_are_charged_by_the_part_within_them(simulator: Simulator) -> None:
    """10 bp up to 1,000, 5 bp from there to 5,000, 1 bp beyond: 1 + 2 + 0.5 of an order of 10,000."""
    given = plan([[1000, 50]], [[10, 10]])
    cost = TotalCost(fee=Fee(tiers=[[0, 10], [1000, 5], [5000, 1]]))
    account = simulator.simulate(given, cost, 20_000.0)
    assert dict(zip(account.fills.symbol.tolist(), account.fills.fee.tolist())) == pytest.approx(
        {0: 3.5, 1: 0.5}
    )


@both
def test_spread_and_impact_worsen_the_price(simulator: Simulator) -> None:
    """A sale of 1 % of a day's value at 2 % volatility: 10 bp of spread, 5 % of volatility more, and impact 2 % x
    sqrt(0.01)."""
    given = plan([[-10]], [[100]], volatility=[[0.02]], traded=[[100_000]])
    cost = TotalCost(
        fee=Fee(bps=100), spread=HalfSpread(bps=10, volatility=0.05), impact=SquareRootImpact(1.0)
    )
    account = simulator.simulate(given, cost, 2000.0)
    assert account.spread[0] == pytest.approx(1000 * (0.001 + 0.001))
    assert account.impact[0] == pytest.approx(1000 * 0.02 * 0.1)
    assert account.fee[0] == pytest.approx(0.01 * (1000 - 2 - 2))
    assert account.cash[0] == pytest.approx(3000 - 2 - 2 - 9.96)


@both
def test_what_a_cost_needs_and_is_not_known_is_said(simulator: Simulator) -> None:
    given = plan([[-10]], [[100]], volatility=[[NAN]], traded=[[100_000]])
    account = simulator.simulate(given, TotalCost(impact=SquareRootImpact(1.0)), 2000.0)
    assert account.impact[0] == 0 and account.events.kind == ("cost_unknown",)


@both
def test_volume_over_several_bars(simulator: Simulator) -> None:
    """100 shares at 30 a session with patience 2: 30, 30, 30, and the last 10 are dropped, which is said."""
    given = plan([[100], [NAN], [NAN], [NAN]], [[1]] * 4, capacity=[[30]] * 4, patience=2)
    account = simulator.simulate(given, FREE, 200.0)
    assert account.fills.quantity.tolist() == [30, 30, 30]
    assert account.fills.decided.tolist() == [0, 0, 0]
    assert account.fills.session.tolist() == [1, 2, 3]
    assert said(account, "capacity") == ["volume for 30 of 100 shares"]
    assert said(account, "order_dropped") == ["10 shares of an order were still to trade"]


@both
def test_a_newer_order_replaces_what_is_left_and_a_split_multiplies_it(simulator: Simulator) -> None:
    given = plan(
        [[100], [NAN], [0]], [[4], [2], [2]], capacity=[[30], [80], [1000]], split=[[1], [2], [1]], patience=5
    )
    account = simulator.simulate(given, FREE, 1000.0)
    assert account.fills.quantity.tolist() == [
        30,
        80,
        -140,
    ]  # 70 left are 140 after the split; 80 of them trade
    assert said(account, "order_dropped") == ["60 shares of an order were still to trade"]


@both
def test_lots_round_toward_zero_but_closing_closes_all(simulator: Simulator) -> None:
    """27 asked for in lots of 10: 20. A split 3 for 2 makes 30, 1.5 for 1 then 45: an odd lot that closes whole."""
    given = plan(
        [[27], [NAN], [NAN], [0]],
        [[6], [4], [2.6666666666666665], [3]],
        split=[[1], [1.5], [1.5], [1]],
        rules=Rules(lot=10.0),
    )
    account = simulator.simulate(given, FREE, 1000.0)
    assert account.fills.quantity.tolist() == [20, -45]


@both
@pytest.mark.parametrize("margin", [{}, {"rules": Rules(lot=1.0)}], ids=["bare", "full"])
def test_an_order_of_what_does_not_trade_is_said(simulator: Simulator, margin: dict[str, object]) -> None:
    """Nothing is lacking of a target of nothing where nothing is held."""
    given = plan([[20, 0], [30, NAN], [0, 7], [NAN, NAN]], [[1, 1]] * 4, **margin)
    given = replace(given, tradable=np.array([[True, False], [False, False], [False, False], [False, False]]))
    account = simulator.simulate(given, FREE, 100.0)
    rows = list(zip(account.events.session.tolist(), account.events.symbol.tolist(), account.events.kind))
    assert rows == [(2, 0, "not_tradable"), (3, 0, "not_tradable"), (3, 1, "not_tradable")]
    assert said(account, "not_tradable")[0] == "no price at the fill: a target, order or cut of 30 not done"


@both
def test_less_than_a_lot_is_said(simulator: Simulator) -> None:
    account = simulator.simulate(plan([[7]], [[1]], rules=Rules(lot=10.0)), FREE, 100.0)
    assert len(account.fills.quantity) == 0
    assert said(account, "below_lot") == ["7 shares asked for, less than a lot of 10"]


@both
def test_less_than_a_lot_more_is_said_too(simulator: Simulator) -> None:
    """20 held: 25 asked for is no lot more; of 20 nothing is lacking."""
    given = plan([[20], [25], [11], [20]], [[1]] * 4, rules=Rules(lot=10.0))
    account = simulator.simulate(given, FREE, 100.0)
    assert account.fills.quantity.tolist() == [20]
    assert said(account, "below_lot") == [
        "5 shares asked for, less than a lot of 10",
        "-9 shares asked for, less than a lot of 10",
    ]


@both
def test_a_short_sale_is_cut_where_nothing_can_be_borrowed(simulator: Simulator) -> None:
    """10 held: of a sale of 25 only those; a second sale finds nothing."""
    given = plan([[10], [-25], [-5]], [[1]] * 3, kind=ORDERS, borrowable=np.array([[True], [False], [False]]))
    account = simulator.simulate(given, FREE, 100.0)
    assert account.fills.quantity.tolist() == [10, -10]
    assert said(account, "not_borrowable") == [
        "-10 of -25 shares sold: no more can be borrowed",
        "0 of -5 shares sold: no more can be borrowed",
    ]


@both
def test_deposits_are_no_return(simulator: Simulator) -> None:
    given = plan([[10], [NAN], [NAN]], [[10], [11], [11]], deposit=[0, 50, -60])
    account = simulator.simulate(given, FREE, 100.0)
    assert account.equity.tolist() == [100, 160, 100]
    assert account.net_return.tolist() == pytest.approx([0, 10 / 150, 0])
    assert account.events.kind == ("overdrawn",)  # 60 taken out of 50 of cash
    assert account.cash.tolist() == [0, 50, -10]


@both
@pytest.mark.parametrize("taken", [110.0, 500.0])
def test_who_takes_out_all_there_is_has_lost_nothing(simulator: Simulator, taken: float) -> None:
    given = plan(
        [[11], [NAN], [20], [0]], [[10], [11], [12], [13]], deposit=[0, 0, -taken, 50], capacity=[[8], [1], [9], [9]],
        patience=3,
    )  # fmt: skip
    account = simulator.simulate(given, FREE, 102.0)
    assert account.equity.tolist() == [102, 110, 0, 0]
    assert account.deposit.tolist() == [0, 0, -110, 0]
    assert account.net_return.tolist() == pytest.approx([0, 110 / 102 - 1, 0, 0])
    assert said(account, "withdrawal_cut") == [
        f"110, all that there was, taken out of {taken:g} asked for; the account ends"
    ]
    assert said(account, "order_dropped") == ["2 shares of an order were still to trade"]
    assert "bankrupt" not in account.events.kind and len(account.fills.quantity) == 2
    assert np.abs(unexplained(given, account, FREE)).max() < 1e-12


@both
def test_bankruptcy_ends_the_run(simulator: Simulator) -> None:
    """Short 10 at 10 with 100; at 21 it is worth -10: it ends there, whatever the price does later, and accrues nothing."""
    given = plan(
        [[-10], [NAN], [0], [5]], [[10], [21], [1], [1]], years=[0.0, 0.0, 1.0, 1.0], deposit=[0, 0, 99, 0]
    )
    account = simulator.simulate(given, TotalCost(interest=Interest(0.1, 0.1)), 100.0)
    assert account.equity.tolist() == [100, -10, -10, -10]
    assert account.cash.tolist() == [200, 200, -10, -10]
    assert account.interest.tolist() == account.deposit.tolist() == [0, 0, 0, 0]
    assert account.net_return.tolist() == pytest.approx([0, -1.1, 0, 0])
    assert account.events.kind == ("bankrupt",) and len(account.fills.quantity) == 1


@both
@pytest.mark.parametrize("cost", [FREE, TotalCost(fee=Fee(per_order=10.0))])
def test_cash_that_does_not_suffice_goes_to_the_smallest_buys_first(simulator: Simulator, cost: Cost) -> None:
    """150 for orders of 50, 60 and 70, 10 an order: 60 + 70 are paid, and of the last 20 remain, 10 of it for shares."""
    account = simulator.simulate(plan([[70, 50, 60]], [[1, 1, 1]]), cost, 150.0)
    last = 40 if cost is FREE else 10
    assert dict(zip(account.fills.symbol.tolist(), account.fills.quantity.tolist())) == pytest.approx(
        {1: 50, 2: 60, 0: last}
    )
    assert account.cash[0] == pytest.approx(0.0, abs=1e-12)
    assert said(account, "partial_fill") == [f"cash for {last} of 70 shares"]
