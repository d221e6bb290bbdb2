"""Functions that did not come from us: honest ones are never accused, ones that look ahead are caught and told apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strangers import HONEST, LEAKS, Given, market, ranks, returns, shifted

import backcast
from backcast.engine.audit.findings import LEAK
from backcast.engine.audit.foreign import Audit

LEVELS = ("quick", "full")


def audited(f: Callable[..., Any], world: Given, level: str, **more: Any) -> Audit:
    tables = {
        name: getattr(world, name)
        for name in ("facts", "membership")
        if name in inspect.signature(f).parameters
    }
    found: Audit = backcast.audit(f, world.prices, level=level, **tables, **more)
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("f", HONEST, ids=lambda f: f.__name__)
def test_the_honest_are_not_accused(f: Callable[..., Any], level: str) -> None:
    for seed, holes in ((1, False), (2, True)):
        found = audited(f, market(seed, holes), level, seed=seed)
        assert found.passed is True, found
        assert all(check.cells for check in found.checks)
        assert not found.findings


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("f", LEAKS, ids=lambda f: f.__name__)
def test_who_looks_ahead_is_caught(f: Callable[..., Any], level: str) -> None:
    through, depth = LEAKS[f]
    world = market(1, holes=True)
    found = audited(f, world, level)
    assert found.passed is False, found
    (one,) = [one for one in found.findings if one.severity == LEAK]
    assert (found.layer_of(one), one.through) == ("targets", through)
    assert depth is None or one.depth == depth
    assert one.remedy
    assert one.symbol in world.prices.columns
    again = audited(f, world, level, at=one.reproduce.split("at='")[1][:10])
    assert again.passed is False


def test_the_whole_sample_is_said_to_be_that() -> None:
    def scaled(prices: pd.DataFrame) -> pd.DataFrame:
        return prices / prices.mean()

    (one,) = audited(scaled, market(), "quick").findings
    assert one.depth == len(market().prices) - 1
    assert "whole sample" in one.remedy


def test_who_is_there_later_is_said_to_be_that() -> None:
    def by_all(prices: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(1 / prices.shape[1], prices.index, prices.columns)

    assert audited(by_all, market(), "full").passed is True
    (one,) = audited(by_all, market(holes=True), "full").findings
    assert one.severity == LEAK
    assert "list, leave" in one.remedy


def test_the_first_layer_alone_is_accused() -> None:
    def layers(prices: pd.DataFrame) -> dict[str, Any]:
        ahead, honest = returns(prices).shift(-1), ranks(prices)
        return {"features": {"rank": honest, "next": ahead}, "forecasts": ahead, "weights": np.sign(ahead)}

    def late(prices: pd.DataFrame) -> dict[str, Any]:
        return {"features": {"rank": ranks(prices)}, "weights": shifted(prices)}

    found = audited(layers, market(), "full")
    (one,) = found.findings
    assert (found.layer_of(one), one.column) == ("features", "next")
    assert {c.layer for c in found.checks if c.changed} == {"features", "forecasts", "targets"}
    found = audited(late, market(), "full")
    (one,) = found.findings
    assert (found.layer_of(one), one.column) == ("targets", "weights")


def test_what_does_not_repeat_itself_is_not_accused() -> None:
    def noise(prices: pd.DataFrame) -> pd.DataFrame:
        return prices * 0 + np.random.default_rng().normal(size=prices.shape)

    found = audited(noise, market(), "full")
    assert found.passed is None
    assert not found.findings
    assert all("not reproducible" in check.inconclusive for check in found.checks)


def test_what_depends_on_how_many_rows_come_is_a_leak() -> None:
    def seeded(prices: pd.DataFrame) -> pd.DataFrame:
        rows, columns = prices.shape
        noise = np.random.default_rng(0).normal(size=(columns, rows)).T
        return pd.DataFrame(noise, prices.index, prices.columns)

    (one,) = audited(seeded, market(), "full").findings
    assert (one.severity, one.through) == (LEAK, "bars")
    assert "how many rows" in one.remedy


def strategy(prices: pd.DataFrame, entries: int, exits: int) -> dict[str, Any]:
    """Long what rose; entries and exits are earned so many bars after their decision. Jumps are capped, trades cost."""
    weights = (prices.pct_change(5, fill_method=None) > 0) * 0.1
    entered, stayed = weights.shift(entries).fillna(0.0), weights.shift(exits).fillna(0.0)
    moved = returns(prices).clip(-0.03, 0.03)
    costs = 1e-4 * weights.diff().abs().sum(axis=1)
    return {"weights": weights, "returns": (np.minimum(entered, stayed) * moved).sum(axis=1) - costs}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("entries", "exits", "leaks"),
    [(0, 0, True), (1, 0, True), (1, 1, False), (2, 2, False), (1, 2, False)],
)
def test_returns_tell_which_weights_earned_them(entries: int, exits: int, leaks: bool, level: str) -> None:
    found = audited(lambda prices: strategy(prices, entries, exits), market(2, holes=True), level)
    said = [found.layer_of(one) for one in found.findings if one.severity == LEAK]
    few = level == "quick" and (entries, exits) == (
        1,
        0,
    )  # exits alone, in a third of 320 rows: quick may miss them
    assert said in ([], ["execution"]) if few else said == ["execution"] * leaks, found


def test_weights_that_were_shifted_already_may_earn_their_own_row() -> None:
    def shifted_already(prices: pd.DataFrame) -> dict[str, Any]:
        weights = ((prices.pct_change(5, fill_method=None) > 0) * 0.1).shift(1).fillna(0.0)
        return {"weights": weights, "returns": (weights * returns(prices)).sum(axis=1)}

    assert audited(shifted_already, market(), "full").passed is True


def test_a_function_that_fails_on_other_futures_is_inconclusive() -> None:
    first = market().prices

    def brittle(prices: pd.DataFrame) -> pd.DataFrame:
        if not prices.equals(first):
            raise RuntimeError("these are not my prices")
        return ranks(prices)

    found = audited(brittle, market(), "full")
    assert found.passed is None
    assert all("RuntimeError: these are not my prices" in check.inconclusive for check in found.checks)


def test_a_milder_future_is_tried() -> None:
    def whole(prices: pd.DataFrame) -> pd.DataFrame:
        if len(prices) < 300 or prices.isna().any().any():
            raise RuntimeError("rows are missing")
        return shifted(prices)

    (one,) = audited(whole, market(), "full").findings
    assert (one.severity, one.depth) == (LEAK, 1)


def test_noise_of_floats_accuses_nobody() -> None:
    def by_length(prices: pd.DataFrame) -> pd.DataFrame:
        return ranks(prices) * (1.0 + 1e-13 * len(prices))

    found = audited(by_length, market(), "full")
    assert found.passed is True
    assert not found.findings


def test_rows_that_decide_before_their_bar() -> None:
    assert audited(ranks, market(), "quick", decides="after").passed is True
    (one,) = audited(ranks, market(), "quick", decides="before").findings
    assert one.severity == LEAK
    for level in LEVELS:
        assert (
            audited(lambda prices: ranks(prices).shift(1), market(), level, decides="before").passed is True
        )


@settings(max_examples=10, deadline=None)
@given(
    window=st.integers(1, 40),
    lead=st.integers(-5, 5),
    every=st.sampled_from([1, 5, 21]),
    level=st.sampled_from(LEVELS),
    seed=st.integers(0, 1000),
)
def test_a_window_is_accused_if_and_only_if_it_reaches_ahead(
    window: int, lead: int, every: int, level: str, seed: int
) -> None:
    prices = market(seed).prices

    def f(prices: pd.DataFrame) -> pd.DataFrame:
        made = prices.rolling(window).mean().shift(-lead) / prices
        return made.iloc[::every].reindex(prices.index, method="ffill")

    found: Audit = backcast.audit(f, prices, level=level, seed=seed)
    assert found.passed is (lead <= 0)
    if lead > 0:
        assert found.findings[0].depth == lead


def test_costs_are_planned_within_their_budgets() -> None:
    runs: list[int] = []

    def counted(prices: pd.DataFrame) -> pd.DataFrame:
        runs.append(len(prices))
        return ranks(prices)

    for level, budget in (("quick", 0.9), ("full", 9.0)):
        runs.clear()
        found = audited(counted, market(), level)
        rows = len(market().prices)
        assert sum(runs[1:]) / rows <= budget
        assert sum(runs[1:]) / rows == pytest.approx(found.cost, abs=0.02)
        assert sum(runs[1:]) / rows > 0.6 * budget


@pytest.mark.parametrize("depth", [1, 5])
def test_the_chance_that_is_stated_is_that_of_catching_one_cell(depth: int) -> None:
    """Each trial plants one cell that reads the bar `depth` bars later; as many are caught as audits say (3.5 sigma)."""
    prices, rng = market(3).prices, np.random.default_rng(depth)
    caught, stated = 0, []
    for _ in range(60):
        row, column = int(rng.integers(21, len(prices) - depth)), int(rng.integers(len(prices.columns)))

        def planted(prices: pd.DataFrame, row: int = row, column: int = column) -> pd.DataFrame:
            made = ranks(prices)
            if row + depth < len(prices):
                made.iloc[row, column] += 1e-5 * prices.iloc[row + depth, column] / prices.iloc[row, column]
            return made

        found = audited(planted, market(3), "full")
        caught += found.passed is False
        stated.append(found.chance[str(depth)])
    share = float(np.mean(stated))
    assert 0 < share < 0.5
    assert abs(caught / 60 - share) < 3.5 * np.sqrt(share * (1 - share) / 60)


def test_single_bars_that_change_test_many_rows_at_once() -> None:
    """Where a function forgets, more rows are tested than replays are made; its memory is measured right."""
    prices = market(3).prices
    honest = audited(ranks, market(3), "full")
    assert honest.passed is True
    assert honest.chance["1"] > 2 * 12 / len(prices)  # a dozen cuts alone see a dozen rows
    assert [c for c in honest.checks if c.name == "pulse replay" and "memory of 21 bars" in c.detail]
