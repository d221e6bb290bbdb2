"""The laws of accounts with everything that a plan can carry: splits, dividends, exits, volume, lots, margin, deposits, all
costs."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import COSTS, FEATURES, rich_plan

from backcast.data.types import Floats
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
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import SHARES, Account, Dividends, Plan

CAPITAL = 1e6
NATIVE = NativeSimulator()
PER_SYMBOL = (
    "weights", "fill_price", "tradable", "mark_price", "exits", "forced", "split", "capacity", "volatility", "traded",
    "half_spread", "borrowable", "borrow_rate",
)  # fmt: skip
PER_SESSION = ("decided", "deposit", "years")
UNLOTTED = tuple(name for name in FEATURES if name != "lot")
SCALABLE = ("exits", "forced", "split", "dividends", "borrowable", "deposit", "max_leverage", "maintenance")

seeds, margins = st.integers(0, 10_000), st.booleans()
costs = st.sampled_from(sorted(COSTS)).map(COSTS.__getitem__)
PROPORTIONAL = TotalCost(
    fee=Fee(bps=4.0), spread=HalfSpread(bps=2.0, volatility=0.1, from_data=True),
    borrow=BorrowFee(0.05, from_data=True), interest=Interest(0.03, 0.08),
)  # fmt: skip


def paid(plan: Plan, t: int, held: dict[int, Floats], due: dict[int, float]) -> float:
    """Dividends paid at a session's open; puts those past ex into `due`."""
    facts, total = plan.dividends or Dividends.none(), 0.0
    for i in range(len(facts.ex)):
        if facts.ex[i] == t:
            due[i] = (held[t - 1][facts.symbol[i]] if t else 0.0) * facts.amount[i]
        if facts.pay[i] == t:
            total += due.pop(i)
    return total


@given(seed=seeds, margin=margins, cost=costs)
@settings(max_examples=60, deadline=None)
def test_every_cent_is_explained(seed: int, margin: bool, cost: Cost) -> None:
    """Cash from the fill log, what time brought and the plan alone; cash + owed + positions = equity at every session."""
    plan = rich_plan(seed, UNLOTTED, margin=margin)
    account = NATIVE.simulate(plan, cost, CAPITAL)
    held: dict[int, Floats] = {-1: np.zeros(len(plan.symbols))}
    cash, due, log = CAPITAL, dict[int, float](), account.fills
    for t in range(len(account.equity)):
        if account.equity[t] == 0 and -account.deposit[t] == ([CAPITAL, *account.equity][t]):
            assert "withdrawal_cut" in account.events.kind and not account.equity[t:].any()
            break
        cash += account.interest[t] - account.borrow[t] + paid(plan, t, held, due) + account.deposit[t]
        shares = held[t - 1] * (1.0 if plan.split is None else plan.split[t])
        out = np.nan_to_num(plan.exits[t]) * shares if plan.exits is not None else np.zeros(len(shares))
        shares = np.where(np.isfinite(plan.exits[t]), 0.0, shares) if plan.exits is not None else shares
        now = log.session == t + plan.offset
        cash += out.sum() - (log.quantity * log.price + log.fee + log.spread + log.impact)[now].sum()
        held[t] = shares + np.bincount(log.symbol[now], log.quantity[now], minlength=len(shares))
        assert abs(account.cash[t] - cash) < 1e-8 * CAPITAL
        assert abs(account.owed[t] - sum(due.values())) < 1e-8 * CAPITAL
        assert (
            abs(account.equity[t] - (cash + sum(due.values()) + held[t] @ plan.mark_price[t]))
            < 1e-8 * CAPITAL
        )
        if account.equity[t] <= 0:
            assert (account.equity[t:] == account.equity[t]).all()
            break
    assert (account.dividend.sum() == 0) or plan.dividends is not None


@given(seed=seeds, margin=margins, cost=costs, order=st.permutations(range(6)))
@settings(max_examples=40, deadline=None)
def test_the_order_of_symbols_is_irrelevant(seed: int, margin: bool, cost: Cost, order: list[int]) -> None:
    plan = rich_plan(seed, UNLOTTED, margin=margin)
    turned = {name: np.ascontiguousarray(getattr(plan, name)[:, order]) for name in PER_SYMBOL}
    facts = plan.dividends or Dividends.none()
    moved = replace(facts, symbol=np.argsort(order)[facts.symbol])
    first = NATIVE.simulate(plan, cost, CAPITAL)
    second = NATIVE.simulate(replace(plan, **turned, dividends=moved), cost, CAPITAL)
    np.testing.assert_allclose(first.equity, second.equity, rtol=1e-8, atol=1e-6)
    assert sorted(first.events.kind) == sorted(second.events.kind)


@given(seed=seeds, margin=margins, scale=st.sampled_from([1e-2, 0.5, 64.0]))
@settings(max_examples=40, deadline=None)
def test_returns_do_not_depend_on_the_capital_where_costs_are_linear(
    seed: int, margin: bool, scale: float
) -> None:
    plan = rich_plan(seed, SCALABLE, margin=margin)
    scaled = replace(plan, deposit=scale * np.asarray(plan.deposit))
    first, second = (
        NATIVE.simulate(plan, PROPORTIONAL, CAPITAL),
        NATIVE.simulate(scaled, PROPORTIONAL, scale * CAPITAL),
    )
    for name in ("net_return", "gross_return", "turnover"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-7, atol=1e-9)
    for name in ("equity", "fee", "spread", "borrow", "interest", "dividend", "owed"):
        np.testing.assert_allclose(
            getattr(second, name), scale * getattr(first, name), rtol=1e-7, atol=1e-5 * scale
        )


@given(seed=seeds, margin=margins, at=st.integers(1, 39), ratio=st.sampled_from([0.1, 0.5, 3.0, 7.0]))
@settings(max_examples=40, deadline=None)
def test_splitting_a_share_changes_nothing(seed: int, margin: bool, at: int, ratio: float) -> None:
    """From session `at` on symbol 0 is in shares `ratio` times as many and as cheap."""
    plan = rich_plan(
        seed,
        ("exits", "forced", "dividends", "capacity", "patience", "borrowable", "max_leverage"),
        margin=margin,
    )
    prices = {name: getattr(plan, name).copy() for name in ("fill_price", "mark_price", "exits", "capacity")}
    for name, array in prices.items():
        array[at:, 0] *= ratio if name == "capacity" else 1 / ratio
    facts = plan.dividends or Dividends.none()
    later = (facts.ex > at) & (facts.symbol == 0)
    split = np.ones(plan.weights.shape)
    split[at, 0] = ratio
    other = replace(
        plan,
        **prices,
        split=split,
        dividends=replace(facts, amount=np.where(later, facts.amount / ratio, facts.amount)),
    )
    first, second = (
        NATIVE.simulate(plan, PROPORTIONAL, CAPITAL),
        NATIVE.simulate(other, PROPORTIONAL, CAPITAL),
    )
    np.testing.assert_allclose(second.equity, first.equity, rtol=1e-9)
    np.testing.assert_allclose(second.cash, first.cash, rtol=1e-7, atol=1e-4)


@given(seed=seeds, margin=margins, name=st.sampled_from(["free", "linear", "square root"]))
@settings(max_examples=20, deadline=None)
def test_targets_of_zero_lose_nothing(seed: int, margin: bool, name: str) -> None:
    plan = rich_plan(seed, tuple(f for f in FEATURES if f != "deposit"), margin=margin)
    idle = replace(plan, weights=np.where(np.isnan(plan.weights), np.nan, 0.0))
    account = NATIVE.simulate(idle, COSTS[name], CAPITAL)
    assert (account.equity == CAPITAL).all() and len(account.fills.session) == 0 and len(account.events) == 0


@given(seed=seeds, margin=margins, cost=costs)
@settings(max_examples=30, deadline=None)
def test_costs_never_add_money(seed: int, margin: bool, cost: Cost) -> None:
    account = NATIVE.simulate(rich_plan(seed, margin=margin), cost, CAPITAL)
    for name in ("fee", "spread", "impact"):
        assert (getattr(account.fills, name) >= 0).all()
    assert all((getattr(account, name) >= 0).all() for name in ("fee", "spread", "impact", "borrow"))
    assert (account.gross_return >= account.net_return).all()


@given(seed=seeds, margin=margins, cost=costs, at=st.integers(0, 38))
@settings(max_examples=40, deadline=None)
def test_nothing_after_a_session_matters_to_it(seed: int, margin: bool, cost: Cost, at: int) -> None:
    """The plan that ends after session `at` gives the same account up to there, bit for bit, and the same fills."""
    plan = rich_plan(seed, margin=margin)
    cut = {name: getattr(plan, name)[: at + 1] for name in (*PER_SYMBOL, *PER_SESSION)}
    facts = plan.dividends or Dividends.none()
    known = facts.ex <= at
    shorter = Dividends(*(getattr(facts, f.name)[known] for f in fields(facts)))
    whole, part = (
        NATIVE.simulate(plan, cost, CAPITAL),
        NATIVE.simulate(replace(plan, **cut, dividends=shorter), cost, CAPITAL),
    )
    for name in ("equity", "cash", "owed", "fee", "spread", "impact", "borrow", "dividend", "interest"):
        assert getattr(whole, name)[: at + 1].tolist() == getattr(part, name).tolist()
    early = whole.fills.session <= at + plan.offset
    assert whole.fills.quantity[early].tolist() == part.fills.quantity.tolist()


@given(seed=seeds, margin=margins, cost=costs, at=st.integers(0, 39), factor=st.sampled_from([0.9, 1.1]))
@settings(max_examples=30, deadline=None)
def test_the_close_after_a_fill_does_not_matter_to_it(
    seed: int, margin: bool, cost: Cost, at: int, factor: float
) -> None:
    plan = rich_plan(seed, margin=margin)
    mark = plan.mark_price.copy()
    mark[at] *= factor
    first, second = (
        NATIVE.simulate(plan, cost, CAPITAL),
        NATIVE.simulate(replace(plan, mark_price=mark), cost, CAPITAL),
    )
    until = [account.fills.session <= at + plan.offset for account in (first, second)]
    assert first.fills.quantity[until[0]].tolist() == second.fills.quantity[until[1]].tolist()
    assert first.cash[: at + 1].tolist() == second.cash[: at + 1].tolist()


@given(seed=seeds, margin=margins, cost=costs)
@settings(max_examples=30, deadline=None)
def test_a_fill_never_precedes_its_decision(seed: int, margin: bool, cost: Cost) -> None:
    fills = NATIVE.simulate(rich_plan(seed, margin=margin), cost, CAPITAL).fills
    assert (fills.decided < fills.session).all()
    assert (np.diff(fills.session) >= 0).all()


def in_shares(seed: int, features: tuple[str, ...]) -> Plan:
    """A plan of target shares, small enough that nothing goes bankrupt."""
    plan = rich_plan(seed, features, margin=True, kind=SHARES)
    return replace(plan, weights=0.2 * plan.weights)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_mirrored_book_earns_the_mirrored_money(seed: int) -> None:
    """Without costs or limits, shares of every sign turned: what one gains the other loses, dividends and exits included."""
    plan = in_shares(seed, ("exits", "split", "dividends", "capacity", "patience", "lot"))
    sides: list[Account] = [
        NATIVE.simulate(replace(plan, weights=side * plan.weights), LinearCost(0.0, 0.0), CAPITAL)
        for side in (1.0, -1.0)
    ]
    np.testing.assert_allclose(sides[0].equity + sides[1].equity, 2 * CAPITAL, rtol=1e-9)
    np.testing.assert_allclose(sides[0].owed, -sides[1].owed, atol=1e-6)


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_doubling_costs_never_helps(seed: int) -> None:
    """Where quantities do not depend on what is left: targets in shares, with margin and no limit of leverage, and no
    interest on what was saved. (Of target weights it is no law: who has less buys less of what then falls.)"""
    plan = in_shares(
        seed, ("exits", "forced", "split", "dividends", "capacity", "patience", "borrowable", "lot")
    )

    def charged(times: float) -> Account:
        cost = TotalCost(
            fee=Fee(bps=3 * times, per_share=0.01 * times, minimum=times),
            spread=HalfSpread(bps=2 * times, volatility=0.05 * times),
            impact=SquareRootImpact(times), borrow=BorrowFee(0.03 * times),
        )  # fmt: skip
        return NATIVE.simulate(plan, cost, CAPITAL)

    once, twice = charged(1.0), charged(2.0)
    assert once.equity.min() > 0, "nobody is bankrupt"
    assert (twice.equity <= once.equity + 1e-6).all()
    assert twice.equity[-1] < once.equity[-1] or len(once.fills.session) == 0
